"""Syslog messages (RFC 5424), and how they follow one another on a stream (RFC 5425 §4.3: octets are counted).

Rules: the header is printable US-ASCII without spaces inside a field. There is no structured data: an id of one's own
needs an enterprise number. A message says what it is in its MSGID. What is text begins with a byte order mark (§6.4);
CEF and JSON do not, for their readers expect their own first characters. A message that would be too long for its
receiver is cut between two characters; one of JSON is left out whole, and the line says so instead.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Final

from comity.formats.telling import cef, standard
from comity.formats.telling.message import Message, Thing, head, plain, stamp
from comity.formats.telling.message import lines as people

JSON: Final = "json"
BOM: Final = b"\xef\xbb\xbf"
STREAM_BYTES_MAX: Final = 8_192  # RFC 5425 §4.3.1: what a receiver should be able to take
DATAGRAM_BYTES_MAX: Final = 2_048  # RFC 5426 §3.2: the same for UDP
FACILITIES: Final = {"user": 1, "daemon": 3, "auth": 4, "authpriv": 10} | {f"local{n}": 16 + n for n in range(8)}
_FIELD: Final = re.compile(r"[^\x21-\x7e]")


def frames(message: Message, form: str, facility: int, most: int) -> list[bytes]:
    """Return the syslog messages of a message in a form, each of at most `most` bytes."""
    header = _header(message, facility)
    found = [header + told for told in FORMS[form](message)]
    if form == JSON:
        bare = header + standard.line(message._replace(things=(), more=message.more + 1))
        return [frame if len(frame) <= most else bare for frame in found]
    return [_cut(frame, most) for frame in found]


def counted(frame: bytes) -> bytes:
    """Return a frame as it goes on a stream: its length in decimal, a space, the message."""
    return str(len(frame)).encode("ascii") + b" " + frame


def _header(message: Message, facility: int) -> bytes:
    priority = facility * 8 + _severity(message.severity)
    msgid = _FIELD.sub("-", message.event)[:32] or "-"
    host = _FIELD.sub("-", message.party)[:255] or "-"
    return f"<{priority}>1 {stamp(message.at)} {host} comity - {msgid} - ".encode("ascii")


def _severity(of_ten: int) -> int:
    """Return RFC 5424's severity (§6.2.1): critical, error, warning, notice."""
    return 2 if of_ten >= 9 else 3 if of_ten >= 7 else 4 if of_ten >= 5 else 5


def _cut(frame: bytes, most: int) -> bytes:
    if len(frame) <= most:
        return frame
    return frame[:most].decode("utf-8", "ignore").encode("utf-8")


def _text(message: Message) -> Iterator[bytes]:
    told = list(people(message))
    for line in told or [""]:
        yield BOM + " — ".join(part for part in (head(message), line, message.id) if part).encode("utf-8")


def _cef(message: Message) -> Iterator[bytes]:
    for line in cef.lines(message):
        yield line.encode("utf-8")


def _json(message: Message) -> Iterator[bytes]:
    """Yield a line for each value, so that none is too long for a receiver."""
    things = [one for thing in message.things for one in _single(thing)]
    for number, one in enumerate(things):
        if number < len(things) - 1:
            yield standard.line(message._replace(things=(one,), more=0, hidden=0, hidden_tlp=""))
        else:
            yield standard.line(message._replace(things=(one,)))
    if not things:
        yield standard.line(message)


def _single(thing: Thing) -> Iterator[Thing]:
    short = thing._replace(name=plain(thing.name), note=plain(thing.note))
    for value in thing.values:
        yield short._replace(values=(value,))
    if not thing.values:
        yield short


FORMS: Final[Mapping[str, Callable[[Message], Iterator[bytes]]]] = {"cef": _cef, JSON: _json, "text": _text}
