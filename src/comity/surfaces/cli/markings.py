"""Markings as options of commands, the same for every command that takes one."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import TypeVar
from zoneinfo import ZoneInfo

import click

from comity.errors import Misuse
from comity.surfaces.cli.session import Session
from comity.surfaces.cli.verbs import MarkingSaid

F = TypeVar("F", bound=Callable[..., object])


def marking_options(function: F) -> F:
    """Add --tlp, --pap and --to."""
    for option in (
        click.option("--to", multiple=True, metavar="AUDIENCE", help="Only these: PARTY/OFFICE, PARTY/OFFICE/PERSON."),
        click.option("--pap", default="", metavar="PAP", help="CLEAR, GREEN, AMBER or RED: what may be done with it."),
        click.option(
            "--tlp", default="", metavar="TLP", help="CLEAR, GREEN, AMBER, AMBER+STRICT or RED: who may know."
        ),
    ):
        function = option(function)
    return function


def said(tlp: str, pap: str, to: tuple[str, ...], use: tuple[str, ...] = ()) -> MarkingSaid:
    """Return what the options say."""
    return MarkingSaid(tlp=tlp, pap=pap, to=to, use=use)


def instant(session: Session, text: str) -> int:
    """Return a time as seconds: `2026-11-24`, `2026-11-24T08:30` (in the node's zone), with an offset, or `36h` ago.

    Raises `Misuse`.
    """
    if not text:
        return 0
    ago = {"m": 60, "h": 3_600, "d": 86_400}.get(text[-1])
    if ago and text[:-1].isdigit():
        return int((datetime.now(UTC) - timedelta(seconds=ago * int(text[:-1]))).timestamp())
    try:
        moment = datetime.fromisoformat(text)
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=ZoneInfo(session.host.time_zone(session.home)))
        return int(moment.timestamp())
    except (ValueError, OverflowError) as error:
        raise Misuse(
            f"{text!r} is not a time", hint="2026-11-24, 2026-11-24T08:30+01:00, or 36h for so long ago"
        ) from error
