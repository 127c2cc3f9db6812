"""`comity ingest`, `lookup`, `show`, `sighting`, `sources`."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Final

import click

from comity.errors import Malformed, Misuse
from comity.surfaces.cli.files import input_paths, output_path, read_text
from comity.surfaces.cli.markings import instant, marking_options, said
from comity.surfaces.cli.session import Session, columns
from comity.surfaces.cli.shape import command
from comity.surfaces.cli.verbs import MarkingSaid, Nothing
from comity.surfaces.cli.verbs import intel as verbs

NOT_FOUND: Final = 1  # exit code: the question was understood, and nothing is known
LOOKUP_BATCH: Final = 10_000  # values asked in one call


# -- ingest ----------------------------------------------------------------------


@command(
    "ingest",
    example='comity ingest reports/ --source "ESET public" --tlp CLEAR --pap CLEAR\n'
    "curl -s https://feed.example/bundle.json | comity ingest - --source feed.example",
)
@click.argument("names", nargs=-1, required=True, metavar="FILE|DIRECTORY|-…")
@click.option("--source", required=True, metavar="NAME", help="Where it is from; it is named in every answer.")
@marking_options
@click.option("--use", multiple=True, help="Permitted use.  [default: defence]")
@click.option("--no-onward", is_flag=True, help="Receivers pass it on to nobody.")
@click.option("--note", default="", help="What else is to be known of the source.")
@click.option("--report", default="", metavar="FILE", help="Write the whole report there, as JSON.")
def ingest(
    session: Session,
    names: tuple[str, ...],
    source: str,
    tlp: str,
    pap: str,
    to: tuple[str, ...],
    use: tuple[str, ...],
    no_onward: bool,
    note: str,
    report: str,
) -> int:
    """Bring STIX 2.1 in: bundles, or objects one after another, of any size.

    --tlp and what goes with it become the source's default marking, for what comes without one. Objects of a source
    without a default stay at home. Broken objects are refused one by one, with the reason.
    """
    if not tlp and (pap or to or use or no_onward):
        raise Misuse("a default marking begins with --tlp")
    marking = MarkingSaid(tlp=tlp, pap=pap, to=to, use=use, onward=not no_onward) if tlp else None
    with input_paths(names) as paths, output_path(report or "/dev/null") as where:
        ask = verbs.Ingest(
            paths=paths, source=source, marking=marking, note=note, report=where if report else "", **session.who
        )
        done = session.ask(verbs.INGEST, ask)
    session.put(done, _ingest_lines(done))
    return Malformed.exit_code if done.refused and not done.kept and not done.known else 0


def _ingest_lines(done: verbs.Ingested) -> Iterator[str]:
    files = "1 file" if done.files == 1 else f"{done.files} files"
    yield f"Read {done.read} objects of {files}: {done.kept} kept, {done.known} known already, {done.refused} refused."
    yield f"Source {done.source!r}, {done.marking}; on record: {done.by}."
    if done.unmarked:
        yield f"{done.unmarked} have no marking and stay at home: give the source a default with --tlp."
    for rule, count in sorted(done.by_rule.items(), key=lambda item: -item[1]):
        yield f"  refused {count}: {rule}"
    for note, count in sorted(done.notes.items(), key=lambda item: -item[1]):
        yield f"  kept {count} with a loss: {note}"
    for refusal in done.refusals:
        yield f"    {refusal.path} at byte {refusal.offset}: {refusal.id or 'no id'}: {refusal.reason}"
    if done.refused > len(done.refusals):
        yield f"    … {done.refused - len(done.refusals)} more; --report FILE names them"


# -- lookup ----------------------------------------------------------------------


@command(
    "lookup", example="comity lookup 198.51.100.7 'hxxp://evil[.]example/a'\ncomity lookup --file - --json < ips.txt"
)
@click.argument("values", nargs=-1, metavar="[VALUE…]")
@click.option("--file", "name", default="", metavar="FILE", help="Values one a line; - reads standard input.")
def lookup(session: Session, values: tuple[str, ...], name: str) -> int:
    """Say what is known of values: by whom, under which marking, for how long, and who has seen them.

    Any form of address, domain, URL, hash, mail address, file name … or a STIX id; defanged or not. Leaves with 0 if
    anything is known, with 1 if nothing is.
    """
    lines = [line.strip() for line in read_text(name).splitlines()] if name else []
    asked = [*values, *(line for line in lines if line and not line.startswith("#"))]
    if not asked:
        raise Misuse("no value is given", hint="comity lookup 198.51.100.7, or --file FILE")
    answers: list[verbs.Answer] = []
    for start in range(0, len(asked), LOOKUP_BATCH):
        ask = verbs.Lookup(values=tuple(asked[start : start + LOOKUP_BATCH]), **session.who)
        answers += session.ask(verbs.LOOKUP, ask).answers
    found = verbs.Answers(tuple(answers), sum(1 for a in answers if a.found or a.sightings))
    session.put(found, _lookup_lines(session, found))
    return 0 if found.known else NOT_FOUND


def _lookup_lines(session: Session, found: verbs.Answers) -> Iterator[str]:
    for answer in found.answers:
        read_as = (
            f"  (read as {answer.read_as})" if answer.read_as and not answer.read_as.endswith(answer.asked) else ""
        )
        known = f"{len(answer.found)} known" if answer.found else "nothing known"
        yield f"{answer.asked}{read_as}: {known}"
        for item in answer.found:
            yield from _object_lines(session, item, "  ")
        for seen in answer.sightings:
            yield f"  {_seen_line(session, seen)}"
    if len(found.answers) > 1:
        yield f"{found.known} of {len(found.answers)} known."


def _object_lines(session: Session, item: verbs.ObjectShown, indent: str) -> Iterator[str]:
    state = "revoked" if item.revoked else "current" if item.current else "no longer valid or stood by"
    until = f", valid until {session.time(item.until)}" if item.until else ""
    name = f" {item.name!r}" if item.name else ""
    yield f"{indent}{item.type}{name}: {state}{until}"
    version = f", version of {session.time(item.modified // 1_000_000)}" if item.modified else ""
    yield f"{indent}  {item.id}{version}"
    for witness in item.witnesses:
        retracted = "RETRACTED  " if witness.retracted else ""
        source = f", from {witness.source!r}" if witness.source else ""
        yield f"{indent}  {retracted}says {witness.party}/{witness.office}{source}: {witness.marking}"
        yield f"{indent}    {witness.statement}, {session.time(witness.at)}"


def _times(count: int) -> str:
    return f"seen {count} times" if count > 1 else "seen once" if count else "looked for and not seen"


def _seen_line(session: Session, seen: verbs.Seen) -> str:
    note = f": {seen.note}" if seen.note else ""
    retracted = "RETRACTED  " if seen.retracted else ""
    return f"{retracted}{_times(seen.count)} by {seen.party}/{seen.office}, last {session.time(seen.at)}{note}"


# -- show ------------------------------------------------------------------------


@command("show", example="comity show indicator--8e2e2d2b-17d4-4cbf-938f-98ee46b3cd3f\ncomity show evil.example --raw")
@click.argument("name", metavar="OBJECT")
@click.option("--raw", is_flag=True, help="Nothing but the newest version's bytes, as its producer wrote them.")
def show(session: Session, name: str, raw: bool) -> None:
    """Show an object: every version held, its producer's own bytes, and everybody who says so.

    OBJECT is a STIX id, a statement (<origin>#<index>) or a value that leads to it.
    """
    found = session.ask(verbs.SHOW, verbs.Show(name=name, **session.who))
    if raw:
        sys.stdout.buffer.write(found.versions[0].text.encode())
        sys.stdout.buffer.flush()
        return
    session.put(found, _show_lines(session, found))


def _show_lines(session: Session, found: verbs.Shown) -> Iterator[str]:
    for number, version in enumerate(found.versions):
        if number:
            yield ""
        yield from _object_lines(session, version.object, "")
        yield "  its producer's own words:"
        yield from (f"    {line}" for line in version.text.splitlines())


# -- sightings and sources ----------------------------------------------------------


@command(
    "sighting",
    example="comity sighting 198.51.100.7 --count 3 --note 'blocked at the border'\n"
    "comity sighting evil.example --accord three-shores --tlp AMBER",
)
@click.argument("name", metavar="VALUE|OBJECT")
@click.option("--count", default=1, show_default=True, help="How often; 0: looked for and not seen.")
@click.option("--seen", default="", metavar="TIME", help="When it was last seen.  [default: now]")
@click.option("--note", default="", help="In a few words.")
@click.option("--accord", default="", metavar="ACCORD", help="State it there too.")
@marking_options
def sighting(
    session: Session,
    name: str,
    count: int,
    seen: str,
    note: str,
    accord: str,
    tlp: str,
    pap: str,
    to: tuple[str, ...],
) -> None:
    """Put on record that a value or object was seen here, or looked for and not seen."""
    done = session.ask(
        verbs.SIGHT,
        verbs.Sight(
            name=name,
            count=count,
            seen=instant(session, seen),
            note=note,
            accord=accord,
            marking=said(tlp, pap, to),
            **session.who,
        ),
    )
    lines = [f"{done.about}: {_times(done.count)}, last {session.time(done.seen)}.", f"On record: {done.by}."]
    lines += [f"Stated in {done.accord}."] if done.accord and not done.withheld else []
    lines += [f"Withheld from {done.accord}: {ground}" for ground in done.withheld]
    session.put(done, lines)


@command("sources", example="comity sources")
def sources(session: Session) -> None:
    """List your office's sources and the markings they put on what comes unmarked."""
    found = session.ask(verbs.SOURCES, Nothing(**session.who))
    rows = [
        (s.name, s.marking if s.marking != "unmarked" else "no default: it stays at home", s.note)
        for s in found.sources
    ]
    session.put(found, columns(rows) or ["No source is registered; `comity ingest --source NAME` does."])
