"""Members of a decoded MISP tree, each read as what it should be, whatever it is.

Rules: nothing here raises for what the input holds. MISP writes numbers and truths as numbers, as text or
as JSON's own by its age; all are read. A UUID that STIX would not take gives an empty text.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, Final

from comity.formats import convert

Tree = Mapping[str, Any]

MICROS: Final = 1_000_000
_SECONDS_MAX: Final = 253_402_300_799  # the last second of the year 9999
_DIGITS: Final = 18  # of a number at most: no id and no count has more
_UUID: Final = re.compile("[0-9a-f]{8}-[0-9a-f]{4}-[1-5][0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")
_DATE: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}(?:[T ][0-9:.]{5,26}(?:Z|[+-][0-9]{2}:?[0-9]{2})?)?")


def text(tree: Tree, name: str) -> str:
    """Return a member as text, numbers as they are written; empty for anything else."""
    value = tree.get(name)
    if type(value) is str:
        return value
    return str(value) if type(value) is int or type(value) is float else ""


def number(tree: Tree, name: str) -> int | None:
    """Return a member as a whole number of at most 18 digits, also where it is written as text."""
    value = tree.get(name)
    if type(value) is int:
        return value if 0 <= value < 10**18 else None
    return (
        int(value) if type(value) is str and len(value) <= _DIGITS and value.isdecimal() and value.isascii() else None
    )


def truth(tree: Tree, name: str) -> bool:
    """Whether a member is true, 1, "1" or "true"."""
    value = tree.get(name)
    if type(value) is str:
        return value.lower() in {"1", "true"}
    return value is True or value == 1


def uuid(tree: Tree, name: str = "uuid") -> str:
    """Return a UUID that may stand in a STIX id (§2.9: RFC 4122, versions 1 to 5), in lower case; or nothing."""
    value = tree.get(name)
    low = value.lower() if type(value) is str else ""
    return low if _UUID.fullmatch(low) else ""


def trees(value: object) -> list[dict[str, Any]]:
    """Return the objects of a list; an object alone is a list of one, as old servers write it."""
    if isinstance(value, list):
        return [each for each in value if isinstance(each, dict)]
    return [value] if isinstance(value, dict) and value else []


def seconds(tree: Tree, name: str) -> int | None:
    """Return a Unix timestamp in microseconds; None where there is none that a calendar has."""
    found = number(tree, name)
    return found * MICROS if found is not None and 0 < found <= _SECONDS_MAX else None


def moment(value: object) -> int | None:
    """Return microseconds since the epoch of an ISO 8601 date or time; one without a zone is UTC."""
    if type(value) is not str or not _DATE.fullmatch(value):
        return None
    try:
        when = datetime.fromisoformat(value)
        when = when.replace(tzinfo=UTC) if when.tzinfo is None else when.astimezone(UTC)
    except (ValueError, OverflowError):
        return None
    since = when - _EPOCH
    micros = (since.days * 86_400 + since.seconds) * MICROS + since.microseconds
    return micros if micros > 0 else None


_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


@lru_cache(maxsize=4_096)
def timestamp(micros: int) -> str:
    """Return a moment as STIX writes it; most attributes of an event share a few."""
    return convert.timestamp(micros)


_SOURCES: Final = (
    ("cve", re.compile(r"CVE-\d{4}-(?:0\d{3}|[1-9]\d{3,})")),
    ("capec", re.compile(r"CAPEC-\d+")),
    ("mitre-attack", re.compile(r"[TGSCM][0-9]{4}(?:\.[0-9]{3})?")),
)


def reference(number: str, source: str) -> dict[str, str]:
    """Return an external reference of a number under whose it is (STIX 2.1 §2.5), else under `source`."""
    found = next((name for name, form in _SOURCES if form.fullmatch(number)), source)
    return {"source_name": found, "external_id": number}


def hit(value: object, names: tuple[str, ...]) -> str:
    """Return the first of some members that is a text and not empty."""
    if isinstance(value, dict):
        for name in names:
            if found := text(value, name):
                return found
    return ""
