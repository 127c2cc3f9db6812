"""The client's side of TAXII 2.1: a collection read on from where the last poll stood.

Rules: where a poll stands is the date of the newest object that is durably kept (X-TAXII-Date-Added-Last), and which
objects may bear it: several can, on both sides of a page's border, so the next question includes that date and what is
known of it is left out. Within a poll `next` is followed where the server gives one. A server is believed as far as it
keeps to the specification: what repeats, runs backwards, promises without end or is dated in the future ends the poll
with that reason, and what came before it stays. Objects are cut out as they come: a page may be larger than memory.
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from typing import Final
from urllib.parse import quote

import msgspec

from comity.errors import ComityError, Malformed, NotFound, Unreachable
from comity.limits import (
    CLOCK_SKEW_SECONDS_MAX,
    SOURCE_BYTES_MAX,
    SOURCE_OBJECTS_MAX,
    SOURCE_POLL_SECONDS_MAX,
    TAXII_EDGE_MAX,
    TAXII_IDLE_PAGES_MAX,
    TAXII_LIMIT,
    TAXII_LIMIT_MAX,
    TAXII_PAGES_MAX,
)
from comity.node.polling import Faults, Part
from comity.transports.caller import Caller
from comity.transports.discovery import MEDIA, Asked, find, refuse_media
from comity.transports.page import EPOCH, Page

MICROS: Final = 1_000_000
WIDEN: Final = 4  # times as many objects are asked for where a page ends within one date and there is no `next`


class Stand(msgspec.Struct):
    """Where a collection was read up to: kept between polls."""

    asked: str = ""  # the question it belongs to
    after: int = -1  # microseconds: the newest date of which objects are kept
    edge: dict[int, int] = msgspec.field(default_factory=dict)  # those that may bear it: id and version to content


_STAND: Final = msgspec.msgpack.Decoder(Stand)


@dataclass(frozen=True, slots=True)
class _Question:
    """One request for a page."""

    after: int
    next: str
    limit: int


@dataclass(slots=True)
class _Spent:
    """What a poll has used up, and what it has seen of the server's habits."""

    began: int
    pages: int = 0
    objects: int = 0
    size: int = 0  # bytes
    idle: int = 0  # pages in a row with nothing new
    backwards: int = 0  # pages older than one before them
    last: int = -1  # newest date of this poll
    cut: dict[int, int] = field(default_factory=dict)  # kept of a page that is asked for again
    passing: set[int] = field(default_factory=set)  # known ones that are expected once more


class Taxii:
    """A collection of a TAXII 2.1 server as a source."""

    def __init__(self, caller: Caller, asked: Asked) -> None:
        self._caller = caller
        self._asked = asked
        self.faults = Faults()

    def parts(self, cursor: bytes) -> Generator[Part, None, None]:
        """Yield a page at a time. Raises `Malformed` for a server that lies, and what `find` and `Caller.get` do."""
        stand = _stand(cursor, repr((self._caller.address, self._asked)))
        objects = find(self._caller, self._asked)
        question: _Question | None = _Question(stand.after, "", TAXII_LIMIT)
        spent = _Spent(self._caller.manners.clock(), passing=set(stand.edge))
        attempt = 0
        while question is not None:
            page, error = yield from self._page(objects, stand, question, spent)
            if error is None:
                assert page is not None
                attempt = 0 if page.fresh else attempt
                question = self._following(stand, question, page, spent)
                continue
            # What a `next` leads to may be gone, or have gone by with the answer that was cut (medallion's has): only
            # the date is sure.
            if not isinstance(error, Unreachable) and not (question.next and isinstance(error, NotFound | Malformed)):
                raise error
            self._caller.again(attempt, error)
            attempt += 1
            spent.passing |= stand.edge.keys()
            question = _Question(stand.after, "", question.limit)

    def _page(
        self, objects: str, stand: Stand, question: _Question, spent: _Spent
    ) -> Generator[Part, None, tuple[Page | None, ComityError | None]]:
        """Yield a page; return it once it is settled, or what is wrong with it."""
        url = f"{objects}?{_query(self._asked, question)}"
        page: Page | None = None
        try:
            with self._caller.once(url, {"Accept": MEDIA}, limit=SOURCE_BYTES_MAX - spent.size) as answer:
                refuse_media(self._caller, answer, url)
                page = Page(answer, stand.edge | spent.cut, spent.passing, self.faults)
                part = Part(objects, partial(self._settle, stand, page, spent))
                part.pieces = page.pieces(part)
                yield part
        except ComityError as error:
            return page, error
        finally:
            if page is not None:
                spent.size += page.size
        spent.pages += 1
        spent.objects += page.count
        return page, page.error

    def _settle(self, stand: Stand, page: Page, spent: _Spent, useful: bool) -> bytes:
        """Move on over a page that is kept; over one that was cut, only remember what came of it."""
        if page.error is not None:
            spent.cut = page.marks
            spent.passing |= page.marks.keys()
        else:
            spent.cut = {}
            if page.count:
                self._advance(stand, page, spent)
        return msgspec.msgpack.encode(stand)

    def _advance(self, stand: Stand, page: Page, spent: _Spent) -> None:
        if page.last is None and page.count == 1:
            page.last = page.first  # medallion gives one object's date once
        last = page.last
        if last is None:
            self.faults.add("sends no X-TAXII-Date-Added-Last (§3.2): every poll begins where this one did")
            return
        if last > (self._caller.manners.clock() + CLOCK_SKEW_SECONDS_MAX) * MICROS:
            self.faults.add("says that objects were added in the future, which is not believed")
            page.last = None
            return
        if min(last, last if page.first is None else page.first) < spent.last:
            spent.backwards += 1
            self.faults.add("does not send objects in the order of their dates (§3.3)")
        spent.last = max(spent.last, last)
        if last > stand.after:
            stand.after, stand.edge = last, page.marks
        elif last == stand.after:
            stand.edge = dict(list((stand.edge | page.marks).items())[-TAXII_EDGE_MAX:])

    def _following(self, stand: Stand, question: _Question, page: Page, spent: _Spent) -> _Question | None:
        """Return what to ask next, or None at the end (§3.5). Raises `Malformed` where that would never come."""
        assert page.envelope is not None
        if not page.envelope.more or self._is_enough(spent):
            return None
        spent.idle = 0 if page.fresh or page.passed else spent.idle + 1
        if spent.backwards > TAXII_IDLE_PAGES_MAX:
            raise Malformed("the server does not keep to the order of dates, so that nothing tells where to go on")
        if page.envelope.next:
            if spent.idle >= TAXII_IDLE_PAGES_MAX:
                raise Malformed(f"the server says `more` and has brought nothing new for {spent.idle} pages")
            return _Question(question.after, page.envelope.next, question.limit)
        if page.last is None:
            raise Malformed("the server says `more`, and gives neither `next` nor a date to go on from")
        if stand.after > question.after:
            return _Question(stand.after, "", TAXII_LIMIT)
        if page.count < question.limit or question.limit >= TAXII_LIMIT_MAX:
            raise Malformed(
                f"the server has over {page.count} objects added at one time and gives no `next`: no question reaches "
                "those behind them",
                hint="its operator can make its pages larger",
            )
        return _Question(question.after, "", min(question.limit * WIDEN, TAXII_LIMIT_MAX))

    def _is_enough(self, spent: _Spent) -> bool:
        limits = (
            ("TAXII_PAGES_MAX", spent.pages >= TAXII_PAGES_MAX),
            ("SOURCE_OBJECTS_MAX", spent.objects >= SOURCE_OBJECTS_MAX),
            ("SOURCE_BYTES_MAX", spent.size >= SOURCE_BYTES_MAX),
            ("SOURCE_POLL_SECONDS_MAX", self._caller.manners.clock() - spent.began >= SOURCE_POLL_SECONDS_MAX),
        )
        reached = [name for name, is_reached in limits if is_reached]
        for name in reached:
            self.faults.add(f"has more than one poll takes ({name}): the next one goes on from here")
        return bool(reached)


def _stand(cursor: bytes, asked: str) -> Stand:
    if cursor:
        try:
            stand = _STAND.decode(cursor)
        except msgspec.MsgspecError:
            return Stand(asked)  # another version's: beginning anew costs time only, what is held is known
        if stand.asked == asked:
            return stand
    return Stand(asked)


def _query(asked: Asked, question: _Question) -> str:
    pairs = [("added_after", written(question.after - 1))] if question.after >= 0 else []
    pairs += [("limit", str(question.limit))]
    pairs += [(f"match[{name}]", value) for name, value in asked.sought]
    pairs += [("next", question.next)] if question.next else []
    return "&".join(f"{quote(name, safe='')}={quote(value, safe='', errors='replace')}" for name, value in pairs)


def written(micros: int) -> str:
    """Return microseconds since the epoch as TAXII writes them."""
    when = EPOCH + timedelta(microseconds=max(micros, 0))
    return f"{when:%Y-%m-%dT%H:%M:%S}.{max(micros, 0) % MICROS:06}Z"
