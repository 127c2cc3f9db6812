"""`comity score` and `comity decay`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import click

from comity.surfaces.cli.commands.intel import NOT_FOUND, score_line
from comity.surfaces.cli.files import read_text
from comity.surfaces.cli.session import Session, columns
from comity.surfaces.cli.shape import SETTINGS, Lazy, command
from comity.surfaces.cli.verbs import Nothing, intel
from comity.surfaces.cli.verbs import decay as verbs

_AT: Final = "comity.surfaces.cli.commands.decay:"
COMMANDS: Final = {
    "show": (f"{_AT}show", "The table of models in force."),
    "set": (f"{_AT}set_", "Put a table of your office's own in force."),
}
decay = Lazy("decay", COMMANDS, help="How confidence wears off with time, by kind of value.", context_settings=SETTINGS)


@command("score", example="comity score 198.51.100.7\ncomity score 'evil[.]example' --json")
@click.argument("values", nargs=-1, required=True, metavar="VALUE…")
def score(session: Session, values: tuple[str, ...]) -> int:
    """Say what values are still worth, and how that came to be.

    The confidences of all who say so are joined, wear off with the age of the newest word by the model of the value's
    kind (`comity decay show`), begin anew with a sighting, and are lowered by each who calls it a false positive.
    Leaves with 1 where nothing that stands says any of them.
    """
    found = session.ask(intel.LOOKUP, intel.Lookup(values=values, **session.who))
    session.put(found, _score_lines(session, found))
    return 0 if any(one.scores for one in found.answers) else NOT_FOUND


def _score_lines(session: Session, found: intel.Answers) -> Iterator[str]:
    for answer in found.answers:
        if not answer.scores:
            yield f"{answer.asked}: nothing that stands says it"
        for one in answer.scores:
            yield f"{answer.asked} ({one.kind}): {score_line(one)}"
            yield f"  ages by the model {one.model!r} from {session.time(one.since)}"
            for basis in one.basis:
                trust = f", reliability {basis.reliability}" if basis.reliability else ""
                source = f" from {basis.source!r}{trust}" if basis.source else ""
                given = "gives no confidence" if basis.confidence is None else f"gives {basis.confidence}"
                counted = f", of which {basis.counted} count" if basis.counted != basis.confidence else ""
                yield f"  {basis.party}/{basis.office}{source}: {given}{counted}"
            for who in one.doubted_by:
                yield f"  {who} calls it a false positive"
            if one.ended_by:
                yield f"  {one.ended_by} says that it has expired"


@command("show", example="comity decay show\ncomity decay show --json")
def show(session: Session) -> None:
    """Show the table by which your office lets confidence wear off."""
    found = session.ask(verbs.SHOW, Nothing(**session.who))
    session.put(found, _table_lines(found))


@command("set", example="comity decay set our-models.toml\ncomity decay set --default")
@click.argument("file", default="", metavar="[FILE]")
@click.option("--default", "is_default", is_flag=True, help="Go back to the table that comes with Comity.")
def set_(session: Session, file: str, is_default: bool) -> None:
    """Put a table of your office's own in force, on record. It is TOML, one [[model]] for some kinds of value.

    A [reliability] table, such as C = 60, says how many per cent count of what a source of that letter gives.
    """
    if bool(file) == is_default:
        raise click.UsageError("name a FILE, or say --default")
    table = "" if is_default else read_text(file)
    found = session.ask(verbs.SET, verbs.SetTable(table=table, **session.who))
    session.put(found, _table_lines(found))


def _table_lines(found: verbs.TableShown) -> list[str]:
    rows = [("model", "lifetime", "speed", "threshold", "false positive", "kinds")]
    for one in found.models:
        lifetime = f"{one.lifetime:g} days" if one.lifetime else "never"
        kinds = ", ".join(one.kinds) or "all others"
        rows.append((one.name, lifetime, f"{one.speed:g}", str(one.threshold), f"-{one.false_positive} %", kinds))
    counted = [f"Of a source of reliability {letter}, {share} % count." for letter, share in found.reliability.items()]
    whose = "Your office's own table." if found.own else "The default table."
    return [*columns(rows), *counted, whose]
