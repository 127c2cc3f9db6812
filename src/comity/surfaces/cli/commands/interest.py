"""`comity interest`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import click

from comity.surfaces.cli.commands.asking import WHYS, ahead
from comity.surfaces.cli.commands.release import decision_lines
from comity.surfaces.cli.markings import instant, marking_options, said
from comity.surfaces.cli.session import Session
from comity.surfaces.cli.shape import SETTINGS, Lazy, command
from comity.surfaces.cli.verbs import interest as verbs

NOTHING_FITS: Final = 1  # exit code: understood, and nothing fits
_AT: Final = "comity.surfaces.cli.commands.interest:"
COMMANDS: Final = {
    "voice": (f"{_AT}voice", "Say in an accord what your office asks for."),
    "list": (f"{_AT}list_", "What is asked for, by whom."),
    "match": (f"{_AT}match", "What your office has that fits, and what might go."),
    "arrived": (f"{_AT}arrived", "What came that fits your own interests."),
}
interest = Lazy(
    "interest", COMMANDS, help="What offices ask one another for, and what fits.", context_settings=SETTINGS
)


@command(
    "voice",
    example="comity interest voice 192.0.2.0/24 arcadia.example --accord three-shores --why hunt --tlp AMBER\n"
    "comity interest voice --name 'Poison Ivy' --technique T1566 --type indicator --accord three-shores --why triage "
    "--tlp GREEN --until 90d",
)
@click.argument("about", nargs=-1, metavar="[VALUE|NETWORK|DOMAIN…]")
@click.option("--accord", required=True, metavar="ACCORD", help="Whom to tell: its members.")
@marking_options
@click.option("--why", required=True, type=click.Choice(WHYS), help="What you want it for.")
@click.option("--type", "types", multiple=True, metavar="TYPE", help="Objects of this STIX type.")
@click.option("--kind", "kinds", multiple=True, metavar="KIND", help="Values of this kind, e.g. sha256.")
@click.option("--name", "names", multiple=True, help="Malware, a tool, a campaign or a group, by any of its names.")
@click.option("--technique", "techniques", multiple=True, metavar="ID", help="Of ATT&CK or DISARM, e.g. T1566.")
@click.option("--sector", "sectors", multiple=True, help="Objects about this sector.")
@click.option("--country", "countries", multiple=True, help="Objects about this country.")
@click.option("--confidence", type=click.IntRange(0, 100), default=0, help="At least.")
@click.option("--until", default="", metavar="TIME", help="Until when: 90d, or a time to come.")
@click.option("--text", default="", help="What else helps, in words.")
def voice(
    session: Session,
    about: tuple[str, ...],
    accord: str,
    tlp: str,
    pap: str,
    to: tuple[str, ...],
    why: str,
    types: tuple[str, ...],
    kinds: tuple[str, ...],
    names: tuple[str, ...],
    techniques: tuple[str, ...],
    sectors: tuple[str, ...],
    countries: tuple[str, ...],
    confidence: int,
    until: str,
    text: str,
) -> None:
    """Say what your office asks for: members see what of theirs fits, and may share it by hand or by a standing rule.

    A domain stands for every name under it, a network for every address in it. Of what is named one is enough; types
    and confidence have to fit besides. `comity retract INTEREST` withdraws it.
    """
    ask = verbs.Voice(
        accord=accord,
        why=why,
        about=about,
        types=types,
        kinds=kinds,
        names=names,
        techniques=techniques,
        sectors=sectors,
        countries=countries,
        confidence=confidence,
        until=ahead(session, until),
        text=text,
        marking=said(tlp, pap, to),
        **session.who,
    )
    done = session.ask(verbs.VOICE, ask)
    session.put(done, _lines(session, done))


@command("list", example="comity interest list\ncomity interest list --mine --ended")
@click.option("--mine", is_flag=True, help="Only your office's own.")
@click.option("--ended", is_flag=True, help="Also what was withdrawn or is past its end.")
def list_(session: Session, mine: bool, ended: bool) -> None:
    """List what the members of your accords ask for."""
    found = session.ask(verbs.LIST, verbs.List(mine=mine, ended=ended, **session.who))
    lines = [line for one in found.interests for line in _lines(session, one)]
    session.put(found, lines or ["Nobody asks for anything; `comity interest voice` does."])


def _lines(session: Session, one: verbs.InterestShown) -> Iterator[str]:
    state = "WITHDRAWN  " if one.withdrawn else ""
    until = f", until {session.time(one.until)}" if one.until else ""
    yield f"{state}{one.statement}"
    yield f"  {one.party}/{one.office} in {one.accord}, {session.time(one.at)}{until}: {one.marking}"
    values = tuple(f"{kind} {value}" for kind, value in one.values)
    for what, given in (
        ("types", one.types),
        ("kinds", one.kinds),
        ("networks", one.networks),
        ("domains", one.domains),
        ("values", values),
        ("names", one.names),
        ("techniques", one.techniques),
        ("sectors", one.sectors),
        ("countries", one.countries),
    ):
        if given:
            yield f"  {what}: {', '.join(given)}"
    least = f"; confidence {one.confidence} at least" if one.confidence else ""
    yield f"  why: {one.why}{least}"
    if one.text:
        yield f"  {one.text}"


@command("match", example="comity interest match cert.borealia.example/accord/three-shores/1#12")
@click.argument("name", metavar="INTEREST")
@click.option("--limit", type=click.IntRange(1, 10_000), default=1_000, show_default=True, help="Objects at most.")
@click.option("--before", type=int, default=0, metavar="PLACE", help="Go on where the last answer stopped.")
def match(session: Session, name: str, limit: int, before: int) -> int:
    """Show what your office has that fits an interest, the newest first, and what sharing it would decide for whom.

    Nothing is shared: `comity share --interest` does that, and `comity rule create --interest` does it as objects
    come. Leaves with 1 if nothing fits.
    """
    found = session.ask(verbs.MATCH, verbs.Match(name=name, limit=limit, before=before, **session.who))
    session.put(found, _matched(session, found))
    return 0 if found.found else NOTHING_FITS


@command("arrived", example="comity interest arrived --since 7d")
@click.option("--since", default="", metavar="TIME", help="Stated since: 2026-11-24, or 36h for ago.")
@click.option("--limit", type=click.IntRange(1, 10_000), default=1_000, show_default=True, help="Objects at most.")
@click.option("--before", type=int, default=0, metavar="PLACE", help="Go on where the last answer stopped.")
def arrived(session: Session, since: str, limit: int, before: int) -> int:
    """Show what came from other parties that fits your office's interests, the newest first."""
    ask = verbs.Arrived(since=instant(session, since), limit=limit, before=before, **session.who)
    found = session.ask(verbs.ARRIVED, ask)
    session.put(found, _matched(session, found))
    return 0 if found.found else NOTHING_FITS


def _matched(session: Session, found: verbs.Matched) -> Iterator[str]:
    yield f"{len(found.found)} objects fit, of {found.looked} entries looked at."
    for one in found.found:
        name = f" {one.name!r}" if one.name else ""
        source = f", from {one.source!r}" if one.source else ""
        known = "  (there already)" if one.known else ""
        yield f"  {one.type}{name}: {one.marking}, {one.party}{source}, {session.time(one.at)}{known}"
        yield f"    {one.id}"
    for planned in found.planned:
        yield f"{planned.objects} of them, {planned.marking}:"
        for decision in planned.decisions:
            yield from decision_lines(session, decision, "  ", brief=True)
    if found.withheld:
        yield f"{found.withheld} could go to nobody."
    if found.before:
        yield f"More may fit: --before {found.before}"
