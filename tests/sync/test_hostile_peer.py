"""A peer that lies: each lie is refused under its own name, kept where it proves something, shown, and stops nobody."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
import zstandard

from comity import canon, dsse, limits, statement, sync
from comity.accord import TEXT_MEDIA_TYPE, Member
from comity.acts import Ballot, Closed, Consent, Forked, HeldRun, Hold, Holding, Narrow, Retract, Span, Tombstone
from comity.areas import intel
from comity.canon import AccordId, Digest, Origin
from comity.errors import ComityError, Malformed, Refused, TooLarge, Unverified
from comity.http import problem
from comity.node import accords, books, forks, views, witness
from comity.node.ports import LogState, position
from comity.statement import INTEL_RELAY, RELAY_MEDIA, Marking, Relayed
from comity.testing.world import TEXT, Inhabitant, World, amber, indicators
from comity.tlog.cosignature import cosign
from comity.tlog.fork import ForkCertificate
from comity.tlog.merkle import inclusion_proof
from comity.tlog.note import Note, parse_note
from comity.tlog.proof import Proof
from comity.vocab import Held, Pap, Priority, Tlp
from tests.sync.forger import (
    Forged,
    Forger,
    doctor_says,
    evidence,
    found,
    header,
    held,
    pulled,
    refused,
    stix,
    value,
)

ALL = AccordId("all")
PAYLOAD, WITHHELD = Held.PAYLOAD, Held.WITHHELD


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """Three parties in one accord; the first will lie."""
    made = World(5, 4, tmp_path)
    made.accord(ALL, made.people[:3], ceiling=Tlp.AMBER)
    yield made
    made.close()


@pytest.fixture
def liar(world: World) -> Forger:
    return Forger(world, world.people[0]).take_over()


def assert_refused(one: Inhabitant, code: str, reason: str) -> None:
    """It is in quarantine under that name and reason, and the doctor shows it."""
    rows = refused(one)
    assert [r for r in rows if r[1] == code and reason in r[2]], rows
    assert reason in doctor_says(one)


def assert_others_go_on(world: World) -> None:
    """The victim still learns from the honest party what that one states now."""
    _, victim, honest, _ = world.people
    places = world.collect(honest, list(indicators(world.random, 1)), amber())
    honest.services.sharing.share(honest.actor, ALL, places)
    outcome = pulled(world, victim, honest)
    assert outcome.payloads and not outcome.faults


# -- checkpoints ----------------------------------------------------------------------


def test_a_checkpoint_that_another_key_signed_is_refused(world: World, liar: Forger) -> None:
    victim, honest = world.people[1], world.people[2]
    log = liar.log(ALL)
    other = honest.node.signer.checkpoint(log.origin, log.checkpoint().text())
    liar.logs.clear()
    liar.others = [other]
    outcome = pulled(world, victim, liar.one)
    assert held(victim, log.origin) == [] and len(outcome.faults) == 1
    assert_refused(victim, "unverified", "signature does not hold")
    assert other in evidence(victim)
    assert_others_go_on(world)


def test_an_older_checkpoint_is_refused_and_nothing_is_rolled_back(world: World, liar: Forger) -> None:
    victim, log = world.people[1], liar.log(ALL)
    log.state(header(), stix(world))
    pulled(world, victim, liar.one)
    before = held(victim, log.origin)
    log.entries.pop()
    pulled(world, victim, liar.one)
    assert held(victim, log.origin) == before == [PAYLOAD, PAYLOAD]
    assert_refused(victim, "refused", "an older checkpoint of 1 leaves is shown, 2 are held")
    assert_others_go_on(world)


def test_entries_that_do_not_match_their_checkpoint_are_refused(world: World, liar: Forger) -> None:
    victim, log = world.people[1], liar.log(ALL)
    for _ in range(3):
        log.state(header(), stix(world))

    def swap(request: sync.AnyRequest, body: bytes) -> bytes:
        if not isinstance(request, sync.Page):
            return body
        entries = [log.entries[0], log.entries[2], log.entries[1], log.entries[3]]
        if request.bare:
            entries = [sync.Opened(WITHHELD, e.commitment, None, None, None) for e in entries]
        return sync.encode_page(log.origin, 0, entries)

    liar.tamper = swap
    pulled(world, victim, liar.one)
    assert held(victim, log.origin) == []
    assert_refused(victim, "unverified", "entries do not match the signed checkpoint")
    liar.tamper = lambda request, body: body
    pulled(world, victim, liar.one)
    assert held(victim, log.origin) == [PAYLOAD] * 4, "what is true is believed as soon as it is shown"


@pytest.mark.parametrize("wire", [2, 0])
def test_another_wire_version_is_refused_by_name(world: World, liar: Forger, wire: int) -> None:
    victim = world.people[1]

    def other(request: sync.AnyRequest, body: bytes) -> bytes:
        if not isinstance(request, sync.Heads):
            return body
        return msgspec.msgpack.encode({**msgspec.msgpack.decode(body), "v": wire})

    liar.tamper = other
    outcome = world.pull(victim, liar.one)
    assert isinstance(outcome, Malformed) and f"wire version {wire}" in str(outcome)
    assert_others_go_on(world)


def test_a_page_in_another_wire_version_is_kept_as_a_fault_of_its_log(world: World, liar: Forger) -> None:
    victim = world.people[1]
    liar.log(ALL)

    def other(request: sync.AnyRequest, body: bytes) -> bytes:
        if not isinstance(request, sync.Page):
            return body
        page = msgspec.msgpack.decode(zstandard.ZstdDecompressor().decompress(body))
        return zstandard.ZstdCompressor().compress(msgspec.msgpack.encode({**page, "v": 2}))

    liar.tamper = other
    pulled(world, victim, liar.one)
    assert_refused(victim, "malformed", "wire version 2; this node speaks version 1")
    assert_others_go_on(world)


def test_nobody_answers_in_another_partys_name(world: World, liar: Forger) -> None:
    victim = world.people[1]
    liar.party = world.people[2].name
    outcome = world.pull(victim, liar.one)
    assert isinstance(outcome, Unverified) and "answers where" in str(outcome)


@pytest.mark.parametrize("body", [b"", b"\xc1", b"\x93\x01", b"\x80" * 300, zstandard.compress(bytes(1 << 20))])
def test_garbage_in_any_answer_is_a_fault_and_no_crash(world: World, liar: Forger, body: bytes) -> None:
    victim = world.people[1]
    liar.flash = (0,)
    liar.accords = (sync.AccordHead(Digest("sha256:" + "1" * 64), (liar.one.name,)),)
    liar.texts = {"sha256:" + "1" * 64: b""}
    liar.home = liar.note(Forged(canon.home_origin(liar.one.name, 1), []))
    liar.log(ALL)
    for kind in (sync.Heads, sync.Page, sync.Ahead, sync.AccordText, sync.Card):
        liar.tamper = lambda request, good, kind=kind: body if isinstance(request, kind) else good  # type: ignore[misc]
        outcome = world.pull(victim, liar.one)
        assert isinstance(outcome, Malformed) if kind is sync.Heads else not isinstance(outcome, ComityError)
    assert_others_go_on(world)


@pytest.mark.parametrize("code", ["misuse", "fault", "malformed", "unverified", "conflict", "not-found", "x"])
def test_a_peer_that_answers_with_errors_stops_only_itself(world: World, liar: Forger, code: str) -> None:
    victim, log = world.people[1], liar.log(ALL)
    second = liar.log(ALL, 2)
    second.state(header(), stix(world))

    def fail(request: sync.AnyRequest, body: bytes) -> bytes:
        if isinstance(request, sync.Page) and request.origin == log.origin:
            raise problem._BY_CODE.get(code, ComityError)("as I like")
        return body

    liar.tamper = fail
    outcome = world.pull(victim, liar.one)
    if code not in {"fault", "x"}:  # these are the network's: the whole pull is tried again
        assert not isinstance(outcome, ComityError) and outcome.faults
        assert held(victim, second.origin) == [PAYLOAD], "its other log is followed"
    assert_others_go_on(world)


# -- payloads ------------------------------------------------------------------------


def test_a_payload_that_does_not_open_its_leaf_is_quarantined_and_nothing_behind_it_waits(
    world: World, liar: Forger
) -> None:
    victim, log = world.people[1], liar.log(ALL)
    log.state(header(), stix(world))
    false = stix(world)
    log.state(header(), false, commitment=bytes(32))
    last = stix(world)
    log.state(header(), last)
    outcome = pulled(world, victim, liar.one)
    assert held(victim, log.origin) == [PAYLOAD, PAYLOAD, WITHHELD, PAYLOAD]
    assert outcome.payloads == 3
    assert_refused(victim, "unverified", "the payload does not match its commitment")
    assert false in evidence(victim)
    assert found(victim, value(last)) == [liar.one.name] and not found(victim, value(false))
    assert_others_go_on(world)


@pytest.mark.parametrize("ahead", [False, True])
def test_a_copied_leaf_opens_to_nothing_in_the_log_it_was_copied_into(world: World, liar: Forger, ahead: bool) -> None:
    """The liar copies a leaf of an honest party, with all that opens it there."""
    victim, honest, log = world.people[1], world.people[2], liar.log(ALL)
    theirs = Forged(Origin(f"{honest.name}/accord/{ALL}/1"), [])
    body = stix(world)
    theirs.state(header(priority=Priority.FLASH), body)
    copied = theirs.entries[0]
    log.entries.append(copied)
    good = stix(world)
    log.state(header(), good)
    if ahead:
        liar.flash = (1,)

        def under_their_name(request: sync.AnyRequest, answer: bytes) -> bytes:
            if not isinstance(request, sync.Ahead):
                return answer
            proof = inclusion_proof(request.index, request.size, log.read)
            return sync.encode_page(theirs.origin, request.index, [copied], proof)

        liar.tamper = under_their_name
    pulled(world, victim, liar.one)
    assert held(victim, log.origin) == [PAYLOAD, WITHHELD, PAYLOAD]
    assert not found(victim, value(body)), "nobody is named as its author"
    assert found(victim, value(good)) == [liar.one.name]
    assert_refused(victim, "unverified", "does not match its commitment")
    if ahead:
        assert_refused(victim, "unverified", "another entry came than the one asked for")


@pytest.mark.parametrize("raw", [b"", b"{}", b"\xff\xfe", header() + b" ", header().replace(b'"v":1', b'"v":2')])
@pytest.mark.parametrize("version", [1, 0])
def test_a_header_nobody_can_read_stops_nothing(world: World, liar: Forger, raw: bytes, version: int) -> None:
    victim, log = world.people[1], liar.log(ALL)
    bad = log.state(raw, b"body", version=version)
    good = stix(world)
    log.state(header(), good)
    liar.flash = (bad,)
    pulled(world, victim, liar.one)
    assert held(victim, log.origin) == [PAYLOAD, WITHHELD, PAYLOAD]
    assert found(victim, value(good)) == [liar.one.name]
    codes = {code for _, code, _ in refused(victim)}
    assert "malformed" in codes
    assert_others_go_on(world)


def test_a_statement_over_its_limit_stops_nothing(world: World, liar: Forger) -> None:
    victim, log = world.people[1], liar.log(ALL)
    log.state(header(), bytes(limits.STATEMENT_BYTES_MAX))
    log.state(header(source="x" * limits.STATEMENT_HEADER_BYTES_MAX), b"{}")
    log.state(header(), stix(world))
    pulled(world, victim, liar.one)
    assert held(victim, log.origin) == [PAYLOAD, WITHHELD, WITHHELD, PAYLOAD]
    assert_refused(victim, "too-large", "STATEMENT_BYTES_MAX")
    assert_refused(victim, "too-large", "STATEMENT_HEADER_BYTES_MAX")


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        (header("response.flash"), "the accord does not open response.flash"),
        (header("requests.takedown"), "the accord does not open requests.takedown"),
        (header("intel.evidence"), "the accord does not open intel.evidence"),
        (header("home.passed", None), "the accord does not open home.passed"),
        (header(marking=Marking(Tlp.RED, to=("cert.borealia.example/csirt~x",))), "above the accord's ceiling"),
        (header(version=9), "made under version 9, which is not in force here yet"),
        (header(exercise=True), "exercise and production data do not mix"),
        (header(conduct="harassment"), ""),
    ],
)
def test_what_the_accord_does_not_allow_is_refused_by_name_and_nothing_behind_it_waits(
    world: World, liar: Forger, raw: bytes, reason: str
) -> None:
    victim, log = world.people[1], liar.log(ALL)
    body = stix(world)
    version = statement.decode_header(raw).accord
    log.state(raw, body, version=version)
    log.state(header(), stix(world))
    outcome = pulled(world, victim, liar.one)
    assert held(victim, log.origin) == [PAYLOAD, WITHHELD, PAYLOAD] and outcome.refused >= 1
    assert_refused(victim, "refused", reason)
    assert any(body in kept for kept in evidence(victim))
    assert not found(victim, value(body))
    assert_others_go_on(world)


def test_unmarked_content_is_refused(world: World, liar: Forger) -> None:
    victim, log = world.people[1], liar.log(ALL)
    raw = canon.encode({k: v for k, v in msgspec.json.decode(header()).items() if k != "marking"})
    log.state(raw, stix(world))
    log.state(header(), stix(world))
    pulled(world, victim, liar.one)
    assert held(victim, log.origin) == [PAYLOAD, WITHHELD, PAYLOAD]
    assert_refused(victim, "malformed", "without a marking")


def test_what_is_ahead_of_an_accords_version_is_asked_for_again_whatever_else_came(world: World, liar: Forger) -> None:
    """A statement under a version not in force yet, in one log; gaps that fill well, in the next."""
    victim, log = world.people[1], liar.log(ALL)
    log.state(header(version=2), stix(world), version=2)
    second = liar.log(ALL, 2)
    second.state(header(), b"no STIX", commitment=bytes(32))
    pulled(world, victim, liar.one)
    with victim.store.read() as unit:
        assert unit.documents.get("heads-etag", liar.one.name) is None
        assert unit.documents.get("grant", log.origin) is None
    before = len(liar.asked)
    pulled(world, victim, liar.one)
    assert sum(isinstance(r, sync.Fill) and r.origin == log.origin for r in liar.asked[before:]) == 1


# -- relays -----------------------------------------------------------------------------


@pytest.fixture
def relayed(world: World, liar: Forger) -> tuple[Forged, statement.Header, intel.Relay]:
    """An honest original of the third party in an accord of the liar and it, and its true relay."""
    honest = world.people[2]
    original = Forged(Origin(f"{honest.name}/accord/one/1"), [])
    original.state(header(marking=Marking(Tlp.CLEAR)), stix(world))
    number = original.state(header(marking=Marking(Tlp.CLEAR)), stix(world))
    note = honest.node.signer.checkpoint(original.origin, original.checkpoint().text())
    proof = Proof(number, inclusion_proof(number, 2, original.read), note, None).encode().decode()
    entry = original.entries[number]
    line = intel.RelayLine(original.origin, number, 1, canon.b64(entry.salt or b""), proof)
    outer = statement.decode_header(header(marking=Marking(Tlp.CLEAR)))
    outer = msgspec.structs.replace(
        outer,
        kind=INTEL_RELAY,
        media=RELAY_MEDIA,
        relayed=Relayed(original.origin, outer.office, "intel.object", 1),
    )
    payload = (entry.header or b"") + b"\n" + (entry.body or b"")
    return original, outer, intel.Relay(line, payload)


def test_a_true_relay_is_believed_and_names_its_author(world: World, liar: Forger, relayed: Any) -> None:
    victim, honest, (original, outer, relay) = world.people[1], world.people[2], relayed
    log = liar.log(ALL)
    log.state(statement.encode_header(outer), intel.join_relay(relay))
    pulled(world, victim, liar.one)
    assert held(victim, log.origin) == [PAYLOAD, PAYLOAD]
    assert found(victim, value(original.entries[1].body)) == [honest.name]


@pytest.mark.parametrize(
    ("lie", "reason"),
    [
        ("creator", "header does not say what its original says"),
        ("office", "header does not say what its original says"),
        ("kind", "header does not say what its original says"),
        ("wider", "may narrow its original's marking, never widen it"),
        ("bytes", "proves nothing"),
        ("proof", "proof is of another index"),
        ("index", "proof is of another index"),
        ("salt", "proves nothing"),
        ("version", "another accord version"),
        ("author", "cannot be checked"),
        ("key", "proves nothing"),
        ("body", "cannot be read"),
        ("conduct", "does not say what its original is about"),
    ],
)
def test_a_relay_that_lies_is_refused_and_nothing_behind_it_waits(
    world: World, liar: Forger, relayed: Any, lie: str, reason: str
) -> None:
    victim, (original, outer, relay), log = world.people[1], relayed, liar.log(ALL)
    line, claim = relay.line, outer.relayed
    replace = msgspec.structs.replace
    mine = f"{liar.one.name}/accord/one/1"
    if lie == "creator":
        outer = replace(outer, relayed=replace(claim, origin=Origin(mine)))
    elif lie in {"office", "kind"}:
        outer = replace(outer, relayed=replace(claim, **{lie: "intel.sighting" if lie == "kind" else "police"}))
    elif lie == "wider":
        outer = replace(outer, marking=Marking(Tlp.CLEAR, Pap.CLEAR))
    elif lie == "bytes":
        relay = intel.Relay(line, relay.payload.replace(b"Malicious", b"Harmless!"))
    elif lie == "proof":
        note = world.people[2].node.signer.checkpoint(original.origin, original.checkpoint().text())
        other = Proof(0, inclusion_proof(0, 2, original.read), note, None).encode().decode()
        relay = intel.Relay(replace(line, proof=other), relay.payload)
    elif lie == "index":
        relay = intel.Relay(replace(line, index=0), relay.payload)
    elif lie == "salt":
        relay = intel.Relay(replace(line, salt=canon.b64(bytes(16))), relay.payload)
    elif lie == "version":
        relay = intel.Relay(replace(line, version=2), relay.payload)
    elif lie == "author":
        name = Origin("cert.nowhere.example/accord/one/1")
        outer = replace(outer, relayed=replace(claim, origin=name))
        relay = intel.Relay(replace(line, origin=name), relay.payload)
    elif lie == "key":  # the liar signs a log in the honest party's name with its own key
        note = liar.one.node.signer.checkpoint(original.origin, original.checkpoint().text())
        false = Proof(1, inclusion_proof(1, 2, original.read), note, None).encode().decode()
        relay = intel.Relay(replace(line, proof=false), relay.payload)
    elif lie == "conduct":
        outer = replace(outer, conduct="phishing")
    body = b"\n" if lie == "body" else intel.join_relay(relay)
    log.state(statement.encode_header(outer), body)
    good = stix(world)
    log.state(header(), good)
    pulled(world, victim, liar.one)
    assert held(victim, log.origin) == [PAYLOAD, WITHHELD, PAYLOAD]
    assert not found(victim, value(original.entries[1].body)) and found(victim, value(good)) == [liar.one.name]
    assert any(reason in row[2] for row in refused(victim)), refused(victim)
    assert reason in doctor_says(victim)


def test_a_relay_from_a_frozen_log_is_refused(world: World, liar: Forger, relayed: Any) -> None:
    victim, honest, (original, outer, relay) = world.people[1], world.people[2], relayed
    other = Forged(original.origin, [original.entries[1], original.entries[0]])
    notes = [honest.node.signer.checkpoint(original.origin, one.checkpoint().text()) for one in (original, other)]
    world.accord(AccordId("one"), [victim, honest])
    liar.forks = (ForkCertificate(parse_note(notes[0]), parse_note(notes[1])).encode(),)
    log = liar.log(ALL)
    log.state(statement.encode_header(outer), intel.join_relay(relay))
    pulled(world, victim, liar.one)
    assert held(victim, log.origin)[1:2] == [WITHHELD]
    assert_refused(victim, "refused", "is frozen: a fork of it is proven")


# -- acts -----------------------------------------------------------------------------------


def test_nobody_acts_on_another_partys_statements(world: World, liar: Forger) -> None:
    victim, honest, log = world.people[1], world.people[2], liar.log(ALL)
    places = world.collect(honest, [stix(world)], amber())
    honest.services.sharing.share(honest.actor, ALL, places)
    pulled(world, victim, honest)
    theirs = Origin(f"{honest.name}/accord/{ALL}/1")
    spans = (Span(theirs, 0, 9),)
    for act in (Tombstone(spans, "a law"), Retract(spans), Narrow(spans, Tlp.RED), Consent(spans, ("x/y",))):
        log.act(act)
    log.act(Retract((Span(Origin("no origin at all"), 0, 1),)))
    log.act(Retract((Span(Origin(f"{liar.one.name}/accord/{ALL}/1"), 0, 2**53 - 1),)))
    log.act(Closed(theirs, 1, ""))
    log.act(Forked(theirs, Digest("sha256:0")))
    good = stix(world)
    log.state(header(), good)
    outcome = pulled(world, victim, liar.one)
    assert not outcome.faults and held(victim, log.origin) == [PAYLOAD] * 10
    for kind in ("act.tombstone", "act.retract", "act.narrow", "act.consent"):
        assert_refused(victim, "refused", f"{liar.one.name} cannot say {kind} of statements in '{theirs}'")
    with victim.store.read() as unit:
        followed = unit.logs.find(theirs)
        assert followed is not None and followed.state is LogState.OPEN
        entries = unit.entries.read(followed.id, 0, followed.size)
        assert [e.held for e in entries] == [PAYLOAD] * len(entries) and {e.standing for e in entries} == {b"{}"}
    assert found(victim, value(good)) == [liar.one.name]
    assert_others_go_on(world)


def test_acts_that_cannot_be_read_stop_nothing(world: World, liar: Forger) -> None:
    victim, log = world.people[1], liar.log(ALL)
    for kind in ("act.retract", "act.hold", "act.join", "act.of-the-future"):
        for body in (
            b"",
            b"{}",
            b'{"act":"retract","spans":[]}',
            b'{"act":"hold","logs":[["x",-1,[[5,2,"payload"]]]]}',
        ):
            log.state(header(kind, None), body)
    good = stix(world)
    log.state(header(), good)
    outcome = pulled(world, victim, liar.one)
    assert not outcome.faults and found(victim, value(good)) == [liar.one.name]
    assert_refused(victim, "malformed", "act.retract")


def test_a_second_ballot_is_shown_and_changes_nothing(world: World, liar: Forger) -> None:
    victim, log = world.people[1], liar.log(ALL)
    with victim.store.read() as unit:
        parent = victim.services.accords.get(unit, ALL).current.digest
    log.act(Ballot(parent, Digest("sha256:" + "1" * 64), True))
    log.act(Ballot(parent, Digest("sha256:" + "2" * 64), True))
    pulled(world, victim, liar.one)
    assert f"{liar.one.name} voted twice" in doctor_says(victim)
    with victim.store.read() as unit:
        (double,) = victim.services.accords.get(unit, ALL).doubles
        assert isinstance(double.act, Ballot) and double.act.proposal.endswith("2")
    assert_others_go_on(world)


def test_a_holding_with_thousands_of_runs_and_strange_logs_costs_little(world: World, liar: Forger) -> None:
    victim, log = world.people[1], liar.log(ALL)
    mine = Origin(f"{victim.name}/accord/{ALL}/1")
    runs = tuple(HeldRun(n, n + 1, (PAYLOAD, WITHHELD)[n % 2]) for n in range(20_000))
    strange = tuple(Holding(Origin(f"cert.x{n}.example/accord/{ALL}/1"), 1, ()) for n in range(5_000))
    for size in (3, 4):
        log.act(Hold((Holding(mine, size, runs), *strange, Holding(Origin("no origin"), 1, ()))))
    outcome = pulled(world, victim, liar.one)
    assert not outcome.faults
    with victim.store.read() as unit:
        rows = unit.views.find(views.HOLDING, {"holder": liar.one.name}, limit=100)
        assert [(row[1], row[3]) for row in rows] == [(mine, 4)], "the newest answer about a log that is kept here"


def test_many_acts_about_a_whole_log_are_added_up_once(world: World, liar: Forger) -> None:
    """Each of hundreds of acts covers the log in thousands of overlapping runs: what counts is their union."""
    victim, log = world.people[1], liar.log(ALL)
    for _ in range(40):
        log.state(header(), stix(world))
    spans = tuple(Span(log.origin, n % 7, 2**40 + n) for n in range(10_000))
    for _ in range(20):
        log.act(Retract(spans, "again"))
    outcome = pulled(world, victim, liar.one)
    assert not outcome.faults
    with victim.store.read() as unit:
        followed = unit.logs.find(log.origin)
        assert followed is not None
        assert len(unit.spans.about(log.origin, 0, 99)) == 20
        standings = [e.standing for e in unit.entries.read(followed.id, 0, followed.size)]
        assert standings == [b'{"retracted":true}'] * len(standings)


def test_an_act_that_hits_thousands_of_relays_is_passed_on_in_few(world: World, liar: Forger) -> None:
    """More runs than one batch may hold: passing on must not stop the following of the author's log."""
    victim, honest, log = world.people[1], world.people[2], liar.log(ALL)
    count = 2 * limits.ACT_SPANS_MAX + 300
    for _ in range(count):
        log.state(header(), b"{}")
    pulled(world, victim, liar.one)
    two = world.accord(AccordId("two"), [victim, honest])
    target = Origin(f"{victim.name}/accord/{two}/1")
    with victim.node.writing() as unit:
        for start in range(0, 2 * count, limits.BATCH_ENTRIES_MAX):
            some = min(limits.BATCH_ENTRIES_MAX, 2 * count - start)
            books.append(victim.node, unit, target, 1, [books.Draft(header(), b"{}")] * some)
        ids = [log_.id for origin in (log.origin, target) if (log_ := unit.logs.find(origin))]
        # As if each had been relayed with something between: no two runs touch.
        unit.views.put(views.PASSED, [(position(ids[1], 2 * n), position(ids[0], n)) for n in range(1, count + 1)])
    before = len(held(victim, target))
    log.act(Retract((Span(log.origin, 0, log.size),), "false"))
    outcome = pulled(world, victim, liar.one)
    assert not outcome.faults and held(victim, log.origin)[-1] is PAYLOAD
    assert len(held(victim, target)) - before == 3


# -- clocks --------------------------------------------------------------------------------------


def test_a_receipt_from_the_future_is_refused(world: World, liar: Forger) -> None:
    victim = world.people[1]
    places = world.collect(victim, [stix(world)], amber())
    victim.services.sharing.share(victim.actor, ALL, places)
    with victim.store.read() as unit:
        log = unit.logs.find(Origin(f"{victim.name}/accord/{ALL}/1"))
        assert log is not None
    note = parse_note(log.note)
    for seconds, code in ((365 * 86_400, "unverified"), (limits.CLOCK_SKEW_SECONDS_MAX + 60, "unverified")):
        line = cosign(note.text, witness.witness_name(liar.one.name), liar.one.secrets["witness"], world.now + seconds)
        liar.others = [Note(note.text, (*note.signatures, line)).encode()]
        outcome = pulled(world, victim, liar.one)
        assert outcome.receipts == 0
        assert_refused(victim, code, "dated in the future: its clock or ours is off")
    line = cosign(note.text, witness.witness_name(liar.one.name), liar.one.secrets["witness"], world.now)
    liar.others = [Note(note.text, (*note.signatures, line)).encode()]
    assert pulled(world, victim, liar.one).receipts == 1


def test_a_receipt_by_a_key_that_is_not_the_witness_is_refused(world: World, liar: Forger) -> None:
    victim = world.people[1]
    with victim.store.read() as unit:
        log = unit.logs.find(Origin(f"{victim.name}/accord/{ALL}/1"))
        assert log is not None
    note = parse_note(log.note)
    line = cosign(note.text, witness.witness_name(liar.one.name), liar.one.secrets["log"], world.now)
    liar.others = [Note(note.text, (*note.signatures, line)).encode()]
    assert pulled(world, victim, liar.one).receipts == 0
    assert_refused(victim, "unverified", "the receipt of cert.arcadia.example")


def test_another_tree_under_our_own_signature_is_said_loudly(world: World, liar: Forger) -> None:
    """A stolen key, or a backup that was restored and went on: the peer's copy of our log is not ours."""
    victim = world.people[1]
    stolen = Forger(world, victim)
    log = stolen.log(ALL)
    log.entries[0] = sync.Opened(WITHHELD, bytes(32), None, None, None)
    liar.others = [stolen.note(log)]
    assert pulled(world, victim, liar.one).receipts == 0
    assert_refused(victim, "unverified", "another tree of our")
    for _ in range(9):
        log.state(header(), b"{}")
    liar.others = [stolen.note(log)]
    pulled(world, victim, liar.one)
    assert_refused(victim, "unverified", "holds a checkpoint of our")


# -- other parties' business ------------------------------------------------------------------------


def test_logs_of_an_accord_the_peer_is_not_in_are_refused(world: World, liar: Forger) -> None:
    _, victim, honest, _ = world.people
    pair = world.accord(AccordId("pair"), [victim, honest])
    log = liar.log(pair)
    log.state(header(), stix(world))
    unknown = liar.log("unknown")
    unknown.state(header(), stix(world))
    pulled(world, victim, liar.one)
    assert held(victim, log.origin) == [] and held(victim, unknown.origin) == []
    assert_refused(victim, "refused", "which is no log of an accord with it")
    assert_refused(victim, "not-found", "no accord 'unknown' is known here")
    liar.logs.clear()
    home = Forged(canon.home_origin(liar.one.name, 1), [])
    liar.others = [liar.note(home)]
    pulled(world, victim, liar.one)
    assert_refused(victim, "not-found", "no accord")


def test_a_stranger_is_answered_nothing_and_a_home_log_is_shown_to_nobody(world: World) -> None:
    a, b, _, stranger = world.people
    places = world.collect(a, [stix(world)], amber())
    a.services.sharing.share(a.actor, ALL, places)
    heads = sync.decode_heads(a.services.serving.answer(stranger.name, sync.Heads()).body)
    assert heads.logs == () and heads.accords == () and heads.forks == ()
    origin = Origin(f"{a.name}/accord/{ALL}/1")
    home = canon.home_origin(a.name, 1)
    for request in (sync.Page(origin, 0, 1, 1), sync.Fill(origin, 0, 1), sync.Consistency(origin, 1, 1)):
        with pytest.raises(ComityError, match="no log"):
            a.services.serving.answer(stranger.name, request)
    with a.store.read() as unit:
        log = unit.logs.find(home)
        assert log is not None
        before = log.size
    for asked in (sync.Page(home, 0, 1, 1), sync.Page(home, 0, 1, 1, bare=True), sync.Fill(home, 0, 1)):
        with pytest.raises(Refused, match="shown to nobody"):
            a.services.serving.answer(b.name, asked)
    with a.store.read() as unit:
        log = unit.logs.find(home)
        assert log is not None and log.size == before, "asking does not make the home log grow"
    hashes = a.services.serving.answer(b.name, sync.Consistency(home, 1, before))
    assert sync.decode_hashes(hashes.body).hashes


def test_asking_in_every_way_for_the_same_entries_records_them_once(world: World) -> None:
    a, b = world.people[:2]
    places = world.collect(a, list(indicators(world.random, 6)), amber())
    a.services.sharing.share(a.actor, ALL, places)
    origin, home = Origin(f"{a.name}/accord/{ALL}/1"), canon.home_origin(a.name, 1)

    def size() -> int:
        with a.store.read() as unit:
            log = unit.logs.find(home)
            assert log is not None
            return log.size

    a.services.serving.answer(b.name, sync.Page(origin, 0, 7, 7))
    before = size()
    for start in range(7):
        for end in range(start + 1, 8):
            a.services.serving.answer(b.name, sync.Fill(origin, start, end))
    assert size() == before


@pytest.mark.parametrize("start", [-1, 7, 2**63, 2**64 - 1])
def test_impossible_runs_are_refused(world: World, start: int) -> None:
    a, b = world.people[:2]
    origin = Origin(f"{a.name}/accord/{ALL}/1")
    for request in (
        sync.Page(origin, start, start + 1 if start < 2**63 else start, 1),
        sync.Fill(origin, start, start),
        sync.Ahead(origin, start, start),
        sync.Consistency(origin, start, 1),
        sync.Consistency(origin, 0, start),
        sync.Nodes(origin, 1, 0, start, 1),
        sync.Nodes(origin, 1, start, 0, 1),
        sync.Nodes(origin, 1, 0, 0, start),
    ):
        with pytest.raises(Refused):
            a.services.serving.answer(b.name, request)
    with pytest.raises(ComityError, match="no log"):
        a.services.serving.answer(b.name, sync.Page(Origin("\0"), 0, 1, 1))


# -- floods -------------------------------------------------------------------------------------------


def test_a_log_over_its_limit_is_not_followed(world: World, liar: Forger, monkeypatch: pytest.MonkeyPatch) -> None:
    victim, log = world.people[1], liar.log(ALL)
    monkeypatch.setattr(limits, "SYNC_LOG_ENTRIES_MAX", 3)
    for _ in range(3):
        log.state(header(), stix(world))
    pulled(world, victim, liar.one)
    assert held(victim, log.origin) == []
    assert_refused(victim, "too-large", "SYNC_LOG_ENTRIES_MAX")
    assert_others_go_on(world)


def test_heads_over_a_limit_are_refused(world: World, liar: Forger) -> None:
    victim = world.people[1]
    note = liar.note(liar.log(ALL))
    liar.others = [note] * (limits.SYNC_LOGS_MAX + 1)
    outcome = world.pull(victim, liar.one)
    assert isinstance(outcome, TooLarge) and "SYNC_LOGS_MAX" in str(outcome)
    liar.others, liar.forks = [], (b"x",) * (limits.SYNC_FORKS_MAX + 1)
    outcome = world.pull(victim, liar.one)
    assert isinstance(outcome, TooLarge) and "SYNC_FORKS_MAX" in str(outcome)
    assert_others_go_on(world)


def test_a_party_with_ever_more_generations_is_followed_up_to_a_limit(world: World, liar: Forger) -> None:
    victim, honest = world.people[1], world.people[2]
    for number in range(1, limits.LOG_GENERATIONS_MAX + 9):
        liar.log(ALL, number).state(header(), b"{}")
    pulled(world, victim, liar.one)
    with victim.store.read() as unit:
        kept = [log for log in unit.logs.all() if log.party == liar.one.name]
    assert len(kept) == limits.LOG_GENERATIONS_MAX
    assert_refused(victim, "too-large", "LOG_GENERATIONS_MAX")
    assert_others_go_on(world)
    assert not pulled(world, honest, victim).faults, "the victim still answers others"


def test_an_accord_that_this_party_never_signed_brings_nothing(world: World, liar: Forger) -> None:
    """A text that names the victim, signed by the liar alone, opens no log of the liar's at the victim."""
    victim = world.people[1]
    name = AccordId("trap")
    people = [liar.one, victim]
    rows = [Member(m.name, m.card().card.keys.root, m.card().card.jurisdiction) for m in people]
    text = accords.draft(TEXT, {"id": name, "title": name, "ceiling": Tlp.RED.value}, rows).encode()
    digest = canon.digest(text)
    with liar.one.node.writing() as unit:
        liar.one.services.accords.take_text(unit, text)
        liar.one.services.accords.sign(unit, liar.one.actor, digest, liar.one.secrets["root"])
        file = liar.one.services.accords.file(unit, digest)
    liar.accords, liar.texts = (sync.AccordHead(digest, (liar.one.name,)),), {digest: file}
    log = liar.log(name)
    for _ in range(9):
        log.state(header(), stix(world))
    assert not pulled(world, victim, liar.one).faults
    assert held(victim, log.origin) == []
    assert f"{name} awaits the signature of {victim.name}" in doctor_says(victim)
    with victim.node.writing() as unit:
        victim.services.accords.sign(unit, victim.actor, digest, victim.secrets["root"])
    pulled(world, victim, liar.one)
    assert held(victim, log.origin).count(PAYLOAD) == log.size, "once it has signed, nothing is missing"


def test_accord_texts_nobody_signed_or_other_than_offered_are_refused(world: World, liar: Forger) -> None:
    victim = world.people[1]
    with victim.store.read() as unit:
        text = victim.services.accords.get(unit, ALL).current
        file = victim.services.accords.file(unit, text.digest)
    digest = Digest("sha256:" + "1" * 64)
    liar.accords, liar.texts = (sync.AccordHead(digest, (liar.one.name,)),), {digest: file}
    pulled(world, victim, liar.one)
    assert_refused(victim, "unverified", "answers with")
    forged = text.data.replace(b'id = "all"', b'id = "more"').replace(b'"all"', b'"more"')
    digest = canon.digest(forged)
    wrong = dsse.sign(TEXT_MEDIA_TYPE, forged, liar.one.secrets["log"])
    liar.accords, liar.texts = (sync.AccordHead(digest, (liar.one.name,)),), {digest: wrong.encode()}
    pulled(world, victim, liar.one)
    assert_refused(victim, "refused", "that no known party has signed")
    with victim.store.read() as unit:
        assert [t.text.id for t in victim.services.accords.texts(unit)] == [ALL]
    assert_others_go_on(world)


# -- equivocation ------------------------------------------------------------------------------------------


def split(world: World, liar: Forger, sizes: tuple[int, int]) -> tuple[Forged, Forged]:
    """Let the liar show one history to the second party and another to the third."""
    _, b, c, _ = world.people
    one = liar.log(ALL)
    other = Forged(one.origin, list(one.entries))
    for log, size in zip((one, other), sizes, strict=True):
        while log.size < size:
            log.state(header(), stix(world))
    liar.to = {b.name: {one.origin: one}, c.name: {other.origin: other}}
    return one, other


@pytest.mark.parametrize("sizes", [(3, 3), (3, 5), (5, 3), (2, 300), (300, 2)])
def test_a_split_view_is_found_by_showing_heads_and_proven_to_anybody(
    world: World, liar: Forger, sizes: tuple[int, int]
) -> None:
    _, b, c, _ = world.people
    one, other = split(world, liar, sizes)
    pulled(world, b, liar.one)
    pulled(world, c, liar.one)
    assert len(held(b, one.origin)) == sizes[0] and len(held(c, one.origin)) == sizes[1]
    for _ in range(3):
        pulled(world, b, c)
        pulled(world, c, b)
    for holder in (b, c):
        with holder.store.read() as unit:
            log = unit.logs.find(one.origin)
            assert log is not None and log.state is LogState.FROZEN
            file = forks.export(unit, one.origin)
        proven = forks.check(file)
        assert proven.party == liar.one.name and proven.first != proven.second
        assert f"{one.origin} is frozen" in doctor_says(holder)
        assert_refused(holder, "forked", "two contradictory versions")
    # Nothing more of it is believed: neither history grows here.
    before = [len(held(holder, one.origin)) for holder in (b, c)]
    for log in (one, other):
        log.state(header(), stix(world))
    pulled(world, b, liar.one)
    pulled(world, c, liar.one)
    assert [len(held(holder, one.origin)) for holder in (b, c)] == before
    assert_others_go_on(world)


def test_a_split_view_whose_both_sides_grow_is_found_by_who_is_always_behind(world: World, liar: Forger) -> None:
    """The third party hears of the other history only through longer checkpoints, never asks twice at one size."""
    _, b, c, _ = world.people
    one, other = split(world, liar, (6, 3))
    for _ in range(6):
        pulled(world, b, liar.one)
        pulled(world, c, b)
        pulled(world, c, liar.one)
        if witness_frozen(c, one.origin):
            break
        one.state(header(), stix(world))
        one.state(header(), stix(world))
        other.state(header(), stix(world))
        other.state(header(), stix(world))
    assert witness_frozen(c, one.origin)


def test_a_split_view_is_found_though_the_peer_has_nothing_new(world: World, liar: Forger) -> None:
    """The second party's heads do not change: the comparing that was put off is not forgotten for that."""
    _, b, c, _ = world.people
    one, _ = split(world, liar, (6, 3))
    pulled(world, b, liar.one)
    pulled(world, c, liar.one)
    for _ in range(2):
        pulled(world, c, b)
    assert witness_frozen(c, one.origin)


def witness_frozen(one: Inhabitant, origin: str) -> bool:
    with one.store.read() as unit:
        return witness.is_frozen(unit, Origin(origin))


def test_a_rewritten_history_is_proven_by_what_was_held(world: World, liar: Forger) -> None:
    victim, log = world.people[1], liar.log(ALL)
    log.state(header(), stix(world))
    pulled(world, victim, liar.one)
    log.entries.pop()
    for _ in range(3):
        log.state(header(), stix(world))
    outcome = pulled(world, victim, liar.one)
    assert outcome.forks == [log.origin] and witness_frozen(victim, log.origin)
    assert held(victim, log.origin) == [PAYLOAD] * 2, "what was held stays, as it was"


def test_a_home_log_in_two_versions_is_a_fork_too(world: World, liar: Forger) -> None:
    victim, honest = world.people[1], world.people[2]
    home = canon.home_origin(liar.one.name, 1)
    trees = [Forged(home, []) for _ in range(2)]
    for tree in trees:
        for _ in range(3):
            tree.state(header("home.release", None, 0), b"{}", version=0)
    liar.home = liar.note(trees[0])
    assert not pulled(world, victim, liar.one).faults
    liar.home = liar.note(trees[1])
    assert pulled(world, victim, liar.one).forks == [home]
    assert pulled(world, honest, victim).forks == [home], "it is passed on"
    liar.home = liar.note(trees[0], 2)
    assert not pulled(world, victim, liar.one).faults, "nothing more of it is believed, and nothing more is said"


def test_a_home_log_that_shrinks_or_is_rewritten_is_refused(world: World, liar: Forger) -> None:
    victim = world.people[1]
    home = canon.home_origin(liar.one.name, 1)
    tree, other = Forged(home, []), Forged(home, [])
    for log in (tree, other):
        for _ in range(5):
            log.state(header("home.release", None, 0), b"{}", version=0)
    liar.home = liar.note(tree, 4)
    liar.logs[home] = tree
    pulled(world, victim, liar.one)
    liar.home = liar.note(tree, 3)
    pulled(world, victim, liar.one)
    assert_refused(victim, "refused", "a home log shorter than the one it signed before")
    liar.home = liar.note(other)
    pulled(world, victim, liar.one)
    assert_refused(victim, "unverified", "do not match")


def test_a_lying_accuser_freezes_nothing(world: World, liar: Forger) -> None:
    victim, honest = world.people[1], world.people[2]
    origin = Origin(f"{honest.name}/accord/{ALL}/1")
    true, false = Forger(world, honest).log(ALL), Forged(origin, [])
    false.state(header(), b"{}")
    real = parse_note(honest.node.signer.checkpoint(origin, true.checkpoint().text()))
    fake = parse_note(liar.one.node.signer.checkpoint(origin, false.checkpoint().text()))
    pulled(world, victim, honest)
    grown = Forged(origin, [*true.entries])
    grown.state(header(), b"{}")
    longer = parse_note(honest.node.signer.checkpoint(origin, grown.checkpoint().text()))
    mine = Forged(Origin(f"{liar.one.name}/accord/elsewhere/1"), [])
    liar.forks = (
        ForkCertificate(real, fake).encode(),
        ForkCertificate(fake, real).encode(),
        ForkCertificate(real, real).encode(),
        ForkCertificate(real, longer).encode(),
        b"comity/fork/v1\n\n",
        b"",
    )
    liar.others = [fake.encode()]
    outcome = pulled(world, victim, liar.one)
    assert outcome.forks == [] and len(outcome.faults) == 7
    assert not witness_frozen(victim, origin)
    with victim.store.read() as unit:
        log = unit.logs.find(origin)
        assert log is not None and log.state is LogState.OPEN
    assert_refused(victim, "unverified", "a fork certificate proves nothing")
    assert_others_go_on(world)
    # A true fork of a log that concerns nobody here fills no disk either.
    two = Forged(mine.origin, [])
    mine.state(header(), b"{}")
    two.state(header(), b"{}")
    liar.others = []
    liar.forks = (ForkCertificate(parse_note(liar.note(mine)), parse_note(liar.note(two))).encode(),)
    assert pulled(world, victim, liar.one).forks == []
    assert_refused(victim, "refused", "none of a log that is followed here")


def test_a_certificate_that_comes_before_its_log_freezes_it_too(world: World, liar: Forger) -> None:
    victim, honest, log = world.people[1], world.people[2], liar.log(ALL)
    other = Forged(log.origin, [])
    other.state(header(), b"{}")
    certificate = ForkCertificate(parse_note(liar.note(log)), parse_note(liar.note(other))).encode()
    accuser = Forger(world, honest).take_over()
    accuser.forks = (certificate,)
    assert pulled(world, victim, honest).forks == [log.origin]
    pulled(world, victim, liar.one)
    assert held(victim, log.origin) == []


def test_forks_of_an_accord_are_shown_to_its_members_only(world: World, liar: Forger) -> None:
    _, b, c, stranger = world.people
    split(world, liar, (3, 3))
    pulled(world, b, liar.one)
    pulled(world, c, liar.one)
    assert pulled(world, b, c).forks
    assert sync.decode_heads(b.services.serving.answer(c.name, sync.Heads()).body).forks
    assert not sync.decode_heads(b.services.serving.answer(stranger.name, sync.Heads()).body).forks


# -- erasure ----------------------------------------------------------------------------------------------


def test_what_was_erased_is_not_revived_by_answering_more_than_was_asked(world: World, liar: Forger) -> None:
    victim, log = world.people[1], liar.log(ALL)
    secret = stix(world)
    log.state(header(), stix(world), commitment=bytes(32))
    log.state(header(), secret)
    pulled(world, victim, liar.one)
    assert found(victim, value(secret))
    log.act(Tombstone((Span(log.origin, 2, 3),), "a court order"))
    liar.grant = b"1"

    def more(request: sync.AnyRequest, body: bytes) -> bytes:
        if not isinstance(request, sync.Fill):
            return body
        return sync.encode_page(log.origin, request.start, log.entries[request.start : 3])

    pulled(world, victim, liar.one)
    liar.tamper, liar.grant = more, b"2"
    pulled(world, victim, liar.one)
    assert held(victim, log.origin)[2] is Held.ERASED and not found(victim, value(secret))
    with victim.store.read() as unit:
        followed = unit.logs.find(log.origin)
        assert followed is not None
        where = position(followed.id, 2)
        assert not unit.views.scan(intel.OBJECT, where, where, limit=9)
