"""Relays and acts that lie: nobody is named as an author who did not sign, and nobody acts for another."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from comity import canon, limits, statement
from comity.acts import Ballot, Closed, Consent, Forked, HeldRun, Hold, Holding, Narrow, Retract, Span, Tombstone
from comity.areas import intel
from comity.canon import AccordId, Digest, Origin
from comity.node import books, views
from comity.node.ports import LogState, position
from comity.statement import INTEL_RELAY, RELAY_MEDIA, Marking, Relayed
from comity.testing.world import World, amber
from comity.tlog.fork import ForkCertificate
from comity.tlog.merkle import inclusion_proof
from comity.tlog.note import parse_note
from comity.tlog.proof import Proof
from comity.vocab import Held, Pap, Tlp
from tests.sync.forger import (
    Forged,
    Forger,
    assert_others_go_on,
    assert_refused,
    doctor_says,
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


# -- relays -----------------------------------------------------------------------------


@pytest.fixture
def relayed(hostile: World, liar: Forger) -> tuple[Forged, statement.Header, intel.Relay]:
    """An honest original of the third party in an accord of the liar and it, and its true relay."""
    honest = hostile.people[2]
    original = Forged(Origin(f"{honest.name}/accord/one/1"), [])
    original.state(header(marking=Marking(Tlp.CLEAR)), stix(hostile))
    number = original.state(header(marking=Marking(Tlp.CLEAR)), stix(hostile))
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


def test_a_true_relay_is_believed_and_names_its_author(hostile: World, liar: Forger, relayed: Any) -> None:
    victim, honest, (original, outer, relay) = hostile.people[1], hostile.people[2], relayed
    log = liar.log(ALL)
    log.state(statement.encode_header(outer), intel.join_relay(relay))
    pulled(hostile, victim, liar.one)
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
    hostile: World, liar: Forger, relayed: Any, lie: str, reason: str
) -> None:
    victim, (original, outer, relay), log = hostile.people[1], relayed, liar.log(ALL)
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
        note = hostile.people[2].node.signer.checkpoint(original.origin, original.checkpoint().text())
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
    good = stix(hostile)
    log.state(header(), good)
    pulled(hostile, victim, liar.one)
    assert held(victim, log.origin) == [PAYLOAD, WITHHELD, PAYLOAD]
    assert not found(victim, value(original.entries[1].body)) and found(victim, value(good)) == [liar.one.name]
    assert any(reason in row[2] for row in refused(victim)), refused(victim)
    assert reason in doctor_says(victim)


def test_a_relay_from_a_frozen_log_is_refused(hostile: World, liar: Forger, relayed: Any) -> None:
    victim, honest, (original, outer, relay) = hostile.people[1], hostile.people[2], relayed
    other = Forged(original.origin, [original.entries[1], original.entries[0]])
    notes = [honest.node.signer.checkpoint(original.origin, one.checkpoint().text()) for one in (original, other)]
    hostile.accord(AccordId("one"), [victim, honest])
    liar.forks = (ForkCertificate(parse_note(notes[0]), parse_note(notes[1])).encode(),)
    log = liar.log(ALL)
    log.state(statement.encode_header(outer), intel.join_relay(relay))
    pulled(hostile, victim, liar.one)
    assert held(victim, log.origin)[1:2] == [WITHHELD]
    assert_refused(victim, "refused", "is frozen: a fork of it is proven")


# -- acts -----------------------------------------------------------------------------------


def test_nobody_acts_on_another_partys_statements(hostile: World, liar: Forger) -> None:
    victim, honest, log = hostile.people[1], hostile.people[2], liar.log(ALL)
    places = hostile.collect(honest, [stix(hostile)], amber())
    honest.services.sharing.share(honest.actor, ALL, places)
    pulled(hostile, victim, honest)
    theirs = Origin(f"{honest.name}/accord/{ALL}/1")
    spans = (Span(theirs, 0, 9),)
    for act in (Tombstone(spans, "a law"), Retract(spans), Narrow(spans, Tlp.RED), Consent(spans, ("x/y",))):
        log.act(act)
    log.act(Retract((Span(Origin("no origin at all"), 0, 1),)))
    log.act(Retract((Span(Origin(f"{liar.one.name}/accord/{ALL}/1"), 0, 2**53 - 1),)))
    log.act(Closed(theirs, 1, ""))
    log.act(Forked(theirs, Digest("sha256:0")))
    good = stix(hostile)
    log.state(header(), good)
    outcome = pulled(hostile, victim, liar.one)
    assert not outcome.faults and held(victim, log.origin) == [PAYLOAD] * 10
    for kind in ("act.tombstone", "act.retract", "act.narrow", "act.consent"):
        assert_refused(victim, "refused", f"{liar.one.name} cannot say {kind} of statements in '{theirs}'")
    with victim.store.read() as unit:
        followed = unit.logs.find(theirs)
        assert followed is not None and followed.state is LogState.OPEN
        entries = unit.entries.read(followed.id, 0, followed.size)
        assert [e.held for e in entries] == [PAYLOAD] * len(entries) and {e.standing for e in entries} == {b"{}"}
    assert found(victim, value(good)) == [liar.one.name]
    assert_others_go_on(hostile)


def test_acts_that_cannot_be_read_stop_nothing(hostile: World, liar: Forger) -> None:
    victim, log = hostile.people[1], liar.log(ALL)
    for kind in ("act.retract", "act.hold", "act.join", "act.of-the-future"):
        for body in (
            b"",
            b"{}",
            b'{"act":"retract","spans":[]}',
            b'{"act":"hold","logs":[["x",-1,[[5,2,"payload"]]]]}',
        ):
            log.state(header(kind, None), body)
    good = stix(hostile)
    log.state(header(), good)
    outcome = pulled(hostile, victim, liar.one)
    assert not outcome.faults and found(victim, value(good)) == [liar.one.name]
    assert_refused(victim, "malformed", "act.retract")


def test_a_second_ballot_is_shown_and_changes_nothing(hostile: World, liar: Forger) -> None:
    victim, log = hostile.people[1], liar.log(ALL)
    with victim.store.read() as unit:
        parent = victim.services.accords.get(unit, ALL).current.digest
    log.act(Ballot(parent, Digest("sha256:" + "1" * 64), True))
    log.act(Ballot(parent, Digest("sha256:" + "2" * 64), True))
    pulled(hostile, victim, liar.one)
    assert f"{liar.one.name} voted twice" in doctor_says(victim)
    with victim.store.read() as unit:
        (double,) = victim.services.accords.get(unit, ALL).doubles
        assert isinstance(double.act, Ballot) and double.act.proposal.endswith("2")
    assert_others_go_on(hostile)


def test_a_holding_with_thousands_of_runs_and_strange_logs_costs_little(hostile: World, liar: Forger) -> None:
    victim, log = hostile.people[1], liar.log(ALL)
    mine = Origin(f"{victim.name}/accord/{ALL}/1")
    runs = tuple(HeldRun(n, n + 1, (PAYLOAD, WITHHELD)[n % 2]) for n in range(20_000))
    strange = tuple(Holding(Origin(f"cert.x{n}.example/accord/{ALL}/1"), 1, ()) for n in range(5_000))
    for size in (3, 4):
        log.act(Hold((Holding(mine, size, runs), *strange, Holding(Origin("no origin"), 1, ()))))
    outcome = pulled(hostile, victim, liar.one)
    assert not outcome.faults
    with victim.store.read() as unit:
        rows = unit.views.find(views.HOLDING, {"holder": liar.one.name}, limit=100)
        assert [(row[1], row[3]) for row in rows] == [(mine, 4)], "the newest answer about a log that is kept here"


def test_many_acts_about_a_whole_log_are_added_up_once(hostile: World, liar: Forger) -> None:
    """Each of hundreds of acts covers the log in thousands of overlapping runs: what counts is their union."""
    victim, log = hostile.people[1], liar.log(ALL)
    for _ in range(40):
        log.state(header(), stix(hostile))
    spans = tuple(Span(log.origin, n % 7, 2**40 + n) for n in range(10_000))
    for _ in range(20):
        log.act(Retract(spans, "again"))
    outcome = pulled(hostile, victim, liar.one)
    assert not outcome.faults
    with victim.store.read() as unit:
        followed = unit.logs.find(log.origin)
        assert followed is not None
        assert len(unit.spans.about(log.origin, 0, 99)) == 20
        standings = [e.standing for e in unit.entries.read(followed.id, 0, followed.size)]
        assert standings == [b'{"retracted":true}'] * len(standings)


def test_an_act_that_hits_thousands_of_relays_is_passed_on_in_few(hostile: World, liar: Forger) -> None:
    """More runs than one batch may hold: passing on must not stop the following of the author's log."""
    victim, honest, log = hostile.people[1], hostile.people[2], liar.log(ALL)
    count = 2 * limits.ACT_SPANS_MAX + 300
    for _ in range(count):
        log.state(header(), b"{}")
    pulled(hostile, victim, liar.one)
    two = hostile.accord(AccordId("two"), [victim, honest])
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
    outcome = pulled(hostile, victim, liar.one)
    assert not outcome.faults and held(victim, log.origin)[-1] is PAYLOAD
    assert len(held(victim, target)) - before == 3
