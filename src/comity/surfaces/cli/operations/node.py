"""The node itself: syncing, logs and proofs, receipts, rebuilding, the doctor."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from comity import canon
from comity.canon import Origin
from comity.errors import ComityError, Fault, Misuse, NotFound
from comity.node import doctor as examining
from comity.node import forks, generations, proofs, pulls, views, witness
from comity.node import rebuild as rebuilding
from comity.node.mail import accounts
from comity.node.ports import LogState, Unit, place
from comity.surfaces.cli.desk import OPENPGP_RENEWAL, Desk, Operation, actor_of
from comity.surfaces.cli.operations.choosing import mine_first
from comity.surfaces.cli.verbs import Nothing
from comity.surfaces.cli.verbs import node as verbs

DAY: Final = 86_400  # seconds
OPENPGP_WARNED_SECONDS: Final = 90 * DAY  # before it expires: programs that check have to be told of a new key

# -- syncing ---------------------------------------------------------------------


def sync(desk: Desk, ask: verbs.Sync) -> verbs.Synced:
    """Pull from every party with an address, or from the named ones; one peer's fault never stops the others."""
    desk.reconsider(alone=ask.alone)
    wires = desk.wires(ask.parties)
    for number, (peer, wire) in enumerate(wires.items()):
        desk.report(f"pulling from {peer}", number, len(wires))
        pulls.pull(desk.services, peer, wire, desk.report)
        desk.pause()
    with desk.services.node.store.read() as unit:
        return verbs.Synced(tuple(_pulled(record) for record in pulls.last(unit) if record.party in wires))


def _pulled(record: pulls.Pull) -> verbs.Pulled:
    return verbs.Pulled(
        party=record.party,
        at=record.at,
        unchanged=record.unchanged,
        entries=record.entries,
        payloads=record.payloads,
        refused=record.refused,
        receipts=record.receipts,
        forks=record.forks,
        faults=record.faults,
        error=record.error,
    )


# -- logs and proofs ---------------------------------------------------------------


def logs(desk: Desk, ask: Nothing) -> verbs.LogsShown:
    """Return every log this node writes or follows, and how much of each it holds."""
    found: list[verbs.LogShown] = []
    with desk.services.node.store.read() as unit:
        for log in unit.logs.all():
            held: dict[str, int] = {}
            for start, end, what in unit.entries.held_runs(log.id, 0, log.size):
                held[what.value] = held.get(what.value, 0) + end - start
            root = canon.b64(log.root) if log.root else ""
            found.append(verbs.LogShown(log.origin, log.own, log.state.value, log.size, log.signed, root, held))
    return verbs.LogsShown(tuple(found))


def checkpoint(desk: Desk, ask: verbs.Checkpoint) -> verbs.CheckpointShown:
    """Return a log's newest signed checkpoint, as other programs read it (C2SP tlog-checkpoint)."""
    with desk.services.node.store.read() as unit:
        log = unit.logs.find(Origin(ask.origin))
    if log is None or not log.note:
        raise NotFound(f"no signed checkpoint of {ask.origin} is held", hint="`comity log show` names the logs")
    return verbs.CheckpointShown(log.origin, log.note.decode())


def verify(desk: Desk, ask: Nothing) -> verbs.Verified:
    """Check every log of this node offline: payloads, leaves, trees, signatures."""
    node = desk.services.node
    found: list[verbs.LogVerified] = []
    with node.store.read() as unit:
        every = unit.logs.all()
    for number, log in enumerate(every):
        desk.report(log.origin, number, len(every))
        with node.store.read() as unit:
            entries, wrong = proofs.verify_log(node, unit, unit.logs.get(log.id))
        found.append(verbs.LogVerified(log.origin, entries, tuple(wrong)))
        desk.pause()
    return verbs.Verified(tuple(found), sum(log.entries for log in found), sum(len(log.wrong) for log in found))


def prove(desk: Desk, ask: verbs.Prove) -> verbs.Proven:
    """Write a proof file of an object: where others stated it, of what they stated; else of what we stated."""
    services = desk.services
    with services.node.store.read() as unit:
        actor = actor_of(desk, unit, ask)
        places = mine_first(services, unit, actor, ask.name)
        stated = [at for place_ in places for at in _stated(unit, place_)] or places
        data = proofs.prove(services.node, unit, stated[0])
        names = [_name(unit, at) for at in stated]
    proven = proofs.check(data)  # what is handed out has been checked as its reader will check it
    try:
        Path(ask.path).write_bytes(data)
    except OSError as error:
        raise Fault(f"{ask.path} cannot be written: {error.strerror}") from error
    return verbs.Proven(f"{proven.origin}#{proven.index}", proven.party, tuple(names[1:]))


def _stated(unit: Unit, at: int) -> list[int]:
    """Return where an entry of the home log was stated in accords: there others have witnessed it."""
    return [int(row[0] or 0) for row in unit.views.find(views.PASSED, {"source": at}, limit=64)]


def _name(unit: Unit, at: int) -> str:
    log_id, index = place(at)
    return f"{unit.logs.get(log_id).origin}#{index}"


def fork(desk: Desk, ask: verbs.Fork) -> verbs.ForkShown:
    """Return the file that proves the fork of a log."""
    with desk.services.node.store.read() as unit:
        return verbs.ForkShown(ask.origin, forks.export(unit, ask.origin).decode())


def renew(desk: Desk, ask: verbs.Renew) -> verbs.Renewed:
    """Begin the next generation of own logs: of the named ones, or of every one that a peer knows better."""
    node = desk.services.node
    with node.store.read() as unit:
        actor = actor_of(desk, unit, ask)
    wires = desk.wires()
    heads = generations.largest(node, wires)
    stems = [_stem(name) for name in ask.names] or _doubted(desk, heads)
    if not stems:
        raise Misuse("no log of this node is in doubt", hint="name one: `home`, or an accord")
    reason = ask.reason or "restored from a backup"
    begun = [generations.renew(node, actor, stem, reason, heads) for stem in stems]
    desk.reconsider()
    return verbs.Renewed(tuple(begun), str(actor), node.signs, node.why_not)


def _stem(name: str) -> str:
    return name if name == "home" else f"accord/{name.removeprefix('accord/')}"


def _doubted(desk: Desk, heads: generations.Heads) -> list[str]:
    """Return the stems of logs that are frozen, or of which a peer holds more than is here."""
    stems: dict[str, None] = {}
    with desk.services.node.store.read() as unit:
        for origin, head in heads.items():
            log = unit.logs.find(origin)
            if log is None or (log.state is LogState.OPEN and head.checkpoint.size > log.size):
                stems[_stem_of(origin)] = None
        newest: dict[str, LogState] = {}
        for log in sorted(unit.logs.all(), key=lambda log: canon.parse_origin(log.origin)[2]):
            if log.own:
                newest[_stem_of(log.origin)] = log.state
        stems |= {stem: None for stem, state in newest.items() if state is LogState.FROZEN}
    return list(stems)


def _stem_of(origin: str) -> str:
    _, accord, _ = canon.parse_origin(origin)
    return "home" if accord is None else f"accord/{accord}"


# -- the rest ----------------------------------------------------------------------


def receipts(desk: Desk, ask: Nothing) -> verbs.ReceiptsShown:
    """Return the newest receipt of each cosigner for our logs."""
    found: list[verbs.ReceiptShown] = []
    with desk.services.node.store.read() as unit:
        for receipt in witness.receipts(desk.services.node, unit):
            log = unit.logs.find(receipt.origin)
            size = log.size if log is not None else 0
            found.append(verbs.ReceiptShown(receipt.origin, receipt.cosigner, receipt.size, receipt.at, size))
    return verbs.ReceiptsShown(tuple(found))


def rebuild(desk: Desk, ask: Nothing) -> verbs.Rebuilt:
    """Fold every view again from the logs."""
    return verbs.Rebuilt(rebuilding.rebuild(desk.services.node, lambda done, of: desk.report("folding", done, of)))


def doctor(desk: Desk, ask: verbs.Examine) -> verbs.Examined:
    """Return everything an operator should know."""
    node = desk.services.node
    ailments = examining.examine(node, desk.services.accords, deep=ask.deep)
    with node.store.read() as unit:
        records = [_pulled(record) for record in pulls.last(unit)]
    return verbs.Examined(
        party=node.me,
        signs=node.signs,
        serving=desk.serving,
        ailments=(*(verbs.AilmentShown(a.grave, a.what, a.advice) for a in ailments), *_openpgp(desk), *_mail(desk)),
        pulls=tuple(records),
    )


def neighbours(desk: Desk, ask: verbs.Neighbours) -> verbs.NeighboursTried:
    """Try every connection of this node, and say of each in words what is wrong."""
    with desk.services.node.store.read() as unit:
        actor_of(desk, unit, ask)
    return verbs.NeighboursTried(tuple(verbs.TriedShown(*one) for one in desk.tried(send_test=ask.send_test)))


def _openpgp(desk: Desk) -> list[verbs.AilmentShown]:
    """Return what is wrong with the key whose signatures people without a node check, or soon will be."""
    try:
        expires = desk.openpgp.expires()
    except ComityError as error:
        return [verbs.AilmentShown(True, str(error), error.hint or "")]
    left = None if expires is None else expires - desk.services.node.now()
    if left is None or left > OPENPGP_WARNED_SECONDS:
        return []
    when = "has expired" if left <= 0 else f"expires in {left // DAY} days"
    return [verbs.AilmentShown(left <= 0, f"the OpenPGP key that signs advisories {when}", OPENPGP_RENEWAL)]


def _mail(desk: Desk) -> list[verbs.AilmentShown]:
    """Return what is wrong with keys of mail accounts and correspondents, or soon will be."""
    with desk.services.node.store.read() as unit:
        known = [one for one in accounts.accounts(unit) if one.enabled]
    found = [each for one in known for each in desk.mail.keys(one)]
    found += [
        each for office in sorted({one.office for one in known}) for each in desk.mail.correspondents_keys(office)
    ]
    return [verbs.AilmentShown(one.grave, one.what, one.advice) for one in found]


OPERATIONS: Final = (
    Operation(verbs.SYNC, sync),
    Operation(verbs.LOGS, logs),
    Operation(verbs.CHECKPOINT, checkpoint),
    Operation(verbs.VERIFY, verify),
    Operation(verbs.PROVE, prove),
    Operation(verbs.FORK, fork),
    Operation(verbs.RENEW, renew),
    Operation(verbs.RECEIPTS, receipts),
    Operation(verbs.REBUILD, rebuild),
    Operation(verbs.DOCTOR, doctor),
    Operation(verbs.NEIGHBOURS, neighbours),
)
