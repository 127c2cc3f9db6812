"""`comity share`, `explain`, `export`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final, TypeVar

import click

from comity.errors import Misuse
from comity.surfaces.cli.files import output_path
from comity.surfaces.cli.markings import instant, marking_options, said
from comity.surfaces.cli.session import Session, columns
from comity.surfaces.cli.shape import command
from comity.surfaces.cli.verbs import release as verbs

F = TypeVar("F", bound=Callable[..., object])
NOTHING_WENT: Final = 1  # exit code: carried out, and nothing was allowed to go
PURPOSES: Final = ("read", "sensor", "lookup")


def choice_options(function: F) -> F:
    """Add the options that say which objects are meant."""
    for option in (
        click.argument("names", nargs=-1, metavar="[OBJECT…]"),
        click.option("--value", "values", multiple=True, help="Objects about this value."),
        click.option(
            "--since", default="", metavar="TIME", help="Objects collected since: 2026-11-24, or 36h for ago."
        ),
        click.option("--type", "kind", default="", metavar="TYPE", help="Objects of this STIX type, e.g. indicator."),
        click.option("--source", default="", metavar="NAME", help="Objects from this source."),
        click.option("--collection", default="", metavar="NAME", help="What this collection means now."),
    ):
        function = option(function)
    return function


@command(
    "share",
    example="comity share --accord three-shores indicator--8e2e2d2b-17d4-4cbf-938f-98ee46b3cd3f\n"
    'comity share --accord three-shores --source "ESET public" --type indicator --since 7d --dry-run',
)
@click.option("--accord", required=True, metavar="ACCORD", help="Where to state them.")
@choice_options
@click.option("--interest", default="", metavar="INTEREST", help="What of your own fits this interest.")
@marking_options
@click.option("--anonymous", is_flag=True, help="State new objects that name nobody whom they came from.")
@click.option("--flash", is_flag=True, help="An alert: it overtakes everything else on its way.")
@click.option("--dry-run", is_flag=True, help="Say what would be decided for whom, and state nothing.")
def share(
    session: Session,
    accord: str,
    names: tuple[str, ...],
    source: str,
    kind: str,
    since: str,
    values: tuple[str, ...],
    collection: str,
    interest: str,
    tlp: str,
    pap: str,
    to: tuple[str, ...],
    anonymous: bool,
    flash: bool,
    dry_run: bool,
) -> int:
    """State objects in an accord: what your office collected anew, what others stated with their own proof.

    --tlp, --pap and --to may narrow each object's marking, never widen it. --anonymous states a new object with the
    technical part alone; what may name somebody elsewhere is withheld. Leaves with 1 if nothing could go.
    """
    choice = verbs.Choice(names, source, kind, instant(session, since), values, collection, interest)
    ask = verbs.Share(
        accord=accord,
        choice=choice,
        marking=said(tlp, pap, to),
        flash=flash,
        dry_run=dry_run,
        anonymous=anonymous,
        **session.who,
    )
    done = session.ask(verbs.SHARE, ask)
    session.put(done, _share_lines(session, done, dry_run=dry_run))
    went = done.chosen - done.withheld if dry_run else done.stated + done.relayed + done.known
    return 0 if went else NOTHING_WENT


def _share_lines(session: Session, done: verbs.Shared, *, dry_run: bool) -> Iterator[str]:
    if dry_run:
        going, left = done.chosen - done.withheld, f", {done.withheld} to nobody" if done.withheld else ""
        yield f"Nothing was stated. Of {done.chosen} objects, {going} could go to somebody in {done.accord}{left}."
        for planned in done.planned:
            yield f"{planned.objects} objects, {planned.marking}:"
            for decision in planned.decisions:
                yield from decision_lines(session, decision, "  ", brief=True)
        yield from _ground_lines(done)
        yield from _warning_lines(done)
        return
    yield (
        f"{done.accord}: {done.stated} stated, {done.relayed} relayed with their authors' proof, "
        f"{done.known} there already, {done.withheld} withheld."
    )
    yield from _ground_lines(done)
    yield from _warning_lines(done)
    yield f"On record: {done.by}."


def _ground_lines(done: verbs.Shared) -> Iterator[str]:
    for ground, count in sorted(done.grounds.items(), key=lambda item: -item[1]):
        yield f"  withheld {count}: {ground}"


def _warning_lines(done: verbs.Shared) -> Iterator[str]:
    if done.flagged:
        objects = "1 object has" if done.flagged == 1 else f"{done.flagged} objects have"
        yield f"{objects} values on warning lists, which are likely false positives:"
        yield from (f"  {count}: {name}" for name, count in sorted(done.flagged_by.items(), key=lambda item: -item[1]))
    if done.warnings:
        yield f"{done.warnings}."


@command(
    "explain",
    example="comity explain evil.example --to cert.borealia.example/csirt\n"
    "comity explain indicator--8e2e2d2b-17d4-4cbf-938f-98ee46b3cd3f --to cert.borealia.example/csirt --for sensor",
)
@click.argument("name", metavar="OBJECT")
@click.option(
    "--to", required=True, metavar="AUDIENCE", help="PARTY/OFFICE, PARTY/OFFICE/PERSON or PARTY/OFFICE~CORRESPONDENT."
)
@click.option(
    "--for", "purpose", type=click.Choice(PURPOSES), default="read", show_default=True, help="What it would do with it."
)
def explain(session: Session, name: str, to: str, purpose: str) -> None:
    """Say why an audience may, or may not, have an object: every rule's finding, as sending would find it now."""
    found = session.ask(verbs.EXPLAIN, verbs.Explain(name=name, to=to, purpose=purpose, **session.who))
    session.put(found, _explain_lines(session, found))


def _explain_lines(session: Session, found: verbs.Explained) -> Iterator[str]:
    for number, one in enumerate(found.decisions):
        if number:
            yield ""
        yield one.statement + (f", as if it were stated in {one.as_if} now" if one.as_if else "")
        yield from decision_lines(session, one.decision, "", brief=False)


def decision_lines(session: Session, decision: verbs.DecisionShown, indent: str, *, brief: bool) -> Iterator[str]:
    """Return a decision as people read it; a brief one names grounds only."""
    verb = {"release": "may have it", "withholding": "may NOT have it"}[decision.outcome]
    use = {"read": "to read", "sensor": "for a sensor", "lookup": "for an outside look-up"}[decision.purpose]
    lapses = f", until {session.time(decision.lapses)}" if decision.lapses else ""
    yield f"{indent}{decision.audience} {verb} {use}{lapses}"
    findings = [f for f in decision.findings if not brief or not f.allows]
    yield from columns((f"{indent}  {'yes' if f.allows else 'NO'}", f.rule, f.because) for f in findings)


@command(
    "export",
    example="comity export --to cert.arcadia.example/csirt~grid-operator --type indicator --out indicators.json\n"
    "comity export --to cert.arcadia.example/csirt~grid-operator --format suricata --confidence 60 --out c.rules",
)
@click.option("--to", required=True, metavar="AUDIENCE", help="A correspondent (PARTY/OFFICE~NAME) or an office.")
@choice_options
@click.option("--format", "form", metavar="NAME", default="stix", show_default=True, help="`--format help` lists all.")
@click.option("--confidence", type=click.IntRange(0, 100), default=0, help="Only values of at least this confidence.")
@click.option("--sure", is_flag=True, help="No value whose producer gave no confidence.")
@click.option("--kind", "kinds", multiple=True, metavar="KIND", help="Only these kinds of values, e.g. domain.")
@click.option("--warned", is_flag=True, help="Also values on warning lists: likely false positives.")
@click.option("--faded", is_flag=True, help="Also values that have worn off, or are doubted (`comity score`).")
@click.option("--attachments", is_flag=True, help="Of misp: with objects the attachments about them (samples too).")
@click.option(
    "--address", default="", metavar="URL", help="Of csaf: the https address its folder will be fetched under."
)
@click.option(
    "--for",
    "purpose",
    type=click.Choice(PURPOSES),
    default=None,
    help="[default: read for whole objects, else sensor]",
)
@click.option("--out", metavar="FILE", default="-", help="Where to write it.  [default: standard output]")
def export(
    session: Session,
    to: str,
    names: tuple[str, ...],
    source: str,
    kind: str,
    since: str,
    values: tuple[str, ...],
    collection: str,
    form: str,
    confidence: int,
    sure: bool,
    kinds: tuple[str, ...],
    warned: bool,
    faded: bool,
    attachments: bool,
    address: str,
    purpose: str | None,
    out: str,
) -> int:
    """Write what may go to an audience into a file, for people and tools without a node.

    The decision is made by the same rules as everywhere and is on record before the first byte is written. A form holds
    whole objects (stix, misp, reports, folders of files), or is a list of values for sensors: what indicators say
    alone, that is neither revoked nor expired; what is left out is counted with the reason. Reports and folders take
    everything where no object is chosen. Leaves with 1 if nothing could go.
    """
    from comity.surfaces.cli.operations.forms import is_whole

    if form == "help":
        for line in _forms():
            session.note(line)
        return 0
    choice = verbs.Choice(names, source, kind, instant(session, since), values, collection)
    if form in {"misp-feed", "csaf"} and out == "-":
        raise Misuse(f"{form} is a folder of files", hint="--out FOLDER")
    with output_path(out) as path:
        ask = verbs.Export(
            to=to,
            choice=choice,
            path=path,
            form=form,
            purpose=purpose or ("read" if is_whole(form) else "sensor"),
            confidence=confidence,
            unsure=not sure,
            kinds=kinds,
            warned=warned,
            faded=faded,
            attachments=attachments,
            address=address,
            **session.who,
        )
        done = session.ask(verbs.EXPORT, ask)
    if session.as_json and out != "-":
        session.put(done, ())
    else:
        for line in _export_lines(done):
            session.note(line)
    return 0 if done.objects else NOTHING_WENT


def _forms() -> list[str]:
    from comity.surfaces.cli.operations.forms import described

    return columns(described())


def _export_lines(done: verbs.Exported) -> Iterator[str]:
    from comity.surfaces.cli.operations.forms import is_whole

    values = "" if is_whole(done.form) else f", {done.values} values"
    yield f"{done.objects} objects{values} for {done.audience} (for {done.purpose}); {done.withheld} withheld."
    for ground, count in sorted(done.grounds.items(), key=lambda item: -item[1]):
        yield f"  withheld {count}: {ground}"
    for reason, count in sorted(done.left.items(), key=lambda item: -item[1]):
        yield f"  left out {count}: {reason}"
    if done.warnings:
        yield f"{done.warnings}."
    yield f"On record: {done.by}."
