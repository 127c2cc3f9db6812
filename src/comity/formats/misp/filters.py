"""What a search or an index of MISP's REST interface asks for.

Rules: a filter that is not understood is refused and never passed over, for whoever is misunderstood would be given
more than was asked for; passed over is what only says how an answer looks. Times are seconds; `5d` is that long ago.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from functools import lru_cache
from typing import Any, Final, NamedTuple

from comity.errors import Malformed
from comity.formats.misp import fields

Tree = dict[str, Any]

TERMS_MAX: Final = 10_000  # values of one filter
TERM_CHARS_MAX: Final = 8_192
_AGO: Final = re.compile(r"([0-9]{1,12})([smhdw]?)", re.ASCII)
_SECONDS: Final = {"s": 1, "m": 60, "h": 3_600, "d": 86_400, "w": 604_800}
_DATE: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", re.ASCII)
_MICROS: Final = 1_000_000
DELETED: Final = frozenset({False, True})


class Terms(NamedTuple):
    """Texts of which one must fit, all must, none may; `%` stands for anything."""

    one: tuple[str, ...] = ()
    all: tuple[str, ...] = ()
    none: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        """Say whether anything is asked for."""
        return bool(self.one or self.all or self.none)

    def fits(self, texts: Iterable[str]) -> bool:
        """Say whether a thing that has all these texts is what is asked for."""
        have = [text.lower() for text in texts]
        if self.one and not any(_is_among(term, have) for term in self.one):
            return False
        return all(_is_among(term, have) for term in self.all) and not any(_is_among(term, have) for term in self.none)

    @property
    def exact(self) -> tuple[str, ...] | None:
        """Return the texts of which one must be there as it is; None where anything else is asked for, too."""
        whole = self.one and not self.all and not any("%" in term for term in self.one)
        return self.one if whole else None


def _is_among(term: str, have: list[str]) -> bool:
    fits = _fitting(term)
    return any(fits(text) for text in have)


@lru_cache(16_384)
def _fitting(term: str) -> Callable[[str], bool]:
    term = term.lower()
    if "%" not in term:
        return term.__eq__
    parts = re.split("%+", term)
    return lambda text: _like(text, parts)


def _like(text: str, parts: list[str]) -> bool:
    """Say whether a text is these parts with anything between them: in one pass, whatever they are."""
    if not text.startswith(parts[0]) or not text.endswith(parts[-1]):
        return False
    at, end = len(parts[0]), len(text) - len(parts[-1])
    for part in parts[1:-1]:
        found = text.find(part, at, end)
        if found < 0:
            return False
        at = found + len(part)
    return at <= end


class Span(NamedTuple):
    """From when until when, in seconds, both included."""

    start: int = 0
    end: int = 1 << 62

    def has(self, at: int) -> bool:
        """Say whether a moment is within."""
        return self.start <= at <= self.end


class Filters(NamedTuple):
    """What is asked for; what is left out asks for nothing."""

    values: Terms = Terms()
    types: Terms = Terms()
    categories: Terms = Terms()
    comments: Terms = Terms()
    object_names: Terms = Terms()
    to_ids: bool | None = None
    attributes: Terms = Terms()  # UUIDs of attributes, objects or events
    changed: Span | None = None  # attributes, in a search of them; else events
    tags: Terms = Terms()  # of the attribute or its event
    anything: Terms = Terms()  # in info, tags, values or comments
    events: Terms = Terms()  # numbers or UUIDs
    event_tags: Terms = Terms()
    orgs: Terms = Terms()
    infos: Terms = Terms()
    threat: Terms = Terms()
    analysis: Terms = Terms()
    distribution: Terms = Terms()
    event_changed: Span | None = None
    published: Span | None = None
    is_published: bool | None = None
    since: str = ""  # dates of events
    until: str = ""
    deleted: frozenset[bool] = frozenset({False})
    metadata: bool = False
    minimal: bool = False
    attachments: bool = False
    sightings: bool = True
    form: str = "json"
    limit: int = 0
    page: int = 1

    @property
    def looks_inside(self) -> bool:
        """Say whether attributes have to be looked at to tell whether an event is asked for."""
        inside = (self.values, self.types, self.categories, self.comments, self.object_names, self.attributes)
        return any(inside) or bool(self.tags or self.anything) or self.to_ids is not None


_TERMS: Final = {
    "value": "values",
    "attribute": "values",
    "type": "types",
    "category": "categories",
    "comment": "comments",
    "object_name": "object_names",
    "uuid": "attributes",
    "tags": "tags",
    "tag": "tags",
    "searchall": "anything",
    "quickfilter": "anything",
    "all": "anything",
    "eventid": "events",
    "event_id": "events",
    "id": "events",
    "event_tags": "event_tags",
    "org": "orgs",
    "eventinfo": "infos",
    "info": "infos",
    "threat_level_id": "threat",
    "threatlevel": "threat",
    "analysis": "analysis",
    "distribution": "distribution",
}
_BARRED: Final = frozenset({"tag", "org"})
_SPANS: Final = {
    "timestamp": "changed",
    "event_timestamp": "event_changed",
    "publish_timestamp": "published",
    "last": "published",
}
_DATES: Final = {"from": "since", "datefrom": "since", "to": "until", "dateuntil": "until", "dateto": "until"}
_FLAGS: Final = {"metadata": "metadata", "minimal": "minimal", "withattachments": "attachments"}
_MAYBE: Final = {"to_ids": "to_ids", "published": "is_published"}
_LOOKS: Final = frozenset(  # how an answer looks, or what is the same here either way
    (
        *("enforcewarninglist", "includeeventuuid", "includeeventtags", "sgreferenceonly", "requested_attributes"),
        *("includecontext", "headerless", "includesightings", "includedecayscore", "includecorrelations"),
        *("excludedecayed", "includewarninglisthits", "includefeedcorrelations", "includeservercorrelations"),
        *("includeeventcorrelations", "excludegalaxy", "includeanalystdata", "excludelocaltags", "includegalaxy"),
        *("includerelatedtags", "includeattachments", "includeproposals", "includefullmodel", "overridelimit"),
        *("sort", "desc", "direction", "order", "noevents", "nosightings", "extended", "allow_proposal_blocking"),
        *("includeallattributes", "excludecorrelations", "includeanalystnotes", "decayingmodel", "score"),
    )
)


def filters(asked: Tree, now: int, *, view: bool = False) -> Filters:
    """Read what is asked for, by names in any case. `now` is in seconds. Raises `Malformed`.

    In a `view` of one event `deleted` adds what is deleted; in a search it asks for nothing else.
    """
    given: dict[str, Any] = {}
    for name, value in asked.items():
        low = name.lower()
        if value is None or value in ("", []) or low in _LOOKS:
            continue
        if low in _TERMS:
            # Rules of a server that pulls come with bars between them.
            given[_TERMS[low]] = _terms(name, value.split("|") if low in _BARRED and isinstance(value, str) else value)
        elif low in _SPANS:
            given[_SPANS[low]] = _span(name, value, now)
        elif low in _DATES:
            given[_DATES[low]] = _date(name, value, now)
        elif low in _FLAGS:
            given[_FLAGS[low]] = _truth(name, value)
        elif low in _MAYBE:
            said = _either(name, value)
            if said is not None:
                given[_MAYBE[low]] = said
        elif low == "deleted":
            given["deleted"] = _deleted(value, view=view)
        elif low in {"limit", "page"}:
            given[low] = _count(name, value)
        elif low == "returnformat":
            given["form"] = str(value).lower()
        else:
            raise Malformed(f"the filter {name!r} is not known here", hint="passed over it would give you too much")
    return Filters(**given)


def _terms(name: str, value: Any) -> Terms:
    if isinstance(value, dict):
        words = {str(word).upper(): _texts(name, some) for word, some in value.items()}
        if not words.keys() <= {"OR", "AND", "NOT"}:
            raise Malformed(f"{name}: OR, AND and NOT are known here")
        return Terms(words.get("OR", ()), words.get("AND", ()), words.get("NOT", ()))
    texts = _texts(name, value)
    none = tuple(text[1:] for text in texts if text.startswith("!") and len(text) > 1)
    return Terms(tuple(text for text in texts if not text.startswith("!") or len(text) == 1), (), none)


def _texts(name: str, value: Any) -> tuple[str, ...]:
    found = value if isinstance(value, list) else [value]
    if len(found) > TERMS_MAX:
        raise Malformed(f"{name}: more than {TERMS_MAX} values")
    texts: list[str] = []
    for one in found:
        text = str(one) if isinstance(one, int | float) and not isinstance(one, bool) else one
        if not isinstance(text, str) or not 0 < len(text) <= TERM_CHARS_MAX:
            raise Malformed(f"{name}: a filter is a text, a number, or a list of them")
        texts.append(text)
    return tuple(texts)


def _span(name: str, value: Any, now: int) -> Span:
    if isinstance(value, list):
        if len(value) != 2:
            raise Malformed(f"{name}: a time, or from when until when")
        ends = sorted(moment(name, one, now) for one in value)
        return Span(*ends)
    return Span(moment(name, value, now))


def moment(name: str, value: Any, now: int) -> int:
    """Return a moment in seconds: a number of them, a date, or how long ago (`30m`, `12h`, `5d`). Raises."""
    if isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < 1 << 40:
        return int(value)
    text = value.strip().lower() if isinstance(value, str) else ""
    found = _AGO.fullmatch(text)
    if found is not None:
        return now - int(found[1]) * _SECONDS[found[2]] if found[2] else int(found[1])
    read = fields.moment(value.strip()) if isinstance(value, str) else None
    if read is None:
        raise Malformed(f"{name}: no time", hint="seconds, 2026-11-01, or how long ago: 30m, 12h, 5d")
    return read // _MICROS


def _date(name: str, value: Any, now: int) -> str:
    if isinstance(value, str) and _DATE.fullmatch(value.strip()):
        return value.strip()
    return fields.timestamp(max(moment(name, value, now), 1) * _MICROS)[:10]


def _truth(name: str, value: Any) -> bool:
    said = _either(name, value)
    return said is True


def _either(name: str, value: Any) -> bool | None:
    """Return a truth; None for a list of both."""
    some = value if isinstance(value, list) else [value]
    said = {_TRUTHS.get(str(one).lower()) for one in some}
    if None in said:
        raise Malformed(f"{name}: 0 or 1")
    return said.pop() if len(said) == 1 else None


_TRUTHS: Final = {"0": False, "false": False, "1": True, "true": True}


def _deleted(value: Any, *, view: bool) -> frozenset[bool]:
    some = value if isinstance(value, list) else [value]
    words = {str(one).lower() for one in some}
    if words == {"only"}:
        return frozenset({True})
    said = {_TRUTHS.get(word) for word in words}
    if None in said:
        raise Malformed("deleted: 0, 1 or only")
    if view and True in said and not isinstance(value, list):
        return DELETED
    return frozenset(one for one in said if one is not None)


def _count(name: str, value: Any) -> int:
    text = str(value) if not isinstance(value, bool) else ""
    if not text.isascii() or not text.isdigit() or len(text) > 9:
        raise Malformed(f"{name}: a whole number")
    return int(text)
