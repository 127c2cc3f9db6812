"""Explaining: every rule's finding for one object and one audience, as it stands now.

Rules: an explanation asks the same rules with the same facts as sending does. An object that is still at
home is explained as if it were stated now in each accord that the audience takes part in.
"""

from __future__ import annotations

from dataclasses import dataclass

import msgspec

from comity import canon, policy
from comity.acts import Standing
from comity.canon import Origin
from comity.node.accords import Accords
from comity.node.actor import Actor
from comity.node.node import Node
from comity.node.ports import Unit, place
from comity.node.queries import Queries, Witness
from comity.node.releases import Class, Releases
from comity.policy import Audience, Decision
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
            found += self._entry(unit, witness, audience)
        return found

    def _entry(self, unit: Unit, witness: Witness, audience: Audience) -> list[Explained]:
        log_id, index = place(witness.position)
        log = unit.logs.get(log_id)
        (brief,) = unit.entries.brief(log_id, index, index + 1)
        which = Class(brief.header_id, brief.standing_id)
        at_home = log.own and canon.parse_origin(log.origin)[1] is None
        if not at_home or audience.correspondent:
            judged = self._releases.for_audience(unit, log, which, audience)
            return [Explained(log.origin, index, "", decision) for decision in judged.decisions]
        header = self._node.header(unit.entries.header(brief.header_id))
        standing = msgspec.json.decode(unit.entries.standing(brief.standing_id), type=Standing)
        found: list[Explained] = []
        for accord in self._accords.with_party(unit, audience.office.party):
            version = accord.current.text.version
            facts = policy.facts(
                msgspec.structs.replace(header, accord=version),
                self._node.me,
                accord=accord.id,
                jurisdiction=self._releases.facts(unit, log, header).jurisdiction,
            )
            decision = policy.decide(facts, audience, policy.terms_of(accord, version), standing, self._node.now())
            found.append(Explained(log.origin, index, accord.id, decision))
        if not found:
            facts = self._releases.facts(unit, log, header)
            decision = policy.decide(facts, audience, policy.EMPTY, standing, self._node.now())
            found.append(Explained(log.origin, index, "", decision))
        return found
