"""Parties, their offices and keys, and the party card that introduces them.

Rules: a card is signed by the party's root key and numbered; a newer card follows an older one
only if the same root signed it, or the root whose digest the older card committed to. Anything
else is a stranger using a known name, and is refused, never silently taken.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from typing import Final, NamedTuple

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from comity import canon, dsse
from comity.canon import Digest, Instant, OfficeId, PartyId
from comity.errors import Malformed, Refused, Unverified
from comity.limits import CARD_BYTES_MAX, OFFICES_MAX
from comity.vocab import OfficeKind

CARD_MEDIA_TYPE: Final = "application/vnd.comity.card+json"

_DIGEST: Final = re.compile(r"sha256:[0-9a-f]{64}\Z")


class OfficeRef(NamedTuple):
    """An office of a party: the audience and the unit of need-to-know."""

    party: PartyId
    office: OfficeId

    def __str__(self) -> str:
        """Return `<party>/<office>`."""
        return f"{self.party}/{self.office}"


class Office(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """An office as its party's card describes it."""

    id: OfficeId
    name: str
    kind: OfficeKind
    languages: tuple[str, ...] = ()
    contact: str = ""
    hours: str = ""
    encryption: str = ""  # base64 X25519 public key: for what is sealed to this office


class Keys(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A party's public keys, base64 of 32 bytes each; `next_root` is the digest of the root to come."""

    root: str
    next_root: Digest
    log: str
    witness: str
    request: str


class Tls(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """How the party's node proves its address: by a public authority, or by the pinned certificate given here."""

    pin: str = ""  # "sha256/<base64>" of the certificate's public key; empty: public authorities
    certificate: str = ""  # PEM of the pinned self-signed certificate


class Card(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a party says of itself. Unknown fields of later versions are kept in the bytes, not read."""

    v: int
    party: PartyId
    serial: int
    issued: Instant
    name: str
    jurisdiction: str  # ISO 3166-1 alpha-2, or a regional organisation's short name
    languages: tuple[str, ...]
    time_zone: str
    offices: tuple[Office, ...]
    keys: Keys
    address: str = ""  # base URL of the node; empty: it only pulls
    tls: Tls = Tls()
    witness_name: str = ""  # defaults to <party>/w

    def office(self, office: str) -> Office:
        """Return the office of that id. Raises `Malformed` if the card has none."""
        for candidate in self.offices:
            if candidate.id == office:
                return candidate
        raise Malformed(f"{self.party} has no office {office!r}")

    @property
    def offices_refs(self) -> tuple[OfficeRef, ...]:
        """Return every office with its party."""
        return tuple(OfficeRef(self.party, office.id) for office in self.offices)


@dataclass(frozen=True, slots=True)
class SignedCard:
    """A card, the bytes that were signed, and who signed them."""

    card: Card
    envelope: dsse.Envelope

    @property
    def digest(self) -> Digest:
        """Return the digest of the signed bytes: what a rotation act names."""
        return canon.digest(self.envelope.payload)

    @property
    def root(self) -> bytes:
        """Return the root public key, 32 bytes."""
        return canon.unb64(self.card.keys.root, what="a root key", length=32)


def public(key: str, *, what: str = "a public key") -> bytes:
    """Return the 32 bytes of a key as a card writes it. Raises `Malformed`."""
    return canon.unb64(key, what=what, length=32)


def root_digest(root: bytes) -> Digest:
    """Return the digest by which a card commits to its next root key."""
    return canon.digest(b"comity/root/v1\0" + root)


def fingerprint(party: PartyId, root: bytes) -> bytes:
    """Return the 16 bytes that people compare by voice: they bind the party's name to its root key."""
    return hashlib.sha256(b"comity/fingerprint/v1\0" + party.encode() + b"\0" + root).digest()[:16]


def sign_card(card: Card, *roots: Ed25519PrivateKey) -> SignedCard:
    """Return the card signed by the given root keys (two of them when the root changes)."""
    return SignedCard(card, dsse.sign(CARD_MEDIA_TYPE, canon.encode(card), *roots))


def parse_card(data: bytes) -> SignedCard:
    """Read a signed card and check it against itself: its own root signed it, its fields hold.

    Raises `Malformed`, `TooLarge` or `Unverified`. Whether the party is who it says is for people to compare.
    """
    envelope = dsse.parse(data, media_type=CARD_MEDIA_TYPE, bytes_max=CARD_BYTES_MAX)
    card = canon.decode(envelope.payload, Card, what="a party card")
    _check_fields(card)
    signed = SignedCard(card, envelope)
    dsse.verify(envelope, signed.root, who=f"the root key of {card.party}")
    return signed


def _check_fields(card: Card) -> None:
    if card.v != 1:
        raise Malformed(f"party card of version {card.v}; this node reads version 1", hint="upgrade this node")
    canon.party_id(card.party)
    if card.serial < 1 or card.issued < 0:
        raise Malformed("a card's serial starts at 1 and its time is not negative")
    if not 1 <= len(card.offices) <= OFFICES_MAX:
        raise Malformed(f"{len(card.offices)} offices, where 1 to {OFFICES_MAX} are allowed")
    if len({office.id for office in card.offices}) != len(card.offices):
        raise Malformed("two offices share one id")
    for office in card.offices:
        canon.slug(office.id, what="an office")
    keys = [card.keys.root, card.keys.log, card.keys.witness, card.keys.request]
    roles = [public(key) for key in (*keys, *(office.encryption for office in card.offices if office.encryption))]
    if len(set(roles)) != len(roles):
        # C2SP tlog-cosignature: identities of one operator must use distinct keys; and what is sealed
        # to one office must not open for another.
        raise Malformed("two roles share one key")
    if not _DIGEST.match(card.keys.next_root):
        raise Malformed(f"{card.keys.next_root!r} is not the digest of a root key")
    if card.keys.next_root in {root_digest(key) for key in roles[1:]}:
        # Whoever takes a working key from the running node would own the party's name.
        raise Malformed("a working key is announced as the next root key")
    if card.address and not card.address.startswith(("https://", "http://")):
        raise Malformed(f"{card.address!r} is not an http(s) address")


def check_succession(known: SignedCard, new: SignedCard) -> bool:
    """Check that `new` may replace `known`; return whether it is in fact newer.

    1. Same party, or there is nothing to compare. 2. The same card again is no change. 3. An older
    serial is a replay. 4. The same root signed it, or the root committed to in advance did.
    Raises `Refused` for replays and doubles, `Unverified` for a root nobody announced.
    """
    old, card = known.card, new.card
    if old.party != card.party:
        raise Refused(f"a card of {card.party} cannot replace one of {old.party}")
    if known.envelope.payload == new.envelope.payload:
        return False
    same_root = new.root == known.root
    if not same_root and root_digest(new.root) != old.keys.next_root:
        raise Unverified(
            f"this card of {card.party} is signed by a root key its holder never announced",
            hint="do not use it; call the party on a number you already have and compare the words",
        )
    if card.serial == old.serial:
        raise Refused(f"{card.party} has signed two different cards numbered {card.serial}; both are kept")
    if card.serial < old.serial:
        raise Refused(f"card {card.serial} of {card.party} is older than card {old.serial}, which is held")
    return True
