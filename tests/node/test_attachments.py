"""Attachments through nodes: taken in, found by hash and object, shared, withheld, erased, given back as they came."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from comity import canon
from comity.areas import intel
from comity.errors import NotFound, TooLarge, Unverified
from comity.formats import observables
from comity.limits import ATTACHMENT_BYTES_MAX, ATTACHMENT_PART_BYTES
from comity.node import acting, attachments, books
from comity.node.attachments import Kept, Offered
from comity.node.queries import Queries
from comity.node.sharing import Offer
from comity.statement import INTEL_PART, Marking
from comity.testing.world import Inhabitant, World
from comity.vocab import Held, Tlp, Use
from tests.node.test_intelligence import UUID

ABOUT = f"indicator--{UUID.decode()}"
GREEN = Marking(Tlp.GREEN, use=(Use.DEFENCE,))
SAMPLE = random.Random(1).randbytes(ATTACHMENT_PART_BYTES * 2 + 17)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """Two parties with an accord."""
    made = World(12, 2, tmp_path)
    made.accord("two", made.people)
    yield made
    made.close()


def add(one: Inhabitant, data: bytes = SAMPLE, marking: Marking | None = GREEN) -> int:
    pieces = [data[at : at + 70_000] for at in range(0, len(data), 70_000)]
    offered = Offered("probe\u202eexe.pdf", about=(ABOUT,), media="application/pdf", marking=marking)
    return attachments.add(one.node, one.actor, pieces, offered)


def every(one: Inhabitant) -> list[Kept]:
    with one.store.read() as unit:
        return attachments.every(one.node, one.services.queries, unit, one.actor)


def whole(one: Inhabitant, kept: Kept) -> bytes:
    with one.store.read() as unit:
        return b"".join(attachments.contents(one.node, unit, kept))


def places(kept: Kept) -> list[int]:
    return [kept.position, *kept.parts]


def test_a_sample_comes_back_as_it_went_and_lies_nowhere_in_plain(world: World, tmp_path: Path) -> None:
    a = world.people[0]
    add(a)
    (kept,) = every(a)
    assert (whole(a, kept), kept.found.size, len(kept.parts), kept.missing) == (SAMPLE, len(SAMPLE), 3, [])
    for path in tmp_path.rglob("*"):
        assert not path.is_file() or SAMPLE[:64] not in path.read_bytes()


def test_it_is_found_by_its_hash_and_by_what_it_is_about(world: World) -> None:
    a = world.people[0]
    add(a)
    (kept,) = every(a)
    keys = [key for text in (kept.found.sha256, kept.found.md5) for key, *_ in observables.keyed(text)]
    keys.append(intel.object_key(intel.object_number(intel.uuid_of(ABOUT))))
    with a.store.read() as unit:
        for key in keys:
            assert attachments.by_keys(a.node, a.services.queries, unit, a.actor, [key]) == [kept]
        assert attachments.by_keys(a.node, a.services.queries, unit, a.actor, [b"\0" * 16]) == []


def test_members_get_it_whole_or_learn_what_is_missing(world: World) -> None:
    a, b = world.people
    add(a)
    (kept,) = every(a)
    assert a.services.sharing.share(a.actor, "two", [kept.position, *kept.parts[:2]], Offer(GREEN)).stated == 3
    world.calm(10)
    (got,) = every(b)
    assert got.missing == [3]
    with pytest.raises(NotFound, match="3"):
        whole(b, got)
    a.services.sharing.share(a.actor, "two", [kept.parts[2]], Offer(GREEN))
    world.calm(10)
    (got,) = every(b)
    assert whole(b, got) == SAMPLE


def test_what_is_erased_is_gone_everywhere(world: World) -> None:
    a, b = world.people
    add(a)
    (kept,) = every(a)
    a.services.sharing.share(a.actor, "two", places(kept), Offer(GREEN))
    world.calm(10)
    (got,) = every(b)
    acting.erase(a.actor, a.node, [kept.position], "court order", "")  # the manifest alone: no key, no content
    world.calm(10)
    assert every(a) == every(b) == []
    with pytest.raises(NotFound):
        whole(b, got._replace(parts=(got.position,)))


def test_without_a_marking_it_stays_at_home(world: World) -> None:
    a = world.people[0]
    add(a, marking=None)
    (kept,) = every(a)
    assert a.services.sharing.share(a.actor, "two", places(kept), Offer()).withheld == 4


def test_one_that_is_too_large_leaves_nothing(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    a = world.people[0]
    monkeypatch.setattr(attachments, "ATTACHMENT_BYTES_MAX", 2 * ATTACHMENT_PART_BYTES)
    with pytest.raises(TooLarge, match="ATTACHMENT_BYTES_MAX"):
        add(a)
    assert every(a) == []
    assert ATTACHMENT_BYTES_MAX > len(SAMPLE)


def test_a_part_that_is_anothers_opens_nothing(world: World) -> None:
    a = world.people[0]
    add(a)
    add(a, b"other" * 9)
    one, two = sorted(every(a), key=lambda kept: kept.found.size)
    with pytest.raises(Unverified):
        whole(a, one._replace(parts=(two.parts[0],)))


def test_an_empty_file_is_one_too(world: World) -> None:
    a = world.people[0]
    add(a, b"")
    (kept,) = every(a)
    assert (whole(a, kept), len(kept.parts)) == (b"", 1)


def test_an_interrupt_leaves_no_part_behind(world: World) -> None:
    a = world.people[0]

    def cut() -> Iterator[bytes]:
        yield SAMPLE
        raise KeyboardInterrupt

    with a.store.read() as unit:
        (home,) = [log for log in unit.logs.all() if log.own and canon.parse_origin(log.origin)[1] is None]
    with pytest.raises(KeyboardInterrupt):
        attachments.add(a.node, a.actor, cut(), Offered("probe", marking=GREEN))
    with a.store.read() as unit:
        size = unit.logs.get(home.id).size
        entries = unit.entries.read(home.id, home.size, size)
    kinds = [a.node.header(entry.header).kind for entry in entries if entry.header and entry.held is Held.PAYLOAD]
    assert size > home.size + 2
    assert INTEL_PART not in kinds


def test_the_newest_are_listed_whatever_else_there_is(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    a = world.people[0]
    for number in range(6):
        add(a, b"%d" % number)
    monkeypatch.setattr(attachments, "ROWS_AT_ONCE", 5)  # rows of one attachment and a bit
    with a.store.read() as unit:
        found = attachments.every(a.node, a.services.queries, unit, a.actor, 2)
        key = intel.object_key(intel.object_number(intel.uuid_of(ABOUT)))
        assert attachments.by_keys(a.node, a.services.queries, unit, a.actor, [key], 2) == found
    assert [whole(a, one) for one in found] == [b"5", b"4"]
    assert [whole(a, one) for one in every(a)] == [b"%d" % number for number in (5, 4, 3, 2, 1, 0)]


def test_one_part_that_a_peer_states_many_times_is_read_once(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    a, b = world.people
    add(a, b"x")
    (kept,) = every(a)
    a.services.sharing.share(a.actor, "two", places(kept), Offer(GREEN))
    with a.store.read() as unit:
        (log,) = [log for log in unit.logs.all() if log.own and canon.parse_origin(log.origin)[1] == "two"]
        (part,) = [
            entry for entry in unit.entries.read(log.id, 0, log.size)
            if entry.header and a.node.header(entry.header).kind == INTEL_PART
        ]  # fmt: skip
    assert part.header is not None and part.body is not None
    with a.node.writing() as unit:
        books.state(a.node, unit, log.origin, 1, [books.Draft(part.header, part.body)] * 50)
    world.calm(10)
    (got,) = every(b)
    asked: list[int] = []
    witness_at = Queries.witness_at
    monkeypatch.setattr(Queries, "witness_at", lambda self, unit, actor, at: (
        asked.append(at), witness_at(self, unit, actor, at))[1])  # fmt: skip
    assert every(b) == [got]
    assert len(asked) == 2  # the manifest and one part
