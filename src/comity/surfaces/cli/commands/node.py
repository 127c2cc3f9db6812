"""`comity sync`, `serve`, `receipts`, `rebuild`, `doctor`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

import click

from comity.errors import Misuse, Unreachable
from comity.surfaces.cli.session import Session, columns
from comity.surfaces.cli.shape import command
from comity.surfaces.cli.verbs import Nothing
from comity.surfaces.cli.verbs import node as verbs

GRAVE: Final = 1  # exit code of the doctor and of a verification that finds something wrong


@command("sync", example="comity sync\ncomity sync cert.borealia.example --json")
@click.argument("parties", nargs=-1, metavar="[PARTY…]")
@click.option("--alone", is_flag=True, help="A restored store may sign although no peer answers; goes on record.")
def sync(session: Session, parties: tuple[str, ...], alone: bool) -> int:
    """Pull what is new from peers: accords, statements, receipts. Everything is verified before it is kept.

    A serving node does this by itself. Leaves with 69 if no peer could be pulled from.
    """
    done = session.ask(verbs.SYNC, verbs.Sync(parties=parties, alone=alone, **session.who))
    session.put(done, _sync_lines(session, done.pulls))
    return Unreachable.exit_code if done.pulls and all(pull.error for pull in done.pulls) else 0


def _sync_lines(session: Session, pulls: Sequence[verbs.Pulled]) -> Iterator[str]:
    if not pulls:
        yield "No confirmed party has an address: there is nobody to pull from."
    for pull in pulls:
        yield from pull_lines(session, pull)


def pull_lines(session: Session, pull: verbs.Pulled) -> Iterator[str]:
    """Return what one pull brought, as lines."""
    if pull.error:
        yield f"{pull.party}: {pull.error}"
        return
    what = f"{pull.entries} new entries, {pull.payloads} with payload, {pull.refused} refused"
    yield f"{pull.party}: {'nothing new' if pull.unchanged else what} ({session.time(pull.at)})"
    yield from (f"  FORK PROVEN: {origin} is frozen; nothing more of it is believed" for origin in pull.forks)
    yield from (f"  {fault}" for fault in pull.faults)


@command("serve", example="comity serve\ncomity --home /var/lib/comity serve")
@click.option("--alone", is_flag=True, help="A restored store may sign although no peer answers; goes on record.")
def serve(session: Session, alone: bool) -> None:
    """Serve this node: answer peers, pull from them, and carry out this machine's `comity` commands.

    Where to listen and how often to pull is in settings.toml. SIGTERM or Ctrl-C stops it after what is under way.
    """
    session.host.serve(session.home, alone=alone)


@command("receipts", example="comity receipts")
def receipts(session: Session) -> None:
    """Show who has witnessed our logs: the newest timestamped cosignature of each party."""
    found = session.ask(verbs.RECEIPTS, Nothing(**session.who))
    rows = [(r.origin, r.cosigner, f"{r.size} of {r.current} entries", session.time(r.at)) for r in found.receipts]
    session.put(found, columns(rows) or ["No receipt is held yet."])


@command("rebuild", example="comity rebuild")
def rebuild(session: Session) -> None:
    """Fold every view again from the logs: after an upgrade, or if an index is doubted. Nothing is added to a log."""
    done = session.ask(verbs.REBUILD, Nothing(**session.who))
    session.put(done, [f"Folded {done.entries} entries again."])


@command("doctor", example="comity doctor --deep\ncomity doctor --neighbours")
@click.option("--deep", is_flag=True, help="Verify every entry of every log too.")
@click.option("--neighbours", is_flag=True, help="Try every connection instead: peers, sources, doors, clocks …")
@click.option("--send-test", is_flag=True, help="With --neighbours: send each a message that is marked as a test.")
def doctor(session: Session, deep: bool, neighbours: bool, send_test: bool) -> int:
    """Say everything an operator should know. Leaves with 1 if something is grave.

    --neighbours tries every connection that this node is to have, and says of each that does not work whose fault it is
    and what to do. Nothing is sent that a partner would take for real.
    """
    if send_test and not neighbours:
        raise Misuse("--send-test goes with --neighbours")
    if neighbours:
        if deep:
            raise Misuse("--deep looks at this node and --neighbours at others: one at a time")
        return _neighbours(session, send_test=send_test)
    found = session.ask(verbs.DOCTOR, verbs.Examine(deep=deep, **session.who))
    session.put(found, _doctor_lines(session, found))
    return GRAVE if any(ailment.grave for ailment in found.ailments) else 0


def _doctor_lines(session: Session, found: verbs.Examined) -> Iterator[str]:
    state = "served" if found.serving else "not served now"
    yield f"{found.party}: {'signs' if found.signs else 'reads and does NOT sign'}, {state}"
    for ailment in found.ailments:
        yield f"{'GRAVE  ' if ailment.grave else 'note   '}{ailment.what}" + (
            f" → {ailment.advice}" if ailment.advice else ""
        )
    for pull in found.pulls:
        yield from pull_lines(session, pull)
    if not any(ailment.grave for ailment in found.ailments):
        yield "Nothing grave."


def _neighbours(session: Session, *, send_test: bool) -> int:
    done = session.ask(verbs.NEIGHBOURS, verbs.Neighbours(send_test=send_test, **session.who))
    session.put(done, _tried_lines(done.tried))
    return GRAVE if any(not one.works for one in done.tried) else 0


def _tried_lines(tried: Sequence[verbs.TriedShown]) -> Iterator[str]:
    for one in tried:
        if one.works:
            yield f"works  {one.what}: {one.said}"
        else:
            yield f"FAILS  {one.what}: {one.whose}: {one.said}" + (f" → {one.advice}" if one.advice else "")
    failed = sum(not one.works for one in tried)
    if not tried:
        yield "This node has no neighbour yet: `comity party import`, `comity source add`."
    else:
        yield f"{len(tried)} tried, {failed or 'none'} failed."
