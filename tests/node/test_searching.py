"""Full-text search in one node: found in any script, not by who may not, gone with an erasure."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from comity.canon import OfficeId, PartyId
from comity.errors import Misuse
from comity.node import acting, books, ingest, rebuild, searching, wording
from comity.node.actor import Actor
from comity.node.node import Node
from comity.node.ports import Entry
from comity.party import OfficeRef
from comity.statement import STIX_MEDIA, Header, Marking, encode_header
from comity.testing.world import Inhabitant, World
from comity.vocab import Held, Tlp

NEWEST = 2**62


@pytest.fixture
def one(tmp_path: Path) -> Iterator[Inhabitant]:
    """A node alone."""
    world = World(1, 1, tmp_path)
    yield world.people[0]
    world.close()


def note(number: int, content: str, abstract: str = "") -> bytes:
    """Return a STIX note."""
    tree = {
        "type": "note",
        "spec_version": "2.1",
        "id": f"note--{number:08x}-0000-4000-8000-000000000000",
        "created": "2026-01-01T00:00:00.000Z",
        "modified": "2026-01-01T00:00:00.000Z",
        "content": content,
        "object_refs": ["indicator--00000000-0000-4000-8000-000000000000"],
    }
    return json.dumps(tree | ({"abstract": abstract} if abstract else {})).encode()


def take(one: Inhabitant, *objects: bytes) -> None:
    with one.node.writing() as unit:
        source = ingest.put_source(unit, one.actor, "notes", Marking(Tlp.GREEN))
    ingest.ingest(one.node, one.actor, source, [b"\n".join(objects)])


def found(one: Inhabitant, text: str, actor: Actor | None = None, limit: int = 99) -> list[int]:
    """Return the numbers of the notes that a search finds."""
    while searching.catch_up(one.node):
        pass
    queries = one.services.queries
    with one.store.read() as unit:
        hits = searching.search(queries, unit, actor or one.actor, text, before=NEWEST, limit=limit)
        return [int(json.loads(queries.body(unit, hit.position))["id"][6:14], 16) for hit in hits]


def test_objects_are_found_by_their_words_the_newest_first(one: Inhabitant) -> None:
    take(one, note(1, "A wave of phishing mails"), note(2, "phishing kit, sold in a forum"), note(3, "网络钓鱼攻击"))
    assert found(one, "phishing") == [2, 1]
    assert found(one, "PHISH* wave") == [1]
    assert found(one, "钓鱼") == [3]
    assert found(one, "nothing") == []
    assert found(one, "phishing", limit=1) == [2]
    with pytest.raises(Misuse):
        found(one, "...")


def test_what_is_due_is_made_up_in_pieces(one: Inhabitant) -> None:
    take(one, *(note(n, f"common word{n}") for n in range(300)))
    with one.store.read() as unit:
        assert wording.waiting(unit) == 300
        assert unit.texts.count() == 0
    assert searching.catch_up(one.node, most=120) == 180
    assert searching.catch_up(one.node, most=120) == 60
    assert searching.catch_up(one.node, most=120) == 0
    assert searching.catch_up(one.node) == 0
    assert len(found(one, "common", limit=999)) == 300
    assert found(one, "word299") == [299]


def test_another_office_finds_nothing(one: Inhabitant) -> None:
    take(one, note(1, "secret plan"))
    assert found(one, "secret") == [1]
    assert found(one, "secret", Actor(OfficeRef(one.name, OfficeId("police")), "reader")) == []


def test_erased_words_leave_the_index(one: Inhabitant) -> None:
    take(one, note(1, "Kowalski complained"), note(2, "Kowalski again"))
    assert found(one, "kowalski") == [2, 1]
    with one.store.read() as unit:
        (place,) = [at for at, _ in one.services.queries.home_objects(unit, source="notes", type_="", after=0)][:1]
    acting.erase(one.actor, one.node, [place], "GDPR art. 17", "asked for")
    assert found(one, "kowalski") == [2]
    with one.store.read() as unit:
        assert unit.texts.count() == 1


def test_a_rebuild_indexes_everything_again(one: Inhabitant) -> None:
    take(one, note(1, "first"), note(2, "second"))
    assert found(one, "second") == [2]
    rebuild.rebuild(one.node)
    with one.store.read() as unit:
        assert (unit.texts.count(), wording.waiting(unit)) == (0, 2)
    assert (found(one, "second"), found(one, "first")) == ([2], [1])


@given(
    st.binary(max_size=60)
    | st.sampled_from([b'{"external_references":5}', b'{"name":"\xff"}', b'{"labels":{"a":1}}', b"[" * 9_999])
)
def test_the_words_of_any_bytes_are_some_or_none(data: bytes) -> None:
    header = encode_header(Header(v=1, kind="intel.object", office=OfficeId("csirt"), accord=0, at=0, media=STIX_MEDIA))
    entry = Entry(0, Held.PAYLOAD, bytes(32), header, bytes(16), data, b"{}")
    # Neither store nor keys are asked for anything.
    node = Node(PartyId("cert.arcadia.example"), None, None, lambda: 0, bytes)  # type: ignore[arg-type]
    assert all(wording.words_of(node, entry))


def test_what_was_refused_when_it_was_folded_is_not_found(one: Inhabitant) -> None:
    header = encode_header(
        Header(v=1, kind="intel.object", office=OfficeId("csirt"), accord=0, at=0, media=STIX_MEDIA, source="notes")
    )
    drafts = [books.Draft(header, body) for body in (note(1, "ransom"), b'{"name":"ransom"}', note(2, "ransom"))]
    with one.node.writing() as unit:
        books.state(one.node, unit, books.home_origin(one.node, unit), 0, drafts)
    assert found(one, "ransom") == [2, 1]
