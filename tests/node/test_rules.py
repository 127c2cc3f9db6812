"""Standing rules: what fits, what is remembered, what stops them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from comity import limits
from comity.canon import AccordId
from comity.errors import Conflict, Fault, Malformed, Misuse, NotFound, Refused
from comity.node import acting, carrying, doctor, ingest, rules, warnings
from comity.node.carrying import Carrier
from comity.node.rules import Rule, State
from comity.node.sharing import Shared, Sharing
from comity.node.warnings import WarningLists
from comity.statement import Marking
from comity.testing.world import Inhabitant, World
from comity.vocab import Tlp

ALL = AccordId("all")
GREEN, AMBER = Marking(tlp=Tlp.GREEN), Marking(tlp=Tlp.AMBER)


def indicator(number: int, **more: Any) -> bytes:
    """Return an indicator for an address of a documentation network."""
    made = {
        "type": "indicator",
        "spec_version": "2.1",
        "id": f"indicator--{number:08x}-2222-4333-8444-555555555555",
        "created": "2026-01-01T00:00:00.000Z",
        "modified": "2026-01-01T00:00:00.000Z",
        "pattern": f"[ipv4-addr:value = '198.51.100.{number}']",
        "pattern_type": "stix",
        "valid_from": "2026-01-01T00:00:00Z",
        **more,
    }
    return json.dumps(made).encode()


@pytest.fixture(autouse=True)
def _own_lists(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ask no list but a test's own: the installed ones have all documentation networks."""
    monkeypatch.setattr(warnings, "PACKAGE", "nothing_of_this_name")


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """Two parties of one accord."""
    made = World(5, 2, tmp_path)
    made.accord(ALL, made.people)
    yield made
    made.close()


@pytest.fixture
def one(world: World) -> Inhabitant:
    """The first of them."""
    return world.people[0]


@pytest.fixture
def carrier(one: Inhabitant) -> Carrier:
    """What carries its rules out, with no warning list but those in its own folder."""
    return Carrier(one.services, WarningLists(one.path.parent))


def take(one: Inhabitant, *bodies: bytes, source: str = "isac", marking: Marking | None = GREEN) -> None:
    """Collect objects from a source."""
    with one.node.writing() as unit:
        origin = ingest.put_source(unit, one.actor, source, marking)
    assert ingest.ingest(one.node, one.actor, origin, [b"\n".join(bodies)]).kept == len(bodies)


def make(one: Inhabitant, **parts: Any) -> Rule:
    """Make a rule."""
    rule = Rule(**{"name": "r", "office": "csirt", "accord": ALL, "by": "duty", "at": one.node.now(), **parts})
    with one.node.writing() as unit:
        return rules.create(one.services, unit, one.actor, rule)


def state(one: Inhabitant, rule: Rule) -> State:
    with one.store.read() as unit:
        return rules.state_of(unit, rule)


def due(one: Inhabitant, carrier: Carrier) -> list[str]:
    with one.store.read() as unit:
        return [rule.name for rule in carrier.due(unit)]


def known(world: World, *numbers: int) -> list[int]:
    """Return which of the addresses the second party knows, after everybody has synced."""
    world.calm(12)
    other = world.people[1]
    with other.store.read() as unit:
        queries = other.services.queries
        return [n for n in numbers if queries.lookup(unit, other.actor, f"198.51.100.{n}")]


@pytest.mark.parametrize(
    ("parts", "expected"),
    [
        ({}, [1, 2, 3, 4]),
        ({"source": "isac"}, [1, 2]),
        ({"source": "isac", "tlp": Tlp.GREEN}, [1]),
        ({"tlp": Tlp.CLEAR}, []),
        ({"confidence": 70}, [3]),
        ({"type": "indicator", "source": "own"}, [3, 4]),
        ({"type": "malware"}, []),
    ],
)
def test_a_rule_shares_what_fits_every_part_of_it(
    world: World, one: Inhabitant, carrier: Carrier, parts: dict[str, Any], expected: list[int]
) -> None:
    take(one, indicator(1))
    take(one, indicator(2), marking=AMBER)
    take(one, indicator(3, confidence=70), indicator(4, confidence=69), source="own")
    take(one, indicator(5), source="unmarked", marking=None)
    rule = make(one, **parts)
    with one.store.read() as unit:
        plan = rules.plan(one.services, unit, rule, WarningLists(None))
    done = carrier.run(one.actor, rule)
    assert (done.stated, plan.objects) == (len(expected), len(expected))
    assert known(world, 1, 2, 3, 4, 5) == expected


def test_a_rule_shares_what_is_new_alone_and_rests_when_nothing_is(
    world: World, one: Inhabitant, carrier: Carrier
) -> None:
    take(one, indicator(1), indicator(2))
    rule = make(one)
    assert due(one, carrier) == ["r"]
    assert carrier.run(carrier.scheduled(rule), rule).stated == 2
    assert due(one, carrier) == []
    take(one, indicator(3))
    assert due(one, carrier) == ["r"]
    done = carrier.run(one.actor, rule)
    assert (done.stated, done.known) == (1, 0)
    assert due(one, carrier) == []
    assert state(one, rule).stated == 3
    assert known(world, 1, 2, 3) == [1, 2, 3]


def test_many_batches_are_carried_out_a_few_at_a_time(
    one: Inhabitant, carrier: Carrier, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(carrying, "BATCH", 2)
    take(one, *(indicator(n) for n in range(1, 8)))
    rule = make(one)
    rests: list[int] = []
    done = carrier.run(one.actor, rule, most=2, pause=lambda: rests.append(1))
    assert (0 < done.stated <= 4, len(rests)) == (True, 2)
    assert due(one, carrier) == ["r"]
    assert carrier.run(one.actor, rule).stated == 7 - done.stated


def test_after_a_crash_nothing_is_stated_twice_and_nothing_left_out(
    one: Inhabitant, carrier: Carrier, monkeypatch: pytest.MonkeyPatch
) -> None:
    take(one, indicator(1), indicator(2))
    rule = make(one)

    def crash(*_: object) -> None:
        raise OSError("the power went")

    with monkeypatch.context() as patched:
        patched.setattr(carrying, "keep", crash)
        with pytest.raises(OSError, match="power"):
            carrier.run(one.actor, rule)
    assert state(one, rule) == State()
    done = carrier.run(one.actor, rule)
    assert (done.stated, done.known) == (2, 0)


def test_what_is_withheld_is_counted_and_tried_again_when_something_changed(world: World) -> None:
    one = world.people[0]
    carrier = Carrier(one.services, WarningLists(None))
    take(one, indicator(1), marking=Marking(tlp=Tlp.GREEN, embargo=world.now + 900))
    rule = make(one)
    assert carrier.run(one.actor, rule).withheld == 1
    found = state(one, rule)
    assert (rules.count(found.withheld), sum(found.grounds.values())) == (1, 1)
    assert "embargo" in "".join(found.grounds)
    world.now += 30
    carrier.run(one.actor, rule)
    assert due(one, carrier) == []
    one.node.epoch += 1  # an accord or a card changed
    world.now += limits.RULE_SECONDS_MIN
    assert due(one, carrier) == ["r"]
    assert carrier.run(one.actor, rule).withheld == 1
    assert sum(state(one, rule).grounds.values()) == 1  # counted anew, not once more
    assert due(one, carrier) == []
    world.now += limits.RULE_SECONDS  # by when the embargo has ended
    assert due(one, carrier) == ["r"]
    assert carrier.run(one.actor, rule).stated == 1
    assert (state(one, rule).withheld, state(one, rule).grounds) == ((), {})
    assert known(world, 1) == [1]


def test_a_rule_narrows_recipients_and_never_widens_them(world: World, one: Inhabitant, carrier: Carrier) -> None:
    other = f"{world.people[1].name}/csirt"
    take(one, indicator(1))
    take(one, indicator(2), marking=Marking(tlp=Tlp.AMBER, to=("cert.elsewhere.example/csirt",)), source="named")
    rule = make(one, to=(other,))
    done = carrier.run(one.actor, rule)
    assert (done.stated, done.withheld, list(done.grounds)) == (1, 1, [rules.WIDER])
    with one.store.read() as unit:
        plan = rules.plan(one.services, unit, rule, WarningLists(None))
    assert (plan.known, plan.withheld) == (1, 1)
    assert known(world, 1, 2) == [1]


def test_an_anonymous_rule_states_objects_that_name_nobody(world: World, one: Inhabitant, carrier: Carrier) -> None:
    take(one, indicator(1, description="seen at acme"), indicator(2, pattern="[file:name = 'acme.doc']"))
    rule = make(one, anonymous=True)
    with one.store.read() as unit:
        plan = rules.plan(one.services, unit, rule, WarningLists(None))
    assert (plan.objects, plan.withheld, sum(c.objects for c in plan.classes)) == (2, 1, 1)
    done = carrier.run(one.actor, rule)
    assert (done.stated, done.grounds) == (1, plan.grounds)
    assert known(world, 1) == [1]
    other = world.people[1]
    with other.store.read() as unit:
        for log in unit.logs.all():
            assert not [e for e in unit.entries.read(log.id, 0, log.size) if b"acme" in (e.body or b"")]


def test_what_is_on_warning_lists_is_held_back_until_it_is_let_go(
    world: World, one: Inhabitant, carrier: Carrier
) -> None:
    folder = one.path.parent / "warninglists"
    folder.mkdir()
    made = {"name": "Office", "version": 1, "description": "d", "type": "string", "matching_attributes": ["ip-dst"]}
    (folder / "office.json").write_text(json.dumps({**made, "list": ["198.51.100.1"]}))
    take(one, indicator(1), indicator(2))
    rule = make(one)
    assert carrier.run(one.actor, rule).stated == 1
    (at,) = rules.places_of(state(one, rule).flagged, 20)
    assert "1 objects that are on warning lists" in ailments(one)
    assert carrier.run(one.actor, rule, again=True).stated == 0
    with one.store.read() as unit:
        assert rules.plan(one.services, unit, rule, WarningLists(one.path.parent)).flagged == [at]
    assert carrier.run(one.actor, rule, warned=True).stated == 1
    assert state(one, rule).flagged == ()
    assert known(world, 1, 2) == [1, 2]


def ailments(one: Inhabitant) -> str:
    return "\n".join(one_.what for one_ in doctor.examine(one.node, one.services.accords))


def test_a_rule_whose_accord_is_left_stops_on_record_until_it_is_resumed(
    world: World, one: Inhabitant, carrier: Carrier
) -> None:
    take(one, indicator(1))
    rule = make(one)
    carrier.run(one.actor, rule)
    with one.node.writing() as unit:
        one.services.accords.move(unit, one.actor, ALL, "suspend", "a dispute")
    assert due(one, carrier) == ["r"]
    with pytest.raises(Refused, match="does not take part"):
        carrier.run(carrier.scheduled(rule), rule)
    assert due(one, carrier) == []
    assert "rule 'r' of csirt has stopped" in ailments(one)
    assert changes(one) == ["created", "stopped"]
    with pytest.raises(Refused, match="has stopped"):
        carrier.run(one.actor, rule)
    with one.node.writing() as unit:
        one.services.accords.move(unit, one.actor, ALL, "resume", "settled")
    assert due(one, carrier) == []  # somebody decides that it goes on
    with one.node.writing() as unit:
        rules.enable(one.node, unit, one.actor, rule, enabled=True)
    take(one, indicator(2))
    assert carrier.run(one.actor, rule).stated == 1


def test_a_rule_of_an_office_that_is_no_more_stops(one: Inhabitant, carrier: Carrier) -> None:
    rule = Rule("r", "police", ALL, "duty", 0)  # type: ignore[arg-type]
    with one.node.writing() as unit:
        with pytest.raises(Refused, match="no office police"):
            rules.check(one.services, unit, rule)
        unit.documents.put(rules.RULES, rules.key(rule), msgspec.json.encode(rule))
    with pytest.raises(Refused, match="no office police"):
        carrier.run(one.actor, rule)
    assert "no office police" in state(one, rule).stopped


def changes(one: Inhabitant) -> list[str]:
    """Return what the home log says of rules."""
    found = []
    with one.store.read() as unit:
        for log in unit.logs.all():
            for entry in unit.entries.read(log.id, 0, log.size) if log.own else ():
                if entry.header is not None and entry.body and one.node.header(entry.header).kind == rules.KIND:
                    found.append(json.loads(entry.body)["change"])
    return found


def test_a_fault_of_this_machine_stops_no_rule(
    one: Inhabitant, carrier: Carrier, monkeypatch: pytest.MonkeyPatch
) -> None:
    take(one, indicator(1))
    rule = make(one)

    def fault(*_: object) -> None:
        raise Fault("the disk is full")

    with monkeypatch.context() as patched:
        patched.setattr(Sharing, "state", fault)
        with pytest.raises(Fault):
            carrier.run(one.actor, rule)
    assert state(one, rule).stopped == ""
    assert carrier.run(one.actor, rule).stated == 1


def test_a_rule_that_is_changed_while_others_have_their_turn_ends_its_run(
    one: Inhabitant, carrier: Carrier, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(carrying, "BATCH", 2)
    take(one, *(indicator(n) for n in range(1, 8)))
    rule = make(one)

    def delete() -> None:
        with one.node.writing() as unit:
            if rules.is_kept(unit, rule):
                rules.delete(one.node, unit, one.actor, rule)

    done: Shared = carrier.run(one.actor, rule, pause=delete)
    assert done.stated <= 2
    assert state(one, rule) == State()
    assert changes(one) == ["created", "deleted"]


@pytest.mark.parametrize(
    ("parts", "error"),
    [
        ({"name": ""}, Misuse),
        ({"name": "a\nb"}, Misuse),
        ({"type": "runes"}, Misuse),
        ({"to": ("nobody",)}, Malformed),
        ({"accord": "unknown"}, Refused),
    ],
)
def test_what_is_no_rule_is_refused(one: Inhabitant, parts: dict[str, Any], error: type[Exception]) -> None:
    with pytest.raises(error):
        make(one, **parts)


def test_a_name_is_used_once_and_a_rule_is_its_offices_own(one: Inhabitant) -> None:
    rule = make(one)
    with pytest.raises(Conflict):
        make(one, source="other")
    with one.node.writing() as unit:
        paused = rules.enable(one.node, unit, one.actor, rule, enabled=False)
        assert rules.named(unit, one.actor, "r") == paused
        assert rules.all_(unit, "police") == []
        with pytest.raises(NotFound):
            rules.named(unit, one.actor, "s")
    assert "is paused" in ailments(one)


def test_a_retracted_original_is_not_shared_by_a_rule(world: World, one: Inhabitant, carrier: Carrier) -> None:
    (at,) = world.collect(one, [indicator(1)], GREEN)
    acting.retract(one.actor, one.node, [at], "wrong")
    done = carrier.run(one.actor, make(one))
    assert (done.stated, done.withheld) == (0, 1)


RUNS = st.lists(st.tuples(st.integers(0, 60), st.integers(1, 9))).map(
    lambda pairs: tuple(carrying.joined((start, start + size) for start, size in pairs))
)


def places(found: rules.Runs | list[tuple[int, int]]) -> set[int]:
    return {at for start, end in found for at in range(start, end)}


@given(RUNS, RUNS)
def test_runs_without_others_are_what_sets_say(found: rules.Runs, cut: rules.Runs) -> None:
    assert places(carrying.without(found, cut)) == places(found) - places(cut)


def test_very_many_runs_become_few_that_hold_them_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(carrying, "RULE_RUNS_MAX", 3)
    found = [(n, n + 1) for n in range(0, 40, 2)]
    few = carrying.joined(found)
    assert len(few) == 4
    assert places(few) >= places(found)
