r"""ArcSight's Common Event Format (CEF implementation standard, version 26): one line for each value.

Rules: in the header `\` and `|` are escaped, in an extension `\`, `=` and line breaks; nothing else is. A key is one
that the standard names; what it has no key for stands in the six custom strings, each with its label.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from comity import __version__
from comity.formats.telling.message import Message, Thing, Value, plain

LINES_MAX: Final = 500  # lines of one message
VALUE_CHARS_MAX: Final = 1_023  # characters of `msg`, `request` and most others
_KEYS: Final[Mapping[str, str]] = {
    "ipv4": "dst",
    "domain": "dhost",
    "url": "request",
    "md5": "fileHash",
    "sha1": "fileHash",
    "sha256": "fileHash",
    "sha512": "fileHash",
}


def lines(message: Message) -> Iterator[str]:
    """Yield a message as lines: one for each value, or for each thing without one; one where there is no thing."""
    count = 0
    for thing in message.things:
        for value in thing.values or (None,):
            if count == LINES_MAX:
                return
            count += 1
            yield _line(message, thing, value)
    if not message.things or message.hidden or message.more:
        yield _line(message, None, None)


def _line(message: Message, thing: Thing | None, value: Value | None) -> str:
    name = plain(message.title)
    fields = ("Comity", "Comity", __version__, message.event, name, str(message.severity))
    return "CEF:0|" + "|".join(map(_header, fields)) + "|" + " ".join(_extension(message, thing, value))


def _extension(message: Message, thing: Thing | None, value: Value | None) -> Iterator[str]:
    told: dict[str, str] = {"rt": str(message.at * 1_000), "externalId": message.id, "cat": message.event}
    custom: dict[str, str] = {"subject": message.subject}
    if thing is None:
        told["cnt"] = str(message.more + message.hidden) if message.more or message.hidden else ""
        custom |= {"tlp": message.hidden_tlp}
        told["msg"] = f"{message.hidden} above the ceiling, {message.more} more" if told["cnt"] else ""
    else:
        custom |= {"tlp": thing.tlp, "object": thing.id or thing.statement, "author": thing.author}
        told["msg"] = ": ".join(part for part in (plain(thing.name), plain(thing.note)) if part)
    if value is not None:
        custom |= {"value": value.value, "valueType": value.kind}
        if value.kind in _KEYS and "/" not in (value.value if value.kind == "ipv4" else ""):
            told[_KEYS[value.kind]] = value.value
        if value.kind == "ipv6" and "/" not in value.value:
            told |= {"c6a3": value.value, "c6a3Label": "value"}
    if message.test or message.exercise:
        told["reason"] = "test" if message.test else "exercise"
    for number, (label, text) in enumerate(((a, b) for a, b in custom.items() if b), 1):
        told |= {f"cs{number}": text, f"cs{number}Label": label}
    return (f"{key}={_value(text)}" for key, text in told.items() if text)


def _header(text: str) -> str:
    return plain(text, 512).replace("\\", "\\\\").replace("|", "\\|")


def _value(text: str) -> str:
    text = text[:VALUE_CHARS_MAX].replace("\\", "\\\\").replace("=", "\\=")
    return text.replace("\r\n", "\\n").replace("\n", "\\n").replace("\r", "\\r").translate(_CONTROLS)


_CONTROLS: Final = dict.fromkeys((*range(32), 127, 133, 8232, 8233), " ")
