"""`comity feed`: lists that sensors fetch by themselves."""

from __future__ import annotations

from typing import Final

import click

from comity.surfaces.cli.commands.release import PURPOSES
from comity.surfaces.cli.session import Session, columns
from comity.surfaces.cli.shape import SETTINGS, Lazy, command
from comity.surfaces.cli.verbs import Nothing
from comity.surfaces.cli.verbs import feed as verbs

_AT: Final = "comity.surfaces.cli.commands.feed:"
COMMANDS: Final = {
    "create": (f"{_AT}create", "Make a list; its address is shown this once."),
    "list": (f"{_AT}list_", "Lists, for whom they are and in which form."),
    "revoke": (f"{_AT}revoke", "End a list from now on."),
}
feed = Lazy("feed", COMMANDS, help="Lists that sensors fetch by themselves.", context_settings=SETTINGS)


@command(
    "create",
    example="comity feed create block --to cert.arcadia.example/csirt~grid-operator --format rpz\n"
    "comity feed create ids --to cert.arcadia.example/csirt~grid-operator --format suricata --confidence 60",
)
@click.argument("name", metavar="NAME")
@click.option("--to", required=True, metavar="AUDIENCE", help="Whose sensor it is: a correspondent, or an office.")
@click.option("--format", "form", required=True, metavar="NAME", help="`comity export --format help` lists all.")
@click.option(
    "--for", "purpose", type=click.Choice(PURPOSES), default=None, help="[default: read for whole objects, else sensor]"
)
@click.option("--source", default="", metavar="NAME", help="Only objects from this source.")
@click.option(
    "--type",
    "kind",
    default=None,
    help="Only objects of this STIX type.  [default: indicator for lists of values, else all]",
)
@click.option("--confidence", type=click.IntRange(0, 100), default=0, help="Only values of at least this confidence.")
@click.option("--sure", is_flag=True, help="No value whose producer gave no confidence.")
@click.option("--kind", "kinds", multiple=True, metavar="KIND", help="Only these kinds of values, e.g. domain.")
@click.option("--warned", is_flag=True, help="Also values on warning lists: likely false positives.")
@click.option("--faded", is_flag=True, help="Also values that have worn off, or are doubted (`comity score`).")
@click.option("--address", default="", metavar="URL", help="Of csaf: this node's own, as fetchers see it.")
def create(
    session: Session,
    name: str,
    to: str,
    form: str,
    purpose: str | None,
    source: str,
    kind: str | None,
    confidence: int,
    sure: bool,
    kinds: tuple[str, ...],
    warned: bool,
    faded: bool,
    address: str,
) -> None:
    """Make a list that a sensor fetches from this node, where `api_listen` says.

    The address is a secret and is shown this once; who has it gets this list and nothing else. What may go is decided
    for the audience whenever anything has changed, so what was retracted, revoked or narrowed is gone from the next
    fetch on. A sensor that sends back the ETag gets 304 while nothing has changed; `?since=ETAG` answers with what
    changed, and `/removed` behind the address with what was taken back, and why.
    """
    from comity.surfaces.cli.operations.forms import is_whole

    done = session.ask(
        verbs.CREATE,
        verbs.Create(
            name=name,
            to=to,
            form=form,
            purpose=purpose or ("read" if is_whole(form) else "sensor"),
            source=source,
            type=kind if kind is not None else "" if is_whole(form) else "indicator",
            confidence=confidence,
            unsure=not sure,
            kinds=kinds,
            warned=warned,
            faded=faded,
            address=address,
            **session.who,
        ),
    )
    session.put(
        done,
        [
            f"List {done.feed.name!r} in form {done.feed.form} for {done.feed.to}; on record: {done.feed.by}.",
            f"Fetch it from {done.path} at the address of `api_listen`. This is shown once.",
        ],
    )


@command("list", example="comity feed list")
def list_(session: Session) -> None:
    """Show your office's lists. Their addresses are known to nobody but those you gave them to."""
    found = session.ask(verbs.LIST, Nothing(**session.who))
    rows = [
        (one.name, one.form, one.to, one.source or "every source", f"since {session.time(one.created)}")
        for one in found.feeds
    ]
    session.put(found, columns(rows) or ["There is no list; `comity feed create` makes one."])


@command("revoke", example="comity feed revoke block")
@click.argument("name", metavar="NAME")
def revoke(session: Session, name: str) -> None:
    """End a list: its address answers nobody from now on."""
    ended = session.ask(verbs.REVOKE, verbs.Revoke(name=name, **session.who))
    session.put(ended, [f"List {ended.name!r} for {ended.to} is ended."])
