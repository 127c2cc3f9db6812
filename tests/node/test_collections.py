"""Collections: of an office, by hand and by saved search, found anew each time; shared and exported by name."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from comity.canon import OfficeId
from comity.errors import Conflict, Malformed, Misuse, NotFound
from comity.node import collections
from comity.node.actor import Actor
from comity.node.collections import Query
from comity.party import OfficeRef
from comity.statement import Marking
from comity.testing.world import Inhabitant, World
from comity.vocab import Tlp
from tests.cli.conftest import Party, accord, acquaint, found
from tests.node.test_graph import ident, malware, report, take, thing

W1, W2, W3 = (ident("malware", number) for number in (1, 2, 3))


@pytest.fixture
def one(tmp_path: Path) -> Iterator[Inhabitant]:
    """A node alone."""
    world = World(1, 1, tmp_path)
    yield world.people[0]
    world.close()


@pytest.fixture
def alone(tmp_path: Path) -> Iterator[Party]:
    party = found(tmp_path, "arcadia", listens=False)
    yield party
    party.end()


def bring(alone: Party, tmp_path: Path, source: str, tlp: str, *objects: bytes) -> None:
    bundle = {"type": "bundle", "id": "bundle--00000000-0000-4000-8000-000000000000"}
    file = tmp_path / f"{source}.json"
    file.write_text(json.dumps(bundle | {"objects": [json.loads(one) for one in objects]}))
    alone("ingest", file, "--source", source, "--tlp", tlp, "--pap", "GREEN")


def indicator(number: int, value: str) -> bytes:
    pattern = f"[domain-name:value = '{value}']"
    return thing("indicator", number, pattern=pattern, pattern_type="stix", valid_from="2026-01-01T00:00:00Z")


def meant(alone: Party, name: str, code: int = 0) -> set[str]:
    """Return the ids that a collection means."""
    shown = alone.ask("collection", "show", name, code=code)
    assert shown["entries"] == len(shown["members"])
    return {member["id"] for member in shown["members"]}


# -- what a node keeps ---------------------------------------------------------------


def test_a_collection_belongs_to_its_office(one: Inhabitant) -> None:
    other = Actor(OfficeRef(one.name, OfficeId("police")), "reader")
    with one.node.writing() as unit:
        made = collections.create(one.node, unit, one.actor, "wave", [W1, W1], Query(words="tax"))
        assert (made.objects, made.by, made.query.asks) == ((W1,), "duty", True)
        with pytest.raises(Conflict):
            collections.create(one.node, unit, one.actor, "wave", [], Query())
        with pytest.raises(NotFound):
            collections.get(unit, other, "wave")
        assert collections.collections(unit, other) == []
        assert collections.collections(unit, one.actor) == [made]
        for change in (collections.add, collections.remove):
            with pytest.raises(NotFound):
                change(unit, other, "wave", [W2])
        with pytest.raises(NotFound):
            collections.delete(unit, other, "wave")


def test_objects_go_in_once_and_out_again(one: Inhabitant) -> None:
    with one.node.writing() as unit:
        collections.create(one.node, unit, one.actor, "wave", [W1], Query())
        assert collections.add(unit, one.actor, "wave", [W2, W1]).objects == (W1, W2)
        assert collections.remove(unit, one.actor, "wave", [W1]).objects == (W2,)
        with pytest.raises(NotFound):
            collections.remove(unit, one.actor, "wave", [W1])
        assert collections.get(unit, one.actor, "wave").objects == (W2,)
        collections.delete(unit, one.actor, "wave")
        assert collections.collections(unit, one.actor) == []


@pytest.mark.parametrize("name", ["", "Wave", "a/b", "../x", "a b"])
def test_a_name_that_is_none_is_refused(one: Inhabitant, name: str) -> None:
    with one.node.writing() as unit, pytest.raises(Malformed):
        collections.create(one.node, unit, one.actor, name, [], Query())


def test_bounds_are_named(one: Inhabitant, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(collections, "COLLECTIONS_MAX", 1)
    monkeypatch.setattr(collections, "COLLECTION_OBJECTS_MAX", 2)
    with one.node.writing() as unit:
        with pytest.raises(Misuse, match="COLLECTION_OBJECTS_MAX"):
            collections.create(one.node, unit, one.actor, "wave", [W1, W2, W3], Query())
        with pytest.raises(Malformed):
            collections.create(one.node, unit, one.actor, "wave", ["nothing"], Query())
        for query in (Query(tlp=Tlp.RED), Query(words="..."), Query(type="nonsense"), Query(values=("a",) * 1_001)):
            with pytest.raises(Misuse):
                collections.create(one.node, unit, one.actor, "wave", [], query)
        collections.create(one.node, unit, one.actor, "wave", [], Query())
        with pytest.raises(Conflict, match="COLLECTIONS_MAX"):
            collections.create(one.node, unit, one.actor, "other", [], Query())


def test_at_most_a_level_counts_the_marking_and_leaves_out_what_has_none(one: Inhabitant) -> None:
    queries = one.services.queries
    take(one, malware(1))  # GREEN
    with one.store.read() as unit:
        places = [at for at, _ in queries.home_objects(unit, source="", type_="", after=0)]
        assert collections.at_most(queries, unit, one.actor, places, Tlp.GREEN) == places
        assert collections.at_most(queries, unit, one.actor, places, Tlp.CLEAR) == []


def test_what_is_unmarked_is_at_most_nothing(tmp_path: Path) -> None:
    world = World(1, 1, tmp_path)
    (one,) = world.people
    places = world.collect(one, [malware(1)], None)
    with one.store.read() as unit:
        assert collections.at_most(one.services.queries, unit, one.actor, places, Tlp.RED) == []
    more = world.collect(one, [malware(2)], Marking(Tlp.RED))
    with one.store.read() as unit:
        assert collections.at_most(one.services.queries, unit, one.actor, places + more, Tlp.RED) == more
    world.close()


# -- what people do with it ----------------------------------------------------------


def test_a_saved_search_is_asked_anew_each_time(alone: Party, tmp_path: Path) -> None:
    bring(alone, tmp_path, "feed", "GREEN", malware(1), indicator(1, "evil.example"))
    alone("collection", "create", "worms", "--source", "feed", "--type", "malware")
    assert meant(alone, "worms") == {W1}
    bring(alone, tmp_path, "feed", "GREEN", malware(2), indicator(2, "other.example"))
    bring(alone, tmp_path, "elsewhere", "GREEN", malware(3))
    assert meant(alone, "worms") == {W1, W2}


def test_everything_a_search_asks_for_has_to_fit(alone: Party, tmp_path: Path) -> None:
    bring(alone, tmp_path, "feed", "GREEN", malware(1), indicator(1, "evil.example"), indicator(2, "other.example"))
    bring(alone, tmp_path, "secret", "RED", malware(2), indicator(3, "evil.example"))
    create = ("collection", "create")
    alone(*create, "words", "--words", "worm")
    alone(*create, "low", "--words", "worm", "--tlp", "GREEN")
    alone(*create, "value", "--value", "evil[.]example")
    alone(*create, "both", "--value", "evil.example", "--source", "feed", "--type", "indicator", "--since", "7d")
    alone(*create, "none", "--words", "worm", "--type", "indicator")
    assert meant(alone, "words") == {W1, W2}
    assert meant(alone, "low") == {W1}
    assert meant(alone, "value") == {ident("indicator", 1), ident("indicator", 3)}
    assert meant(alone, "both") == {ident("indicator", 1)}
    assert meant(alone, "none", code=1) == set()
    assert "of the last 604800 s" in alone("collection", "list").out
    alone(*create, "level", "--tlp", "GREEN", code=Misuse.exit_code)
    alone(*create, "type", "--type", "nonsense", code=Misuse.exit_code)
    alone("collection", "show", "absent", code=NotFound.exit_code)


def test_by_hand_and_by_search_together(alone: Party, tmp_path: Path) -> None:
    bring(alone, tmp_path, "feed", "GREEN", malware(1), malware(2), report(4, W1))
    alone("collection", "create", "case", ident("report", 4), "--words", '"Worm 1"')
    assert meant(alone, "case") == {ident("report", 4), W1}
    alone("collection", "add", "case", W2)
    assert meant(alone, "case") == {ident("report", 4), W1, W2}
    alone("collection", "add", "case", W3, code=NotFound.exit_code)
    alone("collection", "remove", "case", W2)
    alone("collection", "remove", "case", W1, code=NotFound.exit_code)
    assert meant(alone, "case") == {ident("report", 4), W1}
    alone("erase", ident("report", 4), "--basis", "GDPR art. 17")
    shown = alone.ask("collection", "show", "case")
    assert (shown["entries"], shown["missing"]) == (1, [ident("report", 4)])
    assert "Not held" in alone("collection", "show", "case").out
    assert "Its objects stay" in alone("collection", "delete", "case").out
    assert alone.ask("collection", "list") == {"collections": []}


def test_another_office_has_its_own(alone: Party, tmp_path: Path) -> None:
    bring(alone, tmp_path, "feed", "GREEN", malware(1))
    alone("collection", "create", "case", W1)
    alone("collection", "show", "case", "--as", "police", code=NotFound.exit_code)
    alone("collection", "create", "case", W1, "--as", "police", code=NotFound.exit_code)


def test_a_collection_is_shared_correlated_and_exported_by_name(tmp_path: Path) -> None:
    parties = [found(tmp_path, short) for short in ("arcadia", "borealia")]
    acquaint(parties, tmp_path)
    accord(parties, tmp_path)
    one = parties[0]
    bring(one, tmp_path, "feed", "AMBER", malware(1), malware(2), indicator(1, "evil.example"))
    one("collection", "create", "case", ident("indicator", 1), "--words", "worm")
    one("collection", "create", "empty", "--words", "nothing")
    assert one.ask("share", "--accord", "three-shores", "--collection", "case", "--dry-run")["chosen"] == 3
    done = one.ask("share", "--accord", "three-shores", "--collection", "case")
    assert (done["chosen"], done["stated"]) == (3, 3)
    assert one.ask("share", "--accord", "three-shores", "--collection", "empty", code=1)["chosen"] == 0
    one("share", "--accord", "three-shores", "--collection", "case", W1, code=Misuse.exit_code)
    one("share", "--accord", "three-shores", "--collection", "case", "--type", "malware", code=Misuse.exit_code)
    one("share", "--accord", "three-shores", "--collection", "absent", code=NotFound.exit_code)
    out = tmp_path / "out.json"
    one("party", "correspondent", "add", "grid", "--jurisdiction", "XA", "--ceiling", "AMBER", "--client")
    one("export", "--to", f"{one.name}/csirt~grid", "--collection", "case", "--out", out)
    assert {each["id"] for each in json.loads(out.read_text())["objects"]} >= {W1, W2, ident("indicator", 1)}
    assert one.ask("correlate", "--collection", "case", code=1)["asked"] == 3
