"""What each column of a table or each path of a record is: a mapping, guessed or written, kept per source.

Rules: a mapping is plain data that TOML and JSON hold; `decode` takes nothing it does not know. A column is
named by its title, by its number from 1, or, in JSON, by a path. What a mapping does not name is not read,
and the reader says so once; `ignored` and `sealed` say that it is so on purpose.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final

import msgspec

from comity.errors import Malformed
from comity.formats.observables import KINDS
from comity.vocab import Tlp


class Form(StrEnum):
    """How rows follow one another."""

    DELIMITED = "delimited"  # lines of cells; a list is a table of one column
    JSON_LINES = "json-lines"  # a JSON object on each line
    JSON_ARRAY = "json-array"  # a JSON array of objects, alone or named within an object


class Role(StrEnum):
    """What a column is read as."""

    VALUE = "value"  # the observable
    KIND = "kind"  # a word for the kind of the value
    DESCRIPTION = "description"
    NOTE = "note"  # kept in the description behind the column's title
    FIRST_SEEN = "first-seen"  # valid from, and created
    LAST_SEEN = "last-seen"  # the version's date
    VALID_UNTIL = "valid-until"
    CONFIDENCE = "confidence"
    TLP = "tlp"
    LABELS = "labels"
    THREAT = "threat"  # a malware family
    REFERENCE = "reference"  # an address to read more, or a CVE id
    CREATOR = "creator"  # the organisation that reported it
    IGNORED = "ignored"
    SEALED = "sealed"  # names and accounts of persons


class Scale(StrEnum):
    """How confidence is written (STIX 2.1 appendix A)."""

    HUNDRED = "hundred"  # 0 to 100
    TEN = "ten"  # 0 to 10
    ONE = "one"  # a fraction from 0 to 1
    LEVELS = "levels"  # none, low, medium, high
    ADMIRALTY = "admiralty"  # credibility 1 (confirmed) to 6
    WEP = "wep"  # words of estimative probability
    DNI = "dni"  # the same, of the Director of National Intelligence


class Dates(StrEnum):
    """How dates are written; a time without a zone is UTC."""

    YMD = "ymd"  # year first: ISO 8601 and its kin
    DMY = "dmy"
    MDY = "mdy"
    UNIX = "unix"  # seconds since 1970
    UNIX_MS = "unix-ms"


class Join(StrEnum):
    """How values of one group meet in one pattern."""

    OR = "or"
    AND = "and"


AUTO: Final = "auto"
ENCODINGS: Final = (
    *("utf-8", "utf-16-le", "utf-16-be", "cp1252", "latin-1", "cp1250", "cp1251", "gb18030", "big5"),
    *("shift_jis", "euc-jp", "euc-kr"),
)
DELIMITERS: Final = ("", " ", "\t", ",", ";", "|", ":", "^", "~", "\x01", "\x1f")
"""Empty: a line is one cell. A blank: any run of blanks and tabs."""


class Column(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """One column and what it is read as."""

    at: int | str  # number from 1, title, or path of a record
    role: Role
    title: str = ""  # for display, and for notes, where `at` is a number
    kind: str = AUTO  # of a value: one of KINDS, or by what each looks like
    group: str = ""  # values of one group make one indicator
    through: bool = False  # every cell behind it is a value too, as in hosts files
    before: str = ""  # what stands before the value in a cell and is taken off, e.g. `||`
    after: str = ""  # the same behind it
    split: str = ""  # what stands between labels; a blank: any run of blanks
    dates: Dates = Dates.YMD
    scale: Scale = Scale.HUNDRED

    def name(self) -> str:
        """Return what a person calls the column."""
        return self.title or (self.at if isinstance(self.at, str) else f"column {self.at}")


class Constants(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """What holds for every row that does not say otherwise."""

    description: str = ""
    tlp: Tlp | None = None
    confidence: int | None = None  # 0 to 100
    labels: tuple[str, ...] = ()
    threat: str = ""
    reference: str = ""
    creator: str = ""


class Mapping(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """How one source's tables are read."""

    columns: tuple[Column, ...]
    form: Form = Form.DELIMITED
    encoding: str = "utf-8"  # a mark of byte order in the input goes before it
    delimiter: str = ""
    quote: str = '"'  # empty: none
    comments: tuple[str, ...] = ("#",)  # what a line of comment begins with
    trailing: str = ""  # what begins a comment behind the cells; its text is the description
    header: bool = False  # the first row has titles
    array: str = ""  # name or path of the array, e.g. `data`; empty: the outermost
    joins: dict[str, Join] = msgspec.field(default_factory=dict)  # by group; OR where it is not named
    constants: Constants = Constants()

    def __post_init__(self) -> None:
        """Refuse what no reader could follow."""
        known = {
            "encoding": self.encoding in ENCODINGS,
            "delimiter": self.delimiter in DELIMITERS,
            "quote": self.quote in {"", '"', "'"},
            "comments": all(self.comments),
            "kind": all(column.kind in {AUTO, *KINDS} for column in self.columns),
            "column": all(column.at if isinstance(column.at, str) else column.at > 0 for column in self.columns),
            "confidence": self.constants.confidence is None or 0 <= self.constants.confidence <= 100,
        }
        for what, good in known.items():
            if not good:
                raise ValueError(f"the mapping's {what} is none that is known")


_ENCODE: Final = msgspec.json.Encoder(order="deterministic").encode
_DECODER: Final = msgspec.json.Decoder(Mapping)


def encode(mapping: Mapping) -> bytes:
    """Return a mapping as JSON."""
    return _ENCODE(mapping)


def decode(data: bytes) -> Mapping:
    """Read a mapping from JSON. Raises `Malformed`."""
    try:
        return _DECODER.decode(data)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise Malformed(f"a mapping cannot be read: {error}") from error


def convert(tree: object) -> Mapping:
    """Read a mapping from plain values, as a TOML parser gives them. Raises `Malformed`."""
    try:
        return msgspec.convert(tree, Mapping)
    except (msgspec.MsgspecError, RecursionError) as error:
        raise Malformed(f"a mapping cannot be read: {error}") from error
