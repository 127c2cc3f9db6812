"""`comity sidecar`: your own MISP beside this node."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

import click

from comity.errors import Fault, Misuse
from comity.surfaces.cli.commands.source import seconds
from comity.surfaces.cli.markings import marking_options, said
from comity.surfaces.cli.session import Session
from comity.surfaces.cli.shape import SETTINGS, Lazy, command
from comity.surfaces.cli.verbs import Nothing
from comity.surfaces.cli.verbs import sidecar as verbs

_AT: Final = "comity.surfaces.cli.commands.sidecar:"
COMMANDS: Final = {
    "add": (f"{_AT}add", "Register your MISP, or change what it asks and gets."),
    "list": (f"{_AT}list_", "Side-cars, when they last ran, and what is wrong."),
    "show": (f"{_AT}show", "One of them: what asked, what went, what was written."),
    "run": (f"{_AT}run", "Make a round now."),
    "waiting": (f"{_AT}waiting", "What waits for you, and what would become of it."),
    "release": (f"{_AT}release", "Let an event that waits go, as far as it may."),
    "refuse": (f"{_AT}refuse", "Keep an event back, with the reason."),
    "pause": (f"{_AT}pause", "Let a side-car rest."),
    "resume": (f"{_AT}resume", "Let it go on."),
    "remove": (f"{_AT}remove", "Forget it; what it shared and wrote stays."),
}
HELP: Final = """Your own MISP beside this node.

A tag or a sharing group in MISP asks for a release here; what partners state is written into MISP as theirs.
"""
sidecar = Lazy("sidecar", COMMANDS, help=HELP, context_settings=SETTINGS)

SHORT: Final = 12  # characters of a digest that people read
CERTIFICATE_BYTES_MAX: Final = 65_536


@command(
    "add",
    example="comity sidecar add misp --url https://misp.arcadia.example --key-file misp \\\n"
    "    --tag 'comity:share=\"energy\"=energy' --write energy --tlp GREEN --pap GREEN --every 5m",
)
@click.argument("name", metavar="NAME")
@click.option("--url", "address", required=True, metavar="URL", help="Where the MISP is.")
@click.option("--key-file", "login", required=True, metavar="FILE", help="In the node's `keys`: its API key for us.")
@click.option("--tag", "tags", multiple=True, metavar="TAG=ACCORD", help="Events with this tag ask for this accord.")
@click.option("--group", "groups", multiple=True, metavar="UUID=ACCORD", help="So do events of this sharing group.")
@click.option("--standing", is_flag=True, help="What asks and may go goes at once; else it waits for you.")
@click.option("--unpublished", is_flag=True, help="Also events that are not published in MISP.")
@click.option("--write", "writes", multiple=True, metavar="ACCORD", help="Write what partners state here into MISP.")
@click.option("--distribution", type=click.IntRange(0, 3), default=0, show_default=True, help="Of that, at most.")
@click.option(
    "--retracted",
    type=click.Choice(("delete", "mark")),
    default="delete",
    show_default=True,
    help="What becomes in MISP of what a partner took back.",
)
@click.option("--every", default="5m", show_default=True, metavar="TIME", help="Between two rounds: 1m, 5m, 1h.")
@click.option("--certificate", default="", metavar="FILE", help="PEM: the MISP's own, if no public authority knows it.")
@click.option("--plain-http", "plain", is_flag=True, help="Ask over plain http: anybody on the way sees the key.")
@marking_options
def add(
    session: Session,
    name: str,
    address: str,
    login: str,
    tags: tuple[str, ...],
    groups: tuple[str, ...],
    standing: bool,
    unpublished: bool,
    writes: tuple[str, ...],
    distribution: int,
    retracted: str,
    every: str,
    certificate: str,
    plain: bool,
    tlp: str,
    pap: str,
    to: tuple[str, ...],
) -> None:
    """Register your own MISP, or change what it asks for and what is written into it.

    The serving node makes a round every so often. A MISP inside your own network needs its network in the setting
    `allow_networks`. --tlp and --pap are for events that MISP gives to all communities and that bear no `tlp:` tag;
    what MISP keeps to your organisation never leaves it. The key file holds the API key of a MISP user of its own.
    """
    if not tlp and (pap or to):
        raise Misuse("a default marking begins with --tlp")
    ask = verbs.Add(
        name=name,
        address=address,
        login=login,
        every=seconds(every),
        tags=tuple(_pair(one, "--tag 'comity:share=\"energy\"=energy'") for one in tags),
        groups=tuple(_pair(one, "--group UUID=energy") for one in groups),
        standing=standing,
        unpublished=unpublished,
        writes=writes,
        distribution=distribution,
        retracted=retracted,
        certificate=_pem(certificate),
        plain=plain,
        marking=said(tlp, pap, to) if tlp else None,
        **session.who,
    )
    shown = session.ask(verbs.ADD, ask)
    session.put(shown, [*_lines(session, shown), "A serving node runs it by itself; `comity sidecar run` does now."])


def _pair(text: str, example: str) -> tuple[str, str]:
    """Return what stands before and behind the last `=`: a tag may hold others."""
    what, equals, accord = text.rpartition("=")
    if not equals or not what or not accord:
        raise Misuse(f"{text!r} does not say for which accord", hint=example)
    return what, accord


def _pem(path: str) -> str:
    if not path:
        return ""
    try:
        with Path(path).open("rb") as file:
            data = file.read(CERTIFICATE_BYTES_MAX + 1)
    except OSError as error:
        raise Fault(f"{path} cannot be read: {error.strerror}") from error
    if len(data) > CERTIFICATE_BYTES_MAX or b"-----BEGIN CERTIFICATE-----" not in data:
        raise Misuse(f"{path} is no certificate in PEM")
    return data.decode("ascii", "replace")


@command("list", example="comity sidecar list\ncomity sidecar list --json")
def list_(session: Session) -> None:
    """List your office's side-cars: when each last ran, what it did, what is wrong with it."""
    found = session.ask(verbs.LIST, Nothing(**session.who))
    lines = [line for one in found.sidecars for line in _lines(session, one)]
    session.put(found, lines or ["No MISP stands beside this node; `comity sidecar add` registers one."])


def _lines(session: Session, one: verbs.SidecarShown) -> Iterator[str]:
    how = "goes at once as far as it may" if one.standing else "waits for a person"
    state = f"next round {session.time(one.due)}" if one.enabled else "paused"
    yield f"{one.name}: {one.address}, every {one.every} s; {state}"
    for what, accord in one.tags:
        yield f"  tag {what} asks for {accord}"
    for what, accord in one.groups:
        yield f"  sharing group {what} asks for {accord}"
    if one.tags or one.groups:
        drafts = ", unpublished events too" if one.unpublished else ""
        yield f"  what asks {how}{drafts}; by default {one.marking}"
    if one.writes:
        gone = "deleted" if one.retracted == "delete" else "marked"
        yield f"  writes {', '.join(one.writes)} with distribution {one.distribution}; what is taken back is {gone}"
    yield f"  last tried {session.time(one.attempt)}, last went well {session.time(one.success)}"
    if one.attempt:
        yield f"  last round: {_counted(one.last)}; in all: {_counted(one.total)}"
    if one.error:
        yield f"  FAILED {one.failures} times: {one.whose}: {one.error}"
    yield from (f"  note: {fault}" for fault in one.faults)


def _counted(done: verbs.TallyShown) -> str:
    parts = (
        (done.events, "events brought in"),
        (done.shared, "objects shared"),
        (done.withheld, "withheld"),
        (done.withdrawn, "withdrawn"),
        (done.written, "events written"),
        (done.removed, "taken out"),
        (done.lost, "not whole"),
    )
    return ", ".join(f"{count} {what}" for count, what in parts if count) or "nothing to do"


@command("show", example="comity sidecar show misp\ncomity sidecar show misp --json")
@click.argument("name", metavar="NAME")
def show(session: Session, name: str) -> None:
    """Show a side-car: how it does, which events asked and what became of each, what was written into MISP."""
    found = session.ask(verbs.SHOW, verbs.Named(name=name, **session.who))
    session.put(found, [*_lines(session, found.sidecar), *_books(session, found)])


def _books(session: Session, found: verbs.Whole) -> Iterator[str]:
    if found.asks:
        yield f"Asked: {_states(found.asks)}"
    for one in found.events:
        yield from _event_lines(session, one)
    if found.stands:
        yield f"Written: {_states(found.stands)}"
    for event in found.written:
        yield f"  {event.event} {event.state}: {event.title} ({event.objects} objects under {event.accord})"
        if event.fault:
            yield f"    note: {event.fault}"


def _states(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{count} {state}" for state, count in sorted(counts.items()))


def _event_lines(session: Session, one: verbs.EventShown) -> Iterator[str]:
    yield f"  {one.event} {one.state} for {one.accord}, {session.time(one.at)}: {one.title}"
    yield f"    by {one.by or 'nothing any more'}; {one.stated} objects stand there, {one.withheld} withheld"
    yield from (f"    {ground}: {count}" for ground, count in sorted(one.grounds.items()))
    if one.stays:
        yield f"    nothing of it leaves: {one.stays}"
    elif one.kept:
        yield f"    {one.kept} parts stay in MISP: your organisation only, or a sharing group without an accord"
    if one.decided:
        yield f"    {one.state} by {one.decided}{f': {one.reason}' if one.reason else ''}"


@command("run", example="comity sidecar run misp\ncomity sidecar run misp --withdraw")
@click.argument("name", metavar="NAME")
@click.option("--withdraw", is_flag=True, help="Take back what is gone from MISP, however much that is.")
def run(session: Session, name: str, withdraw: bool) -> int:
    """Make a round now, whether it is due or not. Leaves with the code of the error where it failed."""
    done = session.ask(verbs.RUN, verbs.Run(name=name, withdraw=withdraw, **session.who))
    session.put(done, _ran(done))
    return done.exit_code


def _ran(done: verbs.RanShown) -> Iterator[str]:
    one = done.sidecar
    yield f"{_counted(one.last).capitalize()}."
    yield from (f"  note: {fault}" for fault in one.faults)
    if one.error:
        yield f"FAILED: {one.whose}: {one.error}"


@command("waiting", example="comity sidecar waiting\ncomity sidecar waiting misp --json")
@click.argument("name", metavar="NAME", default="")
def waiting(session: Session, name: str) -> None:
    """List the events that ask in MISP and wait for you, each with what would become of it if you let it go."""
    found = session.ask(verbs.WAITING, verbs.Waiting(name=name, **session.who))
    lines = [line for one in found.waiting for line in _outlook(session, one)]
    session.put(found, lines or ["Nothing waits."])


def _outlook(session: Session, one: verbs.OutlookShown) -> Iterator[str]:
    event = one.event
    yield f"{one.sidecar} {event.event}: {event.title}"
    yield f"  {event.by} asks for {event.accord}, since {session.time(event.at)}; state {event.digest[:SHORT]}"
    yield f"  {one.objects - one.withheld} of {one.objects} objects would go; {event.stated} stand there already"
    yield from (f"  withheld: {ground}: {count}" for ground, count in sorted(one.grounds.items()))
    if event.kept:
        yield f"  {event.kept} parts stay in MISP: your organisation only, or a sharing group without an accord"


@command("release", example="comity sidecar release misp 6ea1a6a4-5f4f-4c0e-9a4e-1f2c6b6f0a11 --accord energy")
@click.argument("name", metavar="NAME")
@click.argument("event", metavar="EVENT")
@click.option("--accord", default="", metavar="ACCORD", help="Where it asks for several.")
@click.option("--state", default="", metavar="DIGEST", help="Only in this state, as `--json` shows it.")
def release(session: Session, name: str, event: str, accord: str, state: str) -> None:
    """Let an event go that asks in MISP and waits: what may go is stated in the accord, on record with your name."""
    ask = verbs.Settle(name=name, event=event, accord=accord, state=state, **session.who)
    done = session.ask(verbs.RELEASE, ask)
    session.put(done, _event_lines(session, done))


@command("refuse", example="comity sidecar refuse misp 6ea1a6a4-5f4f-4c0e-9a4e-1f2c6b6f0a11 --reason 'not ours'")
@click.argument("name", metavar="NAME")
@click.argument("event", metavar="EVENT")
@click.option("--accord", default="", metavar="ACCORD", help="Where it asks for several.")
@click.option("--reason", required=True, help="Goes on record.")
def refuse(session: Session, name: str, event: str, accord: str, reason: str) -> None:
    """Keep an event back in its present state. It waits again when it changes in MISP."""
    ask = verbs.Settle(name=name, event=event, accord=accord, reason=reason, **session.who)
    done = session.ask(verbs.REFUSE, ask)
    session.put(done, _event_lines(session, done))


@command("pause", example="comity sidecar pause misp")
@click.argument("name", metavar="NAME")
def pause(session: Session, name: str) -> None:
    """Let a side-car rest until it is resumed: nothing is brought in, taken back or written."""
    shown = session.ask(verbs.ENABLE, verbs.Enable(name=name, enabled=False, **session.who))
    session.put(shown, _lines(session, shown))


@command("resume", example="comity sidecar resume misp")
@click.argument("name", metavar="NAME")
def resume(session: Session, name: str) -> None:
    """Let a side-car go on that was paused."""
    shown = session.ask(verbs.ENABLE, verbs.Enable(name=name, enabled=True, **session.who))
    session.put(shown, _lines(session, shown))


@command("remove", example="comity sidecar remove misp")
@click.argument("name", metavar="NAME")
def remove(session: Session, name: str) -> None:
    """Forget a side-car and its books. What it shared stays shared, and nothing tells MISP's deletions any more."""
    done = session.ask(verbs.REMOVE, verbs.Named(name=name, **session.who))
    session.put(done, [f"{done.what}. What it shared stays shared; what it wrote into MISP stays there."])
