"""`comity ingest`, `imports`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final

import click

from comity.errors import Malformed, Misuse
from comity.surfaces.cli.files import input_paths, output_path
from comity.surfaces.cli.markings import marking_options
from comity.surfaces.cli.session import Session, columns
from comity.surfaces.cli.shape import command
from comity.surfaces.cli.verbs import MarkingSaid
from comity.surfaces.cli.verbs import importing as verbs

OUTCOMES: Final = {
    "refused": "refused",
    "unmapped": "not mapped, only the original has it",
    "changed": "changed",
    "sealed": "sealed: a personal account",
}
# What a short name of a rule or a note does not say by itself: what it is, and what became of it.
MEANT: Final = {
    "no observable": "it has no value to look up; it is kept and found by its words",
    "pattern not simple": "a value alone is no match, only the whole pattern is; kept and handed on as it came",
    "pattern not STIX": "a rule in another language, such as YARA: kept and handed on, no values of it are indexed",
    "too many observables": "more values than are indexed of one object: the first are found, the object is whole",
    "json": "the file is not good JSON: its maker's fault; what is called mended was read all the same",
    "beside-event": "beside an event or its attributes stands what nothing here stands for, such as related events",
    "to-ids": "marked for detection, and there is no pattern for it: it describes, or is a note; no sensor gets it",
    "value-form": "the value does not fit its type: kept as a note",
    "shape": "not what a file of this format holds at this place",
    "schema": "it breaks the STIX 2.1 specification: its maker's fault",
    "nothing-found": "nothing in it is a value that is looked for, such as an address, a name or a hash",
    "encoding": "some bytes are no text in its encoding, and were read as U+FFFD",
}


@command(
    "ingest",
    example='comity ingest reports/ --source "ESET public" --tlp CLEAR --pap CLEAR\n'
    "comity ingest advisory.pdf --source cert.borealia --tlp AMBER --dry-run --report losses.json\n"
    "curl -s https://feed.example/bundle.json | comity ingest - --source feed.example",
)
@click.argument("names", nargs=-1, required=True, metavar="FILE|DIRECTORY|-…")
@click.option("--source", required=True, metavar="NAME", help="Where it is from; it is named in every answer.")
@click.option("--format", "form", default="", metavar="NAME", help="Read every file so.  [default: by its content]")
@click.option("--dry-run", "dry", is_flag=True, help="Say what would be kept and lost, and keep nothing.")
@marking_options
@click.option("--use", multiple=True, help="Permitted use.  [default: defence]")
@click.option("--no-onward", is_flag=True, help="Receivers pass it on to nobody.")
@click.option("--note", default="", help="What else is to be known of the source.")
@click.option("--mapping", default="", metavar="FILE", help="Read tables so (TOML), from now on for this source.")
@click.option("--report", default="", metavar="FILE", help="Write every loss and the summary there, as JSON.")
def ingest(
    session: Session,
    names: tuple[str, ...],
    source: str,
    form: str,
    dry: bool,
    tlp: str,
    pap: str,
    to: tuple[str, ...],
    use: tuple[str, ...],
    no_onward: bool,
    note: str,
    mapping: str,
    report: str,
) -> int:
    """Bring intelligence in: STIX, MISP, CSAF, tables, rules, reports as text, HTML or PDF, of any size.

    --tlp and what goes with it become the source's default marking, for what comes without one. Objects of a source
    without a default stay at home. What is broken is refused one by one, what does not come over whole is named,
    and the original is kept.
    """
    if not tlp and (pap or to or use or no_onward):
        raise Misuse("a default marking begins with --tlp")
    marking = MarkingSaid(tlp=tlp, pap=pap, to=to, use=use, onward=not no_onward) if tlp else None
    with input_paths(names) as paths, output_path(report or "/dev/null") as where:
        ask = verbs.Ingest(
            paths=paths,
            source=source,
            form=form,
            marking=marking,
            note=note,
            report=where if report else "",
            dry=dry,
            mapping=str(Path(mapping).absolute()) if mapping else "",
            **session.who,
        )
        done = session.ask(verbs.INGEST, ask)
    session.put(done, _lines(done))
    return Malformed.exit_code if _is_in_vain(done) else 0


def _is_in_vain(done: verbs.Ingested) -> bool:
    return bool((done.refused or done.lost) and not done.kept and not done.known)


def _lines(done: verbs.Ingested) -> Iterator[str]:
    files = "1 file" if done.files == 1 else f"{done.files} files"
    forms = ", ".join(f"{count} as {form}" if len(done.forms) > 1 else form for form, count in done.forms.items())
    would = "would be kept" if done.dry else "kept"
    yield (
        f"Read {done.read} objects of {files} ({forms}): {done.kept} {would}, {done.known} known already,"
        f" {done.refused} refused."
    )
    yield f"Source {done.source!r}, {done.marking}; on record: {done.by}." if not done.dry else "Nothing was written."
    if done.attached or done.attached_known:
        yield (
            f"Files inside: {done.attached} {would} as attachments, encrypted and unopened; {done.attached_known} known"
            " already (`comity attachment list`)."
        )
    if done.mapping:
        yield "The table was read so; --mapping FILE says it better, and is kept for the source:"
        yield from (f"  {line}" for line in done.mapping)
    if done.unmarked:
        yield f"{done.unmarked} have no marking and stay at home: give the source a default with --tlp."
    for rule, count in sorted(done.by_rule.items(), key=lambda item: -item[1]):
        yield f"  refused {count}: {_meant(rule)}"
    for note, count in sorted(done.notes.items(), key=lambda item: -item[1]):
        yield f"  kept {count} with a loss: {_meant(note)}"
    for refusal in done.refusals:
        yield f"    {refusal.path} at byte {refusal.offset}: {refusal.id or 'no id'}: {refusal.reason}"
    if done.refused > len(done.refusals):
        yield f"    … {done.refused - len(done.refusals)} more; --report FILE names them"
    yield from _loss_lines(done)


def _meant(rule: str) -> str:
    return f"{rule} ({MEANT[rule]})" if rule in MEANT else rule


def _loss_lines(done: verbs.Ingested) -> Iterator[str]:
    for what, count in sorted(done.lost.items(), key=lambda item: (item[0].partition(" ")[0], -item[1])):
        outcome, _, rule = what.partition(" ")
        yield f"  {count} {OUTCOMES.get(outcome, outcome)}: {_meant(rule)}"
    for lost in done.losses:
        yield f"    {lost.path}{', ' if lost.where else ''}{lost.where}: {lost.reason}"
    more = sum(done.lost.values()) - len(done.losses)
    if more > 0:
        yield f"    … {more} more; --report FILE names them"


def _where(statements: tuple[str, ...]) -> str:
    if not statements:
        return "not kept"
    first, last = statements[0], statements[-1]
    return first if first == last else f"{len(statements)} parts, {first} to {last}"


@command(
    "imports",
    example='comity imports --source "ESET public"\ncomity imports --original 3f5a9c01 --to original.pdf\n'
    "comity imports --erase 3f5a9c01 --basis 'GDPR art. 17' --reason 'names victims'",
)
@click.option("--source", default="", metavar="NAME", help="Only what came under this source.")
@click.option("--original", default="", metavar="DIGEST", help="Write this original as it came; give --to too.")
@click.option("--to", "path", default="", metavar="FILE", help="Where the original is written; - is standard output.")
@click.option("--erase", default="", metavar="DIGEST", help="Erase this original; give --basis too.")
@click.option("--basis", default="", help="The legal basis of the erasure; goes on record.")
@click.option("--reason", default="", help="Why it is erased, or why an original with sealed parts is read.")
def imports(session: Session, source: str, original: str, path: str, erase: str, basis: str, reason: str) -> None:
    """List what was imported in other formats than STIX, what was lost of it, and give originals back.

    DIGEST is the beginning of an original's SHA-256. Originals are never opened here, and released to nobody.
    One of which parts were sealed as evidence is given with a --reason, and that goes on record.
    --erase takes the original's bytes; the counts stay on record. What was made of it is erased by `comity erase`.
    """
    if bool(erase) != bool(basis) or (reason and not (erase or original)) or (erase and (original or source)):
        raise Misuse("an original is erased with --erase DIGEST --basis TEXT, and --reason TEXT")
    if bool(original) != bool(path):
        raise Misuse("an original is written with --original DIGEST --to FILE")
    if original:
        with output_path(path) as where:
            ask = verbs.Original(digest=original, path=where, reason=reason, **session.who)
            written = session.ask(verbs.ORIGINAL, ask)
        if path != "-":
            session.put(written, [f"Wrote {written.name}, {written.bytes} bytes, to {path}."])
        return
    if erase:
        gone = session.ask(verbs.ERASE, verbs.EraseOriginal(digest=erase, basis=basis, reason=reason, **session.who))
        parts = "1 part" if gone.parts == 1 else f"{gone.parts} parts"
        session.put(gone, [f"Erased the original of {gone.name}, {parts}; what was made of it stays."])
        return
    found = session.ask(verbs.IMPORTS, verbs.Imports(source=source, **session.who))
    rows = [
        (
            one.digest[:12],
            session.time(one.at),
            one.form,
            one.source,
            one.name,
            f"{one.kept} kept, {one.known} known, {one.refused + sum(one.lost.values())} lost or refused",
        )
        for one in found.imports
    ]
    lines = [
        line
        for row, one in zip(columns(rows), found.imports, strict=True)
        for line in (row, f"  original: {_where(one.statements)}")
    ]
    session.put(found, lines or ["Nothing was imported but STIX, whose objects are their own originals."])
