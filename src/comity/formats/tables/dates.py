"""Dates as tables write them, read without a locale and without a clock.

Rules: any text gives microseconds since the epoch, or None. A time without a zone is UTC. What lies before
1980 or after 2199 is no date of a sighting (most are zeros that stand for nothing).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Final

from comity.formats.tables.mapping import Dates

_MONTHS: Final = {
    name: number
    for number, name in enumerate("jan feb mar apr may jun jul aug sep oct nov dec".split(), 1)
}  # fmt: skip
_DATE: Final = re.compile(
    r"(?:(?:mon|tue|wed|thu|fri|sat|sun)[a-z]{0,6},?[ ]++)?+"
    r"(?P<a>[0-9]{1,4}|[a-z]{3,9})(?:[-/.]|[ ]++)(?P<b>[0-9]{1,2}|[a-z]{3,9})(?:,?[ ]++|[-/.])(?P<c>[0-9]{1,4})"
    r"(?:(?:[t ]|,[ ])[ ]*+(?P<hour>[0-9]{1,2}):(?P<minute>[0-9]{2})"
    r"(?::(?P<second>[0-9]{2})(?:[.,](?P<part>[0-9]{1,9}))?+)?+"
    r"[ ]*+(?P<half>[ap]m)?+[ ]*+(?P<zone>z|utc|gmt|(?:utc|gmt)?+[+-][0-9]{2}:?[0-9]{2})?+)?+",
    re.IGNORECASE,
)
_COMPACT: Final = re.compile(
    r"(?P<c>[0-9]{4})(?P<b>[0-9]{2})(?P<a>[0-9]{2})"
    r"(?:[T ]?(?P<hour>[0-9]{2})(?P<minute>[0-9]{2})(?P<second>[0-9]{2})?Z?)?"
)
_DIGITS: Final = re.compile(r"[0-9]{9,13}(?:\.[0-9]{1,6})?")
CHARS_MAX: Final = 64  # characters of a date; the longest way to write one has about 40
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_EARLIEST: Final = datetime(1980, 1, 1, tzinfo=UTC)
_LATEST: Final = datetime(2200, 1, 1, tzinfo=UTC)
_AGREEING: Final = 0.9


def read(text: str, dates: Dates) -> int | None:
    """Return the microseconds since the epoch that a cell names in this way of writing; None where it does not."""
    if len(text) > CHARS_MAX:
        return None
    try:
        when = _unix(text, dates) if dates in {Dates.UNIX, Dates.UNIX_MS} else _calendar(text, dates)
    except (ValueError, OverflowError):
        return None
    if when is None or not _EARLIEST <= when < _LATEST:
        return None
    since = when - _EPOCH
    return (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds


def guess(texts: Sequence[str]) -> tuple[Dates, str] | None:
    """Return how these cells write dates and why; None where most are no dates."""
    if not texts:
        return None
    shares = {dates: sum(read(text, dates) is not None for text in texts) / len(texts) for dates in Dates}
    best = max(shares.values())
    if best < _AGREEING:
        return None
    likely = [dates for dates in Dates if shares[dates] == best]
    if likely[0] is Dates.DMY and Dates.MDY in likely:
        return Dates.DMY, "dates; no day is above 12, so that day and month could be exchanged: day first is assumed"
    return likely[0], f"{round(best * 100)} % are dates ({likely[0]})"


def _unix(text: str, dates: Dates) -> datetime | None:
    if not _DIGITS.fullmatch(text):
        return None
    whole, _, part = text.partition(".")
    per_second = 1 if dates is Dates.UNIX else 1_000
    micros = int(whole) * 1_000_000 // per_second + (int(part.ljust(6, "0")) // per_second)
    return _EPOCH + timedelta(microseconds=micros)


def _calendar(text: str, dates: Dates) -> datetime | None:
    found = _DATE.fullmatch(text.strip())
    if found is None:
        found = _COMPACT.fullmatch(text.strip()) if dates is Dates.YMD else None
        if found is None:
            return None
        year, month, day = int(found["c"]), int(found["b"]), int(found["a"])
        return datetime(year, month, day, int(found["hour"] or 0), int(found["minute"] or 0), tzinfo=UTC) + timedelta(
            seconds=int(found["second"] or 0)
        )
    first, second, third = found["a"], found["b"], found["c"]
    if dates is Dates.YMD:
        if len(first) != 4 or not first.isdigit():
            return None
        year, month, day = int(first), _month(second), int(third)
    else:
        if first.isalpha() or second.isalpha():  # a month by name is the same in either order
            first, second = (second, first) if first.isalpha() else (first, second)
        elif dates is Dates.MDY:
            first, second = second, first
        if len(third) not in {2, 4} or len(first) > 2:
            return None
        year, month, day = int(third) + (2000 if len(third) == 2 else 0), _month(second), int(first)
    return datetime(year, month, day, tzinfo=UTC) + _time(found)


def _month(text: str) -> int:
    return int(text) if text.isdigit() else _MONTHS.get(text[:3].lower(), 0)


def _time(found: re.Match[str]) -> timedelta:
    """Return the time of the day, its zone taken off."""
    if found["hour"] is None:
        return timedelta()
    hour, minute, second = int(found["hour"]), int(found["minute"]), int(found["second"] or 0)
    if found["half"]:
        hour = hour % 12 + (12 if found["half"].lower() == "pm" else 0)
    if hour > 23 or minute > 59 or second > 60:
        raise ValueError("no time of the day")
    offset = timedelta()
    zone = found["zone"] or ""
    if zone[-1:].isdigit():
        digits = re.sub("[^0-9]", "", zone)
        offset = timedelta(hours=int(digits[:2]), minutes=int(digits[2:])) * (-1 if "-" in zone else 1)
    micros = int((found["part"] or "0").ljust(6, "0")[:6])
    return timedelta(hours=hour, minutes=minute, seconds=second, microseconds=micros) - offset
