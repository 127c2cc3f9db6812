"""What every store's `Entries` promise of what is written once: order, bytes, classes, releases."""

from __future__ import annotations

import random
from itertools import pairwise

from comity.errors import Conflict, NotFound
from comity.node.ports import Entry, NewEntry, Store, Unit, position
from comity.testing.contract.samples import (
    HEADERS,
    OBJECTS,
    OTHER,
    RETRACTED,
    expected,
    extend,
    grown,
    open_log,
    payload,
    raises,
    unheld,
)
from comity.tlog import merkle
from comity.tlog.leaf import leaf_hashes_of
from comity.view import Row
from comity.vocab import Held


class EntriesContract:
    """What `Entries` promises."""

    def test_entries_come_back_byte_for_byte(self, store: Store) -> None:
        chance = random.Random(7)
        bodies = [b"", b"\0", b'{"a":1}', bytes(range(256)), chance.randbytes(300_000), b"a" * 1_000_000]
        entries = [payload(n, body=body) for n, body in enumerate(bodies)]
        entries += [payload(20, header=b""), payload(21, header=chance.randbytes(8_192))]
        entries += [unheld(30 + n, held) for n, held in enumerate((Held.SEALED, Held.WITHHELD, Held.ERASED))]
        log_id = grown(store, entries)
        with store.read() as unit:
            wanted = [expected(position(log_id, n), entry) for n, entry in enumerate(entries)]
            assert list(unit.entries.read(log_id, 0, len(entries))) == wanted
            assert [unit.entries.read(log_id, n, n + 1)[0] for n in range(len(entries))] == wanted
            assert list(unit.entries.read(log_id, 2, 5)) == wanted[2:5]
            assert list(unit.entries.read(log_id, 3, 3)) == []

    def test_many_like_bodies_come_back_byte_for_byte(self, store: Store) -> None:
        """Enough of them that a store which trains a dictionary does so in between."""
        log_id = 0
        entries: list[NewEntry] = []
        for batch in range(4):
            more = [payload(1_000 * batch + n) for n in range(900)]
            with store.write() as unit:
                log = open_log(unit)
                extend(unit, log, more)
            log_id, entries = log.id, entries + more
        with store.read() as unit:
            wanted = [expected(position(log_id, n), entry) for n, entry in enumerate(entries)]
            assert list(unit.entries.read(log_id, 0, len(entries))) == wanted

    def test_batches_of_any_size_pack_to_the_same_commitments_and_block_roots(self, store: Store) -> None:
        entries, log_id, start = [payload(n, body=b"") for n in range(1_100)], 0, 0
        for size in (1, 254, 1, 1, 255, 256, 300, 32):
            log_id = grown(store, entries[start : start + size])
            start += size
        assert start == len(entries)
        everything = b"".join(entry.commitment for entry in entries)
        roots = merkle.block_roots(leaf_hashes_of(everything))
        with store.read() as unit:
            for first, last in ((0, 1_100), (0, 0), (0, 256), (255, 257), (1_023, 1_025), (300, 301), (1_099, 1_100)):
                assert unit.entries.commitments(log_id, first, last) == everything[32 * first : 32 * last]
            for first, last in ((0, 4), (0, 0), (1, 3), (3, 4)):
                assert unit.entries.block_roots(log_id, first, last) == roots[32 * first : 32 * last]

    def test_logs_side_by_side_do_not_mix(self, store: Store) -> None:
        ours, theirs = [payload(n) for n in range(300)], [payload(1_000 + n) for n in range(300)]
        one = two = 0
        for start in range(0, 300, 50):
            one = grown(store, ours[start : start + 50])
            two = grown(store, theirs[start : start + 50], OTHER)
        with store.read() as unit:
            for log_id, entries in ((one, ours), (two, theirs)):
                assert [entry.body for entry in unit.entries.read(log_id, 0, 300)] == [e.body for e in entries]
                assert unit.entries.commitments(log_id, 0, 300) == b"".join(e.commitment for e in entries)

    def test_a_log_is_appended_to_only_where_it_ends(self, store: Store) -> None:
        log_id = grown(store, [payload(n) for n in range(3)])
        with store.write() as unit:
            for start in (0, 2, 4):
                with raises(Conflict):
                    unit.entries.append(log_id, start, [payload(9)])
            unit.entries.append(log_id, 3, [])
            unit.entries.append(log_id, 3, [payload(9)])

    def test_headers_and_standings_are_interned_by_their_bytes(self, store: Store) -> None:
        entries = [payload(n, header=HEADERS[n % 2]) for n in range(6)]
        log_id = grown(store, entries)
        with store.write() as unit:
            unit.entries.set_standing(log_id, 2, 4, RETRACTED)
        with store.read() as unit:
            briefs = unit.entries.brief(log_id, 0, 6)
            assert [brief.position for brief in briefs] == [position(log_id, n) for n in range(6)]
            assert [unit.entries.header(brief.header_id) for brief in briefs] == [entry.header for entry in entries]
            standings = [unit.entries.standing(brief.standing_id) for brief in briefs]
            assert standings == [b"{}", b"{}", RETRACTED, RETRACTED, b"{}", b"{}"]
            assert len({brief.header_id for brief in briefs}) == 2
            assert len({brief.standing_id for brief in briefs}) == 2
            assert set(unit.entries.classes(log_id, 0, 6)) == {(b.header_id, b.standing_id) for b in briefs}
            assert len(unit.entries.classes(log_id, 0, 6)) == 4
            acted = {(b.header_id, b.standing_id) for b in briefs[2:4]}
            assert set(unit.entries.classes(log_id, 0, 6, acted=True)) == acted
            assert list(unit.entries.classes(log_id, 0, 2, acted=True)) == []
            assert set(unit.entries.classes(log_id, 2, 3)) == {(briefs[2].header_id, briefs[2].standing_id)}
            with raises(NotFound):
                unit.entries.header(10_000)
            with raises(NotFound):
                unit.entries.standing(10_000)

    def test_a_standing_is_set_for_a_run_and_set_again(self, store: Store) -> None:
        log_id = grown(store, [payload(0), unheld(1), payload(2)])
        with store.write() as unit:
            unit.entries.set_standing(log_id, 0, 2, RETRACTED)
            assert [entry.standing for entry in unit.entries.read(log_id, 0, 3)] == [RETRACTED, RETRACTED, b"{}"]
            unit.entries.set_standing(log_id, 1, 2, b"{}")
            assert [entry.standing for entry in unit.entries.read(log_id, 0, 3)] == [RETRACTED, b"{}", b"{}"]

    def test_held_runs_cover_a_run_without_gaps(self, store: Store) -> None:
        kinds = [Held.PAYLOAD, Held.PAYLOAD, Held.WITHHELD, Held.SEALED, Held.SEALED, Held.PAYLOAD]
        log_id = grown(store, [payload(n) if k is Held.PAYLOAD else unheld(n, k) for n, k in enumerate(kinds)])
        with store.read() as unit:
            assert list(unit.entries.held_runs(log_id, 0, 6)) == [
                (0, 2, Held.PAYLOAD),
                (2, 3, Held.WITHHELD),
                (3, 5, Held.SEALED),
                (5, 6, Held.PAYLOAD),
            ]
            assert list(unit.entries.held_runs(log_id, 1, 4)) == [
                (1, 2, Held.PAYLOAD),
                (2, 3, Held.WITHHELD),
                (3, 4, Held.SEALED),
            ]
            assert list(unit.entries.held_runs(log_id, 2, 2)) == []
            assert [unit.entries.is_held(log_id, n) for n in range(7)] == [k is Held.PAYLOAD for k in kinds] + [False]
            assert [brief.held for brief in unit.entries.brief(log_id, 0, 6)] == kinds

    def test_held_runs_are_those_of_the_entries_whatever_acts_bear_on(self, store: Store) -> None:
        kinds = [*Held, *reversed(Held), Held.PAYLOAD, *Held, Held.WITHHELD, Held.WITHHELD]
        log_id = grown(store, [payload(n) if k is Held.PAYLOAD else unheld(n, k) for n, k in enumerate(kinds)])
        with store.write() as unit:
            unit.entries.set_standing(log_id, 2, len(kinds), RETRACTED)
        with store.read() as unit:
            for start in range(len(kinds)):
                for end in range(start, len(kinds) + 1):
                    found = unit.entries.held_runs(log_id, start, end)
                    assert [h for first, stop, h in found for _ in range(first, stop)] == kinds[start:end]
                    assert all(one[1] == two[0] and one[2] is not two[2] for one, two in pairwise(found))

    def test_only_allowed_classes_are_released(self, store: Store) -> None:
        entries = [payload(n, header=HEADERS[n % 2]) for n in range(4)] + [unheld(5, Held.SEALED)]
        log_id = grown(store, entries)
        with store.write() as unit:
            unit.entries.set_standing(log_id, 2, 4, RETRACTED)
            unit.entries.erase(log_id, 3, 4)
        with store.read() as unit:
            pair = unit.entries.brief(log_id, 0, 1)[0][2:]
            released = list(unit.entries.released(log_id, 0, 5, [pair]))
            assert [entry.held for entry in released] == [
                Held.PAYLOAD,
                Held.WITHHELD,
                Held.WITHHELD,
                Held.ERASED,
                Held.SEALED,
            ]
            assert released == filtered(unit, log_id, 0, 5, {pair})
            assert list(unit.entries.released(log_id, 1, 3, [])) == filtered(unit, log_id, 1, 3, set())

    def test_bodies_of_a_run_are_those_held_allowed_and_in_a_view(self, store: Store) -> None:
        entries = [payload(n, header=HEADERS[n % 2]) for n in range(6)] + [unheld(6, Held.SEALED)]
        log_id = grown(store, entries)
        with store.write() as unit:
            extend(unit, unit.logs.get(log_id), [payload(7, header=HEADERS[1], body=position(log_id, 0))])
            unit.entries.erase(log_id, 2, 3)
            rows: list[Row] = [(position(log_id, n), bytes([n]) * 16, n, f"n{n}") for n in (0, 1, 2, 6, 7)]
            unit.views.put(OBJECTS, rows)
        with store.read() as unit:
            even, odd = (unit.entries.brief(log_id, n, n + 1)[0][2:] for n in (0, 1))
            every = {entry.position: entry.body for entry in unit.entries.read(log_id, 0, 8)}
            for allowed, found in (([even], (0,)), ([odd], (1, 7)), ([even, odd], (0, 1, 7)), ([], ())):
                wanted = [(position(log_id, n), every[position(log_id, n)]) for n in found]
                assert unit.entries.bodies(log_id, 0, 8, allowed, OBJECTS) == wanted
            assert [at for at, _ in unit.entries.bodies(log_id, 1, 7, [even, odd], OBJECTS)] == [position(log_id, 1)]


def filtered(unit: Unit, log_id: int, start: int, end: int, allowed: set[tuple[int, int]]) -> list[Entry]:
    """Return in plain Python what `Entries.released` returns in SQL."""
    briefs = unit.entries.brief(log_id, start, end)
    return [
        entry
        if entry.held is not Held.PAYLOAD or (brief.header_id, brief.standing_id) in allowed
        else Entry(entry.position, Held.WITHHELD, entry.commitment, None, None, None, entry.standing)
        for entry, brief in zip(unit.entries.read(log_id, start, end), briefs, strict=True)
    ]
