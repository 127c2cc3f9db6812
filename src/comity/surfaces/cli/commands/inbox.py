"""`comity inbox`: what correspondents sent."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import click

from comity.surfaces.cli.session import Session, columns
from comity.surfaces.cli.shape import SETTINGS, Lazy, command
from comity.surfaces.cli.verbs import inbox as verbs

_AT: Final = "comity.surfaces.cli.commands.inbox:"
COMMANDS: Final = {
    "list": (f"{_AT}list_", "What waits, or what was settled."),
    "show": (f"{_AT}show", "One submission, with its bytes while it waits."),
    "accept": (f"{_AT}accept", "Take it in, as the correspondent's own."),
    "refuse": (f"{_AT}refuse", "Keep it out, with the reason."),
}
inbox = Lazy("inbox", COMMANDS, help="What correspondents sent: look, accept, refuse.", context_settings=SETTINGS)


@command("list", example="comity inbox list\ncomity inbox list --settled --json")
@click.option("--settled", is_flag=True, help="What was accepted, refused or taken at once, instead.")
def list_(session: Session, settled: bool) -> None:
    """List what correspondents of your office sent and nobody has settled yet, the oldest first."""
    found = session.ask(verbs.LIST, verbs.List(settled=settled, **session.who))
    rows = [
        (
            one.id,
            one.state,
            one.correspondent,
            one.channel,
            f"{one.objects} objects" if one.objects else f"{one.bytes} bytes, {one.form}",
            f"{one.others} name another creator" if one.others else "",
            session.time(one.at),
            one.name or one.reason,
        )
        for one in found.submissions
    ]
    session.put(found, columns(rows) or ["Nothing waits." if not settled else "Nothing was settled."])


@command("show", example="comity inbox show 0f3a9c2b7e518d64")
@click.argument("ident", metavar="ID")
def show(session: Session, ident: str) -> None:
    """Show a submission, and its bytes as they came while it waits: nothing of it is indexed yet."""
    found = session.ask(verbs.SHOW, verbs.Named(id=ident, **session.who))
    text = found.data.decode("utf-8", "backslashreplace").splitlines()
    session.put(found, [*_lines(session, found.submission), *text])


@command("accept", example="comity inbox accept 0f3a9c2b7e518d64 --reason 'seen by us, too'")
@click.argument("ident", metavar="ID")
@click.option("--reason", default="", help="Goes on record.")
def accept(session: Session, ident: str, reason: str) -> None:
    """Take a submission in, with the correspondent as its source and that source's default marking."""
    done = session.ask(verbs.ACCEPT, verbs.Settle(id=ident, reason=reason, **session.who))
    session.put(done, _lines(session, done))


@command("refuse", example="comity inbox refuse 0f3a9c2b7e518d64 --reason 'our own printer'")
@click.argument("ident", metavar="ID")
@click.option("--reason", required=True, help="Goes on record; the correspondent may ask.")
def refuse(session: Session, ident: str, reason: str) -> None:
    """Keep a submission out; its first bytes stay in quarantine as evidence."""
    done = session.ask(verbs.REFUSE, verbs.Settle(id=ident, reason=reason, **session.who))
    session.put(done, _lines(session, done))


def _lines(session: Session, one: verbs.SubmissionShown) -> Iterator[str]:
    yield f"{one.id} {one.state}: {one.form} from {one.correspondent} by {one.channel}, {session.time(one.at)}"
    if one.name:
        yield f"  called {one.name}"
    yield f"  {one.objects} objects, {one.refused} refused, {one.kept} new here; {one.bytes} bytes, sha256 {one.digest}"
    if one.others:
        yield f"  {one.others} name another creator: that is the correspondent's word, and proves nothing"
    if one.by:
        yield f"  {one.state} by {one.by}{f': {one.reason}' if one.reason else ''}"
