"""One question put to the rules, and what a rule answers.

Rules: a case is worked out once and never changes; a rule reads it and gives one finding.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from comity.accord import Text
from comity.acts import Standing, narrowed
from comity.canon import Instant
from comity.policy.subject import Audience, Facts
from comity.policy.terms import Terms
from comity.statement import Marking
from comity.vocab import Tlp


@dataclass(frozen=True, slots=True)
class Finding:
    """What one rule says, and why: shown to people and kept in the home log."""

    rule: str
    allows: bool
    because: str


@dataclass(frozen=True, slots=True)
class Case:
    """A statement's class, an audience, the terms and the time, with what follows from them."""

    facts: Facts
    to: Audience
    terms: Terms
    standing: Standing
    at: Instant
    marking: Marking  # in force: the statement's own, narrowed by its author's acts
    texts: tuple[Text, ...]  # that all must allow it, the one in force last
    consent: Instant | None  # until when the author consents to this audience (0: open end); None: it does not

    @property
    def consented(self) -> bool:
        """Say whether the author's consent to this audience holds at this moment."""
        return self.consent is not None and (self.consent == 0 or self.consent > self.at)

    @property
    def own_correspondent(self) -> bool:
        """Say whether the audience is a correspondent of the very office that holds the statement."""
        return bool(self.to.correspondent) and self.to.office == self.facts.holder


Rule = Callable[[Case], Finding]


def open_case(facts: Facts, marking: Marking, to: Audience, terms: Terms, standing: Standing, at: Instant) -> Case:
    """Work out what follows: the marking in force, the texts that govern, the consent that serves."""
    marking = narrowed(marking, standing)
    consent = _consent(to, standing, marking.tlp)
    return Case(facts, to, terms, standing, at, marking, terms.governing(facts), consent)


def _consent(to: Audience, standing: Standing, tlp: Tlp) -> Instant | None:
    """Return the author's consent that serves this audience longest: to itself, or to its office."""
    names = [to.name]
    if to.person and not to.correspondent and tlp is not Tlp.RED:
        # TLP 2.0, RED: for the eyes of named individuals. A consent to their office names none of them.
        names.append(str(to.office))
    if to.name in standing.revoked:
        # A withdrawal from one person holds also where the whole office is consented to.
        return None
    until = [end for name in names if (end := standing.consents_to(name)) is not None]
    return 0 if 0 in until else max(until, default=None)
