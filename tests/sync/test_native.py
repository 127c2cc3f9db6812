"""Comity's own protocol over real TLS on loopback: who may ask, and what is refused at the door."""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from comity import sync
from comity.canon import AccordId, Origin
from comity.errors import ComityError, Malformed, Misuse, NotFound, Refused, Unreachable, Unverified
from comity.http import problem, signing
from comity.http.fetch import Fetcher
from comity.http.inward import LOOPBACK
from comity.http.listen import Listener, Tcp
from comity.http.tls import NodeCertificate, TlsPolicy, pin_of, self_signed
from comity.party import Card, Tls
from comity.testing.world import Inhabitant, World, amber, indicators
from comity.transports.native import ASK, HEADS, NativeWire, application
from tests.http.servers import context_of

ALL = AccordId("all")
YEAR = 365 * 86_400


@dataclass
class Door:
    """The first party's node behind a real listener, and how the others reach it."""

    world: World
    listener: Listener
    fetcher: Fetcher
    card: Card

    @property
    def base(self) -> str:
        return self.card.address

    def wire(self, one: Inhabitant, *, skew: int = 0) -> NativeWire:
        def clock() -> int:
            return self.world.now + skew

        return NativeWire(self.fetcher, self.card, me=one.name, sign=one.node.signer.request, clock=clock)

    def send(self, method: str, path: str, body: bytes, headers: dict[str, str], base: str = "") -> ComityError | bytes:
        """Send a request as it is; return the answer, or the error it stands for."""
        response = self.fetcher.request(
            method, (base or self.base) + path, headers=headers, body=body, tls=policy(self.card)
        )
        return response.body if response.status == 200 else problem.error_of(response.status, response.body, peer="a")

    def signed(self, one: Inhabitant, method: str, path: str, body: bytes) -> dict[str, str]:
        headers = {"Content-Type": sync.MEDIA} if body else {}
        return headers | signing.sign_request(
            method,
            self.base + path,
            headers,
            body,
            key_id=one.name,
            sign=one.node.signer.request,
            at=self.world.now,
            nonce=secrets.token_urlsafe(18),
        )


def policy(card: Card) -> TlsPolicy:
    return TlsPolicy(card.tls.certificate, card.tls.pin)


@pytest.fixture(scope="module")
def certificate() -> NodeCertificate:
    return self_signed(["127.0.0.1"], at=int(time.time()))


@pytest.fixture
def door(tmp_path: Path, certificate: NodeCertificate) -> Iterator[Door]:
    world = World(3, 4, tmp_path)
    world.accord(ALL, world.people[:3])
    a = world.people[0]
    places = world.collect(a, list(indicators(world.random, 5)), amber())
    a.services.sharing.share(a.actor, ALL, places)
    base = ""
    app = application(a.node, a.services.serving, lambda: base, nullcontext)
    listener = Listener(app, Tcp("127.0.0.1", 0, context_of(certificate, tmp_path / "tls", "node")))
    listener.start()
    base = f"https://127.0.0.1:{listener.port}"
    tls = Tls(pin_of(certificate.certificate), certificate.certificate.decode())
    fetcher = Fetcher(allow=LOOPBACK, seconds=10.0)
    yield Door(world, listener, fetcher, msgspec.structs.replace(a.card().card, address=base, tls=tls))
    fetcher.close()
    listener.stop()
    world.close()


def test_a_member_pulls_over_tls_and_then_costs_one_conditional_request(door: Door) -> None:
    a, b = door.world.people[:2]
    wire = door.wire(b)
    outcome = b.services.syncing.pull(a.name, wire)
    assert (outcome.payloads, outcome.faults) == (6, [])
    heads = wire.ask(sync.Heads())
    again = wire.ask(sync.Heads(heads.etag))
    assert again.unchanged and again.body == b"" and again.etag == heads.etag
    for _ in range(2):
        outcome = b.services.syncing.pull(a.name, wire)
    assert outcome.unchanged


def test_errors_travel_with_their_class_and_the_peers_name(door: Door) -> None:
    a, b, _, stranger = door.world.people
    with pytest.raises(NotFound, match=f"{a.name} says: no log"):
        door.wire(b).ask(sync.Page(Origin(f"{b.name}/accord/none/1"), 0, 1, 1))
    with pytest.raises(Refused, match="leaves"):
        door.wire(b).ask(sync.Page(Origin(f"{a.name}/accord/{ALL}/1"), 7, 9, 9))
    with pytest.raises(NotFound):  # known by its card, but in no accord with the answering party
        door.wire(stranger).ask(sync.Page(Origin(f"{a.name}/accord/{ALL}/1"), 0, 1, 1))


def test_who_is_not_known_or_signs_with_another_key_is_refused(door: Door) -> None:
    b, c = door.world.people[1:3]
    ghost = NativeWire(
        door.fetcher, door.card, me="cert.nowhere.example", sign=b.node.signer.request, clock=lambda: door.world.now
    )
    with pytest.raises(Unverified):
        ghost.ask(sync.Heads())
    key = Ed25519PrivateKey.generate()
    for sign in (key.sign, c.node.signer.request, lambda data: bytes(64), b.secrets["log"].sign):
        thief = NativeWire(door.fetcher, door.card, me=b.name, sign=sign, clock=lambda: door.world.now)
        with pytest.raises(Unverified, match="says"):
            thief.ask(sync.Heads())


@pytest.mark.parametrize("skew", [YEAR, -YEAR, 600, -600])
def test_a_request_from_another_time_is_refused_in_words_about_clocks(door: Door, skew: int) -> None:
    with pytest.raises(Unverified, match="clock|seconds|expired") as caught:
        door.wire(door.world.people[1], skew=skew).ask(sync.Heads())
    assert caught.value.hint or "clock" in str(caught.value)


def test_a_request_that_was_heard_and_sent_again_is_refused(door: Door) -> None:
    b = door.world.people[1]
    headers = door.signed(b, "GET", HEADS, b"")
    assert isinstance(door.send("GET", HEADS, b"", headers), bytes)
    again = door.send("GET", HEADS, b"", headers)
    assert isinstance(again, Unverified) and "came a second time" in str(again)


def test_a_request_that_was_changed_on_its_way_is_refused(door: Door) -> None:
    b = door.world.people[1]
    body = sync.encode_request(sync.Page(Origin(f"{door.card.party}/accord/{ALL}/1"), 0, 1, 1))
    headers = door.signed(b, "POST", ASK, body)
    other = sync.encode_request(sync.Page(Origin(f"{door.card.party}/accord/{ALL}/1"), 0, 2, 2))
    for method, path, sent, changed in [
        ("POST", ASK, other, headers),
        ("POST", ASK, body[:-1], headers),
        ("POST", ASK + "?x=1", body, headers),
        ("POST", ASK, body, {k: v for k, v in headers.items() if k.lower() != "content-digest"}),
        ("POST", ASK, body, {k: v for k, v in headers.items() if k.lower() != "signature"}),
        ("POST", ASK, body, {}),
        ("GET", HEADS, b"", headers),
    ]:
        answer = door.send(method, path, sent, changed)
        assert isinstance(answer, Unverified | Malformed), (method, path, answer)
    assert isinstance(door.send("POST", ASK, body, headers), bytes), "the true one was not used up by the false ones"


def test_a_request_nobody_can_read_is_malformed(door: Door) -> None:
    b = door.world.people[1]
    for body in (b"\xc1", b"", sync.encode_request(sync.Heads()), b"\x80" * 1_000):
        answer = door.send("POST", ASK, body, door.signed(b, "POST", ASK, body))
        assert isinstance(answer, Malformed), (body[:9], answer)


def test_a_server_with_another_certificate_is_not_spoken_to(door: Door) -> None:
    b = door.world.people[1]
    other = self_signed(["127.0.0.1"], at=int(time.time()))
    tls = Tls(pin_of(other.certificate), other.certificate.decode())
    wire = NativeWire(
        door.fetcher,
        msgspec.structs.replace(door.card, tls=tls),
        me=b.name,
        sign=b.node.signer.request,
        clock=lambda: door.world.now,
    )
    with pytest.raises((Unverified, Unreachable)):
        wire.ask(sync.Heads())


def test_plain_http_is_refused_off_loopback(door: Door) -> None:
    b = door.world.people[1]
    with pytest.raises(Misuse, match="plain http"):
        Listener(application(b.node, b.services.serving, str, nullcontext), Tcp("0.0.0.0")).start()
    card = msgspec.structs.replace(door.card, address="http://192.0.2.1:8080", tls=Tls())
    wire = NativeWire(door.fetcher, card, me=b.name, sign=b.node.signer.request, clock=lambda: door.world.now)
    with pytest.raises(Refused):
        wire.ask(sync.Heads())
    with pytest.raises(Misuse, match="only pulls"):
        NativeWire(
            door.fetcher,
            msgspec.structs.replace(door.card, address=""),
            me=b.name,
            sign=b.node.signer.request,
            clock=lambda: door.world.now,
        )
