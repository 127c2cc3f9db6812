"""`comity collection`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import click

from comity.surfaces.cli.markings import instant
from comity.surfaces.cli.session import Session
from comity.surfaces.cli.shape import SETTINGS, Lazy, command
from comity.surfaces.cli.verbs import Nothing
from comity.surfaces.cli.verbs import collection as verbs

NOTHING_IN: Final = 1  # exit code: understood, and the collection means nothing now
AGO: Final = {"m": 60, "h": 3_600, "d": 86_400}  # seconds of a unit
_AT: Final = "comity.surfaces.cli.commands.collection:"
COMMANDS: Final = {
    "create": (f"{_AT}create", "Name a set of objects: by hand, by saved search, or both."),
    "list": (f"{_AT}list_", "Your office's collections."),
    "show": (f"{_AT}show", "What a collection means now."),
    "add": (f"{_AT}add", "Put objects into a collection."),
    "remove": (f"{_AT}remove", "Take objects out of a collection."),
    "delete": (f"{_AT}delete", "Forget a collection; its objects stay."),
}
collection = Lazy(
    "collection", COMMANDS, help="Named sets of objects, by hand or by saved search.", context_settings=SETTINGS
)


@command(
    "create",
    example="comity collection create tax-office-wave report--81cac9d1-a0a5-4b3a-8d05-1f2c0c3e8a4f\n"
    'comity collection create week --source "ESET public" --type indicator --since 7d --tlp GREEN\n'
    'comity collection create lures --words "phish* tax"',
)
@click.argument("name", metavar="NAME")
@click.argument("objects", nargs=-1, metavar="[OBJECT…]")
@click.option("--source", default="", metavar="NAME", help="Objects from this source.")
@click.option("--type", "kind", default="", metavar="TYPE", help="Objects of this STIX type, e.g. indicator.")
@click.option("--since", default="", metavar="TIME", help="Since 2026-11-24; 7d means the last 7 days, whenever asked.")
@click.option("--value", "values", multiple=True, help="Objects about this value.")
@click.option("--words", default="", metavar="WORDS", help="Objects that have all of these words.")
@click.option("--tlp", default="", metavar="TLP", help="Objects of at most this TLP level.")
def create(
    session: Session,
    name: str,
    objects: tuple[str, ...],
    source: str,
    kind: str,
    since: str,
    values: tuple[str, ...],
    words: str,
    tlp: str,
) -> None:
    """Name a set of objects: those whose ids are given, and those that a saved search finds whenever it is asked.

    Everything a search asks for has to fit. `--collection NAME` of `comity share`, `export` and `correlate` means it.
    """
    ago = AGO.get(since[-1:])
    within = ago * int(since[:-1]) if ago and since[:-1].isdecimal() and len(since) < 10 else 0
    ask = verbs.Create(
        name=name,
        objects=objects,
        source=source,
        type=kind,
        since=0 if within else instant(session, since),
        within=within,
        values=values,
        words=words,
        tlp=tlp,
        **session.who,
    )
    made = session.ask(verbs.CREATE, ask)
    session.put(made, _lines(session, made))


@command("list", example="comity collection list\ncomity collection list --json")
def list_(session: Session) -> None:
    """List your office's collections."""
    found = session.ask(verbs.LIST, Nothing(**session.who))
    lines = [line for one in found.collections for line in _lines(session, one)]
    session.put(found, lines or ["There is no collection."])


@command("show", example="comity collection show week\ncomity collection show week --limit 1000 --json")
@click.argument("name", metavar="NAME")
@click.option("--limit", default=100, show_default=True, help="How many objects are named.")
def show(session: Session, name: str, limit: int) -> int:
    """Say what a collection means now. Leaves with 1 if that is nothing."""
    found = session.ask(verbs.SHOW, verbs.Show(name=name, limit=limit, **session.who))
    session.put(found, _evaluated(session, found))
    return 0 if found.entries else NOTHING_IN


@command("add", example="comity collection add tax-office-wave malware--81cac9d1-a0a5-4b3a-8d05-1f2c0c3e8a4f")
@click.argument("name", metavar="NAME")
@click.argument("objects", nargs=-1, required=True, metavar="OBJECT…")
def add(session: Session, name: str, objects: tuple[str, ...]) -> None:
    """Put objects into a collection, by their ids."""
    made = session.ask(verbs.ADD, verbs.Change(name=name, objects=objects, **session.who))
    session.put(made, _lines(session, made))


@command("remove", example="comity collection remove tax-office-wave malware--81cac9d1-a0a5-4b3a-8d05-1f2c0c3e8a4f")
@click.argument("name", metavar="NAME")
@click.argument("objects", nargs=-1, required=True, metavar="OBJECT…")
def remove(session: Session, name: str, objects: tuple[str, ...]) -> None:
    """Take objects out of a collection that were put in by hand."""
    made = session.ask(verbs.REMOVE, verbs.Change(name=name, objects=objects, **session.who))
    session.put(made, _lines(session, made))


@command("delete", example="comity collection delete tax-office-wave")
@click.argument("name", metavar="NAME")
def delete(session: Session, name: str) -> None:
    """Forget a collection. Its objects stay, and so does what was shared of them."""
    gone = session.ask(verbs.DELETE, verbs.Named(name=name, **session.who))
    session.put(gone, [f"Forgot {gone.name}. Its objects stay."])


def _lines(session: Session, one: verbs.CollectionShown) -> Iterator[str]:
    yield f"{one.name} ({one.office}), made {session.time(one.at)} by {one.by}: {len(one.objects)} objects by hand"
    if one.search:
        yield f"  search: {', '.join(_search(session, one))}"


def _search(session: Session, one: verbs.CollectionShown) -> Iterator[str]:
    if one.source:
        yield f"from {one.source!r}"
    if one.type:
        yield one.type
    if one.since:
        yield f"since {session.time(one.since)}"
    if one.within:
        yield f"of the last {one.within} s"
    if one.values:
        yield f"about {' or '.join(one.values)}"
    if one.words:
        yield f"with the words {one.words!r}"
    if one.tlp:
        yield f"at most {one.tlp}"


def _evaluated(session: Session, found: verbs.Evaluated) -> Iterator[str]:
    yield from _lines(session, found.collection)
    yield f"Means {found.entries} entries now."
    for one in found.members:
        retracted = "RETRACTED  " if one.retracted else ""
        name = f" {one.name!r}" if one.name else ""
        source = f", from {one.source!r}" if one.source else ""
        yield f"{retracted}{one.type}{name}"
        yield f"  {one.id}"
        yield f"  says {one.party}/{one.office}{source}: {one.marking}, {session.time(one.at)}"
    if len(found.members) < found.entries:
        yield f"… {found.entries - len(found.members)} more: --limit"
    yield from (f"Not held, or not for your office: {ident}" for ident in found.missing)
