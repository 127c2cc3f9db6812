"""`comity source`: what is fetched on a schedule, from where, and how it does."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final

import click

from comity.errors import Misuse
from comity.surfaces.cli.markings import marking_options, said
from comity.surfaces.cli.session import Session
from comity.surfaces.cli.shape import SETTINGS, Lazy, command
from comity.surfaces.cli.verbs import Nothing
from comity.surfaces.cli.verbs import source as verbs

_AT: Final = "comity.surfaces.cli.commands.source:"
COMMANDS: Final = {
    "add": (f"{_AT}add", "Register a source, or change how it is fetched."),
    "list": (f"{_AT}list_", "Sources, when they last came, and what is wrong."),
    "poll": (f"{_AT}poll", "Poll a source now, or see what that would bring."),
    "pause": (f"{_AT}pause", "Let a source rest."),
    "resume": (f"{_AT}resume", "Poll a source again."),
    "remove": (f"{_AT}remove", "Forget a source; what came from it stays."),
}
source = Lazy("source", COMMANDS, help="Sources that are fetched on a schedule.", context_settings=SETTINGS)

KINDS: Final = ("taxii", "url", "misp-feed", "file")
UNITS: Final = {"m": 60, "h": 3_600, "d": 86_400}


@command(
    "add",
    example="comity source add isac --kind taxii --url https://taxii.isac.example/api1/ --collection indicators \\\n"
    "    --login isac --tlp AMBER --every 15m --reliability B\n"
    "comity source add blocklist --url https://lists.example/ips.txt --format text --tlp GREEN --licence CC0-1.0",
)
@click.argument("name", metavar="NAME")
@click.option("--url", "address", required=True, metavar="URL", help="Where it is; for a file, its path.")
@click.option("--kind", type=click.Choice(KINDS), default="url", show_default=True, help="How it is fetched.")
@click.option("--format", "form", default="", metavar="NAME", help="How it is read.  [default: by kind, or content]")
@click.option("--collection", default="", metavar="NAME", help="Of a TAXII server: id, alias or title.")
@click.option("--match", multiple=True, metavar="FIELD=VALUE", help="Of a TAXII server: type, id, version …")
@click.option("--login", default="", metavar="FILE", help="In the node's `keys`: how the server knows us.")
@click.option("--plain-http", "plain", is_flag=True, help="Fetch over plain http: anybody on the way can change it.")
@click.option("--every", default="1h", show_default=True, metavar="TIME", help="Between two polls: 15m, 1h, 1d.")
@marking_options
@click.option("--reliability", default="", metavar="A-F", help="How reliable it is, by the Admiralty code.")
@click.option("--licence", default="", metavar="NAME", help="Under what terms it may be used.")
@click.option("--note", default="", help="What else is to be known of it.")
def add(
    session: Session,
    name: str,
    address: str,
    kind: str,
    form: str,
    collection: str,
    match: tuple[str, ...],
    login: str,
    plain: bool,
    every: str,
    tlp: str,
    pap: str,
    to: tuple[str, ...],
    reliability: str,
    licence: str,
    note: str,
) -> None:
    """Register a source that the serving node polls by itself, or change how it is fetched.

    --tlp and what goes with it are the default marking of what comes without one. A login is a file that you write:
    `basic NAME:PASSWORD`, `bearer TOKEN`, `header X-API-Key: VALUE`, or a client certificate with its key.
    """
    if not tlp and (pap or to):
        raise Misuse("a default marking begins with --tlp")
    ask = verbs.Add(
        name=name,
        kind=kind,
        address=str(Path(address).absolute()) if kind == "file" else address,
        every=seconds(every),
        form=form,
        collection=collection,
        match=tuple(_pair(one) for one in match),
        login=login,
        plain=plain,
        marking=said(tlp, pap, to) if tlp else None,
        reliability=reliability,
        licence=licence,
        note=note,
        **session.who,
    )
    shown = session.ask(verbs.ADD, ask)
    session.put(shown, [*_lines(session, shown), "A serving node polls it by itself; `comity source poll` does now."])


def seconds(text: str) -> int:
    """Return a span of time such as 15m, 1h or 1d in seconds. Raises `Misuse`."""
    unit = UNITS.get(text[-1:])
    if unit is None or not (text[:-1].isascii() and text[:-1].isdigit()) or len(text) > 8:
        raise Misuse(f"{text!r} is not a span of time", hint="for example 15m, 1h or 1d")
    return int(text[:-1]) * unit


def _pair(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals or not name or not value:
        raise Misuse(f"{text!r} is no match", hint="for example --match type=indicator")
    return name, value


@command("list", example="comity source list\ncomity source list --json")
def list_(session: Session) -> None:
    """List your office's sources that are fetched: when each last came, what it brought, what is wrong with it."""
    found = session.ask(verbs.LIST, Nothing(**session.who))
    lines = [line for one in found.sources for line in _lines(session, one)]
    session.put(found, lines or ["No source is fetched; `comity source add` registers one."])


def _lines(session: Session, one: verbs.SourceShown) -> Iterator[str]:
    trust = f", reliability {one.reliability}" if one.reliability else ""
    licence = f", licence {one.licence}" if one.licence else ""
    marking = one.marking if one.marking != "unmarked" else "no default marking: it stays at home"
    form = one.form or "format by content"
    yield f"{one.name}: {one.kind}, {form}, every {_span(one.every)}; {marking}{trust}{licence}"
    yield f"  {one.address}" + (f" {one.collection}" if one.collection else "")
    state = f"next {session.time(one.due)}" if one.enabled else "paused"
    yield f"  last tried {session.time(one.attempt)}, last came {session.time(one.success)}; {state}"
    if one.attempt:
        yield f"  last poll: {_counted(one.last)}; in all: {_counted(one.total)}"
    if one.error:
        yield f"  FAILED {one.failures} times: {one.whose}: {one.error}"
    yield from (f"  note: {fault}" for fault in one.faults)


def _span(number: int) -> str:
    for unit, size in reversed(UNITS.items()):
        if number % size == 0:
            return f"{number // size}{unit}"
    return f"{number} s"


def _counted(counts: verbs.CountsShown) -> str:
    parts = [f"{counts.read} read", f"{counts.kept} kept", f"{counts.known} known", f"{counts.refused} refused"]
    return ", ".join(parts + ([f"{counts.lost} not whole"] if counts.lost else []))


@command("poll", example="comity source poll isac --dry-run\ncomity source poll isac")
@click.argument("name", metavar="NAME")
@click.option("--dry-run", "dry", is_flag=True, help="Say what would be kept, and keep nothing.")
def poll(session: Session, name: str, dry: bool) -> int:
    """Poll a source now, whether it is due or not. Leaves with the code of the error where the poll failed."""
    done = session.ask(verbs.POLL, verbs.Poll(name=name, dry=dry, **session.who))
    session.put(done, _poll_lines(done))
    return done.exit_code


def _poll_lines(done: verbs.PolledShown) -> Iterator[str]:
    yield f"{'Would be: ' if done.dry else ''}{_counted(done.counts)}."
    if done.unmarked:
        yield f"{done.unmarked} have no marking and stay at home: give the source a default with --tlp."
    yield from (f"  {one.where}: {one.rule}: {one.reason}" for one in done.refusals)
    yield from (f"  note: {fault}" for fault in done.faults)
    if done.error:
        yield f"FAILED: {done.whose}: {done.error}"


@command("pause", example="comity source pause isac")
@click.argument("name", metavar="NAME")
def pause(session: Session, name: str) -> None:
    """Let a source rest until it is resumed; where it stands is kept."""
    shown = session.ask(verbs.ENABLE, verbs.Enable(name=name, enabled=False, **session.who))
    session.put(shown, _lines(session, shown))


@command("resume", example="comity source resume isac")
@click.argument("name", metavar="NAME")
def resume(session: Session, name: str) -> None:
    """Poll a source again that was paused."""
    shown = session.ask(verbs.ENABLE, verbs.Enable(name=name, enabled=True, **session.who))
    session.put(shown, _lines(session, shown))


@command("remove", example="comity source remove isac")
@click.argument("name", metavar="NAME")
def remove(session: Session, name: str) -> None:
    """Forget a source: nothing more is fetched. What came from it stays, and still bears its name."""
    shown = session.ask(verbs.REMOVE, verbs.Named(name=name, **session.who))
    session.put(shown, [f"Forgot {shown.name}; {shown.total.kept} objects that came from it stay."])
