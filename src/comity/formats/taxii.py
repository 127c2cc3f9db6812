"""TAXII 2.1 as bytes and values: media types, times, filters, cursors, and the resources that are answered.

Rules: a filter that is not understood is refused and never passed over, for a client that is misunderstood would be
given more than it asked for. Times are whole microseconds since the epoch. A cursor (`next`) holds where to go on and
for which filters, and nothing that a server has to remember. Clauses are those of the OASIS Standard of 10 June 2021.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from datetime import UTC, datetime, timedelta
from typing import Final, NamedTuple
from urllib.parse import parse_qsl

import msgspec

from comity.errors import Malformed

MEDIA: Final = "application/taxii+json;version=2.1"  # §1.6.8
STIX_MEDIA: Final = "application/stix+json;version=2.1"
FIRST: Final = "X-TAXII-Date-Added-First"  # §3.2
LAST: Final = "X-TAXII-Date-Added-Last"
SPEC_VERSION: Final = "2.1"
VALUES_MAX: Final = 1_000  # of one filter: a URL has no room for more
CURSOR_CHARS_MAX: Final = 64
CURSOR_VERSION: Final = 1
MICROSECONDS: Final = 1_000_000
MOMENT_MAX: Final = 253_402_300_800_000_000  # microseconds: the year 10000, which no timestamp can write
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_STAMP: Final = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?Z", re.ASCII)
_ID: Final = re.compile(r"[a-z0-9][a-z0-9-]{1,249}--[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.ASCII)
_TYPE: Final = re.compile(r"[a-z0-9][a-z0-9-]{1,249}", re.ASCII)
_MATCH: Final = re.compile(r"match\[([^\]]*)\]")
_WORDS: Final = frozenset({"first", "last", "all"})


# -- media types (§1.6.8) -------------------------------------------------------------


def accepts(header: str | None) -> bool:
    """Say whether an answer in `MEDIA` is acceptable; a request that says nothing takes what there is."""
    if header is None or not header.strip():
        return True
    return any(_range_fits(one) for one in header.split(","))


def _range_fits(one: str) -> bool:
    kind, _, rest = one.partition(";")
    parameters = _parameters(rest)
    if parameters.get("q", "1").strip("0.") == "":
        return False
    kind = kind.strip().lower()
    if kind == "application/taxii+json":
        return parameters.get("version", SPEC_VERSION) == SPEC_VERSION
    return kind in {"*/*", "application/*"}


def is_taxii(header: str | None) -> bool:
    """Say whether a body of this Content-Type is one of TAXII 2.1."""
    kind, _, rest = (header or "").partition(";")
    is_kind = kind.strip().lower() == "application/taxii+json"
    return is_kind and _parameters(rest).get("version", SPEC_VERSION) == SPEC_VERSION


def _parameters(text: str) -> dict[str, str]:
    pairs = (part.partition("=") for part in text.split(";"))
    return {name.strip().lower(): value.strip().strip('"') for name, _, value in pairs if name.strip()}


# -- times (§1.6.7: `timestamp`) --------------------------------------------------------


def stamp(micros: int) -> str:
    """Return a time as TAXII writes `date_added`: RFC 3339 in UTC with six digits of a second."""
    return (_EPOCH + timedelta(microseconds=micros)).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def version_stamp(micros: int) -> str:
    """Return a version as STIX 2.1 writes `modified`: three digits of a second, or six where they are needed."""
    text = stamp(micros)
    return text if micros % 1_000 else f"{text[:-4]}Z"


def instant(text: str) -> int:
    """Return the microseconds of an RFC 3339 timestamp in UTC. Raises `Malformed`."""
    found = _STAMP.fullmatch(text)
    if found is None:
        raise Malformed("not a timestamp", hint="such as 2026-11-25T08:00:00.000000Z")
    try:
        moment = datetime.strptime(found[1] + "+0000", "%Y-%m-%dT%H:%M:%S%z")
    except ValueError as error:
        raise Malformed(f"not a timestamp: {error}") from error
    seconds = (moment - _EPOCH) // timedelta(seconds=1)
    return seconds * MICROSECONDS + int((found[2] or "0").ljust(6, "0")[:6])


# -- filters (§3.4) ---------------------------------------------------------------------


class Filters(NamedTuple):
    """What a request asks for of a collection; `limit` 0 and empty sets ask for nothing in particular."""

    after: int = -1  # microseconds: added later than this; -1: from the beginning
    limit: int = 0
    next: str = ""
    ids: frozenset[str] = frozenset()
    types: frozenset[str] = frozenset()
    words: frozenset[str] = frozenset({"last"})  # of versions: first, last, all
    versions: frozenset[int] = frozenset()  # microseconds
    specs: frozenset[str] = frozenset()

    @property
    def whole(self) -> bool:
        """Say whether every version is asked for."""
        return "all" in self.words

    @property
    def digest(self) -> bytes:
        """Return eight bytes of what a cursor belongs to: `limit` may change from page to page."""
        told = [sorted(self.ids), sorted(self.types), sorted(self.words), sorted(self.versions), sorted(self.specs)]
        return hashlib.sha256(msgspec.msgpack.encode([self.after, *told])).digest()[:8]


_Pairs = dict[str, list[str]]


def filters(query: str, *, fields: frozenset[str], version: str = "last") -> Filters:
    """Read the parameters of a URL; `fields` are those that its endpoint has (§5). Raises `Malformed` (400).

    `version` stands for a `match[version]` that is left out.

    Parameters that TAXII does not name are passed over; one that it names and this endpoint lacks is refused, as is
    one given twice: two servers would read it differently.
    """
    if not query:
        return Filters(words=frozenset({version}))
    try:
        pairs = parse_qsl(query, keep_blank_values=True, strict_parsing=True, max_num_fields=64)
    except ValueError as error:
        raise Malformed("the query is none of a URL") from error
    given: _Pairs = {}
    for name, value in pairs:
        if name in {"added_after", "limit", "next"} or _MATCH.fullmatch(name):
            if name not in fields:
                raise Malformed(f"this endpoint has no parameter {name!r}", hint=f"it has {', '.join(sorted(fields))}")
            if name in given:
                raise Malformed(f"{name!r} is given twice", hint="several values stand in one, with commas")
            given[name] = value.split(",") if name.startswith("match") else [value]
    words, versions = _versions(given.get("match[version]", [version]))
    return Filters(
        after=instant(given["added_after"][0]) if "added_after" in given else -1,
        limit=_limit(given["limit"][0]) if "limit" in given else 0,
        next=given.get("next", [""])[0],
        ids=_values(given, "match[id]", _ID),
        types=_values(given, "match[type]", _TYPE),
        words=words,
        versions=versions,
        specs=frozenset(given.get("match[spec_version]", ())),
    )


def _limit(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= 18) or not int(text):
        raise Malformed("limit is not a positive integer (§3.5)")
    return int(text)


def _values(given: _Pairs, name: str, fits: re.Pattern[str]) -> frozenset[str]:
    values = given.get(name, [])
    if len(values) > VALUES_MAX:
        raise Malformed(f"{name} has over {VALUES_MAX} values")
    wrong = [value for value in values if not fits.fullmatch(value)]
    if wrong:
        raise Malformed(f"{name}: a value that no object can have")
    return frozenset(values)


def _versions(values: list[str]) -> tuple[frozenset[str], frozenset[int]]:
    """Return the words and the times of `match[version]` (§3.4.1)."""
    if len(set(values)) < len(values):
        raise Malformed("match[version]: a value stands twice (§3.4.1)")
    if "all" in values and len(values) > 1:
        raise Malformed("match[version]: `all` stands alone (§3.4.1)")
    words = frozenset(values) & _WORDS
    return words, frozenset(instant(value) for value in values if value not in _WORDS)


# -- cursors (§3.5) ----------------------------------------------------------------------


class _Cursor(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    version: int
    after: int
    filters: bytes


def cursor(after: int, asked: Filters) -> str:
    """Return the `next` of a page that ends at a time."""
    data = msgspec.msgpack.encode(_Cursor(CURSOR_VERSION, after, asked.digest))
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def begins(asked: Filters) -> int:
    """Return the time that a page begins behind. Raises `Malformed` for a `next` that belongs to another question."""
    if not asked.next:
        return asked.after
    wrong = Malformed("`next` is none that was given for this question", hint="begin without it, with the same filters")
    if len(asked.next) > CURSOR_CHARS_MAX:
        raise wrong
    try:
        data = base64.b64decode(asked.next + "=" * (-len(asked.next) % 4), altchars=b"-_", validate=True)
        found = msgspec.msgpack.decode(data, type=_Cursor)
    except (binascii.Error, ValueError, msgspec.MsgspecError, RecursionError) as error:
        raise wrong from error
    if found.version != CURSOR_VERSION or not -1 <= found.after < MOMENT_MAX or found.filters != asked.digest:
        raise wrong
    return found.after


# -- resources (§3.6, §4, §5) --------------------------------------------------------------


class Discovery(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a server has (§4.1)."""

    title: str
    description: str = ""
    contact: str = ""
    default: str = ""
    api_roots: tuple[str, ...] = ()


class ApiRoot(msgspec.Struct, frozen=True, omit_defaults=True):
    """A group of collections (§4.2)."""

    title: str
    versions: tuple[str, ...]
    max_content_length: int
    description: str = ""


class Collection(msgspec.Struct, frozen=True, omit_defaults=True):
    """A collection, and what this reader may do with it (§5.2)."""

    id: str
    title: str
    can_read: bool
    can_write: bool
    description: str = ""
    alias: str = ""
    media_types: tuple[str, ...] = ()


class Collections(msgspec.Struct, frozen=True, omit_defaults=True):
    """The collections of an API root (§5.1)."""

    collections: tuple[Collection, ...] = ()


class Record(msgspec.Struct, frozen=True, omit_defaults=True):
    """A line of a manifest (§5.3)."""

    id: str
    date_added: str
    version: str
    media_type: str = ""


class Manifest(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a collection holds, without the objects (§5.3); `next` as envelopes have it."""

    more: bool = False
    next: str = ""
    objects: tuple[Record, ...] = ()


class Versions(msgspec.Struct, frozen=True, omit_defaults=True):
    """The versions of one object (§5.8)."""

    more: bool = False
    next: str = ""
    versions: tuple[str, ...] = ()


class Detail(msgspec.Struct, frozen=True, omit_defaults=True):
    """What became of one object (§4.3.1)."""

    id: str
    version: str
    message: str = ""


class Status(msgspec.Struct, frozen=True, omit_defaults=True):
    """What became of a POST (§4.3)."""

    id: str
    status: str  # complete or pending
    request_timestamp: str
    total_count: int
    success_count: int
    failure_count: int
    pending_count: int
    successes: tuple[Detail, ...] = ()
    failures: tuple[Detail, ...] = ()
    pendings: tuple[Detail, ...] = ()


class Error(msgspec.Struct, frozen=True, omit_defaults=True):
    """What was wrong (§3.6.1)."""

    title: str
    description: str = ""
    error_code: str = ""
    http_status: str = ""


def envelope(objects: list[bytes], *, next_: str = "", more: bool = False) -> bytes:
    """Return an envelope of objects in their producers' own bytes (§3.7); an empty one is `{}`."""
    head = b'{"more":true,' if more else b"{"
    if next_:
        head += b'"next":"%s",' % next_.encode()
    if not objects:
        return head.rstrip(b",") + b"}"
    return head + b'"objects":[' + b",".join(objects) + b"]}"
