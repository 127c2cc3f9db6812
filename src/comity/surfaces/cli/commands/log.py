"""`comity log`: show, verify, prove, fork, check, renew."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import click
import msgspec

from comity.surfaces.cli.files import output_path, read_text, write_text
from comity.surfaces.cli.session import Session, columns
from comity.surfaces.cli.shape import SETTINGS, Lazy, command
from comity.surfaces.cli.verbs import Nothing
from comity.surfaces.cli.verbs import node as verbs

WRONG: Final = 1  # exit code: checked, and something is wrong
_AT: Final = "comity.surfaces.cli.commands.log:"
COMMANDS: Final = {
    "show": (f"{_AT}show", "The logs here, or one log's newest signed checkpoint."),
    "verify": (f"{_AT}verify", "Check the whole node, offline."),
    "prove": (f"{_AT}prove", "Write a proof file of an object."),
    "fork": (f"{_AT}fork", "Write a file that proves a fork."),
    "check": (f"{_AT}check", "Check a proof file; needs no node."),
    "renew": (f"{_AT}renew", "Begin the next generation of a log."),
}
log = Lazy("log", COMMANDS, help="Logs: what was put on record, and the proof of it.", context_settings=SETTINGS)


class Checked(msgspec.Struct, frozen=True):
    """What a proof file proves, for people and programs."""

    party: str
    office: str
    statement: str
    size: int
    at: int
    kind: str
    tlp: str
    words: str
    receipts: tuple[tuple[str, int], ...]
    body: str


class CheckedFork(msgspec.Struct, frozen=True):
    """What a fork file proves, for people and programs: two trees as (entries, root)."""

    party: str
    origin: str
    first: tuple[int, str]
    second: tuple[int, str]
    words: str


@command("show", example="comity log show\ncomity log show cert.arcadia.example/home/1")
@click.argument("origin", required=False, default="", metavar="[ORIGIN]")
def show(session: Session, origin: str) -> None:
    """List the logs this node writes or follows; of one, print the newest signed checkpoint (C2SP tlog-checkpoint)."""
    if origin:
        one = session.ask(verbs.CHECKPOINT, verbs.Checkpoint(origin=origin, **session.who))
        session.put(one, one.text.splitlines())
        return
    found = session.ask(verbs.LOGS, Nothing(**session.who))
    rows = [
        (
            entry.origin,
            "own" if entry.own else "followed",
            entry.state,
            f"{entry.size} entries",
            f"{entry.signed} signed",
            ", ".join(f"{count} {what}" for what, count in entry.held.items()),
        )
        for entry in found.logs
    ]
    session.put(found, columns(rows) or ["No log is begun yet."])


@command("verify", example="comity log verify")
def verify(session: Session) -> int:
    """Check the whole node without asking anybody: payloads open their leaves, leaves give the signed roots.

    Leaves with 1 if anything is wrong.
    """
    found = session.ask(verbs.VERIFY, Nothing(**session.who))
    lines = columns((entry.origin, f"{entry.entries} entries", _verdict(entry)) for entry in found.logs)
    lines += [f"  {word}" for entry in found.logs for word in entry.wrong]
    session.put(found, [*lines, f"{found.entries} entries in {len(found.logs)} logs: {_sum(found)}"])
    return WRONG if found.wrong else 0


def _verdict(entry: verbs.LogVerified) -> str:
    return f"{len(entry.wrong)} WRONG" if entry.wrong else "verified"


def _sum(found: verbs.Verified) -> str:
    return f"{found.wrong} WRONG" if found.wrong else "all verified."


@command("prove", example="comity log prove indicator--8e2e2d2b-17d4-4cbf-938f-98ee46b3cd3f --out proof.json")
@click.argument("name", metavar="OBJECT")
@click.option("--out", required=True, metavar="FILE", help="Where to write it; - is standard output.")
def prove(session: Session, name: str, out: str) -> None:
    """Write a proof file: a statement with all that proves who put it on record, and who has witnessed it.

    The file holds the statement itself: give it only to whoever may have that. Anybody can check it with `comity log
    check`, without a node.
    """
    with output_path(out) as path:
        done = session.ask(verbs.PROVE, verbs.Prove(name=name, path=path, **session.who))
    if session.as_json and out != "-":
        session.put(done, ())
        return
    session.note(f"Proof that {done.party} put {done.statement} on record.")
    for other in done.others:
        session.note(f"  the same object is also {other}: `comity log prove {other}`")


@command("fork", example="comity log fork cert.borealia.example/accord/three-shores/1 --out fork.proof")
@click.argument("origin", metavar="ORIGIN")
@click.option("--out", metavar="FILE", default="-", help="Where to write it.  [default: standard output]")
def fork(session: Session, origin: str, out: str) -> None:
    """Write a file that proves that a log's author signed two histories of it.

    It holds two signed checkpoints and no statement, so it can be given to anybody; `comity log check` verifies it.
    """
    found = session.ask(verbs.FORK, verbs.Fork(origin=origin, **session.who))
    if session.as_json:
        session.put(found, ())
        return
    write_text(out, found.text)
    session.note(f"Proof that {origin} was signed in two versions.")


@command("check", example="comity log check proof.json")
@click.argument("file", metavar="FILE")
def check(session: Session, file: str) -> None:
    """Check a proof file on any machine, offline; no node is needed.

    It proves who signed the log that holds the statement. That the signer is who it says, its twelve words prove: the
    party reads them out on a number you already have.
    """
    from comity.node import forks, proofs
    from comity.surfaces.cli.words import words_of

    data = read_text(file).strip().encode()
    if forks.is_file(data):
        forked = forks.check(data)
        found = CheckedFork(forked.party, forked.origin, forked.first, forked.second, words_of(forked.words))
        session.put(found, _fork_lines(found))
        return
    proven = proofs.check(data)
    shown = Checked(
        party=proven.party,
        office=proven.office,
        statement=f"{proven.origin}#{proven.index}",
        size=proven.size,
        at=proven.at,
        kind=proven.kind,
        tlp=proven.tlp,
        words=words_of(proven.words),
        receipts=proven.receipts,
        body=proven.body.decode("utf-8", "replace"),
    )
    session.put(shown, _check_lines(session, shown))


def _fork_lines(found: CheckedFork) -> Iterator[str]:
    yield f"The fork is proven: the keeper of {found.party}'s log key signed two different trees of one log."
    yield f"  log    {found.origin}"
    for size, root in (found.first, found.second):
        yield f"  tree   {size} entries, root {root}"
    yield f"  words  {found.words}"
    yield f"The key is {found.party}'s if {found.party} reads you these words."


def _check_lines(session: Session, shown: Checked) -> Iterator[str]:
    yield f"The proof holds: {shown.party}/{shown.office} put this {shown.kind} on record."
    yield f"  statement  {shown.statement}, of {shown.size} signed entries"
    yield f"  at         {session.time(shown.at)}, by its own clock"
    if shown.tlp:
        yield f"  marking    {shown.tlp}"
    for party, at in shown.receipts:
        yield f"  witnessed  by {party}, {session.time(at)}"
    if not shown.receipts:
        yield "  witnessed  by nobody else in this file"
    yield f"  words      {shown.words}"
    yield f"It is {shown.party}'s if {shown.party} reads you these words. The statement:"
    yield from (f"  {line}" for line in shown.body.splitlines())


@command(
    "renew", example="comity log renew\ncomity log renew three-shores --reason 'restored from the backup of 1 March'"
)
@click.argument("names", nargs=-1, metavar="[home|ACCORD…]")
@click.option("--reason", default="", help="Goes on record and to the members.")
def renew(session: Session, names: tuple[str, ...], reason: str) -> None:
    """Close a log and begin its next generation: it was forked, lost, restored from a backup, or its key stolen.

    Without names, every log of which a peer holds more than is here.
    """
    done = session.ask(verbs.RENEW, verbs.Renew(names=names, reason=reason, **session.who))
    lines = [f"begun: {origin}" for origin in done.origins]
    state = "The node signs." if done.signs else f"The node does not sign yet: {done.why_not}"
    session.put(done, [*lines, state, f"On record: {done.by}."])
