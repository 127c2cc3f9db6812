"""`comity token`: how this party's own programs come to the node's API."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import click

from comity.surfaces.cli.session import Session
from comity.surfaces.cli.shape import SETTINGS, Lazy, command
from comity.surfaces.cli.verbs import Nothing
from comity.surfaces.cli.verbs import token as verbs

_AT: Final = "comity.surfaces.cli.commands.token:"
COMMANDS: Final = {
    "create": (f"{_AT}create", "Make a token; it is shown this once."),
    "list": (f"{_AT}list_", "Tokens, what they may, and when they were last used."),
    "revoke": (f"{_AT}revoke", "End a token from now on."),
}
token = Lazy("token", COMMANDS, help="Tokens of this party's own programs.", context_settings=SETTINGS)


def _who(session: Session, office: str) -> dict[str, str]:
    return session.who | ({"office": office} if office else {})


_office = click.option("--office", default="", metavar="OFFICE", help="Whose token it is; the same as --as.")


@command(
    "create",
    example="comity token create triage --office csirt --may write --days 30\n"
    "comity token create suricata --office csirt --purpose sensor",
)
@click.argument("name", metavar="NAME")
@_office
@click.option(
    "--purpose",
    type=click.Choice(["read", "sensor", "lookup"]),
    default="read",
    show_default=True,
    help="What the program is for: people's reading, a sensor, look-ups at outside services.",
)
@click.option("--may", type=click.Choice(["read", "write"]), default="read", show_default=True, help="What it may.")
@click.option("--days", default=90, show_default=True, help="How long it holds.")
def create(session: Session, name: str, office: str, purpose: str, may: str, days: int) -> None:
    """Make a token with which a program of yours asks this node's API.

    It acts for one office and is shown this once: the node keeps only its SHA-256. A token for a sensor or for outside
    look-ups is given only what its PAP allows there, and never writes.
    """
    ask = verbs.Create(name=name, purpose=purpose, may=may, days=days, **_who(session, office))
    made = session.ask(verbs.CREATE, ask)
    session.put(made, [made.token, "Keep it where only the program can read it: nobody can show it again."])


@command("list", example="comity token list\ncomity token list --json")
@_office
def list_(session: Session, office: str) -> None:
    """List your office's tokens: what each may, until when it holds, and when it was last used (to the hour)."""
    found = session.ask(verbs.LIST, Nothing(**_who(session, office)))
    session.put(found, [line for one in found.tokens for line in _lines(session, one)] or ["There is no token."])


def _lines(session: Session, one: verbs.TokenShown) -> Iterator[str]:
    state = "" if one.holds else (f" REVOKED {session.time(one.revoked)}" if one.revoked else " EXPIRED")
    yield f"{one.name} ({one.id}): {one.office}, for {one.purpose}, may {one.may}{state}"
    yield f"  made {session.time(one.created)} by {one.by}; until {session.time(one.expires)}"
    yield f"  last used {session.time(one.used)}"


@command("revoke", example="comity token revoke triage")
@click.argument("name", metavar="NAME")
@_office
def revoke(session: Session, name: str, office: str) -> None:
    """End a token, by name or id: from the next request on it does not hold."""
    ended = session.ask(verbs.REVOKE, verbs.Revoke(name=name, **_who(session, office)))
    session.put(ended, [f"Revoked {ended.name} ({ended.id})."])
