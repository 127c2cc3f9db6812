"""`comity party`: cards, the twelve words, keys, correspondents."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from typing import Final

import click

from comity.surfaces.cli.files import read_text, write_text
from comity.surfaces.cli.session import Session, columns
from comity.surfaces.cli.shape import SETTINGS, Lazy, command
from comity.surfaces.cli.verbs import Done, Nothing
from comity.surfaces.cli.verbs import party as verbs

_AT: Final = "comity.surfaces.cli.commands.party:"
COMMANDS: Final = {
    "card": (f"{_AT}card", "Write this party's signed card, to give to partners."),
    "import": (f"{_AT}import_", "Take a card somebody sent."),
    "confirm": (f"{_AT}confirm", "Accept a card after comparing its words by voice."),
    "refuse": (f"{_AT}refuse", "Drop a card whose words did not match."),
    "list": (f"{_AT}list_", "Parties known here, and cards that wait."),
    "show": (f"{_AT}show", "One party's card."),
    "rotate": (f"{_AT}rotate", "Replace a key of this party."),
    "correspondent": (
        "comity.surfaces.cli.commands.correspondent:correspondent",
        "Organisations and persons without a node.",
    ),
}
party = Lazy("party", COMMANDS, help="Cards, the twelve words, keys, correspondents.", context_settings=SETTINGS)


@command("card", example="comity party card --out arcadia-card.json")
@click.option("--out", metavar="FILE", default="-", help="Where to write it.  [default: standard output]")
def card(session: Session, out: str) -> None:
    """Write this party's signed card, to give to partners in any way.

    It holds no secret. What makes it yours are the twelve words, which partners hear from you by voice.
    """
    made = session.ask(verbs.CARD, Nothing(**session.who))
    if session.as_json:
        session.put(made, ())
        return
    write_text(out, made.text)
    session.note(f"The words of {made.party}, to be read out: {made.words}")


@command("import", example="comity party import borealia-card.json")
@click.argument("file", metavar="FILE")
def import_(session: Session, file: str) -> None:
    """Take a card somebody sent (- reads standard input).

    A stranger's card waits until you have compared its twelve words by voice. A new card of a party you know is
    taken if the keys you know vouch for it, and refused otherwise.
    """
    shown = session.ask(verbs.IMPORT, verbs.Import(text=read_text(file), **session.who))
    lines = {
        "waiting": [
            f"A card of {shown.party} waits. Call them on a number you already have, and compare these words:",
            "",
            f"  {shown.words}",
            "",
            f"Then: `comity party confirm {shown.party}`, or `comity party refuse {shown.party}` if they differ.",
        ],
        "known": [f"This card of {shown.party} is known already."],
        "succeeded": [f"Card {shown.serial} of {shown.party} is in force now: the keys known before vouch for it."],
    }
    session.put(shown, lines.get(shown.state, [shown.state]))


@command("confirm", example='comity party confirm cert.borealia.example --words "pelican orbit …"')
@click.argument("name", metavar="PARTY")
@click.option("--words", default="", help="The twelve words as heard; they are compared for you.")
def confirm(session: Session, name: str, words: str) -> None:
    """Accept a waiting card: you have compared its twelve words with the party by voice."""
    if not words and sys.stdin.isatty() and not session.as_json:
        waiting = session.ask(verbs.SHOW, verbs.Named(party=name, **session.who))
        session.note(f"  {waiting.words}")
        if not click.confirm(f"Did {name} read these very words to you?", err=True):
            raise click.Abort
    done = session.ask(verbs.CONFIRM, verbs.Confirm(party=name, words=words, **session.who))
    session.put(done, done_lines(done))


@command("refuse", example="comity party refuse cert.borealia.example")
@click.argument("name", metavar="PARTY")
def refuse(session: Session, name: str) -> None:
    """Drop a waiting card whose words did not match; it is kept as evidence."""
    done = session.ask(verbs.REFUSE, verbs.Named(party=name, **session.who))
    session.put(done, done_lines(done))


@command("list", example="comity party list")
def list_(session: Session) -> None:
    """List the parties known here, and the cards that wait for their words."""
    found = session.ask(verbs.LIST, Nothing(**session.who))
    rows = [(p.party, p.state, p.jurisdiction, p.address or "only pulls", p.name) for p in found.parties]
    session.put(found, columns(rows))


@command("show", example="comity party show cert.borealia.example")
@click.argument("name", metavar="PARTY")
def show(session: Session, name: str) -> None:
    """Show one party's card."""
    shown = session.ask(verbs.SHOW, verbs.Named(party=name, **session.who))
    session.put(shown, card_lines(session, shown))


@command("rotate", example="comity party rotate --key log --stolen")
@click.option(
    "--key", required=True, type=click.Choice(["log", "witness", "request", "root"]), help="The key to replace."
)
@click.option("--stolen", is_flag=True, help="The old key is in other hands: do not use it once more.")
def rotate(session: Session, key: str, stolen: bool) -> None:
    """Replace a key: a new card names the new one, and every accord is told.

    With --stolen, a log key's logs are followed by new generations too; a root key's successor vouches alone.
    Give partners the new card if they cannot pull it.
    """
    done = session.ask(verbs.ROTATE, verbs.Rotate(key=key, stolen=stolen, **session.who))
    lines = [f"Card {done.serial} is in force: a new {done.key} key. Put on record by {done.by}."]
    session.put(done, [*lines, *(f"begun: {origin}" for origin in done.renewed)])


# -- correspondents ------------------------------------------------------------------

# -- lines ---------------------------------------------------------------------------


def card_lines(session: Session, shown: verbs.PartyShown) -> list[str]:
    """Return a card as people read it."""
    rows = [
        ("party", shown.party + ("" if shown.state in {"known", "own"} else f"  ({shown.state})")),
        ("name", shown.name),
        ("jurisdiction", shown.jurisdiction),
        ("card", f"number {shown.serial}, issued {session.time(shown.issued)}"),
        ("address", f"{shown.address or 'none: it only pulls'}{f', known by {shown.tls}' if shown.tls else ''}"),
        ("languages", ", ".join(shown.languages)),
        *(("office", f"{o.id}: {o.name} ({o.kind}){f', {o.contact}' if o.contact else ''}") for o in shown.offices),
        ("words", shown.words),
    ]
    return columns(rows)


def done_lines(done: Done) -> Iterable[str]:
    """Return what was put on record, and by whom."""
    yield f"{done.what}."
    if done.by:
        yield f"On record: {done.by}."
