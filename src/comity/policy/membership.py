"""Rules about the accord: whether it is in force, who takes part, what it opens, and since when.

Rules: no consent opens an accord that is suspended, left or ended, nor a kind it refuses.
"""

from __future__ import annotations

from comity.policy.case import Case, Finding
from comity.policy.terms import takes_part
from comity.statement import INTEL_EVIDENCE
from comity.vocab import Phase


def accord(case: Case) -> Finding:
    """The accord is in force, and the holder's and the audience's offices take part in it."""
    if case.to.correspondent and not case.own_correspondent:
        return Finding("accord", False, "another office's contact")
    if case.to.correspondent and case.facts.accord is None:
        return Finding("accord", True, "a correspondent under accepted terms, and no accord's statement")
    if case.to.correspondent and case.facts.direct and case.texts:
        return Finding("accord", True, "its author's own correspondent, under accepted terms")
    if not case.terms.in_force:
        return Finding("accord", False, case.terms.why_not)
    if not case.texts:
        return Finding("accord", False, "the version it names is not known here")
    for office in (case.facts.holder, case.to.office):
        active = case.terms.phases.get(office.party) is Phase.ACTIVE
        if not active or not takes_part(case.texts[-1], office):
            return Finding("accord", False, f"{office} does not take part in {case.terms.accord} now")
    return Finding("accord", True, f"{case.terms.accord} is in force and {case.to.office} takes part")


def kind(case: Case) -> Finding:
    """The accord opens the kind, and the kind may leave an office at all."""
    name = case.facts.kind
    if name == INTEL_EVIDENCE:
        return Finding("kind", False, "personal accounts are sealed evidence: never released")
    if name.startswith("home."):
        return Finding("kind", False, "the home log's own records stay home")
    if case.to.correspondent and case.facts.accord is None:
        return Finding("kind", True, "no accord limits kinds here")
    if not case.texts or not all(text.opens(name) for text in case.texts):
        return Finding("kind", False, f"the accord does not open {name}")
    return Finding("kind", True, f"the accord opens {name}")


def newcomer(case: Case) -> Finding:
    """Who came in later has earlier payloads only by their author's release (design §4, *Terms stay*)."""
    if case.to.correspondent:
        return Finding("newcomer", True, "not a matter of accession")
    missing = [text.version for text in case.texts if not takes_part(text, case.to.office)]
    if not missing:
        return Finding("newcomer", True, "stated under a version this office takes part in")
    because = f"stated before {case.to.office} took part for good (it had no part in version {missing[-1]})"
    return Finding("newcomer", case.consented, because + ("; its author released it" if case.consented else ""))
