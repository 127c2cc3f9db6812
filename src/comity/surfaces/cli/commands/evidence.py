"""`comity evidence`."""

from __future__ import annotations

from typing import Final

import click

from comity.surfaces.cli.session import Session, columns
from comity.surfaces.cli.shape import SETTINGS, Lazy, command
from comity.surfaces.cli.verbs import Nothing
from comity.surfaces.cli.verbs import evidence as verbs

_AT: Final = "comity.surfaces.cli.commands.evidence:"
COMMANDS: Final = {
    "list": (f"{_AT}list_", "What is sealed, without its content."),
    "read": (f"{_AT}read", "Read one piece: with a reason, on record."),
    "erase": (f"{_AT}erase", "Erase one piece, on a legal basis."),
}
evidence = Lazy(
    "evidence", COMMANDS, help="Personal accounts that came with intelligence: sealed.", context_settings=SETTINGS
)


@command("list", example="comity evidence list")
def list_(session: Session) -> None:
    """List the personal accounts that came with what your office took in: when and from where, not what they say.

    They are in no look-up, search, graph, export or list, and no accord gets them.
    """
    found = session.ask(verbs.LIST, Nothing(**session.who))
    rows = [(one.statement, session.time(one.at), one.source, one.digest[:16]) for one in found.evidence]
    session.put(found, columns(rows) or ["Nothing is sealed."])


@command("read", example="comity evidence read cert.arcadia.example/home/1#12 --reason 'request 2026-17'")
@click.argument("name", metavar="STATEMENT")
@click.option("--reason", required=True, help="Why; goes on record with your name before you see it.")
def read(session: Session, name: str, reason: str) -> None:
    """Read a sealed account. That you did, when and why is put on the home log first."""
    found = session.ask(verbs.READ, verbs.Read(name=name, reason=reason, **session.who))
    session.put(found, [*found.text.splitlines(), f"Read on record: {found.by}."])


@command("erase", example="comity evidence erase cert.arcadia.example/home/1#12 --basis 'GDPR art. 17'")
@click.argument("name", metavar="STATEMENT")
@click.option("--basis", required=True, help="The legal basis; goes on record.")
def erase(session: Session, name: str, basis: str) -> None:
    """Erase a sealed account here. The original of an import that held it is erased by `comity imports`."""
    done = session.ask(verbs.ERASE, verbs.Erase(name=name, basis=basis, **session.who))
    session.put(done, [done.what])
