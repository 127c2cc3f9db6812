"""What one neighbour is told of one event: the same value for every form.

Rules: `things` holds what the neighbour may see and nothing else; what is above its ceiling is a number and a label.
People are shown values defanged, programs get them as they are.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Final, NamedTuple

from comity.canon import Instant
from comity.formats.defang import defang
from comity.formats.defang import text as defanged_text

NAME_CHARS_MAX: Final = 200  # characters of a stranger's name that are shown
LINE_CHARS_MAX: Final = 4_000  # characters of one line: twenty long values
_BREAKS: Final = frozenset({"Cc", "Cf", "Zl", "Zp", "Cs", "Co", "Cn"})  # categories that could break or turn a line


class Value(NamedTuple):
    """One value of a kind of `observables.KINDS`."""

    kind: str
    value: str


class Thing(NamedTuple):
    """One thing that is told of; a field that the neighbour may not see is empty."""

    statement: str = ""  # `<origin>#<index>`
    id: str = ""  # STIX id
    type: str = ""
    name: str = ""
    author: str = ""  # `<party>/<office>`
    tlp: str = ""  # `TLP:GREEN`
    note: str = ""  # what became of it: "retracted: wrong address"
    values: tuple[Value, ...] = ()


class Message(NamedTuple):
    """What a neighbour is told."""

    id: str  # the same at every attempt
    event: str  # a word of `node.events.What`
    at: Instant  # when it happened here
    party: str  # whose node says so
    office: str
    title: str  # one line of this node's own words, without anything that is marked
    subject: str  # what it is about, the same for everything about it: tickets are kept by it
    severity: int  # 0 (of note) to 10 (act now), as CEF has it
    things: tuple[Thing, ...] = ()
    more: int = 0  # things that it may see and that are not among `things`
    hidden: int = 0  # things above its ceiling
    hidden_tlp: str = ""  # the strictest label of those
    link: str = ""  # where somebody of the office reads the rest
    exercise: bool = False
    test: bool = False

    @property
    def type(self) -> str:
        """Return the event as Standard Webhooks has types: words with full stops between."""
        return f"comity.{self.event.replace('-', '_')}"

    @property
    def tlp(self) -> str:
        """Return the strictest label of what is shown; empty where nothing is marked."""
        return max((thing.tlp for thing in self.things), key=_ORDER.index, default="")


_ORDER: Final = ("", "TLP:CLEAR", "TLP:GREEN", "TLP:AMBER", "TLP:AMBER+STRICT", "TLP:RED")


def plain(text: str, most: int = NAME_CHARS_MAX) -> str:
    """Return a stranger's text as one line without anything that does not print, cut at `most` characters."""
    line = "".join(" " if unicodedata.category(char) in _BREAKS else char for char in text[: most * 2])
    line = " ".join(line.split())
    return line if len(line) <= most else line[: most - 1] + "…"


def stamp(at: Instant) -> str:
    """Return a time as RFC 3339 writes it, in UTC."""
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def head(message: Message) -> str:
    """Return the one line that people read first."""
    marks = [word for word, holds in (("TEST", message.test), ("EXERCISE", message.exercise)) if holds]
    label = message.tlp or message.hidden_tlp
    return " ".join([*marks, *([label] if label else []), plain(message.title)])


def lines(message: Message) -> Iterator[str]:
    """Yield what people read below it: values defanged, names of strangers on one line."""
    for thing in message.things:
        yield _line(thing)
    if message.more:
        yield f"and {message.more} more"
    if message.hidden:
        which = f"{message.hidden} more" if message.things else "It"
        yield f"{which} under {message.hidden_tlp or 'no marking'} may not be shown here: see the node"


def _line(thing: Thing) -> str:
    values = ", ".join(defang(value.kind, plain(value.value)) for value in thing.values)
    parts = [thing.tlp, thing.type, values, f"“{defanged_text(plain(thing.name))}”" if thing.name else ""]
    parts += [thing.author, thing.id or thing.statement, defanged_text(plain(thing.note))]
    return plain(" · ".join(part for part in parts if part), LINE_CHARS_MAX)
