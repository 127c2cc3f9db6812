"""`decide`, and the two answers it may give.

Rules: nothing else makes a `Release`. Every rule is asked, also after one has said no. The answer holds
until `lapses`, and as long as nothing it rests on changes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from comity.acts import Standing
from comity.canon import Instant
from comity.policy import handling, lawful, membership
from comity.policy.case import Finding, Rule, open_case
from comity.policy.subject import Audience, Facts
from comity.policy.terms import Terms
from comity.statement import is_act

RULES: Final[tuple[Rule, ...]] = (
    membership.accord,
    membership.kind,
    membership.newcomer,
    handling.standing,
    handling.tlp,
    handling.ceiling,
    handling.recipients,
    handling.onward,
    handling.pap,
    handling.embargo,
    lawful.use,
    lawful.transfer,
    lawful.conduct,
    lawful.exercise,
)

_TO_CORRESPONDENTS: Final = frozenset({"act.narrow", "act.retract", "act.tombstone"})


@dataclass(frozen=True, slots=True)
class Release:
    """These statements may go to that audience; asked again at sending, and when it lapses."""

    audience: Audience
    findings: tuple[Finding, ...]
    lapses: Instant | None


@dataclass(frozen=True, slots=True)
class Withholding:
    """These statements may not go to that audience, for every reason among the findings."""

    audience: Audience
    findings: tuple[Finding, ...]
    lapses: Instant | None

    @property
    def grounds(self) -> tuple[Finding, ...]:
        """Return the findings that forbid."""
        return tuple(finding for finding in self.findings if not finding.allows)


Decision = Release | Withholding


def decide(
    facts: Facts,
    audience: Audience,
    terms: Terms,
    standing: Standing,
    at: Instant,
    *,
    rules: Sequence[Rule] = RULES,
) -> Decision:
    """Ask every rule. Total: an answer for every input, never an exception.

    `standing` is every act known that bears on the statement; `at` is now, in seconds since the epoch.
    """
    if is_act(facts.kind):
        return _answer(audience, (_act(facts, audience, terms),))
    if facts.marking is None:
        return _answer(
            audience, (Finding("marking", False, "no marking, and its source has no default: it stays home"),)
        )
    if not rules:
        # No rules would read as "nothing forbids it". Refuse instead.
        return _answer(audience, (Finding("rules", False, "there are no rules to allow it"),))
    case = open_case(facts, facts.marking, audience, terms, standing, at)
    times = [time for time in (case.marking.embargo, case.consent or 0) if time > at]
    return _answer(audience, tuple(rule(case) for rule in rules), min(times, default=None))


def _answer(audience: Audience, findings: tuple[Finding, ...], lapses: Instant | None = None) -> Decision:
    if all(finding.allows for finding in findings):
        return Release(audience, findings, lapses)
    return Withholding(audience, findings, lapses)


def _act(facts: Facts, audience: Audience, terms: Terms) -> Finding:
    """Acts pass every gate (design §4): to members, and what narrows to whoever was passed the statement."""
    if facts.marking is not None:
        return Finding("acts", False, "an act carries no content and so no marking: this is not one")
    if audience.correspondent:
        narrows = facts.kind in _TO_CORRESPONDENTS and audience.office == facts.holder
        because = "it narrows what this correspondent may hold" if narrows else "not for a correspondent"
        return Finding("acts", narrows, because)
    member = audience.office.party in terms.phases
    because = "an act carries no content and passes every gate" if member else "acts go to members of the accord"
    return Finding("acts", member, because)
