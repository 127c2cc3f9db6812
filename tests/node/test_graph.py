"""The graph of objects: found from either end, the same in any order, not by who may not, gone with an erasure."""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import permutations
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from comity.areas import intel
from comity.canon import OfficeId
from comity.errors import Misuse, NotFound
from comity.formats.stix import check
from comity.formats.stix.edges import Edge, of_object
from comity.formats.stix.report import Refusal
from comity.node import acting, graph, ingest, rebuild
from comity.node.actor import Actor
from comity.party import OfficeRef
from comity.statement import Marking
from comity.testing.world import Inhabitant, World
from comity.vocab import Tlp


def ident(kind: str, number: int) -> str:
    return f"{kind}--{number:08x}-0000-4000-8000-000000000000"


def thing(kind: str, number: int, *, day: int = 1, **more: Any) -> bytes:
    """Return a STIX object of a type that has versions."""
    tree = {
        "type": kind,
        "spec_version": "2.1",
        "id": ident(kind, number),
        "created": "2026-01-01T00:00:00.000Z",
        "modified": f"2026-01-{day:02}T00:00:00.000Z",
    }
    return json.dumps(tree | more).encode()


def malware(number: int) -> bytes:
    return thing("malware", number, name=f"Worm {number}", is_family=True)


def tied(number: int, source: str, role: str, target: str, **more: Any) -> bytes:
    return thing("relationship", number, source_ref=source, relationship_type=role, target_ref=target, **more)


def report(number: int, *refs: str, **more: Any) -> bytes:
    return thing("report", number, name="R", published="2026-01-01T00:00:00Z", object_refs=list(refs), **more)


W1, W2, W3 = (ident("malware", number) for number in (1, 2, 3))


@pytest.fixture
def one(tmp_path: Path) -> Iterator[Inhabitant]:
    """A node alone."""
    world = World(1, 1, tmp_path)
    yield world.people[0]
    world.close()


def take(one: Inhabitant, *objects: bytes, source: str = "feed") -> None:
    with one.node.writing() as unit:
        kept = ingest.put_source(unit, one.actor, source, Marking(Tlp.GREEN))
    done = ingest.ingest(one.node, one.actor, kept, [b"\n".join(objects)])
    assert not done.report.refused


def page(one: Inhabitant, name: str, actor: Actor | None = None, **more: int) -> graph.Page:
    with one.store.read() as unit:
        return graph.neighbours(one.services.queries, unit, actor or one.actor, name, **more)


def around(one: Inhabitant, name: str, actor: Actor | None = None) -> list[tuple[str, bool, str]]:
    """Return (role, out, id) of each edge."""
    return [(each.role, each.out, each.ident) for each in page(one, name, actor).neighbours]


def walk(one: Inhabitant, name: str, **more: int) -> graph.Graph:
    with one.store.read() as unit:
        return graph.graph(one.services.queries, unit, one.actor, name, **more)


def rows(one: Inhabitant) -> list[tuple[Any, ...]]:
    with one.store.read() as unit:
        return list(unit.views.scan(intel.EDGE, 0, 2**62, limit=999))


def test_a_relationship_is_found_from_both_ends(one: Inhabitant) -> None:
    take(one, malware(1), malware(2), tied(9, W1, "variant-of", W2))
    assert around(one, W1) == [("variant-of", True, W2)]
    assert around(one, W2) == [("variant-of", False, W1)]
    (edge,) = page(one, W1).neighbours
    assert [(each.source, each.marking) for each in edge.witnesses] == [("feed", Marking(Tlp.GREEN))]


def test_references_are_edges_of_the_object_that_holds_them(one: Inhabitant) -> None:
    seen = ident("observed-data", 5)
    sighting = thing("sighting", 7, sighting_of_ref=W1, observed_data_refs=[seen])
    take(one, report(4, W1, W2), sighting)
    assert around(one, ident("report", 4)) == [("object_refs", True, W1), ("object_refs", True, W2)]
    assert around(one, W1) == [
        ("object_refs", False, ident("report", 4)),
        ("sighting_of_ref", False, ident("sighting", 7)),
    ]
    assert around(one, seen) == [("observed_data_refs", False, ident("sighting", 7))]


def test_every_reference_of_the_objects_that_the_specification_has_is_an_edge() -> None:
    address, name, mail = ident("ipv4-addr", 1), ident("domain-name", 2), ident("email-addr", 3)
    artifact, account = ident("artifact", 4), ident("user-account", 5)
    cases: list[tuple[dict[str, Any], set[tuple[str, str]]]] = [
        ({"type": "domain-name", "value": "a.example", "resolves_to_refs": [address]}, {("resolves_to_refs", address)}),
        (
            {"type": "network-traffic", "protocols": ["tcp"], "src_ref": address, "dst_ref": name},
            {("src_ref", address), ("dst_ref", name)},
        ),
        (
            {
                "type": "email-message",
                "is_multipart": True,
                "from_ref": mail,
                "body_multipart": [{"body_raw_ref": artifact, "content_type": "image/png"}],
            },
            {("from_ref", mail), ("body_raw_ref", artifact)},
        ),
        (
            {
                "type": "file",
                "name": "a.zip",
                "extensions": {"archive-ext": {"contains_refs": [ident("file", 9)]}},
            },
            {("contains_refs", ident("file", 9))},
        ),
        ({"type": "email-addr", "value": "a@b.example", "belongs_to_ref": account}, set()),
        ({"type": "process", "pid": 1, "creator_user_ref": account}, set()),
    ]
    for properties, wanted in cases:
        whole = {"spec_version": "2.1", "id": ident(properties["type"], 8), **properties}
        (checked,) = check.check_many([json.dumps(whole).encode()])
        assert not isinstance(checked, Refusal), checked
        assert {(edge.role, edge.target) for edge in checked.edges} == wanted
        assert {edge.source for edge in checked.edges} <= {whole["id"]}


def test_who_made_an_object_and_how_it_is_marked_is_no_edge() -> None:
    made = thing("malware", 1, name="W", is_family=True, created_by_ref=ident("identity", 1))
    marked = report(2, W1, object_marking_refs=["marking-definition--bab4a63c-aed9-4cf5-a766-dfca5abac2bb"])
    one, other = check.check_many([made, marked])
    assert not isinstance(one, Refusal)
    assert not isinstance(other, Refusal)
    assert one.edges == ()
    assert other.edges == (Edge(ident("report", 2), "object_refs", W1),)


def test_objects_of_two_types_with_one_uuid_are_two(one: Inhabitant) -> None:
    take(one, tied(9, ident("malware", 1), "uses", ident("tool", 1)))
    assert around(one, ident("malware", 1)) == [("uses", True, ident("tool", 1))]
    assert around(one, ident("tool", 1)) == [("uses", False, ident("malware", 1))]


def test_rows_are_the_same_whatever_the_order_and_after_a_rebuild(tmp_path: Path) -> None:
    objects = [malware(1), tied(9, W1, "uses", W2), report(4, W1, W1, W2)]
    found = set()
    for number, order in enumerate(permutations(objects)):
        folder = tmp_path / str(number)
        folder.mkdir()
        world = World(1, 1, folder)
        take(world.people[0], *order)
        before = rows(world.people[0])
        rebuild.rebuild(world.people[0].node)
        assert rows(world.people[0]) == before
        found.add(frozenset(row[1:] for row in before))
        world.close()
    (same,) = found
    assert len(same) == 5, "two ends of the relationship; the report, and its two objects"


def test_a_newer_version_takes_back_what_the_older_one_said(one: Inhabitant) -> None:
    take(one, report(4, W1, W2))
    take(one, report(4, W2, day=2))
    assert around(one, W1) == []
    assert around(one, ident("report", 4)) == [("object_refs", True, W2)]
    take(one, tied(9, W1, "uses", W2))
    assert around(one, W1) == [("uses", True, W2)]
    take(one, tied(9, W1, "uses", W2, day=2, revoked=True))
    assert around(one, W1) == []


def test_no_source_takes_back_what_another_says(one: Inhabitant) -> None:
    take(one, report(4, W1))
    take(one, report(4, W2, day=20), source="somebody else")
    assert around(one, W1) == [("object_refs", False, ident("report", 4))]


def test_one_edge_has_everybody_who_states_it(one: Inhabitant) -> None:
    take(one, tied(9, W1, "uses", W2))
    take(one, tied(9, W1, "uses", W2), source="other feed")
    take(one, tied(10, W1, "uses", W2), source="third")
    (edge,) = page(one, W1).neighbours
    assert [each.source for each in edge.witnesses] == ["feed", "other feed", "third"]


def test_what_an_office_may_not_read_does_not_show(one: Inhabitant) -> None:
    take(one, malware(1), malware(2), tied(9, W1, "uses", W2))
    stranger = Actor(OfficeRef(one.name, OfficeId("police")), "reader")
    assert page(one, W1, stranger) == ([], False)
    assert page(one, W1, stranger, limit=1) == ([], False)
    with one.store.read() as unit, pytest.raises(NotFound):
        graph.graph(one.services.queries, unit, stranger, W1)
    with one.store.read() as unit:
        assert graph.describe(one.services.queries, unit, stranger, W1) == (W1, "malware", "", False)


def test_what_is_shared_shows_at_the_other_node_and_leaves_it_with_the_erasure(tmp_path: Path) -> None:
    world = World(3, 2, tmp_path)
    one, other = world.people
    accord = world.accord("two-shores", world.people)
    places = world.collect(one, [malware(1), tied(9, W1, "uses", W2)], Marking(Tlp.GREEN))
    assert around(other, W1) == []
    one.services.sharing.share(one.actor, accord, places)
    world.calm(9)
    assert around(other, W2) == [("uses", False, W1)]
    ((position,),) = [row[:1] for row in rows(one) if row[1] == intel.end_key(W2)]
    acting.erase(one.actor, one.node, [position], "GDPR art. 17", "asked for")
    world.calm(9)
    assert (rows(one), rows(other)) == ([], [])
    assert (around(one, W1), around(other, W1)) == ([], [])
    world.close()


def test_a_retracted_edge_shows_as_retracted(one: Inhabitant) -> None:
    take(one, tied(9, W1, "uses", W2))
    acting.retract(one.actor, one.node, [rows(one)[0][0]], "wrong")
    (edge,) = page(one, W1).neighbours
    assert edge.retracted


def test_an_object_with_very_many_edges_is_paged(one: Inhabitant) -> None:
    take(one, report(4, *(ident("malware", number) for number in range(700))))
    take(one, *(tied(1_000 + number, W1, "uses", ident("tool", number)) for number in range(700)))
    seen: list[str] = []
    while True:
        got = page(one, W1, start=len(seen), limit=300)
        seen += [each.ident for each in got.neighbours]
        if not got.more:
            break
    assert sorted(seen) == sorted({ident("report", 4), *(ident("tool", number) for number in range(700))})
    found = walk(one, W1)
    assert (len(found.vertices), found.vertices[W1].more, found.cut) == (51, True, False)
    few = walk(one, W1, depth=2, objects=10)
    assert (len(few.vertices), few.cut) == (10, True)


def test_a_walk_goes_around_in_circles_once(one: Inhabitant) -> None:
    take(
        one, malware(1), malware(2), malware(3),
        tied(9, W1, "a", W2), tied(10, W2, "a", W3), tied(11, W3, "a", W1), tied(12, W1, "self", W1),
    )  # fmt: skip
    near = walk(one, W1)
    assert {name: vertex.depth for name, vertex in near.vertices.items()} == {W1: 0, W2: 1, W3: 1}
    whole = walk(one, W1, depth=3)
    assert {(tie.source, tie.role, tie.target) for tie in whole.ties} == {
        (W1, "a", W2), (W2, "a", W3), (W3, "a", W1), (W1, "self", W1)
    }  # fmt: skip
    assert len(whole.ties) == 4
    assert whole.vertices[W2].known == (W2, "malware", "Worm 2", True)


@pytest.mark.parametrize("asked", [{"depth": 0}, {"depth": 4}, {"objects": 0}, {"objects": 1_001}, {"start": -1}])
def test_a_walk_without_bounds_is_refused(one: Inhabitant, asked: dict[str, int]) -> None:
    take(one, malware(1))
    with pytest.raises(Misuse):
        walk(one, W1, **asked)


def test_a_relationship_is_asked_about_by_its_ends(one: Inhabitant) -> None:
    take(one, tied(9, W1, "uses", W2))
    with pytest.raises(Misuse) as caught:
        walk(one, ident("relationship", 9))
    assert W1 in (caught.value.hint or "")


def test_a_graph_has_a_bound_on_edges_too(one: Inhabitant, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(graph, "GRAPH_EDGES_MAX", 3)
    take(one, *(tied(10 + number, W1, f"role-{number}", W2) for number in range(5)))
    found = walk(one, W1, depth=2)
    assert (len(found.ties), found.cut) == (3, True)
    monkeypatch.setattr(graph, "GRAPH_EDGES_MAX", 5)
    assert not walk(one, W1, depth=2).cut


def test_a_name_means_one_object(one: Inhabitant) -> None:
    def indicator(number: int, value: str = "evil.example") -> bytes:
        pattern = f"[domain-name:value = '{value}']"
        return thing("indicator", number, pattern=pattern, pattern_type="stix", valid_from="2026-01-01T00:00:00Z")

    take(one, indicator(1))
    with one.store.read() as unit:
        assert graph.resolve(one.services.queries, unit, one.actor, "evil[.]example") == ident("indicator", 1)
    take(one, indicator(2), indicator(3, "xn--bcher-kva.example"))
    with one.store.read() as unit:
        named = graph.resolve(one.services.queries, unit, one.actor, "xn--bcher-kva.example")
    assert named == ident("indicator", 3)
    with one.store.read() as unit, pytest.raises(NotFound):
        graph.resolve(one.services.queries, unit, one.actor, "xn--nothing.example")
    with one.store.read() as unit, pytest.raises(Misuse):
        graph.resolve(one.services.queries, unit, one.actor, "evil.example")


@given(
    st.dictionaries(
        st.sampled_from(["a_ref", "b_refs", "object_refs", "extensions", "body_multipart", "name"]),
        st.recursive(
            st.none() | st.text() | st.integers() | st.just(W1),
            lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from(["x", "c_ref", "d_refs"]), inner),
            max_leaves=9,
        ),
    )
)
def test_whatever_properties_hold_there_are_edges_and_no_error(tree: dict[str, Any]) -> None:
    edges = of_object({**tree, "type": "x-thing", "id": ident("x-thing", 1)})
    for position, (at, _, data) in enumerate(intel.edge_rows(5, edges)):
        assert at == 5
        assert intel.ends_of(data), position  # type: ignore[arg-type]  # the third column is bytes
    if tree.get("a_ref") == W1:
        assert Edge(ident("x-thing", 1), "a_ref", W1) in edges
