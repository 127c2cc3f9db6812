"""`comity` itself: the table of commands, and how a run ends.

Rules: exit codes are those of sysexits.h as `comity.errors` assigns them; 0 is success, 1 says that nothing
was found or that something is gravely wrong, 64 that the command was not understood.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Final

import click

from comity import __version__
from comity.errors import ComityError, Misuse
from comity.surfaces.cli.shape import SETTINGS, Lazy, home_option

if TYPE_CHECKING:
    from comity.surfaces.cli.host import Host

_AT: Final = "comity.surfaces.cli.commands."
COMMANDS: Final = {
    "init": (f"{_AT}init:init", "Make this party's node in an empty directory."),
    "party": (f"{_AT}party:party", "Cards, the twelve words, keys, correspondents."),
    "inbox": (f"{_AT}inbox:inbox", "What correspondents sent: look, accept, refuse."),
    "accord": (f"{_AT}accord:accord", "Draft, review, sign, exchange and amend accords."),
    "ingest": (f"{_AT}importing:ingest", "Bring intelligence in: STIX, MISP, tables, reports, rules …"),
    "imports": (f"{_AT}importing:imports", "What was imported, what was lost of it, and the originals."),
    "lookup": (f"{_AT}intel:lookup", "What is known of a value, by whom, for how long."),
    "search": (f"{_AT}searching:search", "Find objects by their words, in any script."),
    "correlate": (f"{_AT}correlating:correlate", "What else shares values with objects, the closest first."),
    "graph": (f"{_AT}graph:graph", "What an object is tied to, in both directions, to a depth."),
    "catalogue": (f"{_AT}catalogue:catalogue", "ATT&CK, DISARM, actors, tools by name; what a tag says."),
    "warnings": (f"{_AT}catalogue:warnings", "Which warning lists have a value: likely false positives."),
    "collection": (f"{_AT}collection:collection", "Named sets of objects, by hand or by saved search."),
    "show": (f"{_AT}intel:show", "An object's original bytes and who says so."),
    "score": (f"{_AT}decay:score", "What a value is still worth, and how that came to be."),
    "decay": (f"{_AT}decay:decay", "How confidence wears off with time, by kind of value."),
    "sighting": (f"{_AT}intel:sighting", "Put on record that a value or object was seen, or not."),
    "evidence": (f"{_AT}evidence:evidence", "Personal accounts that came with intelligence: sealed."),
    "attachment": (f"{_AT}attachment:attachment", "Samples and documents: encrypted, never opened here."),
    "opinion": (f"{_AT}intel:opinion", "Say what your office thinks of an object."),
    "note": (f"{_AT}intel:note", "Note something about objects."),
    "sources": (f"{_AT}intel:sources", "Your office's sources and their default markings."),
    "source": (f"{_AT}source:source", "Sources that are fetched on a schedule: TAXII, feeds, URLs."),
    "ask": (f"{_AT}asking:ask", "Ask the members of an accord: have you seen this?"),
    "questions": (f"{_AT}asking:questions", "What was asked, by whom, until when, and who has answered."),
    "answer": (f"{_AT}asking:answer", "Answer a question, decline it, or have an answer drafted."),
    "answers": (f"{_AT}asking:answers", "All answers to a question as one picture."),
    "interest": (f"{_AT}interest:interest", "What offices ask one another for, and what fits."),
    "share": (f"{_AT}release:share", "State objects in an accord."),
    "rule": (f"{_AT}rule:rule", "Standing rules: what is shared as it comes."),
    "explain": (f"{_AT}release:explain", "Why an audience may, or may not, have an object."),
    "export": (f"{_AT}release:export", "Write a file for a correspondent without a node."),
    "retract": (f"{_AT}acting:retract", "No longer stand by objects, wherever they went."),
    "correct": (f"{_AT}acting:correct", "Put a corrected version in an object's place, wherever it went."),
    "narrow": (f"{_AT}acting:narrow", "Make the marking of objects narrower."),
    "consent": (f"{_AT}acting:consent", "Let holders pass objects on to somebody."),
    "erase": (f"{_AT}acting:erase", "Have objects' bytes erased everywhere."),
    "compliance": (f"{_AT}acting:compliance", "Who has complied with acts about what was stated."),
    "sync": (f"{_AT}node:sync", "Pull from peers now."),
    "serve": (f"{_AT}node:serve", "Serve peers and pull from them until stopped."),
    "log": (f"{_AT}log:log", "Logs: show, verify, prove, check, renew."),
    "receipts": (f"{_AT}node:receipts", "Who has witnessed our logs, up to where."),
    "feed": (f"{_AT}feed:feed", "Lists that sensors fetch by themselves."),
    "taxii": (f"{_AT}taxii:taxii", "The TAXII server: its collections, and who is told of which."),
    "neighbour": (f"{_AT}neighbour:neighbour", "Who is told what happens: webhooks, chats, syslog, tickets."),
    "sidecar": (f"{_AT}sidecar:sidecar", "Your own MISP beside this node: asks, and is written to."),
    "mail": (f"{_AT}mail:mail", "Mail: fetched, verified, answered, sent signed and encrypted."),
    "token": (f"{_AT}token:token", "Tokens by which your own programs ask this node's API."),
    "rebuild": (f"{_AT}node:rebuild", "Fold every view again from the logs."),
    "doctor": (f"{_AT}node:doctor", "Everything an operator should know."),
    "demo": (f"{_AT}demo:demo", "Watch one node, then three, do all of this."),
}
HELP: Final = """Comity: threat intelligence exchanged between sovereign parties, under accords, with proof.

Each party runs its own node. `comity init` makes one; `comity demo` shows everything in a minute.
"""


def run(arguments: Sequence[str], host: Callable[[], Host]) -> int:
    """Run one command; `host` is made when a command asks for it. Return the exit code."""
    try:
        code = root().main(list(arguments), prog_name="comity", standalone_mode=False, obj=host)
    except ComityError as error:
        return _fail(error)
    except click.exceptions.Exit as error:
        return error.exit_code
    except click.UsageError as error:
        error.show()
        return Misuse.exit_code
    except click.ClickException as error:
        error.show()
        return 1
    except (click.Abort, KeyboardInterrupt):
        click.echo("stopped", err=True)
        return 130
    return code if isinstance(code, int) else 0


def root() -> click.Group:
    """Return the command line; a new one for each run."""
    group = Lazy("comity", COMMANDS, help=HELP, params=[home_option()], context_settings=SETTINGS)
    return click.version_option(__version__, message="%(prog)s %(version)s")(group)


def _fail(error: ComityError) -> int:
    from comity.surfaces.cli.session import visible

    click.echo(f"comity: {error.whose}: {visible(str(error))}", err=True)
    if error.hint:
        click.echo(f"  → {visible(error.hint)}", err=True)
    return error.exit_code
