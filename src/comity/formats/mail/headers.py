"""Header fields of a message as values (RFC 5322, RFC 2047).

Rules: nothing is trusted and nothing raises. A field that cannot be read is empty, text is bounded and without
control or direction characters, and of an address only one that a person could have written is taken.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterable, Sequence
from email.errors import MessageError
from email.header import decode_header
from email.utils import getaddresses, parsedate_to_datetime
from typing import Final, NamedTuple

from comity.limits import MAIL_ADDRESSES_MAX, MAIL_FIELD_CHARS_MAX, MAIL_HEADER_CHARS_MAX, MAIL_REFERENCES_MAX

Field = tuple[str, str]
"""A field's name in lower case, and its value unfolded, encoded words and all."""

# RFC 5322 §3.4.1 with the quoted forms left out: nobody's desk has them, and parsers disagree about them.
_ADDRESS: Final = re.compile(
    r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~\u0080-\U0010ffff-]{1,64}@[A-Za-z0-9.\u0080-\U0010ffff-]{1,253}\Z"
)
_IDENT: Final = re.compile(r"<([^<>\s]{1,512})>")
_FOLD: Final = re.compile(r"[\r\n\t ]+")
# Directional and invisible characters with which a name is made to look like another (UTS 39, UAX 9).
_UNSEEN: Final = re.compile(
    "[\u0000-\u001f\u007f-\u009f\u00ad\u061c\u180e\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff\ud800-\udfff]"
)
_WORD: Final = re.compile(r"=\?[^?\s]{1,40}\?[bqBQ]\?[^?\s]{0,2048}\?=")
_HALVES: Final = re.compile("[\ud800-\udfff]")  # UTF-7 has halves of characters, which no other text may have
# Codecs that are no character sets: of names, of program text; the time of one grows with the square of its input.
_NO_CHARSETS: Final = frozenset({"idna", "punycode", "raw-unicode-escape", "undefined", "unicode-escape"})
_REPEATED_MAX: Final = 16  # fields of one name that are read for addresses: RFC 5322 §3.6 allows one
_YEARS: Final = (1980, 2200)  # of a date that is believed


class Address(NamedTuple):
    """Somebody as a header field names them."""

    name: str  # as said: it proves nothing
    address: str  # the domain in lower case

    @property
    def domain(self) -> str:
        """Return what stands behind the `@`."""
        return self.address.rpartition("@")[2]


def cleaned(text: str, limit: int = MAIL_HEADER_CHARS_MAX) -> str:
    """Return a text on one line, bounded, without characters that cannot be seen."""
    return _UNSEEN.sub("", _FOLD.sub(" ", text[: limit * 4])).strip()[:limit]


def words(value: str) -> str:
    """Return a field's text with its encoded words decoded (RFC 2047); what cannot be decoded stays as it is."""
    if "=?" not in value or not _WORD.search(value):
        return cleaned(value)
    parts: list[str] = []
    try:
        for piece, charset in decode_header(value[: MAIL_HEADER_CHARS_MAX * 4]):
            parts.append(piece if isinstance(piece, str) else decoded(piece, charset or "ascii"))
    except (MessageError, ValueError):
        return cleaned(value)
    return cleaned("".join(parts))


def decoded(data: bytes, charset: str) -> str:
    """Return bytes as text in the character set they claim; in UTF-8 or Latin-1 where the claim is no help."""
    for name in (charset, "utf-8"):
        try:
            if codecs.lookup(name).name not in _NO_CHARSETS:
                return _HALVES.sub("\ufffd", data.decode(name))
        except (LookupError, ValueError, OSError):  # `decode` asks for a codec of whatever name a stranger wrote
            continue
    return data.decode("latin-1")


def first(fields: Sequence[Field], name: str) -> str:
    """Return the value of the first field of a name, or nothing."""
    return next((value for found, value in fields if found == name), "")


def every(fields: Iterable[Field], name: str) -> list[str]:
    """Return the values of every field of a name."""
    return [value for found, value in fields if found == name]


def addresses(fields: Sequence[Field], *names: str) -> tuple[Address, ...]:
    """Return who the fields of these names name, at most MAIL_ADDRESSES_MAX; none where a field cannot be read."""
    values = [value[:MAIL_FIELD_CHARS_MAX] for name in names for value in every(fields, name)[:_REPEATED_MAX]]
    try:
        pairs = getaddresses(values)
    except (MessageError, ValueError, IndexError, TypeError, RecursionError):  # comments within comments
        return ()
    found = [
        Address(words(name), f"{address.rpartition('@')[0]}@{address.rpartition('@')[2].lower()}")
        for name, address in pairs
        if _ADDRESS.match(address)
    ]
    return tuple(dict.fromkeys(found))[:MAIL_ADDRESSES_MAX]


def is_address(text: str) -> bool:
    """Say whether a text is one bare mail address, and nothing beside it."""
    return _ADDRESS.match(text) is not None


def idents(value: str) -> tuple[str, ...]:
    """Return the message ids in a field, without brackets (RFC 5322 §3.6.4), the last ones where they are many."""
    return tuple(_IDENT.findall(value[:MAIL_FIELD_CHARS_MAX])[-MAIL_REFERENCES_MAX:])


def date(value: str) -> int:
    """Return a date in seconds since the epoch (RFC 5322 §3.3); 0 where there is none to be believed."""
    try:
        when = parsedate_to_datetime(value[:128])
        if not _YEARS[0] <= when.year <= _YEARS[1]:
            return 0
        return max(int(when.timestamp()), 0)
    except (ValueError, TypeError, OverflowError, IndexError):
        return 0
