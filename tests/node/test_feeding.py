"""What sensors are given: each value once, nothing stale, nothing that is only a part of a match."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from comity.formats.stix import leads
from comity.node import feeding, ingest
from comity.node.feeding import Sieve, Sifted
from comity.statement import Marking
from comity.testing.world import START, Inhabitant, World
from comity.vocab import Tlp

ALL = Sieve()
HASHES = ("a" * 64, "b" * 64)


@pytest.fixture
def one(tmp_path: Path) -> Iterator[Inhabitant]:
    """A node alone."""
    world = World(1, 1, tmp_path)
    yield world.people[0]
    world.close()


def indicator(number: int, pattern: str, **more: object) -> dict[str, object]:
    """Return a STIX indicator."""
    return {
        "type": "indicator",
        "spec_version": "2.1",
        "id": f"indicator--{number:08x}-0000-4000-8000-000000000000",
        "created": "2026-01-01T00:00:00.000Z",
        "modified": "2026-01-01T00:00:00.000Z",
        "pattern": pattern,
        "pattern_type": "stix",
        "valid_from": "2026-01-01T00:00:00Z",
        **more,
    }


def address(number: int, value: str, **more: object) -> dict[str, object]:
    return indicator(number, f"[ipv4-addr:value = '{value}']", **more)


def given(
    one: Inhabitant, objects: list[dict[str, object]], sieve: Sieve = ALL, warned: leads.Warned | None = None
) -> tuple[list[str], Sifted]:
    """Ingest objects; return the values that a sensor gets, and what was left out."""
    with one.node.writing() as unit:
        source = ingest.put_source(unit, one.actor, "feed", Marking(Tlp.GREEN))
    done = ingest.ingest(one.node, one.actor, source, [json.dumps(each).encode() + b"\n" for each in objects])
    assert done.kept == len(objects), done.report
    sifted = Sifted()
    with one.store.read() as unit:
        places = [at for at, _ in one.services.queries.home_objects(unit, source="feed", type_="", after=0)]
        items = list(feeding.items(one.node, unit, places, sieve, sifted, at=START, read=leads.reader(warned)))
    assert sifted.given == len(items)
    assert {item.tlp for item in items} <= {"GREEN"}
    return [item.value for item in items], sifted


def test_the_newest_come_first_and_each_value_once(one: Inhabitant) -> None:
    values, sifted = given(one, [address(1, "198.51.100.1"), address(2, "198.51.100.2"), address(3, "198.51.100.1")])
    assert values == ["198.51.100.1", "198.51.100.2"]
    assert dict(sifted.left) == {"given already": 1}


def test_what_is_stale_or_no_indicator_is_left_out_and_counted(one: Inhabitant) -> None:
    objects = [
        address(1, "198.51.100.1", valid_until="2026-01-02T00:00:00Z"),
        address(2, "198.51.100.2", revoked=True),
        indicator(3, "[ipv4-addr:value = '198.51.100.3' AND ipv4-addr:value = '198.51.100.4']"),
        indicator(4, "rule x { condition: true }", pattern_type="yara"),
        {
            "type": "ipv4-addr",
            "spec_version": "2.1",
            "id": "ipv4-addr--00000005-0000-4000-8000-000000000000",
            "value": "198.51.100.5",
        },
        address(6, "198.51.100.6"),
    ]
    values, sifted = given(one, objects)
    assert values == ["198.51.100.6"]
    assert dict(sifted.left) == {
        "expired": 1,
        "revoked": 1,
        "pattern not simple": 1,
        "pattern not STIX": 1,
        "not an indicator": 1,
    }


def test_values_joined_by_or_are_each_worth_acting_on(one: Inhabitant) -> None:
    tests = " OR ".join(f"file:hashes.'SHA-256' = '{value}'" for value in HASHES)
    values, _ = given(one, [indicator(1, f"[{tests}]")])
    assert sorted(values) == sorted(HASHES)


def test_a_consumer_says_how_sure_and_which_kinds(one: Inhabitant) -> None:
    objects = [
        address(1, "198.51.100.1", confidence=90),
        address(2, "198.51.100.2", confidence=20),
        address(3, "198.51.100.3"),
        indicator(4, "[domain-name:value = 'evil.example']", confidence=90),
    ]
    values, sifted = given(one, objects, Sieve(confidence=50, unsure=False, kinds=("ipv4",)))
    assert values == ["198.51.100.1"]
    assert dict(sifted.left) == {"confidence too low": 1, "without a confidence": 1, "kind not asked for": 1}


def test_likely_false_positives_stay_out_unless_they_are_wanted(one: Inhabitant) -> None:
    objects = [address(1, "198.51.100.1"), address(2, "198.51.100.2")]
    values, sifted = given(one, objects, warned=lambda value: value.value.endswith(".2"))
    assert (values, dict(sifted.left)) == (["198.51.100.1"], {"on a warning list": 1})
    with one.store.read() as unit:
        places = [at for at, _ in one.services.queries.home_objects(unit, source="feed", type_="", after=0)]
        items = feeding.items(
            one.node, unit, places, Sieve(warned=True), Sifted(), at=START, read=leads.reader(lambda _: True)
        )
        assert len(list(items)) == 2


def test_a_newer_version_of_the_same_source_takes_the_older_ones_place(one: Inhabitant) -> None:
    revised = address(1, "198.51.100.9", modified="2026-02-01T00:00:00.000Z")
    revoked = address(2, "198.51.100.2", modified="2026-02-01T00:00:00.000Z", revoked=True)
    values, sifted = given(one, [address(1, "198.51.100.1"), address(2, "198.51.100.2"), revised, revoked])
    assert values == ["198.51.100.9"]
    assert dict(sifted.left) == {"superseded": 2, "revoked": 1}


def test_another_source_cannot_take_a_value_off_the_list(one: Inhabitant) -> None:
    with one.node.writing() as unit:
        other = ingest.put_source(unit, one.actor, "other", Marking(Tlp.GREEN))
    forged = address(1, "198.51.100.1", modified="2026-02-01T00:00:00.000Z", revoked=True)
    ingest.ingest(one.node, one.actor, other, [json.dumps(forged).encode()])
    values, _ = given(one, [address(1, "198.51.100.1")])
    assert values == ["198.51.100.1"]


def test_runs_of_many_classes_and_of_few_give_the_same(one: Inhabitant, monkeypatch: pytest.MonkeyPatch) -> None:
    objects = [address(number, f"198.51.100.{number % 200}") for number in range(1, 400)]
    values, sifted = given(one, objects)
    with one.store.read() as unit:
        places = [at for at, _ in one.services.queries.home_objects(unit, source="feed", type_="", after=0)]
        for at_once in (1, 7, 1_024):
            monkeypatch.setattr(feeding, "READ_AT_ONCE", at_once)
            for apart in (0, 4):  # 0: entry by entry
                monkeypatch.setattr(feeding, "CLASSES_APART", apart)
                done = Sifted()
                items = feeding.items(one.node, unit, places, ALL, done, at=START)
                assert [item.value for item in items] == values
                assert (done.given, done.left) == (sifted.given, sifted.left)


def test_an_answer_that_is_missing_is_no_short_list(one: Inhabitant) -> None:
    given(one, [address(1, "198.51.100.1"), address(2, "198.51.100.2")])
    with one.store.read() as unit:
        places = [at for at, _ in one.services.queries.home_objects(unit, source="feed", type_="", after=0)]
        lossy = lambda batches: (leads.leads_of(list(batch)[1:]) for batch in batches)  # noqa: E731
        with pytest.raises(ValueError, match="shorter"):
            list(feeding.items(one.node, unit, places, ALL, Sifted(), at=START, read=lossy))
