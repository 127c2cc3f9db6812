"""Bringing foreign formats in: the original stays, what was lost is named, a second time brings nothing new."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from random import Random
from typing import Any

import pytest

from comity.canon import AccordId
from comity.errors import Misuse, NotFound
from comity.formats.convert import Context, Loss, Made, Outcome, encode, ident, loss, object_
from comity.node import acting, books, importing, ingest
from comity.node.importing import Import, Imported, bring_in
from comity.node.ingest import Ingested
from comity.node.ports import place
from comity.node.sharing import Offer
from comity.statement import Marking
from comity.testing.world import Inhabitant, World, amber
from comity.vocab import Tlp


@pytest.fixture
def one(tmp_path: Path) -> Iterator[Inhabitant]:
    """A node alone."""
    world = World(1, 1, tmp_path)
    yield world.people[0]
    world.close()


def read(chunks: Iterable[bytes], context: Context) -> Iterator[Made | Loss]:
    """Read addresses, one a line; a line that begins with ! is lost, one with ? is no STIX, and with . ends it."""
    for number, line in enumerate(b"".join(chunks).decode().splitlines(), 1):
        where = f"line {number}"
        if line.startswith("!"):
            yield loss(where, Outcome.UNMAPPED, "exclaimed", f"{line} stands for nothing here")
            continue
        name = ident("indicator", context, line)
        made = object_(
            "indicator",
            name if not line.startswith("?") else "indicator--broken",
            context.at * 1_000_000,
            pattern=f"[ipv4-addr:value = '{line}']",
            pattern_type="stix",
            valid_from="2026-01-01T00:00:00Z",
        )
        yield Made(encode(made), where, timeless=True)


def bring(one: Inhabitant, data: bytes, *, dry: bool = False, size: int = 7) -> tuple[Ingested, Imported]:
    """Import bytes in small chunks."""
    with one.node.writing() as unit:
        source = ingest.put_source(unit, one.actor, "list", Marking(Tlp.GREEN))
    chunks = [data[at : at + size] for at in range(0, len(data), size)]
    done = Ingested(dry=dry)
    return done, bring_in(one.node, one.actor, source, Import("list.txt", "lines", read, chunks), done)


def home_size(one: Inhabitant) -> int:
    with one.store.read() as unit:
        return sum(log.size for log in unit.logs.all())


def on_log(one: Inhabitant) -> Counter[str]:
    """Count what is held on the logs, by kind."""
    found: Counter[str] = Counter()
    with one.store.read() as unit:
        for log in unit.logs.all():
            for entry in unit.entries.brief(log.id, 0, log.size):
                found[one.node.header(unit.entries.header(entry.header_id)).kind] += 1
    return found


def small(monkeypatch: pytest.MonkeyPatch, *, part: int = 10, spool: int = 20, batch: int = 20) -> None:
    """Cut originals into parts of a few bytes, two to a unit of work."""
    monkeypatch.setattr(importing, "ORIGINAL_PART_BYTES", part)
    monkeypatch.setattr(importing, "ORIGINAL_SPOOL_BYTES", spool)
    monkeypatch.setattr(importing, "INGEST_BATCH_BYTES_MAX", batch)


GOOD = b"192.0.2.1\n192.0.2.2\n!what\n?192.0.2.3\n192.0.2.4\n"


def test_what_is_made_is_kept_and_what_is_lost_is_named(one: Inhabitant) -> None:
    heard: list[Loss] = []
    with one.node.writing() as unit:
        source = ingest.put_source(unit, one.actor, "list", Marking(Tlp.GREEN))
    done = Ingested(tell=heard.append)
    record = bring_in(one.node, one.actor, source, Import("list.txt", "lines", read, [GOOD]), done)
    assert (done.read, done.kept, done.report.refused) == (4, 3, 1)
    assert [(each.where.split(" indicator")[0], each.rule) for each in heard] == [
        ("line 3", "exclaimed"),
        ("line 4", "schema"),
    ]
    assert record.lost == {"unmapped exclaimed": 1}
    with one.store.read() as unit:
        assert one.services.queries.lookup(unit, one.actor, "192[.]0[.]2[.]4")
        assert importing.imports(unit, "csirt") == [record] == importing.imports(unit, "csirt", "list")
        assert importing.imports(unit, "csirt", "another") == []


def test_the_original_comes_back_byte_for_byte(one: Inhabitant, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importing, "ORIGINAL_PART_BYTES", 1_000)
    monkeypatch.setattr(importing, "ORIGINAL_SPOOL_BYTES", 4_000)
    monkeypatch.setattr(importing, "INGEST_BATCH_BYTES_MAX", 4_000)
    addresses = [f"198.51.{n >> 8}.{n & 255}" for n in Random(1).sample(range(65_536), 2_000)]
    data = "\n".join(addresses).encode()
    done, record = bring(one, data, size=777)
    assert done.kept == 2_000
    assert (record.bytes, record.digest) == (len(data), hashlib.sha256(data).hexdigest())
    assert sum(count for _, count in record.parts) == -(-len(data) // 1_000)
    assert b"".join(importing.original(one.node, record)) == data


def test_a_second_time_brings_nothing_new_and_keeps_no_second_original(one: Inhabitant) -> None:
    _, first = bring(one, GOOD)
    one.node.clock = lambda: 1_900_000_000
    size = home_size(one)
    done, again = bring(one, GOOD)
    assert (done.kept, done.known) == (0, 3), "the import dated them, so another date is no new version"
    assert again.parts == first.parts
    assert home_size(one) == size + 1, "only the record of the import"
    with one.store.read() as unit:
        assert importing.imports(unit, "csirt") == [again]


def test_a_dry_run_tells_the_same_and_writes_nothing(one: Inhabitant) -> None:
    with one.node.writing() as unit:
        ingest.put_source(unit, one.actor, "list", Marking(Tlp.GREEN))
    size = home_size(one)
    done, would = bring(one, GOOD, dry=True)
    assert (done.kept, done.report.refused, would.lost) == (3, 1, {"unmapped exclaimed": 1})
    assert home_size(one) == size
    with one.store.read() as unit:
        assert importing.imports(unit, "csirt") == []
    assert bring(one, GOOD)[0].kept == 3


def test_an_original_that_is_too_large_is_said_not_to_be_kept(one: Inhabitant, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importing, "ORIGINAL_BYTES_MAX", 20)
    done, record = bring(one, GOOD)
    assert done.kept == 3
    assert (record.parts, record.bytes) == ((), len(GOOD))
    assert record.lost["changed original-too-large"] == 1
    with pytest.raises(NotFound):
        list(importing.original(one.node, record))


def test_what_a_reader_leaves_unread_is_kept_too(one: Inhabitant) -> None:
    def lazy(chunks: Iterable[bytes], context: Context) -> Iterator[Made | Loss]:
        next(iter(chunks))
        yield loss("the beginning", Outcome.REFUSED, "lazy", "this reader reads one chunk")

    with one.node.writing() as unit:
        source = ingest.put_source(unit, one.actor, "list", None)
    done = Ingested()
    record = bring_in(one.node, one.actor, source, Import("x", "lazy", lazy, [b"one", b"two", b"three"]), done)
    assert b"".join(importing.original(one.node, record)) == b"onetwothree"


def test_an_original_goes_to_nobody(tmp_path: Path) -> None:
    world = World(1, 2, tmp_path)
    one, _ = world.people
    accord = world.accord(AccordId("pair"), world.people)
    _, record = bring(one, GOOD)
    (first, _), *_ = record.parts
    shared = one.services.sharing.share(one.actor, accord, [first], Offer(amber()))
    assert (shared.stated, shared.withheld) == (0, 1)
    with one.store.read() as unit:
        assert first not in [at for at, _ in one.services.queries.home_objects(unit, source="", type_="", after=0)]
    world.close()


def test_what_is_too_large_leaves_no_part(one: Inhabitant, monkeypatch: pytest.MonkeyPatch) -> None:
    small(monkeypatch)
    monkeypatch.setattr(importing, "ORIGINAL_BYTES_MAX", len(GOOD) - 1)
    _, record = bring(one, GOOD)
    assert record.parts == ()
    assert on_log(one)["home.original"] == 0


def test_what_breaks_off_leaves_no_part(one: Inhabitant, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken() -> Iterator[bytes]:
        yield GOOD
        raise Misuse("the disk is gone")

    small(monkeypatch)
    with one.node.writing() as unit:
        source = ingest.put_source(unit, one.actor, "list", None)
    with pytest.raises(Misuse):
        bring_in(one.node, one.actor, source, Import("list.txt", "lines", read, broken()), Ingested())
    assert on_log(one)["home.original"] == 0


def test_a_large_original_is_kept_once(one: Inhabitant, monkeypatch: pytest.MonkeyPatch) -> None:
    small(monkeypatch)
    _, first = bring(one, GOOD)
    count = on_log(one)["home.original"]
    assert count == -(-len(GOOD) // 10)
    _, again = bring(one, GOOD)
    assert (again.parts, on_log(one)["home.original"]) == (first.parts, count)


def test_a_part_that_was_erased_is_kept_again(one: Inhabitant, monkeypatch: pytest.MonkeyPatch) -> None:
    small(monkeypatch)
    _, first = bring(one, GOOD)
    count = on_log(one)["home.original"]
    acting.erase(one.actor, one.node, [first.parts[0][0] + 1], "GDPR art. 17", "")
    with pytest.raises(NotFound):
        list(importing.original(one.node, first))
    _, again = bring(one, GOOD)
    assert b"".join(importing.original(one.node, again)) == GOOD
    assert on_log(one)["home.original"] == count + 1, "only the erased part"


def test_after_a_break_every_part_is_named_and_none_is_kept_twice(
    one: Inhabitant, monkeypatch: pytest.MonkeyPatch
) -> None:
    small(monkeypatch)
    append, left = books.append, [3]

    def breaks(*arguments: Any) -> Any:
        left[0] -= 1
        if left[0] < 0:
            raise Misuse("the power is gone")
        return append(*arguments)

    monkeypatch.setattr(books, "append", breaks)
    monkeypatch.setattr(importing, "keep", lambda *_: None)  # states nothing of its own
    with pytest.raises(Misuse):
        bring(one, GOOD)
    with one.store.read() as unit:
        (partly,) = importing.imports(unit, "csirt")
    assert sum(count for _, count in partly.parts) == on_log(one)["home.original"] == 2, "the first unit of work"
    monkeypatch.setattr(books, "append", append)
    _, whole = bring(one, GOOD)
    assert b"".join(importing.original(one.node, whole)) == GOOD
    assert on_log(one)["home.original"] == -(-len(GOOD) // 10)


def test_no_record_quotes_the_input(one: Inhabitant) -> None:
    _, record = bring(one, b"192.0.2.1\n!Kowalska\n")
    acting.erase(one.actor, one.node, [record.parts[0][0]], "GDPR art. 17", "")
    with one.store.read() as unit:
        bodies = [entry.body or b"" for log in unit.logs.all() for entry in unit.entries.read(log.id, 0, log.size)]
        documents = [data for _, data in unit.documents.all(importing.IMPORTS)]
    assert record.lost == {"unmapped exclaimed": 1}
    assert not [data for data in [*bodies, *documents] if b"Kowalska" in data]


def test_an_original_is_erased_whole_and_can_come_again(one: Inhabitant, monkeypatch: pytest.MonkeyPatch) -> None:
    small(monkeypatch)
    _, record = bring(one, GOOD)
    acting.erase(one.actor, one.node, [record.parts[0][0]], "GDPR art. 17", "by itself")
    parts = sum(count for _, count in record.parts)
    with pytest.raises(Misuse):
        importing.erase(one.node, one.actor, record.digest, " ", "")
    assert importing.erase(one.node, one.actor, record.digest, "GDPR art. 17", "names a victim") == parts - 1
    with one.store.read() as unit:
        assert importing.imports(unit, "csirt") == []
        assert set(importing.erased(unit, "csirt")) == {record.digest}
        assert not [at for at, n in record.parts for p in range(at, at + n) if unit.entries.is_held(*place(p))]
    assert on_log(one)["home.imported"] == 1
    with pytest.raises(NotFound):
        importing.erase(one.node, one.actor, record.digest, "GDPR art. 17", "")
    _, again = bring(one, GOOD)
    assert b"".join(importing.original(one.node, again)) == GOOD
    with one.store.read() as unit:
        assert importing.erased(unit, "csirt") == {}


def test_imports_of_a_source_are_not_those_of_one_named_below_it(one: Inhabitant) -> None:
    bring(one, GOOD)
    with one.node.writing() as unit:
        source = ingest.put_source(unit, one.actor, "list/inner", None)
    bring_in(one.node, one.actor, source, Import("list.txt", "lines", read, [b"192.0.2.9"]), Ingested())
    with one.store.read() as unit:
        assert [each.source for each in importing.imports(unit, "csirt", "list")] == ["list"]
        assert len(importing.imports(unit, "csirt")) == 2
