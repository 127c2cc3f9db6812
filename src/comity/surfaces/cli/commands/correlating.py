"""`comity correlate`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import click

from comity.errors import Misuse
from comity.surfaces.cli.commands.release import choice_options
from comity.surfaces.cli.files import read_text
from comity.surfaces.cli.markings import instant
from comity.surfaces.cli.session import Session
from comity.surfaces.cli.shape import command
from comity.surfaces.cli.verbs import correlating as verbs
from comity.surfaces.cli.verbs.release import Choice

NOTHING_SHARED: Final = 1  # exit code: understood, and nothing shares a value


@command(
    "correlate",
    example="comity correlate report--81cac9d1-a0a5-4b3a-8d05-1f2c0c3e8a4f\n"
    'comity correlate --source "MISP of CERT Borealia" --since 24h --limit 20\n'
    "comity correlate --file values-of-the-case.txt",
)
@choice_options
@click.option("--file", "name", default="", metavar="FILE", help="Values one a line instead; - is standard input.")
@click.option("--start", default=0, show_default=True, help="Where the page begins.")
@click.option("--limit", default=50, show_default=True, help="Objects on the page.")
@click.option("--common", default=0, metavar="NUMBER", help="Objects that make a value too common.  [default: 1000]")
def correlate(
    session: Session,
    names: tuple[str, ...],
    source: str,
    kind: str,
    since: str,
    values: tuple[str, ...],
    collection: str,
    name: str,
    start: int,
    limit: int,
    common: int,
) -> int:
    """Say what else is known of the values that objects are about, the closest first.

    Objects that share many values, or rare ones, come first. A value that very many objects have says nothing of any
    two of them: it does not rank, and is named with its number. Leaves with 1 if nothing shares a value.
    """
    lines = [line.strip() for line in read_text(name).splitlines()] if name else []
    asked = tuple(line for line in lines if line and not line.startswith("#"))
    if name and not asked:
        raise Misuse(f"{name} holds no value")
    choice = Choice(names, source, kind, instant(session, since), values, collection)
    done = session.ask(
        verbs.CORRELATE,
        verbs.Correlate(choice=choice, values=asked, start=start, limit=limit, common=common, **session.who),
    )
    session.put(done, _lines(done))
    return 0 if done.related or done.common else NOTHING_SHARED


def _lines(done: verbs.Correlated) -> Iterator[str]:
    yield f"{done.shared} of {done.values} values are known elsewhere too; {done.related} objects share them."
    if done.unread:
        yield f"{done.unread} objects asked about are not held with their bytes: their values are not compared."
    if done.common:
        yield f"{done.common} values are too common to rank by:"
        yield from (f"  {one.kind} {one.value}: {one.objects} objects" for one in done.commonest)
    for at, one in enumerate(done.page, done.start + 1):
        name = f" {one.name!r}" if one.name else ""
        state = "" if one.current else ", no longer valid or stood by"
        source = f", from {one.source!r}" if one.source else ""
        yield f"{at}. {one.type}{name}: {one.shared} shared, score {one.score}{state}"
        yield f"   {one.id}"
        yield f"   says {one.party}/{one.office}{source}: {one.marking}"
        more = f" … {one.shared - len(one.values)} more" if one.shared > len(one.values) else ""
        yield f"   {', '.join(one.values)}{more}"
    if done.start + len(done.page) < done.related:
        yield f"… {done.related - done.start - len(done.page)} more: --start {done.start + len(done.page)}"
