"""What every store's `Views` and `Lookups` promise: rows by position, by key, and joined with their entry."""

from __future__ import annotations

import random
from typing import Final

from comity.errors import Misuse
from comity.node.ports import Store, place, position
from comity.testing.contract.samples import KEYS, OBJECTS, PAIRS, RETRACTED, VALUES, grown, payload, raises
from comity.view import Row

OBJECT_ROWS: Final[tuple[Row, ...]] = (
    (position(1, 0), b"u" * 16, None, "a"),
    (position(1, 1), b"u" * 16, 5, "b"),
    (position(1, 7), b"v" * 16, -(2**62), "a"),
    (position(2, 0), b"\0" * 16, 2**62, None),
    (position(2, 3), b"u" * 16, 5, "ü \u2603"),
)
VALUE_ROWS: Final[tuple[Row, ...]] = (
    (position(1, 0), b"k1"),
    (position(1, 0), b"k2"),
    (position(1, 1), b"k1"),
    (position(2, 0), b"\0\xff"),
    (position(2, 3), b"k1"),
)


class ViewsContract:
    """What `Views` and `Lookups` promise."""

    def test_rows_come_back_as_they_were_put(self, store: Store) -> None:
        with store.write() as unit:
            unit.views.put(OBJECTS, OBJECT_ROWS)
            unit.views.put(OBJECTS, [])
            unit.views.put(VALUES, VALUE_ROWS)
        with store.read() as unit:
            assert list(unit.views.scan(OBJECTS, 0, 2**62, limit=100)) == list(OBJECT_ROWS)
            assert sorted(unit.views.scan(VALUES, 0, 2**62, limit=100), key=repr) == sorted(VALUE_ROWS, key=repr)
            assert (unit.views.count(OBJECTS), unit.views.count(VALUES), unit.views.count(PAIRS)) == (5, 5, 0)
            assert [unit.views.is_empty(view) for view in (OBJECTS, VALUES, PAIRS)] == [False, False, True]

    def test_a_row_put_again_is_no_error(self, store: Store) -> None:
        with store.write() as unit:
            for view, rows in ((OBJECTS, OBJECT_ROWS), (VALUES, VALUE_ROWS)):
                unit.views.put(view, rows)
                unit.views.put(view, [*rows[:2], rows[1]])
                assert unit.views.count(view) == 5

    def test_a_view_is_dropped_by_positions_and_cleared(self, store: Store) -> None:
        with store.write() as unit:
            for view, rows in ((OBJECTS, OBJECT_ROWS), (VALUES, VALUE_ROWS)):
                unit.views.put(view, rows)
                unit.views.drop(view, position(1, 1), position(2, 0))
                kept = [row for row in rows if row[0] in {position(1, 0), position(2, 3)}]
                assert sorted(unit.views.scan(view, 0, 2**62, limit=9), key=repr) == sorted(kept, key=repr)
                unit.views.clear(view)
                assert unit.views.count(view) == 0

    def test_rows_are_deleted_by_their_key(self, store: Store) -> None:
        with store.write() as unit:
            for view, rows in ((OBJECTS, OBJECT_ROWS), (VALUES, VALUE_ROWS)):
                unit.views.put(view, rows)
                unit.views.delete(view, [rows[0], rows[3], (position(9, 9), *rows[0][1:])])
                kept = [rows[1], rows[2], rows[4]]
                assert sorted(unit.views.scan(view, 0, 2**62, limit=9), key=repr) == sorted(kept, key=repr)

    def test_a_scan_is_ascending_inclusive_and_limited(self, store: Store) -> None:
        with store.write() as unit:
            unit.views.put(OBJECTS, OBJECT_ROWS[::-1])
            for first, last, limit, wanted in (
                (position(1, 1), position(2, 0), 9, OBJECT_ROWS[1:4]),
                (position(1, 2), position(1, 6), 9, ()),
                (0, 2**62, 2, OBJECT_ROWS[:2]),
            ):
                assert tuple(unit.views.scan(OBJECTS, first, last, limit=limit)) == wanted

    def test_find_goes_by_any_columns_in_order_of_position(self, store: Store) -> None:
        with store.write() as unit:
            unit.views.put(OBJECTS, OBJECT_ROWS[::-1])
            same = [OBJECT_ROWS[0], OBJECT_ROWS[1], OBJECT_ROWS[4]]
            assert list(unit.views.find(OBJECTS, {"uuid": b"u" * 16}, limit=9)) == same
            assert list(unit.views.find(OBJECTS, {"uuid": b"u" * 16}, limit=2)) == same[:2]
            assert list(unit.views.find(OBJECTS, {"uuid": b"u" * 16}, limit=9, after=position(1, 0))) == same[1:]
            assert list(unit.views.find(OBJECTS, {"uuid": b"u" * 16, "until": 5}, limit=9)) == same[1:]
            assert list(unit.views.find(OBJECTS, {"name": "a"}, limit=9)) == [OBJECT_ROWS[0], OBJECT_ROWS[2]]
            assert list(unit.views.find(OBJECTS, {"name": "A"}, limit=9)) == []
            assert list(unit.views.find(OBJECTS, {"name": None}, limit=9)) == [OBJECT_ROWS[3]]
            with raises(Misuse):
                unit.views.find(OBJECTS, {"colour": 1}, limit=9)

    def test_find_many_finds_the_rows_of_any_of_many_values(self, store: Store) -> None:
        chance = random.Random(3)
        keys = [chance.randbytes(16) for _ in range(10_000)]
        with store.write() as unit:
            unit.views.put(VALUES, [(at, key) for at, key in enumerate(keys)])
            unit.views.put(OBJECTS, [(at, key, at * 2, f"n{at}") for at, key in enumerate(keys)])
            asked = [*keys[5:9_000], *(chance.randbytes(16) for _ in range(500))]
            assert sorted(unit.views.find_many(VALUES, "key", asked)) == [(n, keys[n]) for n in range(5, 9_000)]
            assert sorted(unit.views.find_many(OBJECTS, "until", [4, 5, 6])) == [
                (2, keys[2], 4, "n2"),
                (3, keys[3], 6, "n3"),
            ]
            assert sorted(unit.views.find_many(OBJECTS, "name", ["n7", "n", "N8"])) == [(7, keys[7], 14, "n7")]
            assert list(unit.views.find_many(VALUES, "key", [])) == []
            assert list(unit.views.find_many(VALUES, "key", [keys[1], None, keys[1]])) == [(1, keys[1])]
            with raises(Misuse):
                unit.views.find_many(VALUES, "colour", [1])

    def test_keys_whose_rows_differ_are_told(self, store: Store) -> None:
        keys = [bytes([n]) * 16 for n in range(5)]
        rows: list[Row] = [(0, keys[0], 7, "a"), (1, keys[0], 7, "b"), (2, keys[1], 7, "a"), (3, keys[1], 8, "a")]
        rows += [(4, keys[2], 7, "a"), (5, keys[3], None, "a"), (6, keys[3], 7, "a")]
        with store.write() as unit:
            unit.views.put(KEYS, rows[:3])
            unit.views.arrange(KEYS)
            unit.views.put(KEYS, rows[3:])
            assert list(unit.views.differing(KEYS, "until", [*keys, keys[1]])) == [keys[1]]
            assert list(unit.views.differing(KEYS, "until", [])) == []
            repeated = [keys[0], keys[1], keys[3]]
            assert {row[0] for row in unit.views.repeated(KEYS)} == {0, 1, 2, 3, 5, 6}
            assert set(unit.views.repeated_keys(KEYS, most=3) or ()) == set(repeated)
            assert unit.views.repeated_keys(KEYS, most=2) is None
            with raises(Misuse):
                unit.views.differing(KEYS, "colour", keys)

    def test_what_several_rows_are_about_is_found(self, store: Store) -> None:
        log_id = grown(store, [payload(n) for n in range(6)])
        keys = [bytes([n]) * 16 for n in range(3)]
        pairs = [(0, keys[0]), (1, keys[1]), (2, keys[0]), (3, keys[2])]
        rows: list[Row] = [(position(log_id, n), key, n, f"n{n}") for n, key in pairs]
        with store.write() as unit:
            assert list(unit.views.repeated(KEYS)) == []
            unit.views.put(KEYS, rows[:2])
            unit.views.arrange(KEYS)
            assert list(unit.views.repeated(KEYS)) == []
            unit.views.put(KEYS, rows[2:])
            assert sorted(unit.views.repeated(KEYS)) == [rows[0], rows[2]]

    def test_a_clustered_view_keeps_one_row_per_key_and_position(self, store: Store) -> None:
        rows = [(1, "o1", "b", 5), (1, "o2", "b", 6), (2, "o1", "b", 7), (2, "o1", "c", 7)]
        with store.write() as unit:
            unit.views.put(PAIRS, rows)
            assert list(unit.views.find(PAIRS, {"origin": "o1", "holder": "b"}, limit=9)) == [rows[0], rows[2]]
            assert list(unit.views.find(PAIRS, {"origin": "o1"}, limit=9, after=1)) == [rows[2], rows[3]]
            assert sorted(unit.views.scan(PAIRS, 1, 1, limit=9), key=repr) == rows[:2]

    def test_a_look_up_finds_held_payloads_with_their_class(self, store: Store) -> None:
        log_id = grown(store, [payload(n) for n in range(6)])
        key = [bytes([n]) * 16 for n in range(4)]
        pairs = [(0, key[0]), (1, key[0]), (1, key[1]), (2, key[2]), (5, key[1])]
        rows: list[Row] = [(position(log_id, n), value, n, f"n{n}") for n, value in pairs]
        with store.write() as unit:
            unit.views.put(KEYS, rows)
            unit.views.put(KEYS, rows[:2])
            unit.views.put(KEYS, [(position(log_id, 99), key[0], 0, "of no entry")])
            unit.entries.set_standing(log_id, 1, 2, RETRACTED)
            unit.entries.erase(log_id, 5, 6)
        held = {pair for pair in pairs if pair[0] != 5}
        with store.read() as unit:
            assert sorted(unit.views.find_many(KEYS, "key", key[1:])) == sorted(row for row in rows if row[1] != key[0])
            for sights, wanted in (
                (unit.lookups.one(KEYS, key[0]), {(0, key[0]), (1, key[0])}),
                (unit.lookups.one(KEYS, key[3]), set()),
                (unit.lookups.many(KEYS, key[:2]), {p for p in held if p[1] in key[:2]}),
                (unit.lookups.many(KEYS, key), held),
                (unit.lookups.many(KEYS, [key[1], key[1]]), {(1, key[1])}),
                (unit.lookups.many(KEYS, []), set()),
            ):
                assert {(at - position(log_id, 0), value) for value, at, *_ in sights} == wanted
                assert len(sights) == len(wanted)
                for value, at, header_id, standing_id, *others in sights:
                    (brief,) = unit.entries.brief(log_id, place(at)[1], place(at)[1] + 1)
                    assert (header_id, standing_id) == (brief.header_id, brief.standing_id)
                    assert (at, value, *others) in rows

    def test_arranging_changes_where_rows_are_and_nothing_else(self, store: Store) -> None:
        log_id = grown(store, [payload(n) for n in range(3)])
        chance = random.Random(5)
        first = position(log_id, 0)
        keys = [chance.randbytes(16) for _ in range(5_001)]
        rows: list[Row] = [(first + n, keys[n], n, f"n{n}") for n in range(5_000)]
        late: list[Row] = [(first + 2, keys[5_000], 0, "late"), (first + 4_999, keys[0], 1, None)]
        with store.write() as unit:
            unit.views.put(KEYS, rows, first=True)
            unit.views.arrange(KEYS)
            unit.views.put(KEYS, [*late, *rows[10:30]])
            for _ in range(2):
                assert unit.views.count(KEYS) == 5_002
                assert sorted(unit.views.find_many(KEYS, "key", [keys[0], keys[5_000]])) == sorted([*late, rows[0]])
                assert list(unit.views.scan(KEYS, first, first + 1, limit=9)) == rows[:2]
                assert [row[0] for row in unit.views.scan(KEYS, 0, 2**62, limit=4)] == [
                    first,
                    first + 1,
                    first + 2,
                    first + 2,
                ]
                assert list(unit.views.find(KEYS, {"name": "late"}, limit=9)) == [late[0]]
                assert {sight[1] for sight in unit.lookups.many(KEYS, [str(n).encode() for n in range(9)])} == set()
                told = unit.lookups.many(KEYS, [keys[0], keys[1], keys[5_000]])
                assert {sight[1] for sight in told} == {first, first + 1, first + 2}
                assert [sight[1] for sight in unit.lookups.one(KEYS, keys[5_000])] == [first + 2]
                unit.views.arrange(KEYS)
        with store.write() as unit:
            unit.views.delete(KEYS, [rows[0], late[1]])
            unit.views.drop(KEYS, first + 1, first + 2)
            assert unit.views.count(KEYS) == 5_002 - 5
            unit.views.clear(KEYS)
            assert unit.views.count(KEYS) == 0

    def test_what_an_undone_unit_put_does_not_count_towards_arranging(self, store: Store) -> None:
        rows: list[Row] = [(n, b"%016d" % n, n, None) for n in range(5_000)]
        for _ in range(3):
            with raises(Misuse), store.write() as unit:
                unit.views.put(KEYS, rows)
                raise Misuse("undone")
        with store.write() as unit:
            unit.views.put(KEYS, rows[:10])
            unit.views.arrange(KEYS)
            assert list(unit.views.scan(KEYS, 0, 99, limit=99)) == rows[:10]
