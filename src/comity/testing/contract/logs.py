"""What every store's `Logs` promise: a tree that only grows, and signatures that only follow it."""

from __future__ import annotations

import threading

from comity.canon import Origin
from comity.errors import Conflict, NotFound
from comity.node.ports import LogState, Store
from comity.testing.contract.samples import ARCADIA, ORIGIN, extend, grown, open_log, payload, raises


class LogsContract:
    """What `Logs` promises."""

    def test_a_new_log_is_empty_and_open(self, store: Store) -> None:
        with store.write() as unit:
            log = open_log(unit)
        assert (log.origin, log.party, log.own, log.state) == (ORIGIN, ARCADIA, True, LogState.OPEN)
        assert (log.size, log.frontier, log.signed, log.note) == (0, b"", 0, b"")

    def test_opening_twice_gives_the_same_log(self, store: Store) -> None:
        log_id = grown(store, [payload(1)])
        with store.write() as unit:
            assert open_log(unit) == unit.logs.get(log_id) == unit.logs.find(ORIGIN)

    def test_an_unknown_log_is_none_by_origin_and_an_error_by_id(self, store: Store) -> None:
        with store.read() as unit:
            assert unit.logs.find(ORIGIN) is None
            with raises(NotFound):
                unit.logs.get(99)

    def test_logs_come_in_order_of_origin(self, store: Store) -> None:
        names = [Origin(f"cert.arcadia.example/{tail}") for tail in ("home/2", "accord/b-b/1", "accord/b/1", "home/10")]
        with store.write() as unit:
            for name in names:
                open_log(unit, name)
        with store.read() as unit:
            assert [log.origin for log in unit.logs.all()] == sorted(names)

    def test_a_tree_advances_only_from_the_size_it_has(self, store: Store) -> None:
        with store.write() as unit:
            log = open_log(unit)
            unit.logs.advance(log.id, 0, 3, b"r" * 32, b"f" * 40)
        with store.write() as unit:
            for was, size in ((0, 4), (2, 4), (4, 5), (3, 2)):
                with raises(Conflict):
                    unit.logs.advance(log.id, was, size, b"x" * 32, b"x")
        with store.read() as unit:
            now = unit.logs.get(log.id)
            assert (now.size, now.root, now.frontier) == (3, b"r" * 32, b"f" * 40)

    def test_of_two_that_saw_the_same_size_one_advances(self, store: Store) -> None:
        with store.write() as unit:
            log_id = open_log(unit).id
        won: list[int] = []

        def race(number: int) -> None:
            try:
                with store.write() as unit:
                    unit.logs.advance(log_id, 0, number, bytes([number]) * 32, b"")
                won.append(number)
            except Conflict:
                pass

        threads = [threading.Thread(target=race, args=(number,)) for number in range(1, 9)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        with store.read() as unit:
            assert [unit.logs.get(log_id).size] == won

    def test_a_smaller_checkpoint_never_replaces_a_larger_one(self, store: Store) -> None:
        log_id = grown(store, [payload(n) for n in range(5)])
        with store.write() as unit:
            unit.logs.sign(log_id, 4, b"four")
            with raises(Conflict):
                unit.logs.sign(log_id, 3, b"three")
            unit.logs.sign(log_id, 4, b"four, cosigned")
        with store.read() as unit:
            assert (unit.logs.get(log_id).signed, unit.logs.get(log_id).note) == (4, b"four, cosigned")

    def test_nothing_beyond_the_tree_is_kept_as_signed(self, store: Store) -> None:
        log_id = grown(store, [payload(1)])
        with store.write() as unit, raises(Conflict):
            unit.logs.sign(log_id, 2, b"two")

    def test_a_generation_that_ended_does_not_open_again(self, store: Store) -> None:
        with store.write() as unit:
            log_id = open_log(unit).id
            for state in (LogState.CLOSED, LogState.FROZEN):
                unit.logs.set_state(log_id, state)
                unit.logs.set_state(log_id, state)
                with raises(Conflict):
                    unit.logs.set_state(log_id, LogState.OPEN)
            assert unit.logs.get(log_id).state is LogState.FROZEN

    def test_own_logs_that_grew_wait_for_their_signature(self, store: Store) -> None:
        signed = grown(store, [payload(0)], Origin("cert.arcadia.example/accord/signed/1"))
        frozen = grown(store, [payload(0)], Origin("cert.arcadia.example/accord/frozen/1"))
        closed = grown(store, [payload(0)], Origin("cert.arcadia.example/accord/closed/1"))
        grew = grown(store, [payload(0), payload(1)], ORIGIN)
        with store.write() as unit:
            open_log(unit, Origin("cert.arcadia.example/accord/empty/1"))
            theirs = open_log(unit, Origin("cert.borealia.example/accord/signed/1"), own=False)
            extend(unit, theirs, [payload(0)])
            unit.logs.sign(signed, 1, b"one")
            unit.logs.sign(grew, 1, b"one")
            unit.logs.set_state(frozen, LogState.FROZEN)
            unit.logs.set_state(closed, LogState.CLOSED)
            assert {log.id for log in unit.logs.unsigned()} == {grew, closed}
            unit.logs.sign(grew, 2, b"two")
            assert {log.id for log in unit.logs.unsigned()} == {closed}
