"""What every store promises of units of work, and of what lies beside the logs: spans, documents, quarantine."""

from __future__ import annotations

import threading
from random import Random

from comity.canon import Origin
from comity.errors import Misuse
from comity.limits import QUARANTINE_ROWS_MAX
from comity.node.ports import Store, Unit, position
from comity.testing.contract.samples import (
    KEYS,
    OBJECTS,
    ORIGIN,
    OTHER,
    RETRACTED,
    VALUES,
    Opener,
    expected,
    extend,
    grown,
    open_log,
    payload,
    raises,
)


class _Abandoned(Exception):
    """What a test raises inside a unit of work."""


def _one_of_each(unit: Unit, log_id: int) -> None:
    """Write something through every port."""
    log = unit.logs.get(log_id)
    extend(unit, log, [payload(50, header=b'{"kind":"intel.note"}'), payload(51, body=position(log_id, 0))])
    unit.logs.sign(log_id, log.size + 2, b"note")
    unit.entries.set_standing(log_id, 0, 1, RETRACTED)
    unit.entries.erase(log_id, 1, 2)
    open_log(unit, OTHER, own=False)
    unit.views.put(OBJECTS, [(position(log_id, 0), b"u" * 16, 1, "one")])
    unit.views.put(VALUES, [(position(log_id, 0), b"k")])
    unit.spans.add(ORIGIN, 0, 1, position(log_id, 1))
    unit.documents.put("card", "cert.arcadia.example", b"card")
    unit.quarantine.add(1, "cert.borealia.example", "malformed", "no", b"evidence")


def _everything(unit: Unit, log_id: int) -> list[object]:
    """Read through every port."""
    return [
        unit.logs.all(),
        unit.entries.read(log_id, 0, 9),
        [
            (unit.entries.header(b.header_id), unit.entries.standing(b.standing_id))
            for b in unit.entries.brief(log_id, 0, 9)
        ],
        unit.entries.commitments(log_id, 0, unit.logs.get(log_id).size),
        unit.views.scan(OBJECTS, 0, 2**62, limit=99),
        unit.views.scan(VALUES, 0, 2**62, limit=99),
        unit.lookups.one(KEYS, b"k"),
        unit.spans.about(ORIGIN, 0, 2**40 - 1),
        unit.documents.all("card"),
        unit.quarantine.all(limit=99),
        unit.quarantine.count(),
    ]


def _put(store: Store, value: bytes) -> None:
    with store.write() as unit:
        unit.documents.put("card", "key", value)


class UnitsContract:
    """A unit of work commits wholly or not at all; a read sees one moment."""

    def test_an_exception_undoes_everything_and_is_passed_on(self, store: Store) -> None:
        log_id = grown(store, [payload(0), payload(1)])
        with store.read() as unit:
            before = _everything(unit, log_id)
        with raises(_Abandoned), store.write() as unit:
            _one_of_each(unit, log_id)
            raise _Abandoned
        with store.read() as unit:
            assert _everything(unit, log_id) == before
        # What was interned or trained in memory went too: the same unit of work can be done again.
        with store.write() as unit:
            _one_of_each(unit, log_id)
        with store.read() as unit:
            assert unit.entries.read(log_id, 2, 3)[0].header == b'{"kind":"intel.note"}'
            assert unit.entries.read(log_id, 0, 1)[0].standing == RETRACTED
        assert list(store.check()) == []

    def test_reopening_keeps_all(self, opener: Opener) -> None:
        store = opener()
        log_id = grown(store, [payload(0), payload(1)])
        with store.write() as unit:
            _one_of_each(unit, log_id)
        with store.read() as unit:
            before = _everything(unit, log_id)
        store.close()
        store = opener()
        with store.read() as unit:
            assert _everything(unit, log_id) == before
        assert list(store.check()) == []
        store.close()

    def test_a_unit_of_work_reads_what_it_wrote(self, store: Store) -> None:
        log_id = grown(store, [payload(0), payload(1)])
        with store.write() as unit:
            _one_of_each(unit, log_id)
            inside = _everything(unit, log_id)
        with store.read() as unit:
            assert _everything(unit, log_id) == inside

    def test_a_read_sees_one_moment_while_another_thread_writes(self, store: Store) -> None:
        log_id = grown(store, [payload(0), payload(1)])

        def write() -> None:
            with store.write() as unit:
                _one_of_each(unit, log_id)

        with store.read() as unit:
            before = _everything(unit, log_id)
            writer = threading.Thread(target=write)
            writer.start()
            writer.join(timeout=30)
            assert not writer.is_alive()
            assert _everything(unit, log_id) == before
        with store.read() as unit:
            assert _everything(unit, log_id) != before

    def test_a_read_beside_an_open_unit_of_work_sees_what_was_committed(self, store: Store) -> None:
        log_id = grown(store, [payload(0)])
        seen: list[object] = []

        def read_beside() -> None:
            with store.write() as unit:
                unit.entries.erase(log_id, 0, 1)
                with store.read() as other:
                    seen.append(other.entries.read(log_id, 0, 1)[0].body)

        # In a thread of its own: a store that waits for itself here would wait for ever.
        thread = threading.Thread(target=read_beside, daemon=True)
        thread.start()
        thread.join(timeout=30)
        assert seen == [payload(0).body]

    def test_a_reader_knows_whether_anything_was_committed(self, store: Store) -> None:
        def version() -> int:
            with store.read() as unit:
                return unit.version()

        seen = [version()]
        assert version() == seen[0]
        with raises(_Abandoned), store.write() as unit:
            unit.documents.put("card", "key", b"value")
            raise _Abandoned
        assert version() == seen[0]
        for value in (b"1", b"2"):
            with store.read() as before:
                held = before.version()
                writer = threading.Thread(target=_put, args=(store, value))
                writer.start()
                writer.join(timeout=30)
                assert before.version() == held == seen[-1]
            seen.append(version())
        assert len(set(seen)) == 3

    def test_a_read_inside_a_read_sees_the_same_moment(self, store: Store) -> None:
        log_id = grown(store, [payload(0), payload(1)])
        with store.read() as outer:
            before = _everything(outer, log_id)
            with store.read() as inner:
                assert _everything(inner, log_id) == before
            assert _everything(outer, log_id) == before

    def test_writers_take_turns(self, store: Store) -> None:
        log_id = grown(store, [payload(0)])

        def write(first: int) -> None:
            for seed in range(first, first + 10):
                with store.write() as unit:
                    extend(unit, unit.logs.get(log_id), [payload(seed)])

        threads = [threading.Thread(target=write, args=(1_000 * number,)) for number in range(1, 5)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        with store.read() as unit:
            seeds = [0, *(1_000 * number + n for number in range(1, 5) for n in range(10))]
            wanted = {payload(seed).body for seed in seeds}
            assert {entry.body for entry in unit.entries.read(log_id, 0, 41)} == wanted
            assert unit.logs.get(log_id).size == 41
        assert list(store.check()) == []

    def test_a_write_inside_a_read_is_misuse_and_changes_nothing(self, store: Store) -> None:
        log_id = grown(store, [payload(0)])
        with raises(Misuse), store.read() as unit:
            unit.documents.put("card", "key", b"value")
        with raises(Misuse), store.read() as unit:
            unit.entries.append(log_id, 1, [payload(1)])
        with store.read() as unit:
            assert unit.documents.get("card", "key") is None
            assert list(unit.entries.read(log_id, 0, 9)) == [expected(position(log_id, 0), payload(0))]

    def test_a_unit_of_work_inside_another_is_misuse(self, store: Store) -> None:
        with store.write() as unit:
            with raises(Misuse), store.write():
                raise AssertionError("two units of work at once")
            unit.documents.put("card", "key", b"value")
        with store.read() as unit:
            assert unit.documents.get("card", "key") == b"value"

    def test_a_closed_store_is_not_used(self, opener: Opener) -> None:
        store = opener()
        store.close()
        store.close()
        with raises(Misuse), store.read():
            raise AssertionError("a read of a closed store")
        with raises(Misuse), store.write():
            raise AssertionError("a write to a closed store")
        with raises(Misuse):
            store.check()

    def test_a_sound_store_has_nothing_to_report(self, store: Store) -> None:
        assert list(store.check()) == []
        grown(store, [payload(n) for n in range(700)])
        assert list(store.check()) == []

    def test_a_tree_larger_than_what_is_kept_is_reported(self, store: Store) -> None:
        log_id = grown(store, [payload(0)])
        with store.write() as unit:
            unit.logs.advance(log_id, 1, 2, b"r" * 32, b"")
        wrong = store.check()
        assert wrong
        assert all(ORIGIN in each for each in wrong)


class ShelvesContract:
    """Spans, documents and quarantine."""

    def test_spans_are_found_by_overlap(self, store: Store) -> None:
        with store.write() as unit:
            for start, end, act in ((0, 10, 1), (5, 6, 2), (10, 20, 3), (0, 2**40 - 1, 4)):
                unit.spans.add(ORIGIN, start, end, act)
                unit.spans.add(ORIGIN, start, end, act)
            unit.spans.add(OTHER, 0, 10, 5)
            for run, acts in (((0, 1), {1, 4}), ((5, 6), {1, 2, 4}), ((9, 11), {1, 3, 4}), ((20, 21), {4})):
                assert {act for _, _, act in unit.spans.about(ORIGIN, *run)} == acts
            assert list(unit.spans.about(OTHER, 9, 10)) == [(0, 10, 5)]
            assert list(unit.spans.about(OTHER, 10, 11)) == []
            assert list(unit.spans.about(Origin("cert.cascadia.example/home/1"), 0, 9)) == []
            unit.spans.clear()
            assert list(unit.spans.about(ORIGIN, 0, 99)) == []

    def test_spans_of_every_length_are_found_by_overlap(self, store: Store) -> None:
        """Few are long and many are short, and stores may look for them in two ways."""
        chance = Random(1)
        spans = []
        for act in range(400):
            start = chance.randrange(20_000)
            length = chance.choice((1, 1, 1, 2, 100, 4_095, 4_096, 4_097, 12_000))
            spans.append((start, start + length, act))
        with store.write() as unit:
            for start, end, act in spans:
                unit.spans.add(ORIGIN, start, end, act)
            for _ in range(200):
                first = chance.randrange(24_000)
                last = first + chance.choice((1, 1, 50, 5_000))
                expected = sorted(span for span in spans if span[0] < last and span[1] > first)
                assert list(unit.spans.about(ORIGIN, first, last)) == expected

    def test_documents_are_kept_by_shelf_and_key(self, store: Store) -> None:
        names = ["", "a", "a/b", "a/c", "a%", "a_", "A/b", "ä", "b"]
        with store.write() as unit:
            for name in names:
                unit.documents.put("shelf", name, name.encode() + b"\0\xff")
            unit.documents.put("other", "a", b"")
            unit.documents.put("shelf", "a", b"again")
        with store.read() as unit:
            assert [key for key, _ in unit.documents.all("shelf")] == sorted(names)
            assert list(unit.documents.all("shelf", "a/")) == [("a/b", b"a/b\0\xff"), ("a/c", b"a/c\0\xff")]
            assert [key for key, _ in unit.documents.all("shelf", "a%")] == ["a%"]
            assert list(unit.documents.all("none")) == []
            assert unit.documents.get("shelf", "a") == b"again"
            assert unit.documents.get("other", "a") == b""
            assert unit.documents.get("shelf", "none") is None
        with store.write() as unit:
            unit.documents.delete("shelf", "a")
            unit.documents.delete("shelf", "a")
            assert unit.documents.get("shelf", "a") is None
            assert unit.documents.get("other", "a") == b""

    def test_what_was_refused_comes_newest_first(self, store: Store) -> None:
        reason = "a reason with \0 and \u2603 'quotes'"
        with store.write() as unit:
            unit.quarantine.add(7, "cert.borealia.example", "malformed", "first", b"\0\xff")
            unit.quarantine.add(5, "192.0.2.1", "refused", reason, b"")
        with store.read() as unit:
            newest, oldest = unit.quarantine.all(limit=9)
            assert newest[1:] == (5, "192.0.2.1", "refused", reason, b"")
            assert oldest[1:] == (7, "cert.borealia.example", "malformed", "first", b"\0\xff")
            assert newest[0] > oldest[0]
            assert list(unit.quarantine.all(limit=1)) == [newest]
            assert unit.quarantine.count() == 2

    def test_beyond_the_limit_the_oldest_refused_goes_and_is_counted(self, store: Store) -> None:
        with store.write() as unit:
            for number in range(QUARANTINE_ROWS_MAX + 5):
                unit.quarantine.add(number, "cert.borealia.example", "malformed", "no", b"")
        with store.read() as unit:
            kept = unit.quarantine.all(limit=2 * QUARANTINE_ROWS_MAX)
            assert (len(kept), kept[-1][1]) == (QUARANTINE_ROWS_MAX, 5)
            assert unit.quarantine.count() == QUARANTINE_ROWS_MAX + 5
