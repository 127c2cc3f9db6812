"""`comity search`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import click

from comity.surfaces.cli.session import Session
from comity.surfaces.cli.shape import command
from comity.surfaces.cli.verbs import searching as verbs

NOTHING_FOUND: Final = 1  # exit code: understood, and nothing has these words


@command(
    "search", example="comity search phishing invoice\ncomity search 'tax off*' --limit 50\ncomity search 网络钓鱼"
)
@click.argument("words", nargs=-1, required=True, metavar="WORD…")
@click.option("--limit", default=20, show_default=True, help="How many, the newest first.")
@click.option("--before", default=0, metavar="NUMBER", help="Go on where the page before ended.")
def search(session: Session, words: tuple[str, ...], limit: int, before: int) -> int:
    """Find objects by what they say of themselves: name, description, labels, references, in any script.

    All words have to stand there; a word that ends in * stands for all that begin so. Case and accents do not count.
    Values are found by `comity lookup`. Leaves with 1 if nothing is found.
    """
    ask = verbs.Search(text=" ".join(words), limit=limit, before=before, **session.who)
    found = session.ask(verbs.SEARCH, ask)
    session.put(found, _lines(session, found))
    return 0 if found.hits else NOTHING_FOUND


def _lines(session: Session, found: verbs.Searched) -> Iterator[str]:
    if not found.hits:
        yield "Nothing has all of these words."
    for hit in found.hits:
        retracted = "RETRACTED  " if hit.retracted else ""
        name = f" {hit.name!r}" if hit.name else ""
        source = f", from {hit.source!r}" if hit.source else ""
        yield f"{retracted}{hit.type}{name}"
        if hit.text:
            yield f"  {hit.text}"
        yield f"  {hit.id}"
        yield f"  says {hit.party}/{hit.office}{source}: {hit.marking}, {session.time(hit.at)}"
    if found.more:
        yield f"There may be more: --before {found.more}"
