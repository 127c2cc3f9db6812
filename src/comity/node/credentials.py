"""Credentials of correspondents: made, found by what is shown, revoked.

Rules: a secret is made here, of 256 random bits (166 where a protocol has room for no more), shown once and kept as
its SHA-256 alone: nobody chooses one, so no request has a password to hash. A credential is of one correspondent and
one channel, holds until one day, and while the correspondent takes part and may use that channel. Making and revoking
are on record; uses are known to the hour and by network, of which the last CREDENTIAL_NETWORKS_KEPT are remembered.
Whoever shows what is unknown, expired or revoked learns only that it does not hold.
"""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
import re
from functools import lru_cache
from typing import Final, NamedTuple

import msgspec
from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from comity.canon import Instant
from comity.errors import Conflict, Malformed, Misuse, NotFound, Unverified
from comity.limits import CREDENTIAL_DAYS_MAX, CREDENTIAL_NETWORKS_KEPT, CREDENTIALS_MAX
from comity.node import books, correspondents
from comity.node.actor import Actor
from comity.node.correspondents import Correspondent
from comity.node.node import Node
from comity.node.ports import Unit
from comity.vocab import Channel

CREDENTIALS: Final = "credential"  # shelf: id -> `Credential`
CERTIFICATES: Final = "credential-certificate"  # shelf: SHA-256 of a public key, in hexadecimal -> id
OWNERS: Final = "credential-of"  # shelf: `<audience> <id>` -> nothing
KIND: Final = "home.credential"
BEARER: Final = "bearer"
BASIC: Final = "basic"
CERTIFICATE: Final = "certificate"
KEY: Final = "key"  # 40 letters and digits, as every MISP takes one: 12 name the credential, 28 are its secret
ID_BYTES: Final = 6
SECRET_BYTES: Final = 32
HOUR: Final = 3_600  # seconds: uses are known as coarsely, and written as rarely
DAY: Final = 86_400
KEPT_SECONDS: Final = 90 * DAY  # one that holds no more is listed so long
SECRET_CHARS_MAX: Final = 128  # of what is shown: ours have 81
_BEARER: Final = re.compile(r"cmc_([0-9a-f]{12})_[0-9a-f]{64}")
_KEY: Final = re.compile(r"([0-9a-f]{12})[0-9A-Za-z]{28}")
_KEY_CHARS: Final = 28  # 62 ** 28 is over 2 ** 166
_ALPHABET: Final = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_USER: Final = re.compile(r"[a-z0-9-]{1,64}\.([0-9a-f]{12})")
_SPKI: Final = re.compile(r"[0-9a-f]{64}")
_PREFIX: Final = {4: 24, 6: 48}  # bits of an address that say its network


class Network(msgspec.Struct, frozen=True, forbid_unknown_fields=True, array_like=True):
    """A network that a credential was used from, and the first and the last hour."""

    network: str  # `192.0.2.0/24`, `2001:db8:1::/48`
    first: Instant
    last: Instant


class Credential(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """What is kept of a credential."""

    id: str
    audience: str  # of the correspondent
    channel: Channel
    form: str  # bearer, basic, certificate or key
    digest: str  # SHA-256 in hexadecimal: of the token or key, of the secret, or of the public key's SPKI
    created: Instant
    expires: Instant
    by: str
    used: Instant = 0  # to the hour; 0: never
    revoked: Instant = 0  # 0: not
    networks: tuple[Network, ...] = ()  # the last used comes last

    def holds(self, at: Instant) -> bool:
        """Say whether it may be used."""
        return not self.revoked and at < self.expires

    @property
    def user(self) -> str:
        """Return the user name of a basic log-in."""
        return f"{self.audience.rpartition('~')[2]}.{self.id}"

    @property
    def roams(self) -> bool:
        """Say whether it was used from more than one network within a day of each other: people should look."""
        last = [(one.first, one.last) for one in self.networks]
        return any(a[0] <= b[1] + DAY and b[0] <= a[1] + DAY for n, a in enumerate(last) for b in last[n + 1 :])


class Login(NamedTuple):
    """Who came: the correspondent, and by which credential."""

    correspondent: Correspondent
    credential: Credential


class Made(NamedTuple):
    """A new credential; `secret` is shown this once (empty for a certificate)."""

    credential: Credential
    secret: str


def create(node: Node, actor: Actor, name: str, channel: Channel, form: str, *, days: int = 90, spki: str = "") -> Made:
    """Make a credential for a correspondent of the actor's office.

    `form` may be empty for the one that the channel's programs take (`form_of`). `spki` is the SHA-256 of a client
    certificate's SubjectPublicKeyInfo, in hexadecimal. Raises `NotFound`, `Misuse`
    for what cannot be, `Conflict` where there are too many or the key is another's.
    """
    form = form or form_of(channel)
    if form not in {BEARER, BASIC, CERTIFICATE, KEY}:
        raise Misuse(f"{form!r} is not a form of credential", hint=f"{BEARER}, {BASIC}, {CERTIFICATE}, {KEY}")
    if (form == KEY) != (channel is Channel.MISP):
        raise Misuse(
            "a key, and nothing else, is what a MISP or PyMISP logs in with", hint=f"--form {form_of(channel)}"
        )
    if not 1 <= days <= CREDENTIAL_DAYS_MAX:
        raise Misuse(f"a credential holds from 1 to {CREDENTIAL_DAYS_MAX} days (CREDENTIAL_DAYS_MAX)")
    spki = spki.lower().replace(":", "")
    if (form == CERTIFICATE) != bool(spki) or (spki and not _SPKI.fullmatch(spki)):
        raise Misuse("a certificate, and nothing else, goes by the SHA-256 of its public key: 64 hexadecimal digits")
    now = node.now()
    with node.writing() as unit:
        one = correspondents.get(unit, actor, name)
        if one.by(channel) is None:
            hint = f"`comity party correspondent allow {one.name} {channel.value}` first"
            raise Misuse(f"{one.audience} may not use {channel.value}", hint=hint)
        _forget(unit, one.audience, now)
        if sum(known.holds(now) for known in _of(unit, one.audience)) >= CREDENTIALS_MAX:
            raise Conflict(f"{one.audience} has {CREDENTIALS_MAX} credentials that hold (CREDENTIALS_MAX)")
        ident = node.entropy(ID_BYTES).hex()
        secret = "" if spki else node.entropy(SECRET_BYTES).hex()
        if form == BEARER:
            secret = f"cmc_{ident}_{secret}"
        elif form == KEY:
            secret = ident + _letters(int(secret, 16))
        made = Credential(
            ident, one.audience, channel, form, spki or _digest(secret), now, now + days * DAY, actor.user
        )
        if spki:
            _take_key(unit, spki, ident, now)
        _keep(unit, made)
        unit.documents.put(OWNERS, f"{one.audience} {ident}", b"")
        body = {"id": ident, "correspondent": one.audience, "channel": channel.value, "form": form}
        books.record(node, unit, actor.office_id, KIND, body | {"expires": made.expires, "by": actor.user})
    return Made(made, secret)


def form_of(channel: Channel) -> str:
    """Return the form that the programs of a channel take."""
    return KEY if channel is Channel.MISP else BEARER


def _letters(number: int) -> str:
    """Return the letters and digits of a random number of 256 bits; that it is no power of 62 shows in none of them."""
    found = ""
    for _ in range(_KEY_CHARS):
        number, rest = divmod(number, len(_ALPHABET))
        found += _ALPHABET[rest]
    return found


def _take_key(unit: Unit, spki: str, ident: str, now: Instant) -> None:
    other = unit.documents.get(CERTIFICATES, spki)
    known = _load(unit, other.decode()) if other else None
    if known is not None and known.holds(now):
        raise Conflict("a credential by this key holds already", hint="a key names one correspondent: revoke it first")
    unit.documents.put(CERTIFICATES, spki, ident.encode())


def credentials(unit: Unit, actor: Actor, name: str) -> list[Credential]:
    """Return a correspondent's credentials, oldest first. Raises `NotFound`."""
    return _of(unit, correspondents.get(unit, actor, name).audience)


def revoke(node: Node, actor: Actor, name: str, ident: str) -> Credential:
    """End a credential of a correspondent of the actor's office from now on. Raises `NotFound`."""
    now = node.now()
    with node.writing() as unit:
        one = next((each for each in credentials(unit, actor, name) if each.id == ident and each.holds(now)), None)
        if one is None:
            raise NotFound(f"{name} has no credential {ident!r} that holds")
        ended = msgspec.structs.replace(one, revoked=now)
        _keep(unit, ended)
        body = {"id": ident, "correspondent": one.audience, "revoked": now, "by": actor.user}
        books.record(node, unit, actor.office_id, KIND, body)
        return ended


# -- logging in ---------------------------------------------------------------------


def by_bearer(node: Node, channel: Channel, token: str, address: str = "") -> Login:
    """Return who shows a bearer token (RFC 6750) on a channel. Raises `Unverified`, always in the same words."""
    found = _BEARER.fullmatch(token)
    return _verify(node, channel, BEARER, found[1] if found else "", token, address)


def by_basic(node: Node, channel: Channel, user: str, secret: str, address: str = "") -> Login:
    """Return who shows a user name and its secret (RFC 7617) on a channel. Raises `Unverified`."""
    found = _USER.fullmatch(user)
    return _verify(node, channel, BASIC, found[1] if found else "", secret, address, user)


def by_key(node: Node, channel: Channel, key: str, address: str = "") -> Login:
    """Return who shows a key of 40 letters and digits on a channel, as MISP has them. Raises `Unverified`."""
    found = _KEY.fullmatch(key)
    return _verify(node, channel, KEY, found[1] if found else "", key, address)


def by_certificate(node: Node, channel: Channel, spki: str, address: str = "") -> Login:
    """Return whose client certificate has a public key of this SHA-256, in hexadecimal. Raises `Unverified`.

    That the client has the private key was proven by TLS, or by the proxy that says so.
    """
    spki = spki if _SPKI.fullmatch(spki) else ""
    with node.store.read() as unit:
        ident = unit.documents.get(CERTIFICATES, spki) if spki else None
    return _verify(node, channel, CERTIFICATE, ident.decode() if ident else "", spki, address)


def _verify(node: Node, channel: Channel, form: str, ident: str, shown: str, address: str, user: str = "") -> Login:
    now = node.now()
    with node.store.read() as unit:
        known = _load(unit, ident) if ident else None
        one = correspondents.by_audience(unit, known.audience) if known else None
    digest = shown if form == CERTIFICATE else _digest(shown)
    # Compared also where there is nothing to compare with, so that time tells nobody which ids exist.
    same = hmac.compare_digest(known.digest if known else _digest(""), digest)
    right = known is not None and same and known.form == form and known.channel is channel and known.holds(now)
    right = right and (not user or (known is not None and known.user == user))
    if known is None or one is None or not right or not one.active(now) or one.by(channel) is None:
        raise Unverified("no credential that holds was shown", hint="ask the office that gave it to you")
    return Login(one, _used(node, known, address, now))


def _used(node: Node, known: Credential, address: str, now: Instant) -> Credential:
    """Note a use, at most once an hour or where the network is another; a new network is on record."""
    hour = now - now % HOUR
    network = network_of(address)
    before = next((one for one in known.networks if one.network == network), None)
    if known.used >= hour and (not network or (before is not None and before.last >= hour)):
        return known
    networks = known.networks
    if network:
        others = [one for one in networks if one.network != network]
        this = Network(network, before.first if before else hour, hour)
        networks = (*others, this)[-CREDENTIAL_NETWORKS_KEPT:]
    used = msgspec.structs.replace(known, used=max(known.used, hour), networks=networks)
    # On record is that it is used from elsewhere, once an hour: a stolen one could else fill the log.
    news = bool(network and before is None and known.networks and max(n.first for n in known.networks) < hour)
    with node.writing(sign=False) as unit:
        _keep(unit, used)
        if news:
            actor = correspondents.by_audience(unit, known.audience)
            body = {"id": known.id, "correspondent": known.audience, "network": network, "networks": len(networks)}
            if actor is not None:
                books.record(node, unit, actor.actor().office_id, KIND, body)
    return used


@lru_cache(4_096)
def network_of(address: str) -> str:
    """Return the /24 or /48 that an address is in; nothing for what is no address."""
    try:
        known = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return ""
    if isinstance(known, ipaddress.IPv6Address) and known.ipv4_mapped is not None:
        known = known.ipv4_mapped
    return str(ipaddress.ip_network((known, _PREFIX[known.version]), strict=False))


def spki_digest(der: bytes) -> str:
    """Return the SHA-256 of the public key in a DER certificate, as `by_certificate` takes it. Raises `Malformed`."""
    try:
        key = x509.load_der_x509_certificate(der).public_key()
        spki = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    except (ValueError, UnsupportedAlgorithm) as error:
        raise Malformed("not an X.509 certificate with a key that is known here") from error
    return hashlib.sha256(spki).hexdigest()


def troubles(node: Node, unit: Unit) -> list[tuple[str, str]]:
    """Return what people should look at, and what to do: a name and an advice, without what only an office may see."""
    now = node.now()
    found = [msgspec.json.decode(data, type=Credential) for _, data in unit.documents.all(CREDENTIALS)]
    roaming = [one for one in found if one.roams and one.holds(now) and one.used + DAY > now]
    advice = "`comity party correspondent login list` shows from where; `login revoke` ends it"
    return [(f"credential {one.id} was used from several networks within a day", advice) for one in roaming]


# -- keeping ------------------------------------------------------------------------


def _keep(unit: Unit, one: Credential) -> None:
    unit.documents.put(CREDENTIALS, one.id, msgspec.json.encode(one))


def _load(unit: Unit, ident: str) -> Credential | None:
    data = unit.documents.get(CREDENTIALS, ident)
    return None if data is None else msgspec.json.decode(data, type=Credential)


def _of(unit: Unit, audience: str) -> list[Credential]:
    keys = [key.rpartition(" ")[2] for key, _ in unit.documents.all(OWNERS, f"{audience} ")]
    found = [one for ident in keys if (one := _load(unit, ident)) is not None]
    return sorted(found, key=lambda one: (one.created, one.id))


def _forget(unit: Unit, audience: str, now: Instant) -> None:
    for one in _of(unit, audience):
        if (one.revoked or one.expires) + KEPT_SECONDS < now:
            unit.documents.delete(CREDENTIALS, one.id)
            unit.documents.delete(OWNERS, f"{audience} {one.id}")
            if one.form == CERTIFICATE and unit.documents.get(CERTIFICATES, one.digest) == one.id.encode():
                unit.documents.delete(CERTIFICATES, one.digest)


def _digest(text: str) -> str:
    return hashlib.sha256(text[:SECRET_CHARS_MAX].encode("utf-8", "surrogatepass")).hexdigest()
