"""What every store's `Entries` promise of payloads that come early or late, are shared, and are erased."""

from __future__ import annotations

from comity.errors import ComityError, Conflict
from comity.node.ports import Entry, Store, position
from comity.testing.contract.samples import OTHER, RETRACTED, expected, extend, grown, payload, raises, unheld
from comity.vocab import Held


class PayloadsContract:
    """Payloads come and go; what is committed to stays."""

    def test_a_withheld_payload_is_filled_later(self, store: Store) -> None:
        later = payload(2)
        log_id = grown(store, [payload(1), unheld(2), payload(3)])
        with store.write() as unit:
            unit.entries.set_standing(log_id, 1, 2, RETRACTED)
            unit.entries.fill(log_id, 1, later)
            unit.entries.fill(log_id, 1, later)
        with store.read() as unit:
            assert unit.entries.read(log_id, 1, 2)[0] == expected(position(log_id, 1), later, RETRACTED)

    def test_a_payload_under_another_commitment_is_not_filled(self, store: Store) -> None:
        log_id = grown(store, [unheld(1)])
        with store.write() as unit:
            with raises(Conflict):
                unit.entries.fill(log_id, 0, payload(2))
            assert not unit.entries.is_held(log_id, 0)

    def test_an_entry_held_ahead_of_its_turn_reads_as_any_other(self, store: Store) -> None:
        entries = [payload(n) for n in range(5)]
        log_id = grown(store, entries[:2])
        with store.write() as unit:
            unit.entries.fill(log_id, 4, entries[4])
        with store.read() as unit:
            assert [unit.entries.is_held(log_id, n) for n in range(5)] == [True, True, False, False, True]
            assert list(unit.entries.read(log_id, 4, 5)) == [expected(position(log_id, 4), entries[4])]
            assert [brief.held for brief in unit.entries.brief(log_id, 4, 5)] == [Held.PAYLOAD]
            assert unit.entries.commitments(log_id, 0, 2) == entries[0].commitment + entries[1].commitment
        with store.write() as unit:
            log = unit.logs.get(log_id)
            # The leaf may come bare, for its payload is here already.
            extend(unit, log, [entries[2], entries[3], entries[4]._replace(held=Held.WITHHELD, body=None)])
        with store.read() as unit:
            wanted = [expected(position(log_id, n), entry) for n, entry in enumerate(entries)]
            assert list(unit.entries.read(log_id, 0, 5)) == wanted
            assert list(unit.entries.held_runs(log_id, 0, 5)) == [(0, 5, Held.PAYLOAD)]

    def test_a_leaf_that_contradicts_what_came_ahead_of_it_is_a_conflict(self, store: Store) -> None:
        log_id = grown(store, [payload(0)])
        with store.write() as unit:
            unit.entries.fill(log_id, 2, payload(2))
            with raises(Conflict):
                unit.entries.fill(log_id, 2, payload(3))
        with raises(Conflict), store.write() as unit:
            extend(unit, unit.logs.get(log_id), [payload(1), payload(3)])
        with store.read() as unit:
            assert unit.logs.get(log_id).size == 1
            assert unit.entries.read(log_id, 2, 3)[0].body == payload(2).body

    # -- sharing and erasing -------------------------------------------------

    def test_a_shared_body_reads_as_its_own(self, store: Store) -> None:
        first, body = payload(1), payload(1).body
        assert isinstance(body, bytes)
        home = grown(store, [payload(0), first])
        sharer = payload(2, body=position(home, 1))
        theirs = grown(store, [sharer, payload(3, body=position(home, 1))], OTHER)
        again = grown(store, [payload(4, body=position(theirs, 0))], OTHER)
        assert again == theirs
        with store.read() as unit:
            assert [entry.body for entry in unit.entries.read(theirs, 0, 3)] == [body] * 3
            assert unit.entries.read(theirs, 0, 1)[0] == expected(position(theirs, 0), sharer)._replace(body=body)

    def test_what_is_not_held_cannot_be_shared(self, store: Store) -> None:
        log_id = grown(store, [payload(0), unheld(1)])
        for where in (position(log_id, 1), position(log_id, 7), position(log_id + 1, 0)):
            with raises(ComityError), store.write() as unit:
                extend(unit, unit.logs.get(log_id), [payload(2, body=where)])

    def test_a_fill_may_share_a_body(self, store: Store) -> None:
        log_id = grown(store, [payload(0), unheld(1)])
        with store.write() as unit:
            unit.entries.fill(log_id, 1, payload(1, body=position(log_id, 0)))
            assert unit.entries.read(log_id, 1, 2)[0].body == payload(0).body

    def test_erasing_drops_salt_and_bytes_and_keeps_the_commitment(self, store: Store) -> None:
        entries = [payload(0), payload(1), unheld(2), payload(3)]
        log_id = grown(store, entries)
        with store.read() as unit:
            before = unit.entries.brief(log_id, 0, 4)
        with store.write() as unit:
            assert unit.entries.erase(log_id, 1, 3) == 1
            assert unit.entries.erase(log_id, 1, 3) == 0
        with store.read() as unit:
            read = unit.entries.read(log_id, 0, 4)
            gone = [
                Entry(position(log_id, n), Held.ERASED, entries[n].commitment, None, None, None, b"{}") for n in (1, 2)
            ]
            assert list(read[1:3]) == gone
            assert [read[0].body, read[3].body] == [entries[0].body, entries[3].body]
            assert not unit.entries.is_held(log_id, 1)
            # Whose office made it still has to be known: narrowing acts go on to the same recipients.
            assert unit.entries.brief(log_id, 1, 2)[0].header_id == before[1].header_id
            assert unit.entries.commitments(log_id, 0, 4) == b"".join(entry.commitment for entry in entries)

    def test_an_erased_entry_is_never_revived(self, store: Store) -> None:
        log_id = grown(store, [payload(0), unheld(1), payload(2)])
        with store.write() as unit:
            unit.entries.fill(log_id, 3, payload(3))
            unit.entries.erase(log_id, 0, 4)
        with store.write() as unit:
            for index in range(4):
                unit.entries.fill(log_id, index, payload(index))
            extend(unit, unit.logs.get(log_id), [payload(3)])
            assert [entry.held for entry in unit.entries.read(log_id, 0, 4)] == [Held.ERASED] * 4
            assert {entry.body for entry in unit.entries.read(log_id, 0, 4)} == {None}
            assert list(unit.entries.classes(log_id, 0, 4)) == []

    def test_a_body_goes_with_the_last_entry_that_shares_it(self, store: Store) -> None:
        home = grown(store, [payload(0)])
        theirs = grown(store, [payload(1, body=position(home, 0)), payload(2, body=position(home, 0))], OTHER)
        with store.write() as unit:
            assert unit.entries.erase(home, 0, 1) == 1
        with store.read() as unit:
            assert unit.entries.read(home, 0, 1)[0].body is None
            assert [entry.body for entry in unit.entries.read(theirs, 0, 2)] == [payload(0).body] * 2
        with store.write() as unit:
            assert unit.entries.erase(theirs, 0, 1) == 1
            assert unit.entries.read(theirs, 1, 2)[0].body == payload(0).body
            assert unit.entries.erase(theirs, 1, 2) == 1
        assert list(store.check()) == []
