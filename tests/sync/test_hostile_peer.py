"""A peer that lies: each lie is refused under its own name, kept where it proves something, shown, and stops nobody."""

from __future__ import annotations

import msgspec
import pytest
import zstandard

from comity import canon, limits, statement, sync
from comity.acts import Span, Tombstone
from comity.areas import intel
from comity.canon import AccordId, Digest, Origin
from comity.errors import ComityError, Malformed, Unverified
from comity.http import problem
from comity.node import witness
from comity.node.ports import position
from comity.statement import Marking
from comity.testing.world import World, amber
from comity.tlog.cosignature import cosign
from comity.tlog.merkle import inclusion_proof
from comity.tlog.note import Note, parse_note
from comity.vocab import Held, Priority, Tlp
from tests.sync.forger import (
    Forged,
    Forger,
    assert_others_go_on,
    assert_refused,
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


# -- checkpoints ----------------------------------------------------------------------


def test_a_checkpoint_that_another_key_signed_is_refused(hostile: World, liar: Forger) -> None:
    victim, honest = hostile.people[1], hostile.people[2]
    log = liar.log(ALL)
    other = honest.node.signer.checkpoint(log.origin, log.checkpoint().text())
    liar.logs.clear()
    liar.others = [other]
    outcome = pulled(hostile, victim, liar.one)
    assert held(victim, log.origin) == [] and len(outcome.faults) == 1
    assert_refused(victim, "unverified", "signature does not hold")
    assert other in evidence(victim)
    assert_others_go_on(hostile)


def test_an_older_checkpoint_is_refused_and_nothing_is_rolled_back(hostile: World, liar: Forger) -> None:
    victim, log = hostile.people[1], liar.log(ALL)
    log.state(header(), stix(hostile))
    pulled(hostile, victim, liar.one)
    before = held(victim, log.origin)
    log.entries.pop()
    pulled(hostile, victim, liar.one)
    assert held(victim, log.origin) == before == [PAYLOAD, PAYLOAD]
    assert_refused(victim, "refused", "an older checkpoint of 1 leaves is shown, 2 are held")
    assert_others_go_on(hostile)


def test_entries_that_do_not_match_their_checkpoint_are_refused(hostile: World, liar: Forger) -> None:
    victim, log = hostile.people[1], liar.log(ALL)
    for _ in range(3):
        log.state(header(), stix(hostile))

    def swap(request: sync.AnyRequest, body: bytes) -> bytes:
        if not isinstance(request, sync.Page):
            return body
        entries = [log.entries[0], log.entries[2], log.entries[1], log.entries[3]]
        if request.bare:
            entries = [sync.Opened(WITHHELD, e.commitment, None, None, None) for e in entries]
        return sync.encode_page(log.origin, 0, entries)

    liar.tamper = swap
    pulled(hostile, victim, liar.one)
    assert held(victim, log.origin) == []
    assert_refused(victim, "unverified", "entries do not match the signed checkpoint")
    liar.tamper = lambda request, body: body
    pulled(hostile, victim, liar.one)
    assert held(victim, log.origin) == [PAYLOAD] * 4, "what is true is believed as soon as it is shown"


@pytest.mark.parametrize("wire", [2, 0])
def test_another_wire_version_is_refused_by_name(hostile: World, liar: Forger, wire: int) -> None:
    victim = hostile.people[1]

    def other(request: sync.AnyRequest, body: bytes) -> bytes:
        if not isinstance(request, sync.Heads):
            return body
        return msgspec.msgpack.encode({**msgspec.msgpack.decode(body), "v": wire})

    liar.tamper = other
    outcome = hostile.pull(victim, liar.one)
    assert isinstance(outcome, Malformed) and f"wire version {wire}" in str(outcome)
    assert_others_go_on(hostile)


def test_a_page_in_another_wire_version_is_kept_as_a_fault_of_its_log(hostile: World, liar: Forger) -> None:
    victim = hostile.people[1]
    liar.log(ALL)

    def other(request: sync.AnyRequest, body: bytes) -> bytes:
        if not isinstance(request, sync.Page):
            return body
        page = msgspec.msgpack.decode(zstandard.ZstdDecompressor().decompress(body))
        return zstandard.ZstdCompressor().compress(msgspec.msgpack.encode({**page, "v": 2}))

    liar.tamper = other
    pulled(hostile, victim, liar.one)
    assert_refused(victim, "malformed", "wire version 2; this node speaks version 1")
    assert_others_go_on(hostile)


def test_nobody_answers_in_another_partys_name(hostile: World, liar: Forger) -> None:
    victim = hostile.people[1]
    liar.party = hostile.people[2].name
    outcome = hostile.pull(victim, liar.one)
    assert isinstance(outcome, Unverified) and "answers where" in str(outcome)


@pytest.mark.parametrize("body", [b"", b"\xc1", b"\x93\x01", b"\x80" * 300, zstandard.compress(bytes(1 << 20))])
def test_garbage_in_any_answer_is_a_fault_and_no_crash(hostile: World, liar: Forger, body: bytes) -> None:
    victim = hostile.people[1]
    liar.flash = (0,)
    liar.accords = (sync.AccordHead(Digest("sha256:" + "1" * 64), (liar.one.name,)),)
    liar.texts = {"sha256:" + "1" * 64: b""}
    liar.home = liar.note(Forged(canon.home_origin(liar.one.name, 1), []))
    liar.log(ALL)
    for kind in (sync.Heads, sync.Page, sync.Ahead, sync.AccordText, sync.Card):
        liar.tamper = lambda request, good, kind=kind: body if isinstance(request, kind) else good  # type: ignore[misc]
        outcome = hostile.pull(victim, liar.one)
        assert isinstance(outcome, Malformed) if kind is sync.Heads else not isinstance(outcome, ComityError)
    assert_others_go_on(hostile)


@pytest.mark.parametrize("code", ["misuse", "fault", "malformed", "unverified", "conflict", "not-found", "x"])
def test_a_peer_that_answers_with_errors_stops_only_itself(hostile: World, liar: Forger, code: str) -> None:
    victim, log = hostile.people[1], liar.log(ALL)
    second = liar.log(ALL, 2)
    second.state(header(), stix(hostile))

    def fail(request: sync.AnyRequest, body: bytes) -> bytes:
        if isinstance(request, sync.Page) and request.origin == log.origin:
            raise problem._BY_CODE.get(code, ComityError)("as I like")
        return body

    liar.tamper = fail
    outcome = hostile.pull(victim, liar.one)
    if code not in {"fault", "x"}:  # these are the network's: the whole pull is tried again
        assert not isinstance(outcome, ComityError) and outcome.faults
        assert held(victim, second.origin) == [PAYLOAD], "its other log is followed"
    assert_others_go_on(hostile)


# -- payloads ------------------------------------------------------------------------


def test_a_payload_that_does_not_open_its_leaf_is_quarantined_and_nothing_behind_it_waits(
    hostile: World, liar: Forger
) -> None:
    victim, log = hostile.people[1], liar.log(ALL)
    log.state(header(), stix(hostile))
    false = stix(hostile)
    log.state(header(), false, commitment=bytes(32))
    last = stix(hostile)
    log.state(header(), last)
    outcome = pulled(hostile, victim, liar.one)
    assert held(victim, log.origin) == [PAYLOAD, PAYLOAD, WITHHELD, PAYLOAD]
    assert outcome.payloads == 3
    assert_refused(victim, "unverified", "the payload does not match its commitment")
    assert false in evidence(victim)
    assert found(victim, value(last)) == [liar.one.name] and not found(victim, value(false))
    assert_others_go_on(hostile)


@pytest.mark.parametrize("ahead", [False, True])
def test_a_copied_leaf_opens_to_nothing_in_the_log_it_was_copied_into(
    hostile: World, liar: Forger, ahead: bool
) -> None:
    """The liar copies a leaf of an honest party, with all that opens it there."""
    victim, honest, log = hostile.people[1], hostile.people[2], liar.log(ALL)
    theirs = Forged(Origin(f"{honest.name}/accord/{ALL}/1"), [])
    body = stix(hostile)
    theirs.state(header(priority=Priority.FLASH), body)
    copied = theirs.entries[0]
    log.entries.append(copied)
    good = stix(hostile)
    log.state(header(), good)
    if ahead:
        liar.flash = (1,)

        def under_their_name(request: sync.AnyRequest, answer: bytes) -> bytes:
            if not isinstance(request, sync.Ahead):
                return answer
            proof = inclusion_proof(request.index, request.size, log.read)
            return sync.encode_page(theirs.origin, request.index, [copied], proof)

        liar.tamper = under_their_name
    pulled(hostile, victim, liar.one)
    assert held(victim, log.origin) == [PAYLOAD, WITHHELD, PAYLOAD]
    assert not found(victim, value(body)), "nobody is named as its author"
    assert found(victim, value(good)) == [liar.one.name]
    assert_refused(victim, "unverified", "does not match its commitment")
    if ahead:
        assert_refused(victim, "unverified", "another entry came than the one asked for")


@pytest.mark.parametrize("raw", [b"", b"{}", b"\xff\xfe", header() + b" ", header().replace(b'"v":1', b'"v":2')])
@pytest.mark.parametrize("version", [1, 0])
def test_a_header_nobody_can_read_stops_nothing(hostile: World, liar: Forger, raw: bytes, version: int) -> None:
    victim, log = hostile.people[1], liar.log(ALL)
    bad = log.state(raw, b"body", version=version)
    good = stix(hostile)
    log.state(header(), good)
    liar.flash = (bad,)
    pulled(hostile, victim, liar.one)
    assert held(victim, log.origin) == [PAYLOAD, WITHHELD, PAYLOAD]
    assert found(victim, value(good)) == [liar.one.name]
    codes = {code for _, code, _ in refused(victim)}
    assert "malformed" in codes
    assert_others_go_on(hostile)


def test_a_statement_over_its_limit_stops_nothing(hostile: World, liar: Forger) -> None:
    victim, log = hostile.people[1], liar.log(ALL)
    log.state(header(), bytes(limits.STATEMENT_BYTES_MAX))
    log.state(header(source="x" * limits.STATEMENT_HEADER_BYTES_MAX), b"{}")
    log.state(header(), stix(hostile))
    pulled(hostile, victim, liar.one)
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
    hostile: World, liar: Forger, raw: bytes, reason: str
) -> None:
    victim, log = hostile.people[1], liar.log(ALL)
    body = stix(hostile)
    version = statement.decode_header(raw).accord
    log.state(raw, body, version=version)
    log.state(header(), stix(hostile))
    outcome = pulled(hostile, victim, liar.one)
    assert held(victim, log.origin) == [PAYLOAD, WITHHELD, PAYLOAD] and outcome.refused >= 1
    assert_refused(victim, "refused", reason)
    assert any(body in kept for kept in evidence(victim))
    assert not found(victim, value(body))
    assert_others_go_on(hostile)


def test_unmarked_content_is_refused(hostile: World, liar: Forger) -> None:
    victim, log = hostile.people[1], liar.log(ALL)
    raw = canon.encode({k: v for k, v in msgspec.json.decode(header()).items() if k != "marking"})
    log.state(raw, stix(hostile))
    log.state(header(), stix(hostile))
    pulled(hostile, victim, liar.one)
    assert held(victim, log.origin) == [PAYLOAD, WITHHELD, PAYLOAD]
    assert_refused(victim, "malformed", "without a marking")


def test_what_is_ahead_of_an_accords_version_is_asked_for_again_whatever_else_came(
    hostile: World, liar: Forger
) -> None:
    """A statement under a version not in force yet, in one log; gaps that fill well, in the next."""
    victim, log = hostile.people[1], liar.log(ALL)
    log.state(header(version=2), stix(hostile), version=2)
    second = liar.log(ALL, 2)
    second.state(header(), b"no STIX", commitment=bytes(32))
    pulled(hostile, victim, liar.one)
    with victim.store.read() as unit:
        assert unit.documents.get("heads-etag", liar.one.name) is None
        assert unit.documents.get("grant", log.origin) is None
    before = len(liar.asked)
    pulled(hostile, victim, liar.one)
    assert sum(isinstance(r, sync.Fill) and r.origin == log.origin for r in liar.asked[before:]) == 1


# -- clocks --------------------------------------------------------------------------------------


def test_a_receipt_from_the_future_is_refused(hostile: World, liar: Forger) -> None:
    victim = hostile.people[1]
    places = hostile.collect(victim, [stix(hostile)], amber())
    victim.services.sharing.share(victim.actor, ALL, places)
    with victim.store.read() as unit:
        log = unit.logs.find(Origin(f"{victim.name}/accord/{ALL}/1"))
        assert log is not None
    note = parse_note(log.note)
    for seconds, code in ((365 * 86_400, "unverified"), (limits.CLOCK_SKEW_SECONDS_MAX + 60, "unverified")):
        line = cosign(
            note.text, witness.witness_name(liar.one.name), liar.one.secrets["witness"], hostile.now + seconds
        )
        liar.others = [Note(note.text, (*note.signatures, line)).encode()]
        outcome = pulled(hostile, victim, liar.one)
        assert outcome.receipts == 0
        assert_refused(victim, code, "dated in the future: its clock or ours is off")
    line = cosign(note.text, witness.witness_name(liar.one.name), liar.one.secrets["witness"], hostile.now)
    liar.others = [Note(note.text, (*note.signatures, line)).encode()]
    assert pulled(hostile, victim, liar.one).receipts == 1


def test_a_receipt_by_a_key_that_is_not_the_witness_is_refused(hostile: World, liar: Forger) -> None:
    victim = hostile.people[1]
    with victim.store.read() as unit:
        log = unit.logs.find(Origin(f"{victim.name}/accord/{ALL}/1"))
        assert log is not None
    note = parse_note(log.note)
    line = cosign(note.text, witness.witness_name(liar.one.name), liar.one.secrets["log"], hostile.now)
    liar.others = [Note(note.text, (*note.signatures, line)).encode()]
    assert pulled(hostile, victim, liar.one).receipts == 0
    assert_refused(victim, "unverified", "the receipt of cert.arcadia.example")


def test_another_tree_under_our_own_signature_is_said_loudly(hostile: World, liar: Forger) -> None:
    """A stolen key, or a backup that was restored and went on: the peer's copy of our log is not ours."""
    victim = hostile.people[1]
    stolen = Forger(hostile, victim)
    log = stolen.log(ALL)
    log.entries[0] = sync.Opened(WITHHELD, bytes(32), None, None, None)
    liar.others = [stolen.note(log)]
    assert pulled(hostile, victim, liar.one).receipts == 0
    assert_refused(victim, "unverified", "another tree of our")
    for _ in range(9):
        log.state(header(), b"{}")
    liar.others = [stolen.note(log)]
    pulled(hostile, victim, liar.one)
    assert_refused(victim, "unverified", "holds a checkpoint of our")


# -- erasure ----------------------------------------------------------------------------------------------


def test_what_was_erased_is_not_revived_by_answering_more_than_was_asked(hostile: World, liar: Forger) -> None:
    victim, log = hostile.people[1], liar.log(ALL)
    secret = stix(hostile)
    log.state(header(), stix(hostile), commitment=bytes(32))
    log.state(header(), secret)
    pulled(hostile, victim, liar.one)
    assert found(victim, value(secret))
    log.act(Tombstone((Span(log.origin, 2, 3),), "a court order"))
    liar.grant = b"1"

    def more(request: sync.AnyRequest, body: bytes) -> bytes:
        if not isinstance(request, sync.Fill):
            return body
        return sync.encode_page(log.origin, request.start, log.entries[request.start : 3])

    pulled(hostile, victim, liar.one)
    liar.tamper, liar.grant = more, b"2"
    pulled(hostile, victim, liar.one)
    assert held(victim, log.origin)[2] is Held.ERASED and not found(victim, value(secret))
    with victim.store.read() as unit:
        followed = unit.logs.find(log.origin)
        assert followed is not None
        where = position(followed.id, 2)
        assert not unit.views.scan(intel.OBJECT, where, where, limit=9)
