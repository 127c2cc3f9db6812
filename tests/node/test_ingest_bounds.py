"""The bounds of an ingest: the largest object, many objects of one id, repeats that lie far apart."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any

import pytest

from comity.formats.convert import Made
from comity.limits import BATCH_ENTRIES_MAX, STATEMENT_BYTES_MAX
from comity.node import ingest
from comity.stores.sqlite import entries as stored
from comity.testing.world import Inhabitant, World, amber, indicators
from tests.node.test_intelligence import indicator


@pytest.fixture
def one(tmp_path: Path) -> Iterator[Inhabitant]:
    """A party on its own."""
    world = World(3, 1, tmp_path)
    yield world.people[0]
    world.close()


def origin(one: Inhabitant) -> ingest.Source:
    """Return its source."""
    with one.node.writing() as unit:
        return ingest.put_source(unit, one.actor, "feed", amber())


def sized(size: int) -> bytes:
    """Return an indicator of so many bytes."""
    bare = indicator(more=b',"description":""')
    return indicator(more=b',"description":"' + b"x" * (size - len(bare)) + b'"')


@pytest.mark.parametrize("dry", [False, True])
@pytest.mark.parametrize("size", [STATEMENT_BYTES_MAX, STATEMENT_BYTES_MAX - 10])
def test_what_does_not_fit_with_its_header_is_refused_and_stops_nothing(one: Inhabitant, size: int, dry: bool) -> None:
    data = [sized(size), *indicators(Random(1), 2)]
    done = ingest.ingest(one.node, one.actor, origin(one), [b"\n".join(data)], done=ingest.Ingested(dry=dry))
    assert (done.read, done.kept, done.report.by_rule) == (3, 2, {"too-large": 1})
    (refused,) = done.report.shown
    assert refused.ident == "indicator--11111111-2222-4333-8444-555555555555"


def test_what_just_fits_is_kept(one: Inhabitant) -> None:
    source = origin(one)
    header = len(ingest._Headers(one.node, one.actor, source).bytes_of(None))
    assert ingest.ingest(one.node, one.actor, source, [sized(STATEMENT_BYTES_MAX - header)]).kept == 0
    assert ingest.ingest(one.node, one.actor, source, [sized(STATEMENT_BYTES_MAX - header - 1)]).kept == 1


def reading(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Count the entries that are read from now on."""
    count = [0]
    read = stored.SqliteEntries.read

    def counted(self: Any, *place: int) -> Any:
        count[0] += 1
        return read(self, *place)

    monkeypatch.setattr(stored.SqliteEntries, "read", counted)
    return count


@pytest.mark.parametrize("timeless", [False, True])
def test_each_stored_version_of_an_id_is_read_once_a_batch(
    one: Inhabitant, monkeypatch: pytest.MonkeyPatch, timeless: bool
) -> None:
    source = origin(one)
    objects = [indicator(more=b',"name":"n%d"' % number) for number in range(4_000)]

    def taken(part: list[bytes]) -> ingest.Ingested:
        things = (Made(data, f"line {number}", timeless) for number, data in enumerate(part))
        return ingest.keep(one.node, one.actor, source, things)

    assert taken(objects[:2_000]).kept == 2_000
    count = reading(monkeypatch)
    done = taken(objects[1_000:])
    assert (done.kept, done.known) == (2_000, 1_000)
    assert 2_000 <= count[0] < 2_100


def test_what_differs_in_import_times_only_is_known_where_it_is_timeless(one: Inhabitant) -> None:
    source = origin(one)
    later = indicator(modified=b"2026-02-02T00:00:00.000Z")
    ingest.ingest(one.node, one.actor, source, [indicator()])
    for timeless, kept in ((True, 0), (False, 1), (False, 0)):
        done = ingest.keep(one.node, one.actor, source, iter([Made(later, "line 1", timeless)]))
        assert (done.kept, done.known) == (kept, 1 - kept)


@pytest.mark.parametrize("timeless", [False, True])
def test_a_dry_run_tells_repeats_of_an_earlier_batch(one: Inhabitant, timeless: bool) -> None:
    data = list(indicators(Random(1), BATCH_ENTRIES_MAX))
    data += data[:1_000]
    said = []
    for dry in (True, False):
        things = (Made(each, f"line {number}", timeless) for number, each in enumerate(data))
        done = ingest.keep(one.node, one.actor, origin(one), things, done=ingest.Ingested(dry=dry))
        said.append((done.read, done.kept, done.known, done.report.accepted))
    assert said[0] == said[1] == (len(data), BATCH_ENTRIES_MAX, 1_000, BATCH_ENTRIES_MAX)


def test_what_a_dry_run_does_not_remember_is_said(one: Inhabitant, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ingest, "INGEST_DRY_REPEATS_MAX", 100)
    data = b"\n".join(indicators(Random(1), 103))
    done = ingest.ingest(one.node, one.actor, origin(one), [data], done=ingest.Ingested(dry=True))
    assert [number for note, number in done.report.notes.items() if "dry run" in note] == [3]
