"""What every store's `Texts` promises: words to entries, the newest first."""

from __future__ import annotations

from typing import Final

from comity.errors import Misuse
from comity.node.ports import Store, position
from comity.testing.contract.samples import raises

ROWS: Final[tuple[tuple[int, list[str]], ...]] = (
    (position(1, 0), ["phishing", "wave", "网络", "络安", "安"]),
    (position(1, 1), ["phishing", "kit"]),
    (position(1, 2), []),
    (position(2, 7), ["wave", "\u0641\u062f\u064a\u0629"]),
)


class TextsContract:
    """What `Texts` promises."""

    def test_entries_are_found_by_all_their_words(self, store: Store) -> None:
        with store.write() as unit:
            unit.texts.put(ROWS)
            unit.texts.put(ROWS[:2])
        with store.read() as unit:
            for asked, wanted in (
                (["phishing"], [1, 0]),
                (["wave"], [3, 0]),
                (["phishing", "wave"], [0]),
                (["phish*"], [1, 0]),
                (["phish"], []),
                (["网络"], [0]),
                (["络*"], [0]),
                (["\u0641\u062f\u064a\u0629"], [3]),
                (["nothing"], []),
                ([], []),
            ):
                found = unit.texts.find(asked, before=2**62, limit=9)
                assert list(found) == [ROWS[number][0] for number in wanted], asked
            assert unit.texts.count() == 3

    def test_the_newest_come_first_and_a_page_at_a_time(self, store: Store) -> None:
        with store.write() as unit:
            unit.texts.put([(position(3, n), ["common"]) for n in range(500)])
        with store.read() as unit:
            page = list(unit.texts.find(["common"], before=2**62, limit=10))
            assert page == [position(3, n) for n in range(499, 489, -1)]
            assert list(unit.texts.find(["common"], before=page[-1], limit=1)) == [position(3, 489)]

    def test_what_is_taken_out_is_found_no_more(self, store: Store) -> None:
        with store.write() as unit:
            unit.texts.put(ROWS)
            unit.texts.delete([ROWS[0], ROWS[0], ROWS[2], (position(9, 9), ["phishing"])])
            assert list(unit.texts.find(["phishing"], before=2**62, limit=9)) == [ROWS[1][0]]
            assert list(unit.texts.find(["wave"], before=2**62, limit=9)) == [ROWS[3][0]]
            assert unit.texts.count() == 2
            unit.texts.put(ROWS[:1])
            assert list(unit.texts.find(["phishing", "wave"], before=2**62, limit=9)) == [ROWS[0][0]]
            unit.texts.clear()
            assert unit.texts.count() == 0
            assert list(unit.texts.find(["phishing"], before=2**62, limit=9)) == []

    def test_an_undone_unit_indexed_nothing(self, store: Store) -> None:
        with raises(Misuse), store.write() as unit:
            unit.texts.put(ROWS)
            raise Misuse("undone")
        with store.read() as unit:
            assert unit.texts.count() == 0
