"""Other parties' business, and too much of everything: refused at a named limit, and nobody else waits."""

from __future__ import annotations

import pytest

from comity import canon, dsse, limits, sync
from comity.accord import TEXT_MEDIA_TYPE, Member
from comity.canon import AccordId, Digest, Origin
from comity.errors import ComityError, Refused, TooLarge
from comity.node import accords
from comity.testing.world import TEXT, World, amber, indicators
from comity.vocab import Held, Tlp
from tests.sync.forger import (
    Forged,
    Forger,
    assert_others_go_on,
    assert_refused,
    doctor_says,
    header,
    held,
    pulled,
    stix,
)

ALL = AccordId("all")
PAYLOAD, WITHHELD = Held.PAYLOAD, Held.WITHHELD


# -- other parties' business ------------------------------------------------------------------------


def test_logs_of_an_accord_the_peer_is_not_in_are_refused(hostile: World, liar: Forger) -> None:
    _, victim, honest, _ = hostile.people
    pair = hostile.accord(AccordId("pair"), [victim, honest])
    log = liar.log(pair)
    log.state(header(), stix(hostile))
    unknown = liar.log("unknown")
    unknown.state(header(), stix(hostile))
    pulled(hostile, victim, liar.one)
    assert held(victim, log.origin) == [] and held(victim, unknown.origin) == []
    assert_refused(victim, "refused", "which is no log of an accord with it")
    assert_refused(victim, "not-found", "no accord 'unknown' is known here")
    liar.logs.clear()
    home = Forged(canon.home_origin(liar.one.name, 1), [])
    liar.others = [liar.note(home)]
    pulled(hostile, victim, liar.one)
    assert_refused(victim, "not-found", "no accord")


def test_a_stranger_is_answered_nothing_and_a_home_log_is_shown_to_nobody(hostile: World) -> None:
    a, b, _, stranger = hostile.people
    places = hostile.collect(a, [stix(hostile)], amber())
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


def test_asking_in_every_way_for_the_same_entries_records_them_once(hostile: World) -> None:
    a, b = hostile.people[:2]
    places = hostile.collect(a, list(indicators(hostile.random, 6)), amber())
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
def test_impossible_runs_are_refused(hostile: World, start: int) -> None:
    a, b = hostile.people[:2]
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


def test_a_log_over_its_limit_is_not_followed(hostile: World, liar: Forger, monkeypatch: pytest.MonkeyPatch) -> None:
    victim, log = hostile.people[1], liar.log(ALL)
    monkeypatch.setattr(limits, "SYNC_LOG_ENTRIES_MAX", 3)
    for _ in range(3):
        log.state(header(), stix(hostile))
    pulled(hostile, victim, liar.one)
    assert held(victim, log.origin) == []
    assert_refused(victim, "too-large", "SYNC_LOG_ENTRIES_MAX")
    assert_others_go_on(hostile)


def test_heads_over_a_limit_are_refused(hostile: World, liar: Forger) -> None:
    victim = hostile.people[1]
    note = liar.note(liar.log(ALL))
    liar.others = [note] * (limits.SYNC_LOGS_MAX + 1)
    outcome = hostile.pull(victim, liar.one)
    assert isinstance(outcome, TooLarge) and "SYNC_LOGS_MAX" in str(outcome)
    liar.others, liar.forks = [], (b"x",) * (limits.SYNC_FORKS_MAX + 1)
    outcome = hostile.pull(victim, liar.one)
    assert isinstance(outcome, TooLarge) and "SYNC_FORKS_MAX" in str(outcome)
    assert_others_go_on(hostile)


def test_a_party_with_ever_more_generations_is_followed_up_to_a_limit(hostile: World, liar: Forger) -> None:
    victim, honest = hostile.people[1], hostile.people[2]
    for number in range(1, limits.LOG_GENERATIONS_MAX + 9):
        liar.log(ALL, number).state(header(), b"{}")
    pulled(hostile, victim, liar.one)
    with victim.store.read() as unit:
        kept = [log for log in unit.logs.all() if log.party == liar.one.name]
    assert len(kept) == limits.LOG_GENERATIONS_MAX
    assert_refused(victim, "too-large", "LOG_GENERATIONS_MAX")
    assert_others_go_on(hostile)
    assert not pulled(hostile, honest, victim).faults, "the victim still answers others"


def test_an_accord_that_this_party_never_signed_brings_nothing(hostile: World, liar: Forger) -> None:
    """A text that names the victim, signed by the liar alone, opens no log of the liar's at the victim."""
    victim = hostile.people[1]
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
        log.state(header(), stix(hostile))
    assert not pulled(hostile, victim, liar.one).faults
    assert held(victim, log.origin) == []
    assert f"{name} awaits the signature of {victim.name}" in doctor_says(victim)
    with victim.node.writing() as unit:
        victim.services.accords.sign(unit, victim.actor, digest, victim.secrets["root"])
    pulled(hostile, victim, liar.one)
    assert held(victim, log.origin).count(PAYLOAD) == log.size, "once it has signed, nothing is missing"


def test_accord_texts_nobody_signed_or_other_than_offered_are_refused(hostile: World, liar: Forger) -> None:
    victim = hostile.people[1]
    with victim.store.read() as unit:
        text = victim.services.accords.get(unit, ALL).current
        file = victim.services.accords.file(unit, text.digest)
    digest = Digest("sha256:" + "1" * 64)
    liar.accords, liar.texts = (sync.AccordHead(digest, (liar.one.name,)),), {digest: file}
    pulled(hostile, victim, liar.one)
    assert_refused(victim, "unverified", "answers with")
    forged = text.data.replace(b'id = "all"', b'id = "more"').replace(b'"all"', b'"more"')
    digest = canon.digest(forged)
    wrong = dsse.sign(TEXT_MEDIA_TYPE, forged, liar.one.secrets["log"])
    liar.accords, liar.texts = (sync.AccordHead(digest, (liar.one.name,)),), {digest: wrong.encode()}
    pulled(hostile, victim, liar.one)
    assert_refused(victim, "refused", "that no known party has signed")
    with victim.store.read() as unit:
        assert [t.text.id for t in victim.services.accords.texts(unit)] == [ALL]
    assert_others_go_on(hostile)
