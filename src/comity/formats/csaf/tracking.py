"""What a CSAF document's tracking has to say for itself, and where it contradicts itself.

Rules: the mandatory tests of CSAF 2.0 §6.1 that bear on whether a reader can rely on order and version. What fails is
told and the document still read: an advisory with a wrong revision history is an advisory.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from comity.formats import fields
from comity.formats.convert import Loss, Outcome, loss
from comity.formats.csaf.shape import Tracking

STATUSES: Final = frozenset({"draft", "interim", "final"})

_VERSION: Final = re.compile(  # CSAF 2.0 §3.1.11: one number, or Semantic Versioning 2.0
    r"([0-9]{1,18})(?:\.([0-9]{1,18})\.([0-9]{1,18})(?:-([0-9A-Za-z.-]{1,64}))?+(?:\+[0-9A-Za-z.-]{1,64})?+)?+"
)


def check(tracking: Tracking) -> Iterator[Loss]:
    """Yield a loss for each contradiction."""
    number = _number(tracking.version)
    if number is None:
        yield _told(f"the version {tracking.version!r} is none of CSAF")
    if tracking.status not in STATUSES:
        yield _told(f"the status {tracking.status!r} is none of CSAF")
    dates = [fields.moment(date) for date in (tracking.initial_release_date, tracking.current_release_date)]
    for date, text in zip(dates, (tracking.initial_release_date, tracking.current_release_date), strict=True):
        if date is None:
            yield loss("document.tracking", Outcome.CHANGED, "date", f"{text!r} is not read as a date")
    if dates[0] is not None and dates[1] is not None and dates[1] < dates[0]:
        yield _told("current_release_date is before initial_release_date")
    unfinished = number is not None and (number[0] == 0 or "-" in tracking.version.partition("+")[0])
    if unfinished and tracking.status in {"interim", "final"}:  # §6.1.17, §6.1.20
        yield _told(f"version {tracking.version!r} is a draft's, but the status is {tracking.status}")
    yield from _history(tracking)


def _history(tracking: Tracking) -> Iterator[Loss]:
    history = [(fields.moment(each.date), _number(each.number), each) for each in tracking.revision_history]
    for date, number, each in history:
        if date is None or number is None:
            yield _told(f"the revision {each.number!r} of {each.date!r} has no date or number that can be read")
    dated = sorted((date, number) for date, number, _ in history if date is not None and number is not None)
    numbers = [number for _, number in dated]
    if numbers != sorted(numbers):  # §6.1.14
        yield _told("the revision history is not in one order by date and by number")
    if len(set(numbers)) != len(numbers):  # §6.1.22
        yield _told("a revision stands twice in the history")
    if numbers and (own := _number(tracking.version)) is not None and max(numbers) != own:  # §6.1.16
        yield _told(f"version {tracking.version!r} is not the newest of the revision history")
    newest, current = (dated[-1][0] if dated else None), fields.moment(tracking.current_release_date)
    if newest is not None and current is not None and newest > current:
        yield _told("the newest revision is younger than current_release_date")


def _number(text: str) -> tuple[int, int, int] | None:
    """Return a version as numbers that compare; what stands behind - or + is left out, as §6.1.16 asks."""
    found = _VERSION.fullmatch(text)
    return (int(found[1]), int(found[2] or 0), int(found[3] or 0)) if found else None


def _told(reason: str) -> Loss:
    return loss("document.tracking", Outcome.CHANGED, "tracking", f"{reason}; taken as it stands")
