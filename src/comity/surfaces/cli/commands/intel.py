"""`comity lookup`, `show`, `sighting`, `opinion`, `note`, `sources`."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import BinaryIO, Final

import click

from comity.errors import Misuse
from comity.surfaces.cli.files import read_text
from comity.surfaces.cli.markings import instant, marking_options, said
from comity.surfaces.cli.session import Session, columns
from comity.surfaces.cli.shape import command
from comity.surfaces.cli.verbs import MarkingSaid, Nothing
from comity.surfaces.cli.verbs import intel as verbs

OPINIONS: Final = ("strongly-disagree", "disagree", "neutral", "agree", "strongly-agree")  # STIX 2.1 §10.19
ACCOUNTS: Final = re.compile("user-account--[0-9a-f-]{36}")
NOT_FOUND: Final = 1  # exit code: the question was understood, and nothing is known
LOOKUP_BATCH: Final = 10_000  # values asked in one call
LINE_BYTES_MAX: Final = 65_536  # bytes of a line of standard input; what is longer holds no value, and is cut


# -- lookup ----------------------------------------------------------------------


@command(
    "lookup",
    example="comity lookup 198.51.100.7 'hxxp://evil[.]example/a'\n"
    "comity lookup --file values-of-the-case.txt --json\n"
    "zcat proxy-hosts.txt.gz | comity lookup - > known.tsv",
)
@click.argument("values", nargs=-1, metavar="[VALUE…]")
@click.option("--file", "name", default="", metavar="FILE", help="Values one a line; - reads standard input.")
def lookup(session: Session, values: tuple[str, ...], name: str) -> int:
    """Say what is known of values: by whom, under which marking, for how long, and who has seen them.

    Any form of address, domain, URL, hash, mail address, file name … or a STIX id; defanged or not. Leaves with 0 if
    anything is known, with 1 if nothing is.

    `comity lookup -` reads standard input to its end, whatever its size, and answers each line with one line as it
    goes: value, state, kind, version of, valid until, confidence, marking, who says so, source, objects, sightings,
    score, with tabs between them; with --json, one JSON object. A state is current, faded (`comity score`), expired,
    revoked, superseded, retracted, unknown or unread.
    """
    if values == ("-",) and not name:
        return _stream(session)
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


def _stream(session: Session) -> int:
    """Answer standard input line by line."""
    found = False
    asked = (line for line in _lines(sys.stdin.buffer) if line and not line.startswith("#"))
    while batch := tuple(islice(asked, LOOKUP_BATCH)):
        answers = session.ask(verbs.KNOW, verbs.Know(values=batch, **session.who)).lines
        found = found or any(one.objects for one in answers)
        session.stream(answers, (_known_line(session, one) for one in answers))
    return 0 if found else NOT_FOUND


def _lines(stream: BinaryIO) -> Iterator[str]:
    """Yield lines of any length, each cut to `LINE_BYTES_MAX`."""
    while piece := stream.readline(LINE_BYTES_MAX):
        yield piece.decode("utf-8", "replace").strip()
        while len(piece) == LINE_BYTES_MAX and not piece.endswith(b"\n"):
            piece = stream.readline(LINE_BYTES_MAX)


def _known_line(session: Session, one: verbs.Known) -> str:
    modified = f"{session.utc(one.modified // 1_000_000)}" if one.modified else ""
    until = session.utc(one.until) if one.until else ""
    confidence = "" if one.confidence is None else str(one.confidence)
    who = f"{one.party}/{one.office}" if one.party else ""
    counts = (str(one.objects or ""), str(one.sightings or ""), "" if one.score is None else str(one.score))
    cells = (one.asked, one.state, one.kind, modified, until, confidence, one.marking, who, one.source, *counts)
    line = "\t".join(cells)
    if line.count("\t") < len(cells):
        return line
    return "\t".join([cell.replace("\t", " ") for cell in cells])  # a value or a name has tabs of its own


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
        for score in answer.scores:
            yield f"  {score_line(score)}"
        yield from _remark_lines(session, answer.remarks, answer.contradictions)
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
        yield from (f"{indent}    corrected by {one}" for one in witness.corrected_by)


def score_line(score: verbs.ScoreShown) -> str:
    """Return what a value is worth, on one line."""
    state = " (faded)" if score.faded else ""
    if score.score is None:
        return f"score: none, for nobody gives a confidence; age and sightings leave {score.left} %{state}"
    return f"score {score.score}{state}: a confidence of {score.base}, of which {score.left} % are left"


def _times(count: int, verdict: str = "seen") -> str:
    if verdict != "seen":
        return "called a false positive" if verdict == "false-positive" else "said to have expired"
    return f"seen {count} times" if count > 1 else "seen once" if count else "looked for and not seen"


def _seen_line(session: Session, seen: verbs.Seen) -> str:
    note = f": {seen.note}" if seen.note else ""
    retracted = "RETRACTED  " if seen.retracted else ""
    times = _times(seen.count, seen.verdict)
    return f"{retracted}{times} by {seen.party}/{seen.office}, last {session.time(seen.at)}{note}"


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
        accounts = len(set(ACCOUNTS.findall(version.text)))
        if accounts:
            what = "an account of a person" if accounts == 1 else f"{accounts} accounts of persons"
            yield f"  names {what}: sealed where it came in, and shown to nobody (`comity evidence`)"
    yield from _remark_lines(session, found.remarks, found.contradictions)


def _remark_lines(
    session: Session, remarks: Sequence[verbs.RemarkShown], apart: Sequence[verbs.ContradictionShown]
) -> Iterator[str]:
    for one in remarks:
        source = f", from {one.source!r}" if one.source else ""
        yield f"  {one.opinion or 'notes'}: {one.party}/{one.office}{source}, {session.time(one.at)}: {one.marking}"
        yield from (f"    {line}" for line in one.text.splitlines())
    for each in apart:
        yield f"  CONTRADICTION about {each.what}:"
        yield from (f"    {word}: {', '.join(who)}" for word, who in each.sides.items())


# -- sightings and sources ----------------------------------------------------------


@command(
    "sighting",
    example="comity sighting 198.51.100.7 --count 3 --note 'blocked at the border'\n"
    "comity sighting evil.example --accord three-shores --tlp AMBER\n"
    "comity sighting cdn.example --false-positive --note 'our own mirror'",
)
@click.argument("name", metavar="VALUE|OBJECT")
@click.option("--count", default=1, show_default=True, help="How often; 0: looked for and not seen.")
@click.option("--false-positive", "verdict", flag_value="false-positive", help="It hits what is harmless.")
@click.option("--expired", "verdict", flag_value="expired", help="It has ended: it is no longer to be looked for.")
@click.option("--seen", default="", metavar="TIME", help="When it was last seen.  [default: now]")
@click.option("--note", default="", help="In a few words.")
@click.option("--accord", default="", metavar="ACCORD", help="State it there too.")
@marking_options
def sighting(
    session: Session,
    name: str,
    count: int,
    verdict: str | None,
    seen: str,
    note: str,
    accord: str,
    tlp: str,
    pap: str,
    to: tuple[str, ...],
) -> None:
    """Put on record that a value or object was seen here, or looked for and not seen; or what you found it to be.

    A sighting lets its score begin anew, each witness of a false positive lowers it, and an expiration ends it
    (`comity score VALUE`).
    """
    done = session.ask(
        verbs.SIGHT,
        verbs.Sight(
            name=name,
            count=count,
            verdict=verdict or "seen",
            seen=instant(session, seen),
            note=note,
            accord=accord,
            marking=said(tlp, pap, to),
            **session.who,
        ),
    )
    when = f"{_times(done.count, done.verdict)}, {'last ' if done.verdict == 'seen' else ''}{session.time(done.seen)}"
    lines = [f"{done.about}: {when}.", f"On record: {done.by}."]
    lines += [f"Stated in {done.accord}."] if done.accord and not done.withheld else []
    lines += [f"Withheld from {done.accord}: {ground}" for ground in done.withheld]
    session.put(done, lines)


@command(
    "opinion",
    example="comity opinion evil.example disagree --why 'a sinkhole of ours since May'\n"
    "comity opinion indicator--8e2e2d2b-17d4-4cbf-938f-98ee46b3cd3f agree --accord three-shores --tlp AMBER",
)
@click.argument("name", metavar="OBJECT|VALUE")
@click.argument("opinion", metavar="OPINION", type=click.Choice(OPINIONS))
@click.option("--why", default="", help="In a few words.")
@click.option("--accord", default="", metavar="ACCORD", help="State it there too.")
@marking_options
def opinion(
    session: Session, name: str, opinion: str, why: str, accord: str, tlp: str, pap: str, to: tuple[str, ...]
) -> None:
    """Say in your office's name what you think of an object.

    OPINION is strongly-disagree, disagree, neutral, agree or strongly-agree. It is a STIX opinion of its own and
    changes nothing of what it is about; one that disagrees lowers its score.
    """
    _remark(session, (name,), opinion, why, accord, said(tlp, pap, to))


@command(
    "note",
    example="comity note evil.example --text 'the registrar took it down on Monday'\n"
    "comity note report--81cac9d1-a0a5-4b3a-8d05-1f2c0c3e8a4f --file analysis.txt --accord three-shores --tlp GREEN",
)
@click.argument("names", nargs=-1, required=True, metavar="OBJECT|VALUE…")
@click.option("--text", default="", help="What you note.")
@click.option("--file", default="", metavar="FILE", help="Or a file that holds it; - reads standard input.")
@click.option("--accord", default="", metavar="ACCORD", help="State it there too.")
@marking_options
def note(
    session: Session, names: tuple[str, ...], text: str, file: str, accord: str, tlp: str, pap: str, to: tuple[str, ...]
) -> None:
    """Note something about objects in your office's name: a STIX note of its own."""
    if bool(text) == bool(file):
        raise Misuse("give --text or --file")
    _remark(session, names, "", text or read_text(file), accord, said(tlp, pap, to))


def _remark(
    session: Session, about: tuple[str, ...], opinion: str, text: str, accord: str, marking: MarkingSaid
) -> None:
    ask = verbs.Remark(about=about, opinion=opinion, text=text, accord=accord, marking=marking, **session.who)
    done = session.ask(verbs.REMARK, ask)
    lines = [f"{done.id}, about {', '.join(done.about)}.", f"On record: {done.by}, {done.statement}."]
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
