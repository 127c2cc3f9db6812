"""What an operator should know: every finding says what it is, how grave, and what to do.

Rules: the doctor reads and never mends. A finding names whose fault it is where that is known.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from comity import canon
from comity.errors import NotFound
from comity.node import (
    credentials,
    neighbours,
    outbox,
    parties,
    proofs,
    rebuild,
    rules,
    sidecars,
    sources,
    submissions,
    witness,
)
from comity.node.accords import Accords
from comity.node.mail import accounts, letters
from comity.node.mail import outbox as messages
from comity.node.node import Node
from comity.node.ports import Log, LogState, Unit
from comity.vocab import Held

QUARANTINE_SHOWN: Final = 20
DAY: Final = 86_400


class Ailment(NamedTuple):
    """One finding. Grave ones make `comity doctor` exit with an error."""

    grave: bool
    what: str
    advice: str = ""


def examine(node: Node, accords: Accords, *, deep: bool = False) -> list[Ailment]:
    """Return everything worth knowing; `deep` verifies every entry of every log."""
    found = [Ailment(True, wrong, "restore from a backup, or `comity rebuild`") for wrong in node.store.check()]
    if not node.signs:
        found.append(Ailment(True, f"this node reads but does not sign: {node.why_not}"))
    with node.store.read() as unit:
        found += _logs(node, unit, deep)
        found += _parties(node, unit)
        found += _accords(node, accords, unit)
        found += [Ailment(False, what, advice) for what, advice in sources.troubles(unit)]
        found += [Ailment(False, what, advice) for what, advice in rules.troubles(unit)]
        found += [Ailment(False, what, advice) for what, advice in neighbours.troubles(unit)]
        found += [Ailment(False, what, advice) for what, advice in outbox.troubles(unit)]
        found += [Ailment(False, what, advice) for what, advice in sidecars.troubles(unit)]
        found += [Ailment(False, what, advice) for what, advice in submissions.troubles(node, unit)]
        found += [Ailment(False, what, advice) for what, advice in credentials.troubles(node, unit)]
        found += [Ailment(False, what, advice) for what, advice in accounts.troubles(unit)]
        found += [Ailment(False, what, advice) for what, advice in letters.troubles(node, unit)]
        found += [Ailment(False, what, advice) for what, advice in messages.troubles(node, unit)]
        found += _quarantine(unit)
        if rebuild.is_due(unit):
            what = "the views were folded by another version, and were not folded again: look-ups miss what is held"
            found.append(Ailment(True, what, "run `comity rebuild`"))
    return found


def _logs(node: Node, unit: Unit, deep: bool) -> list[Ailment]:
    found: list[Ailment] = []
    logs = unit.logs.all()
    for log in logs:
        if log.state is LogState.FROZEN:
            followed = any(_follows(other, log) for other in logs)
            advice = "`comity log renew` begins its next generation" if log.own else "ask its author by voice"
            what = f"{log.origin} is frozen: a fork of it is proven and kept"
            found.append(Ailment(not followed, what, "" if followed else advice))
        if log.own and log.signed < log.size:
            found.append(Ailment(True, f"{log.origin}: {log.size - log.signed} entries are not signed yet"))
        gaps = [(s, e) for s, e, held in unit.entries.held_runs(log.id, 0, log.size) if held is Held.WITHHELD]
        if gaps and not log.own:
            count = sum(e - s for s, e in gaps)
            found.append(Ailment(False, f"{log.origin}: {count} statements are withheld from us or were refused here"))
        if deep:
            checked, wrong = proofs.verify_log(node, unit, log)
            found += [Ailment(True, word, "the store is damaged: restore it from a backup") for word in wrong]
            if not wrong:
                found.append(Ailment(False, f"{log.origin}: {checked} entries verified"))
    return found


def _follows(log: Log, before: Log) -> bool:
    """Say whether a log is a later generation of another."""
    author, accord, number = canon.parse_origin(before.origin)
    return (log.party, canon.parse_origin(log.origin)[1]) == (author, accord) and (
        canon.parse_origin(log.origin)[2] > number
    )


def _parties(node: Node, unit: Unit) -> list[Ailment]:
    found = [
        Ailment(False, f"a card of {card.card.party} waits for its words", "`comity party confirm` after a call")
        for card in parties.pending(unit)
    ]
    for receipt in witness.receipts(node, unit):
        age = node.now() - receipt.at
        if age > DAY and receipt.at:
            found.append(Ailment(False, f"{receipt.cosigner} last witnessed {receipt.origin} {age // DAY} days ago"))
    return found


def _accords(node: Node, accords: Accords, unit: Unit) -> list[Ailment]:
    found: list[Ailment] = []
    for accord in accords.all(unit).values():
        if accord.awaiting:
            found.append(Ailment(False, f"{accord.id} awaits the signature of {', '.join(accord.awaiting)}"))
        for double in accord.doubles:
            text = f"{double.party} voted twice on one version of {accord.id}; the first ballot counts"
            found.append(Ailment(False, text))
        for member in accord.members:
            try:
                node.card(unit, member)
            except NotFound:
                advice = f"import the card of {member}"
                found.append(Ailment(True, f"{accord.id} names {member}, whose card is not held", advice))
    return found


def _quarantine(unit: Unit) -> list[Ailment]:
    count = unit.quarantine.count()
    if not count:
        return []
    found = [Ailment(False, f"{count} items were refused since the node began; the newest follow")]
    for number, _, source, code, reason, _ in unit.quarantine.all(limit=QUARANTINE_SHOWN):
        found.append(Ailment(False, f"refused #{number} from {source} ({code}): {reason}"))
    return found
