"""A correction takes the place of what it corrects wherever that went, directly or by relays, and widens nothing."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from comity import acts, canon
from comity.canon import accord_origin
from comity.errors import Malformed, Misuse, Refused
from comity.node import acting, books, correcting, folding, knowing, views
from comity.node.knowing import Known, State
from comity.node.ports import place
from comity.node.sharing import Offer
from comity.statement import Marking
from comity.testing.world import Inhabitant, World, amber
from comity.vocab import Tlp, Use
from tests.node.test_intelligence import UUID, indicator

OLD, NEW, NEWER = (b"2026-01-%02dT00:00:00.000Z" % day for day in (1, 5, 9))
SOON = 1_768_176_000  # 2026-01-12
CLEAR = Marking(Tlp.CLEAR, use=(Use.DEFENCE,))
WRONG, RIGHT = "192.0.2.7", "198.51.100.7"
OTHER, OTHER_UUID = "203.0.113.99", UUID.replace(b"1", b"2")
GREEN = b',"object_marking_refs":["marking-definition--bab4a63c-aed9-4cf5-a766-dfca5abac2bb"]'


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """Three parties: the first and the second have an accord, the second and the third another."""
    made = World(8, 3, tmp_path)
    a, b, c = made.people
    made.accord("ab", [a, b])
    made.accord("bc", [b, c])
    yield made
    made.close()


def known(one: Inhabitant, value: str) -> Known:
    with one.store.read() as unit:
        (told,) = knowing.known(one.services.queries, unit, one.actor, [value], SOON)
    return told


def relayed(world: World) -> int:
    """Have the first party state something that the second passes on to the third; return where it was collected."""
    a, b, _ = world.people
    (at,) = world.collect(a, [indicator(modified=OLD)], CLEAR)
    assert a.services.sharing.share(a.actor, "ab", [at], Offer(CLEAR)).stated == 1
    world.calm(8)
    assert b.services.sharing.share(b.actor, "bc", held_of(b, a), Offer(CLEAR)).relayed == 1
    world.calm(8)
    return at


def held_of(one: Inhabitant, author: Inhabitant) -> list[int]:
    """Return the positions of what is held of another party's objects in their accord."""
    with one.store.read() as unit:
        log = unit.logs.find(accord_origin(author.name, "ab", 1))  # type: ignore[arg-type]
        assert log is not None
        return [brief.position for brief in unit.entries.brief(log.id, 0, log.size)
                if one.node.header(unit.entries.header(brief.header_id)).kind == "intel.object"]  # fmt: skip


def correct(one: Inhabitant, at: int, data: bytes) -> correcting.Corrected:
    return correcting.correct(one.node, one.services.sharing, one.actor, at, data, "another address")


def corrected(value: str = RIGHT, modified: bytes = NEW, more: bytes = b"") -> bytes:
    return indicator(value.encode(), modified=modified, more=more)


def test_a_correction_reaches_every_holder_direct_or_relayed(world: World) -> None:
    at = relayed(world)
    a, b, c = world.people
    assert [known(one, WRONG).state for one in (a, b, c)] == [State.CURRENT] * 3
    done = correct(a, at, corrected())
    assert (done.stated, done.withheld, len(done.logs)) == (["ab"], {}, 2)
    world.calm(12)
    assert [known(one, WRONG).state for one in (a, b, c)] == [State.RETRACTED] * 3
    assert [known(one, RIGHT).state for one in (a, b, c)] == [State.CURRENT] * 3
    for one in (a, b, c):
        with one.store.read() as unit:
            (old,) = one.services.queries.lookup(unit, one.actor, WRONG)
            (new,) = one.services.queries.lookup(unit, one.actor, RIGHT)
        names = {place for witness in old.witnesses for place in witness.corrected_by}
        assert names, one.name
        with one.store.read() as unit:
            bodies = {one.services.queries.body(unit, one.services.queries.parse_place(unit, name)) for name in names}
        assert bodies == {corrected()}
        assert new.object == old.object


def test_what_was_consented_to_holds_for_the_correction_too(world: World) -> None:
    a, b, c = world.people
    green = Marking(Tlp.GREEN, use=(Use.DEFENCE,))
    (at,) = world.collect(a, [indicator(modified=OLD)], green)
    a.services.sharing.share(a.actor, "ab", [at])
    ended, office = world.now + 5, f"{c.name}/csirt"
    acting.consent(a.actor, a.node, [at], [office], 0)
    acting.consent(a.actor, a.node, [at], ["cert.dorado.example/csirt"], 0)
    acting.consent(a.actor, a.node, [at], ["cert.elysia.example/csirt"], ended)
    acting.narrow(a.actor, a.node, [at], acts.Narrow((), revoke=("cert.dorado.example/csirt",)))
    world.calm(8)
    assert b.services.sharing.share(b.actor, "bc", held_of(b, a)).relayed == 1
    world.calm(8)
    assert known(c, WRONG).state is State.CURRENT
    correct(a, at, corrected())
    world.calm(12)
    assert [known(one, RIGHT).state for one in (b, c)] == [State.CURRENT] * 2
    with b.store.read() as unit:
        (found,) = b.services.queries.lookup(unit, b.actor, RIGHT)
        (entry,) = unit.entries.read(place(found.witnesses[0].position)[0], found.witnesses[0].index,
                                     found.witnesses[0].index + 1)  # fmt: skip
    assert canon.decode(entry.standing, acts.Standing, what="a standing").consents == ((office, 0),)


def retracted_by(one: Inhabitant, at: int, origin: str, index: int) -> None:
    """State a retraction that names any statement at all as what takes the place."""
    with one.node.writing() as unit:
        own = accord_origin(one.name, "ab", 1)  # type: ignore[arg-type]
        (row,) = unit.views.find(views.PASSED, {"source": at}, limit=2)
        span = acts.Span(own, place(int(row[0] or 0))[1], place(int(row[0] or 0))[1] + 1)
        draft = books.act_draft(one.node, one.actor.office_id, acts.Retract((span,)), version=1)
        body = canon.encode({"act": "retract", "by": [origin, index, index + 1], "spans": [span]})
        books.state(one.node, unit, own, 1, [draft._replace(body=body)])


def test_nobody_has_others_state_what_it_names(world: World) -> None:
    """A correction by a statement of whoever relayed the old one: it would be passed on without being asked for."""
    at = relayed(world)
    a, b, c = world.people
    (own,) = world.collect(b, [indicator(OTHER.encode(), modified=OLD, uuid=OTHER_UUID)], CLEAR)
    with b.store.read() as unit:
        home = unit.logs.get(place(own)[0]).origin
    retracted_by(a, at, home, place(own)[1])
    world.calm(12)
    assert known(c, OTHER).state is State.UNKNOWN
    with b.store.read() as unit:
        assert not unit.documents.all(folding.OWED_CORRECTIONS)
        reasons = [reason for _, _, source, _, reason, _ in unit.quarantine.all(limit=9) if source == a.name]
    assert any("stands in the logs where that stands" in reason for reason in reasons)


def test_only_a_version_of_the_same_object_is_passed_on(world: World) -> None:
    at = relayed(world)
    a, b, c = world.people
    (other,) = world.collect(a, [indicator(OTHER.encode(), modified=OLD, uuid=OTHER_UUID)], CLEAR)
    a.services.sharing.share(a.actor, "ab", [other], Offer(CLEAR))
    with a.store.read() as unit:
        (row,) = unit.views.find(views.PASSED, {"source": other}, limit=2)
    retracted_by(a, at, accord_origin(a.name, "ab", 1), place(int(row[0] or 0))[1])  # type: ignore[arg-type]
    world.calm(12)
    assert (known(b, OTHER).state, known(c, OTHER).state) == (State.CURRENT, State.UNKNOWN)
    assert [known(one, WRONG).state for one in (b, c)] == [State.RETRACTED] * 2
    with b.store.read() as unit:
        assert not unit.documents.all(folding.OWED_CORRECTIONS)


def test_a_correction_is_corrected_again(world: World) -> None:
    at = relayed(world)
    a, _, c = world.people
    first = correct(a, at, corrected())
    world.calm(12)
    correct(a, first.position, corrected("203.0.113.9", NEWER))
    world.calm(12)
    assert [known(c, value).state for value in (WRONG, RIGHT, "203.0.113.9")] == [
        State.RETRACTED, State.RETRACTED, State.CURRENT,
    ]  # fmt: skip


def test_what_was_retracted_before_may_still_be_corrected(world: World) -> None:
    at = relayed(world)
    a, _, c = world.people
    acting.retract(a.actor, a.node, [at], "a mistake")
    world.calm(12)
    correct(a, at, corrected())
    world.calm(12)
    assert (known(c, WRONG).state, known(c, RIGHT).state) == (State.RETRACTED, State.CURRENT)


def test_where_the_correction_may_not_go_the_retraction_goes(world: World) -> None:
    at = relayed(world)
    a, b, c = world.people
    red = b',"object_marking_refs":["marking-definition--e828b379-4e03-4974-9ac4-e53a884c97c1"]'
    done = correct(a, at, corrected(more=red))
    assert done.stated == []
    assert "ab" in done.withheld
    world.calm(12)
    assert [known(one, WRONG).state for one in (a, b, c)] == [State.RETRACTED] * 3
    assert [known(one, RIGHT).state for one in (b, c)] == [State.UNKNOWN] * 2


def test_a_correction_widens_nothing(world: World) -> None:
    a = world.people[0]
    (at,) = world.collect(a, [indicator(modified=OLD)], amber())
    with pytest.raises(Misuse, match="TLP:GREEN"):
        correct(a, at, corrected(more=GREEN))
    assert known(a, WRONG).state is State.CURRENT


@pytest.mark.parametrize(
    ("data", "error"),
    [
        (indicator(RIGHT.encode(), modified=OLD), "later"),
        (indicator(RIGHT.encode(), modified=NEW, uuid=UUID.replace(b"1", b"2")), "same object"),
        (b"{}", "refused"),
        (b'{"type":', "refused"),
    ],
)
def test_what_is_no_newer_version_is_refused(world: World, data: bytes, error: str) -> None:
    a = world.people[0]
    (at,) = world.collect(a, [indicator(modified=OLD)], amber())
    with pytest.raises(Malformed, match=error):
        correct(a, at, data)


def test_anothers_object_is_not_corrected(world: World) -> None:
    relayed(world)
    b = world.people[1]
    with b.store.read() as unit:
        (found,) = b.services.queries.lookup(unit, b.actor, WRONG)
    with pytest.raises(Refused):
        correct(b, found.witnesses[0].position, corrected())
