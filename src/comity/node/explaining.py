"""Explaining: every rule's finding for one object and one audience, as it stands now.

Rules: an explanation asks the same rules with the same facts as sending does. An object that is still at
home is explained as if it were stated now in each accord that the audience takes part in; another party's
also as if this office relayed it there.
"""

from __future__ import annotations

from dataclasses import dataclass

import msgspec

from comity import canon, policy
from comity.accord import Accord
from comity.acts import Standing
from comity.canon import Origin
from comity.node.accords import Accords
from comity.node.actor import Actor
from comity.node.node import Node
from comity.node.ports import Log, Unit, place
from comity.node.queries import Queries, Witness
from comity.node.releases import Class, Releases
from comity.policy import Audience, Decision, Facts
from comity.statement import Header
from comity.vocab import Purpose


@dataclass(frozen=True, slots=True)
class Explained:
    """One decision, and what it is about: `as_if` names the accord where nothing was stated yet."""

    origin: Origin
    index: int
    as_if: str
    decision: Decision


class Explaining:
    """Explains decisions to people."""

    def __init__(self, node: Node, accords: Accords, releases: Releases, queries: Queries) -> None:
        self._node = node
        self._accords = accords
        self._releases = releases
        self._queries = queries

    def explain(self, unit: Unit, actor: Actor, name: str, to: str, purpose: Purpose = Purpose.READ) -> list[Explained]:
        """Explain an object for an audience: one decision per entry and accord that bear on it."""
        audience = self._releases.audience(unit, to, purpose)
        found: list[Explained] = []
        for witness in self._queries.entries_of(unit, actor, name):
            found += self._entry(unit, actor, witness, audience)
        return found

    def _entry(self, unit: Unit, actor: Actor, witness: Witness, audience: Audience) -> list[Explained]:
        log_id, index = place(witness.position)
        log = unit.logs.get(log_id)
        (brief,) = unit.entries.brief(log_id, index, index + 1)
        which = Class(brief.header_id, brief.standing_id)
        stated_in = canon.parse_origin(log.origin)[1]
        found: list[Explained] = []
        if stated_in is not None or audience.correspondent:
            judged = self._releases.for_audience(unit, log, which, audience)
            found = [Explained(log.origin, index, "", decision) for decision in judged.decisions]
        if (log.own and stated_in is not None) or audience.correspondent:
            return found
        header = self._node.header(unit.entries.header(brief.header_id))
        standing = msgspec.json.decode(unit.entries.standing(brief.standing_id), type=Standing)
        for accord in self._accords.with_party(unit, audience.office.party):
            if accord.id != stated_in and self._node.me in accord.members:
                facts = self._as_if(unit, actor, log, header, accord)
                terms = policy.terms_of(accord, accord.current.text.version)
                decision = policy.decide(facts, audience, terms, standing, self._node.now())
                found.append(Explained(log.origin, index, accord.id, decision))
        if not found:
            decision = policy.decide(
                self._releases.facts(unit, log, header), audience, policy.EMPTY, standing, self._node.now()
            )
            found.append(Explained(log.origin, index, "", decision))
        return found

    def _as_if(self, unit: Unit, actor: Actor, log: Log, header: Header, accord: Accord) -> Facts:
        """Return the facts of a statement as if this office stated it in an accord now, or relayed it there."""
        if not log.own:
            return self._releases.facts(unit, log, header, actor.office)
        return policy.facts(
            msgspec.structs.replace(header, accord=accord.current.text.version),
            self._node.me,
            accord=accord.id,
            jurisdiction=self._releases.facts(unit, log, header).jurisdiction,
        )
