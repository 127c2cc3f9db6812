"""`comity taxii`: the collections of this node's TAXII server, and who is told of which."""

from __future__ import annotations

from typing import Final

import click

from comity.surfaces.cli.session import Session, columns
from comity.surfaces.cli.shape import SETTINGS, Lazy, command
from comity.surfaces.cli.verbs import taxii as verbs

_AT: Final = "comity.surfaces.cli.commands.taxii:"
COMMANDS: Final = {
    "list": (f"{_AT}list_", "The collections of a correspondent, or of your own programs."),
    "offer": (f"{_AT}offer", "Tell a correspondent of an accord or a collection by name."),
}
taxii = Lazy("taxii", COMMANDS, help="The TAXII server of this node.", context_settings=SETTINGS)


@command("list", example="comity taxii list\ncomity taxii list grid-operator")
@click.argument("name", metavar="[CORRESPONDENT]", default="")
def list_(session: Session, name: str) -> None:
    """Show which collections the TAXII server has for a correspondent; without a name, for your office's own programs.

    A collection says where to look, not what may be had: every object is decided for its reader whenever it is shown.
    """
    found = session.ask(verbs.LIST, verbs.Collections(name=name, **session.who))
    where = f"at {found.listen}" if found.listen else "nowhere yet: set `taxii_listen`"
    rows = [(one.alias, one.id, "read, write" if one.write else "read", one.title) for one in found.collections]
    session.put(found, [f"{found.reader}: {found.root}collections/, served {where}", *columns(rows)])


@command(
    "offer",
    example="comity taxii offer grid-operator --accord three-shores\n"
    "comity taxii offer grid-operator --collection energy\n"
    "comity taxii offer grid-operator --collection energy --end",
)
@click.argument("name", metavar="CORRESPONDENT")
@click.option("--accord", default="", metavar="ID", help="What was stated in this accord, as a collection.")
@click.option("--collection", default="", metavar="NAME", help="A collection of your office (`comity collection`).")
@click.option("--end", is_flag=True, help="It is told of it no more.")
def offer(session: Session, name: str, accord: str, collection: str, end: bool) -> None:
    """Let a correspondent see an accord, or a collection of your office, as a collection of the TAXII server.

    That releases nothing: it sees there what it may have anyway. What it learns is the name, and which objects belong.
    """
    done = session.ask(
        verbs.OFFER, verbs.Offer(name=name, accord=accord, collection=collection, end=end, **session.who)
    )
    told = [*(f"accord {one}" for one in done.accords), *(f"collection {one}" for one in done.collections)]
    session.put(done, [f"{done.name} is told of {', '.join(told) or 'no accord and no collection'}."])
