"""What is tried of the node itself and of those it asks: certificates, proxy, own doors, peers, sources, clocks.

Rules: peers are asked for their heads and sources for their first part, as ever; nothing of an answer is kept. A door
is tried from this machine: what a firewall before it does is seen from outside only, and the answer says so.
"""

from __future__ import annotations

import datetime
import ipaddress
import socket
from collections.abc import Iterator
from contextlib import closing
from email.utils import parsedate_to_datetime
from functools import partial
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Final

from cryptography import x509

from comity import sync
from comity.boot import outgoing
from comity.boot import settings as setting
from comity.boot.settings import KEYS
from comity.canon import Instant, PartyId
from comity.errors import ComityError, Fault, Malformed, Unreachable, Unverified
from comity.formats.taxii import MEDIA as TAXII_MEDIA
from comity.formats.telling.message import Message
from comity.http import login as logins
from comity.http import url as urls
from comity.http.exchange import Bounds
from comity.http.fetch import Fetcher
from comity.http.tls import PUBLIC, TlsPolicy
from comity.limits import CERTIFICATE_WARNED_DAYS, CLOCK_SKEW_SECONDS_MAX, HTTP_BODY_BYTES_MAX, TRY_SECONDS_MAX
from comity.node import delivering, parties
from comity.node import neighbours as telling
from comity.node import sidecars as beside_misp
from comity.node import sources as registered
from comity.node.ingest import Source
from comity.node.mail import accounts
from comity.node.mail.accounts import Account
from comity.node.ports import Wire
from comity.node.sidecars import Sidecar
from comity.node.tries import Try
from comity.transports import native
from comity.transports.caller import Manners

if TYPE_CHECKING:
    from comity.boot.compose import Machine

DAY: Final = 86_400
_EVERYWHERE: Final = (ipaddress.IPv4Network("0.0.0.0/0"), ipaddress.IPv6Network("::/0"))
_ANY: Final = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104  # listened on, not connected to
CLOCKS: Final = 5  # servers that are asked for the time


# -- certificates ------------------------------------------------------------------


def certificates(machine: Machine, send_test: bool) -> Iterator[Try]:
    """List the certificates that connections rest on: this node's, peers' pinned ones, those it shows to sources."""
    settings, node = machine.settings, machine.services.node
    if settings.listen or settings.api_listen or settings.taxii_listen or settings.misp_listen:
        path = machine.home / settings.tls_certificate
        if not settings.plain_http:
            yield Try(f"this node's certificate {path.name}", partial(_file_holds, path, node.now()))
    with node.store.read() as unit:
        for card in parties.known(unit):
            if card.card.party != node.me and card.card.tls.certificate:
                pem = card.card.tls.certificate.encode()
                advice = f"ask {card.card.party} for a card with a new one"
                yield Try(f"the certificate in the card of {card.card.party}", partial(_holds, pem, node.now(), advice))
        names = sorted({source.login for source in registered.fetched(unit) if source.login})
    for name in names:
        path = machine.home / KEYS / name
        try:
            is_pem = b"-----BEGIN CERTIFICATE" in path.read_bytes()[: logins.LOGIN_BYTES_MAX]
        except OSError:
            continue  # the source that needs it says so
        if is_pem:
            yield Try(f"the certificate in keys/{name}", partial(_file_holds, path, node.now()))


def _file_holds(path: Path, now: Instant) -> str:
    try:
        data = path.read_bytes()
    except OSError as error:
        raise Fault(f"{path} cannot be read: {error.strerror}") from error
    return _holds(data, now, f"put a new one in {path.name} before that")


def _holds(data: bytes, now: Instant, advice: str) -> str:
    """Say until when the first certificate of a PEM file holds. Raises `Fault` where that is over or near."""
    try:
        certificate = x509.load_pem_x509_certificates(data)[0]
    except (ValueError, IndexError) as error:
        raise Malformed("it is no PEM certificate", hint=advice) from error
    at = datetime.datetime.fromtimestamp(now, datetime.UTC)
    ends = certificate.not_valid_after_utc
    if ends <= at:
        raise Fault(f"it ended on {ends:%Y-%m-%d}", hint=advice)
    if certificate.not_valid_before_utc > at:
        raise Fault(f"it holds only from {certificate.not_valid_before_utc:%Y-%m-%d}", hint="is this clock right?")
    if (ends - at).days < CERTIFICATE_WARNED_DAYS:
        raise Fault(f"it ends in {(ends - at).days} days, on {ends:%Y-%m-%d}", hint=advice)
    return f"it holds until {ends:%Y-%m-%d}"


# -- the way out and the doors -----------------------------------------------------


def proxy(machine: Machine, send_test: bool) -> Iterator[Try]:
    """List the proxy, if there is one."""
    settings = machine.settings
    if settings.outbound_proxy:
        yield Try(f"proxy {settings.outbound_proxy}", partial(_proxy_answers, machine))


def _proxy_answers(machine: Machine) -> str:
    known = outgoing.proxy(machine.home, machine.settings)
    assert known is not None
    try:
        socket.create_connection((known.host, known.port), TRY_SECONDS_MAX).close()
    except OSError as error:
        hint = "ask its operator, or look at the setting outbound_proxy"
        raise Unreachable(f"{known.host}:{known.port} does not answer: {error}", hint=hint) from error
    return f"{known.host}:{known.port} takes connections; what it lets through is seen with each neighbour below"


def doors(machine: Machine, send_test: bool) -> Iterator[Try]:
    """List the doors that this node's settings open, where it is served."""
    settings = machine.settings
    at = (
        ("peers", setting.listen_at(settings), native.HEADS, ""),
        ("programs", setting.api_listen_at(settings), "/api/v1/health", ""),
        ("TAXII clients", setting.taxii_listen_at(settings), "/taxii2/", TAXII_MEDIA),
        ("MISP clients", setting.misp_listen_at(settings), "/servers/getVersion", ""),
    )
    for whom, address, path, media in at:
        if address is not None:
            yield Try(
                f"the door to {whom} at {address[0]}:{address[1]}", partial(_opens, machine, address, path, media)
            )
    if settings.taxii_address:
        way = partial(_answers, machine.trier, settings.taxii_address.rstrip("/") + "/taxii2/", PUBLIC, TAXII_MEDIA)
        yield Try(f"the TAXII server at {settings.taxii_address}", way)


def _opens(machine: Machine, address: tuple[str, int], path: str, media: str) -> str:
    if not machine.serving:
        return "not tried: this node is not served now; `comity serve` opens it"
    host = _ANY.get(address[0], address[0])
    shown = f"[{host}]" if ":" in host else host
    scheme, tls = "http", PUBLIC
    if not machine.settings.plain_http:
        scheme, tls = "https", TlsPolicy((machine.home / machine.settings.tls_certificate).read_text("ascii"))
    # The address is the operator's own setting, so nobody can turn this request inwards.
    fetcher = Fetcher(allow=_EVERYWHERE, seconds=TRY_SECONDS_MAX)
    try:
        said = _answers(fetcher, f"{scheme}://{shown}:{address[1]}{path}", tls, media)
    finally:
        fetcher.close()
    return f"{said}, seen from this machine; a firewall before it is seen from outside only"


def _answers(fetcher: Fetcher, url: str, tls: TlsPolicy, media: str) -> str:
    """Say that a server answers as a node does, which to a stranger is a refusal."""
    answer = fetcher.request("GET", url, headers={"Accept": media} if media else {}, tls=tls)
    if answer.status >= 500 or answer.status == 404:
        hint = "is another program listening there, or does a proxy before it lead elsewhere?"
        raise Unreachable(f"it answers with status {answer.status}", hint=hint)
    return f"it answers (status {answer.status})"


# -- those who are asked -----------------------------------------------------------


def peers(machine: Machine, send_test: bool) -> Iterator[Try]:
    """List every confirmed party with an address."""
    for name, wire in machine.bare_wires().items():
        yield Try(f"peer {name}", partial(_peer_answers, name, wire))


def _peer_answers(name: PartyId, wire: Wire) -> str:
    heads = sync.decode_heads(wire.ask(sync.Heads()).body)
    if heads.party != name:
        raise Unverified(f"{heads.party} answers there", hint=f"ask {name} for a card with its address")
    return f"it knows us, and shows {len(heads.logs)} logs"


def sources(machine: Machine, send_test: bool) -> Iterator[Try]:
    """List every source that is fetched and not paused."""
    with machine.services.node.store.read() as unit:
        found = [one for one in registered.fetched(unit) if one.enabled]
    manners = Manners(machine.services.node.clock, _no_pause, lambda: 0.0)
    for source in found:
        yield Try(f"source {source.name} of {source.office}", partial(_source_answers, machine, source, manners))


def _no_pause(seconds: float) -> None:
    raise Unreachable("it does not answer at the first attempt", hint="a poll would ask a few times; try again")


def _source_answers(machine: Machine, source: Source, manners: Manners) -> str:
    way = outgoing.fetching(machine.home, source, machine.trier, manners)
    with closing(way.parts(b"")) as parts:
        first = next(parts, None)
    return f"it gives {first.name}; nothing of it was kept" if first is not None else "it answers, and has nothing"


def neighbours(machine: Machine, send_test: bool) -> Iterator[Try]:
    """List every neighbour that is told what happens and is not paused; a test goes to it only if that is wanted."""
    services = machine.services
    with services.node.store.read() as unit:
        known = [one for one in telling.every(unit) if one.enabled]
    for one in known:
        made = delivering.test(services, one) if send_test else None
        yield Try(f"{one.kind} {one.name} of {one.office}", partial(_is_told, machine, one, made))


def _is_told(machine: Machine, one: telling.Neighbour, made: Message | None) -> str:
    way = machine.bare_way(one)
    return way.reach() if made is None else f"it took a test: {way.send(made)}"


def mail(machine: Machine, send_test: bool) -> Iterator[Try]:
    """List every mail account in use: its logins and its keys; nothing is sent and no letter marked."""
    with machine.services.node.store.read() as unit:
        known = [one for one in accounts.accounts(unit) if one.enabled]
    for account in known:
        yield Try(f"mail account {account.name} of {account.office}", partial(_mail_works, machine, account))


def _mail_works(machine: Machine, account: Account) -> str:
    with machine.turns.mine():  # it gives others theirs while the network is waited for
        found = machine.mail.check(account)
    if found:
        raise Unreachable("; ".join(one.what for one in found), hint="; ".join(one.advice for one in found))
    return "it logs in, and its keys hold"


def sidecars(machine: Machine, send_test: bool) -> Iterator[Try]:
    """List every side-car that is not paused: whom its MISP knows by the login."""
    with machine.services.node.store.read() as unit:
        known = [one for one in beside_misp.all_(unit) if one.enabled]
    manners = Manners(machine.services.node.clock, _no_pause, lambda: 0.0)
    for one in known:
        yield Try(f"side-car {one.name} of {one.office}", partial(_misp_answers, machine, one, manners))


def _misp_answers(machine: Machine, one: Sidecar, manners: Manners) -> str:
    known = outgoing.misp(machine.home, one, machine.trier, manners).me()
    return f"its MISP knows the login as one of {known.organisation}"


# -- clocks ------------------------------------------------------------------------


def clocks(machine: Machine, send_test: bool) -> Iterator[Try]:
    """List one comparison of this clock with the servers that it asks anyway."""
    node = machine.services.node
    asked: dict[str, TlsPolicy] = {}
    with node.store.read() as unit:
        for card in parties.known(unit):
            if card.card.party != node.me and card.card.address:
                asked[card.card.address] = TlsPolicy(card.card.tls.certificate, card.card.tls.pin)
        for source in registered.fetched(unit):
            if source.enabled and source.address.startswith("https://"):
                asked.setdefault(source.address, PUBLIC)
    some = dict(list(asked.items())[:CLOCKS])
    if some:
        yield Try("this machine's clock", partial(_compare, machine, some))


def _compare(machine: Machine, asked: dict[str, TlsPolicy]) -> str:
    """Compare with the Date of answers (RFC 9110 §6.6.1). Raises `Fault` where this clock is wrong by most of them."""
    ahead: dict[str, int] = {}
    for url, tls in asked.items():
        try:
            ahead[urls.parse(url).authority] = machine.services.node.now() - _date(machine.trier, url, tls)
        except (ComityError, ValueError, TypeError, OverflowError):
            continue  # who does not answer, or does not say, is tried above and has no say here
    if not ahead:
        return "nobody to compare it with answers"
    middle = int(median(ahead.values()))
    if abs(middle) > CLOCK_SKEW_SECONDS_MAX:
        hint = "have the machine keep time (NTP): peers refuse requests that are signed in another time"
        raise Fault(f"it is {abs(middle)} s {'ahead' if middle > 0 else 'behind'} by {len(ahead)} servers", hint=hint)
    wrong = [name for name, seconds in ahead.items() if abs(seconds) > CLOCK_SKEW_SECONDS_MAX]
    told = f"; by its answers the clock of {', '.join(wrong)} is wrong" if wrong else ""
    return f"it agrees with {len(ahead) - len(wrong)} servers within {CLOCK_SKEW_SECONDS_MAX} s{told}"


def _date(fetcher: Fetcher, url: str, tls: TlsPolicy) -> int:
    with fetcher.stream(url, Bounds(TRY_SECONDS_MAX, HTTP_BODY_BYTES_MAX), tls=tls) as answer:
        return int(parsedate_to_datetime(answer.headers.get("date", "")).timestamp())
