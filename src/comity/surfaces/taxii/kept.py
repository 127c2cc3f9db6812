"""Pages kept in memory while everything they were made of stays as it is, for clients that ask for the same ones.

Rules: a page is kept for one reader's question and as long as the mark of `Seeing.moment` stays: when anything is
opened, decided anew or lapses, it is made anew. Receipts are noted for each hour in which a page goes out.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Final, NamedTuple

from comity.limits import TAXII_PAGES_KEPT_BYTES
from comity.node.node import Node
from comity.node.openings import Moment
from comity.surfaces.taxii.admission import Reader
from comity.surfaces.taxii.answers import Answer
from comity.surfaces.taxii.pages import Found

HOUR: Final = 3_600  # seconds: receipts are kept as coarsely


class _One(NamedTuple):
    moment: Moment
    hour: int
    answer: Answer


class Kept:
    """Answers by question, the longest unused given up first."""

    def __init__(self, node: Node) -> None:
        self._node = node
        self._known: OrderedDict[Hashable, _One] = OrderedDict()
        self._bytes = 0

    def answer(
        self,
        reader: Reader,
        key: Hashable | None,
        find: Callable[[], Found],
        form: Callable[[Found], Answer],
        give: Callable[[Reader, Found], None],
    ) -> Answer:
        """Return the answer to a question, made anew where anything may have changed. Raises what `find` does.

        Without a `key` it is always made anew.
        """
        hour = self._node.now() // HOUR
        moment = reader.seeing.moment(reader.who)
        known = self._known.get(key) if key is not None else None
        if known is not None and known.moment.mark == moment.mark and known.hour == hour:
            self._known.move_to_end(key)
            return known.answer
        found = find()
        answer = form(found)
        give(reader, found)
        if key is None:
            return answer
        self._keep(key, _One(reader.seeing.moment(reader.who), hour, answer))
        return answer

    def _keep(self, key: Hashable, one: _One) -> None:
        before = self._known.pop(key, None)
        self._bytes -= len(before.answer.body) if before else 0
        self._known[key] = one
        self._bytes += len(one.answer.body)
        while self._bytes > TAXII_PAGES_KEPT_BYTES and len(self._known) > 1:
            _, oldest = self._known.popitem(last=False)
            self._bytes -= len(oldest.answer.body)
