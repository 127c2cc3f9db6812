"""Pages kept in memory while everything they were made of stays as it is, for clients that ask for the same ones.

Rules: a page is kept for one reader's question and as long as `Seeing.moment` is the same: after any commit, decision
or lapse it is made anew. Receipts are noted for each hour in which a page goes out, as if it had been made anew.
"""

from __future__ import annotations

import threading
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
    thread: int
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
        hour, thread = self._node.now() // HOUR, threading.get_ident()
        moment = reader.seeing.moment(reader.who)
        known = self._known.get(key) if key is not None else None
        if known is not None and known[:3] == (moment, hour, thread):
            self._known.move_to_end(key)
            return known.answer
        found = find()
        answer = form(found)
        give(reader, found)
        if key is None:
            return answer
        # Giving may itself have written: what is kept holds from behind that.
        self._keep(key, _One(reader.seeing.moment(reader.who), hour, thread, answer))
        return answer

    def _keep(self, key: Hashable, one: _One) -> None:
        before = self._known.pop(key, None)
        self._bytes -= len(before.answer.body) if before else 0
        self._known[key] = one
        self._bytes += len(one.answer.body)
        while self._bytes > TAXII_PAGES_KEPT_BYTES and len(self._known) > 1:
            _, oldest = self._known.popitem(last=False)
            self._bytes -= len(oldest.answer.body)
