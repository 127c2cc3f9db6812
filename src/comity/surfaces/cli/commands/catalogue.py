"""`comity catalogue` and `comity warnings`."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from typing import Final

import click

from comity.errors import Misuse
from comity.surfaces.cli.files import read_text
from comity.surfaces.cli.session import Session
from comity.surfaces.cli.shape import SETTINGS, Lazy, command
from comity.surfaces.cli.verbs import catalogue as verbs
from comity.surfaces.cli.verbs import warning

NOTHING: Final = 1  # exit code: understood, and nothing is found
WORDS_CHARS: Final = 400  # of a description that are shown
CHECKED_AT_ONCE: Final = 10_000  # values of one question
_AT: Final = "comity.surfaces.cli.commands.catalogue:"
COMMANDS: Final = {
    "find": (f"{_AT}find", "An entry by its id, name, synonym or UUID."),
    "tag": (f"{_AT}tag", "What a tag says, in words."),
}
catalogue = Lazy(
    "catalogue",
    COMMANDS,
    help="Catalogues of context on this machine: ATT&CK, DISARM, actors, tools, taxonomies.",
    context_settings=SETTINGS,
)


@command(
    "find",
    example="comity catalogue find T0049\ncomity catalogue find 'Fancy Bear'\n"
    "comity catalogue find T1566.001 --in mitre-attack-pattern --stix > technique.json",
)
@click.argument("text", metavar="NAME")
@click.option("--in", "galaxy", default="", metavar="CATALOGUE", help="Of this catalogue only, e.g. disarm-techniques.")
@click.option("--stix", is_flag=True, help="As a STIX bundle, to be ingested or put beside objects of your own.")
def find(session: Session, text: str, galaxy: str, stix: bool) -> int:
    """Find what a name means: a technique of ATT&CK or DISARM, an actor, a tool. Leaves with 1 if nothing has it.

    The whole id, name or synonym, in any case; several catalogues may have it. They are MISP's galaxies: of the package
    `pymispgalaxies`, and files of your own in the folder `galaxies` of the node.
    """
    found = session.ask(verbs.FIND, verbs.Find(text=text, **session.who))
    entries = tuple(one for one in found.entries if galaxy in {"", one.catalogue})
    if stix:
        objects = [json.loads(one.object) for one in entries if one.object]
        if not objects:
            raise Misuse(f"no catalogue has {text!r} as something that STIX has an object for", hint=found.why_not)
        bundle = {"type": "bundle", "id": f"bundle--{uuid.uuid4()}", "objects": objects}
        click.echo(json.dumps(bundle, ensure_ascii=False, indent=1))
        return 0
    none = found.why_not or f"None of {found.catalogues} catalogues has {text!r}."
    shown = verbs.Entries(entries, found.catalogues, found.why_not)
    session.put(shown, [line for one in entries for line in _lines(one)] or [none])
    return 0 if entries else NOTHING


@command("tag", example="comity catalogue tag 'admiralty-scale:source-reliability=\"b\"'")
@click.argument("tag", metavar="TAG")
def tag(session: Session, tag: str) -> int:
    """Say what a machine tag means, of a MISP galaxy or taxonomy. Leaves with 1 if it cannot be told."""
    found = session.ask(verbs.TAG, verbs.Tag(tag=tag, **session.who))
    number = "" if found.number is None else f" ({found.number} of 100)"
    lines = [f"{found.words}{number}"] if found.words else []
    lines += [_short(found.description)] if found.description else []
    lines += [line for one in found.entries for line in _lines(one)]
    lines += [f"{found.tag}: {found.why_not}"] if found.why_not else []
    session.put(found, lines)
    return NOTHING if found.why_not else 0


def _lines(one: verbs.EntryShown) -> Iterator[str]:
    gone = "REVOKED  " if one.revoked else "DEPRECATED  " if one.deprecated else ""
    ids = f"{', '.join(one.ids)}  " if one.ids else ""
    yield f"{gone}{ids}{one.name}  ({one.catalogue})"
    if one.synonyms:
        yield f"  also {', '.join(one.synonyms[:12])}{' …' if len(one.synonyms) > 12 else ''}"
    if one.phases:
        yield f"  phase {', '.join(one.phases)}"
    if one.description:
        yield f"  {_short(one.description)}"
    if one.object:
        yield f"  as STIX: {one.kind}--{one.uuid} (--stix writes it)"
    yield from (f"  {url}" for url in one.refs[:3])


def _short(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= WORDS_CHARS else line[: WORDS_CHARS - 1] + "…"


@command("warnings", example="comity warnings 8.8.8.8 'www[.]example[.]com'\ncomity warnings --file values.txt")
@click.argument("values", nargs=-1, metavar="[VALUE…]")
@click.option("--file", "name", default="", metavar="FILE", help="Values one a line; - reads standard input.")
def warnings(session: Session, values: tuple[str, ...], name: str) -> int:
    """Say which warning lists have values: public resolvers, names that everybody visits, reserved networks.

    A warning stops nothing: a value that is on a list is likely a false positive, and it is yours to judge. Leaves with
    0 if a list has any of them, with 1 if none has.
    """
    lines = [line.strip() for line in read_text(name).splitlines()] if name else []
    asked = (*values, *(line for line in lines if line and not line.startswith("#")))
    if not asked:
        raise Misuse("no value is given", hint="comity warnings 8.8.8.8, or --file FILE")
    told = warning.CheckedMany((), 0, "")
    for start in range(0, len(asked), CHECKED_AT_ONCE):
        ask = warning.Check(values=asked[start : start + CHECKED_AT_ONCE], **session.who)
        some = session.ask(warning.CHECK, ask)
        told = warning.CheckedMany((*told.values, *some.values), some.lists, some.why_not)
    session.put(told, _warned(told))
    return 0 if any(one.warnings for one in told.values) else NOTHING


def _warned(told: warning.CheckedMany) -> Iterator[str]:
    for one in told.values:
        if not one.read_as:
            yield f"{one.asked}: no value"
        elif not told.why_not:
            number = len(one.warnings)
            yield f"{one.asked}: on {number or 'no'} list{'s' if number > 1 else ''}"
            yield from (f"  {each.list} (version {each.version}): {each.why}, {each.entry}" for each in one.warnings)
    yield told.why_not or f"{told.lists} warning lists were asked."
