"""Every observable in a running text, with its place, as it is written.

Rules: one value is told once for each place where it stands, and nothing twice for one place: a mail address is not
its domain too. No value crosses a line's end, so cutting a text into windows at line ends changes nothing; a line
longer than TEXT_LINE_CHARS_MAX is cut at a space. What is no value is no finding: scanning raises nothing and
judges nothing but form. Social handles and phone numbers are not looked for.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple

from comity.formats.observables import Observable
from comity.formats.stix.report import bounded
from comity.formats.text import values
from comity.formats.text.forms import (
    INVISIBLE,
    MARKED,
    PLACE,
    RUN,
    RUN_TABLE,
    SMALL_CVE,
    SPACED,
    VALUE,
    WORD_REST,
    WORDS_REST,
)
from comity.formats.text.values import ATTACK, Found
from comity.limits import TEXT_CONTEXT_CHARS_MAX, TEXT_LINE_CHARS_MAX, TEXT_WINDOW_CHARS


class Sighted(NamedTuple):
    """One value where it stands."""

    kind: str  # one of `observables.KINDS`, or `attack` for an id of ATT&CK
    value: str  # in the normal form of its kind
    offset: int  # characters before it
    line: int  # from 1
    written: str  # as it stands
    defanged: bool  # written so that nobody clicks on it
    context: str  # its line, printable and bounded

    def observable(self) -> Observable | None:
        """Return the value as an observable; an id of ATT&CK is none."""
        return None if self.kind == ATTACK else Observable(self.kind, self.value)


_WORD_BEFORE: Final = 512  # characters before a place in which its word begins; a longer one is looked at from there
_LOOK_BACK: Final = TEXT_LINE_CHARS_MAX // 16  # characters at the end of an over-long line in which a space is sought


def scan(text: str | Iterable[str]) -> Iterator[Sighted]:
    """Yield what stands in a text, or in one that comes in parts of any size, in its order."""
    lines = base = 0
    for window in _windows((text,) if isinstance(text, str) else text):
        yield from _sighted(window, base, lines)
        lines += window.count("\n")
        base += len(window)


def _windows(parts: Iterable[str]) -> Iterator[str]:
    """Cut a text into whole lines, as many as fill a window; an over-long line stands in pieces of its own."""
    held = ""
    for part in parts:
        for start in range(0, len(part), TEXT_WINDOW_CHARS):
            held += part[start : start + TEXT_WINDOW_CHARS]
            if len(held) >= TEXT_WINDOW_CHARS:
                end = held.rfind("\n") + 1
                yield from _whole_lines(held[:end])
                held = held[end:]
                while len(held) > TEXT_LINE_CHARS_MAX:
                    end = _cut(held)
                    yield held[:end]
                    held = held[end:]
    yield from _whole_lines(held)


def _whole_lines(window: str) -> Iterator[str]:
    if max(map(len, window.split("\n"))) <= TEXT_LINE_CHARS_MAX:
        if window:
            yield window
        return
    *lines, rest = window.split("\n")
    for line in [*(line + "\n" for line in lines), rest]:
        piece = line
        while len(piece.removesuffix("\n")) > TEXT_LINE_CHARS_MAX:
            end = _cut(piece)
            yield piece[:end]
            piece = piece[end:]
        if piece:
            yield piece


def _cut(line: str) -> int:
    """Return where an over-long line is cut: behind a space, or in the middle of a word that is over-long itself."""
    return line.rfind(" ", TEXT_LINE_CHARS_MAX - _LOOK_BACK, TEXT_LINE_CHARS_MAX) + 1 or TEXT_LINE_CHARS_MAX


def _sighted(window: str, base: int, lines: int) -> Iterator[Sighted]:
    """Yield what stands in one window."""
    removed: list[tuple[int, int]] = []  # where in the text without it something invisible stood, and how much so far
    text = window
    if not text.isascii() and INVISIBLE.search(text):
        text, removed = _visible(text)
    counted = 0
    for start, end, kind, value, defanged in _apart(text):
        first, last = _place(removed, start), _place(removed, end - 1) + 1
        lines += window.count("\n", counted, first)
        counted = first
        yield Sighted(kind, value, base + first, lines + 1, window[first:last], defanged, _context(text, start, end))


def _visible(text: str) -> tuple[str, list[tuple[int, int]]]:
    kept: list[str] = []
    removed: list[tuple[int, int]] = []
    at = gone = 0
    for found in INVISIBLE.finditer(text):
        kept.append(text[at : found.start()])
        gone += found.end() - found.start()
        removed.append((found.end() - gone, gone))
        at = found.end()
    return "".join((*kept, text[at:])), removed


def _place(removed: list[tuple[int, int]], at: int) -> int:
    """Return the place in the text as it came of a place in what is visible of it."""
    before = bisect_right(removed, (at, TEXT_WINDOW_CHARS * 2))
    return at + (removed[before - 1][1] if before else 0)


def _context(text: str, start: int, end: int) -> str:
    first = max(text.rfind("\n", 0, start) + 1, start - TEXT_CONTEXT_CHARS_MAX // 2)
    last = text.find("\n", end)
    return bounded(
        " ".join(text[first : min(last if last >= 0 else len(text), first + TEXT_CONTEXT_CHARS_MAX)].split())
    )


def _apart(text: str) -> Iterator[Found]:
    """Find everything, and of what overlaps keep what begins first."""
    found = [*_runs(text), *_marked(text)]
    marked = len(found)
    found += _places(text)
    if marked:
        # At one place a fingerprint is told rather than a file named by it; else the longer one.
        found.sort(key=lambda one: (one[0], one[2] not in values.FINGERPRINTS, -one[1]))
    at = 0
    for one in found:
        if one[0] >= at:
            at = one[1]
            if one[2]:
                yield one


def _runs(text: str) -> Iterator[Found]:
    """Find long words of letters and digits: fingerprints and addresses of currencies."""
    runs = text.encode("latin-1", "replace").translate(RUN_TABLE)
    start = runs.find(RUN)
    while start >= 0:
        end = runs.find(b" ", start)
        if end < 0:
            end = len(runs)
        found = values.run(text, start, end)
        if found:
            yield found
        start = runs.find(RUN, end)


def _marked(text: str) -> Iterator[Found]:
    for pattern in (MARKED, SMALL_CVE) if "cve" in text else (MARKED,):
        for one in pattern.finditer(text):
            found = values.marked(one)
            if found:
                yield found


def _places(text: str) -> list[Found]:
    """Look closely at each word in which something stands that plain words have not."""
    found: list[Found] = []
    at = told = 0  # behind what was looked at, and behind what was found
    if " dot " in text or " DOT " in text:
        places: Iterator[int] = iter(sorted({one.start() for form in (PLACE, SPACED) for one in form.finditer(text)}))
    else:
        places = (one.start() for one in PLACE.finditer(text))
    for place in places:
        if place < at:
            continue
        start, end, apart = _word(text, place, told)
        at = end
        while one := VALUE.search(text, start, end):
            # Once more without the word's end: paths go on behind spaces, and so do dots in brackets.
            if one.end() == end or apart:
                one = VALUE.match(text, one.start()) or one
            made, start = values.judge(one, text)
            if made:
                found.append(made)
                told = start
        at = max(at, start)
    return found


def _word(text: str, place: int, told: int) -> tuple[int, int, bool]:
    """Return start and end of the word around a place, or of the words where spaces are part of a dot, and which."""
    head = text[max(told, place - _WORD_BEFORE) : place]
    before = head.rstrip(" \t\xa0")
    gap = len(head) - len(before)
    apart = text[place] == " " or (gap > 0 and text[place] in "[({<")
    rest = (WORDS_REST if apart else WORD_REST).match(text, place)
    end = rest.end() if rest else place + 1
    if (gap and not apart) or not before or before[-1].isspace():
        return place, end, apart
    words = before.rsplit(None, 3) if apart else before.rsplit(None, 1)
    spelled = len(words) > 2 and words[-2] in {"at", "AT"}  # someone at bad dot example
    for word in words[-1:-4:-1] if spelled else words[-1:]:
        before = before.rstrip()[: -len(word)]
    return place - len(head) + len(before), end, apart
