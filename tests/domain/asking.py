"""Questions to the policy in short: who asks, of whom, and the answer by its grounds."""

from __future__ import annotations

from typing import Any

from comity.accord import Placed, SignedText
from comity.acts import Consent, standing
from comity.policy import Audience, Decision, Facts, Release, Terms, decide, terms_of
from comity.statement import INTEL_OBJECT, Marking
from comity.vocab import Tlp
from tests.domain.makers import ARCADIA, AT, BOREALIA, CASCADIA, DORIA, SPAN, audience, in_force, office, text

AUTHOR = office(ARCADIA)
HOLDER = office(BOREALIA)
THREE = in_force(text())
TERMS = terms_of(THREE, 1)

# Audiences by what they are to the author (Arcadia's CSIRT) and to a holder (Borealia's CSIRT).
MEMBER = audience(office(CASCADIA))
PERSON = audience(office(CASCADIA), person="alice")
OTHER_PERSON = audience(office(CASCADIA), person="bob")
OWN_POLICE = audience(office(ARCADIA, "police"))
STRANGER = audience(office(DORIA))
CLIENT = audience(AUTHOR, correspondent="bank")
CONTACT = audience(AUTHOR, correspondent="isac", client=False)
IN_COMMUNITY = audience(AUTHOR, correspondent="lab", client=False, communities=frozenset({"three-shores"}))


def facts(marking: Marking | None = None, **changes: Any) -> Facts:
    fields: dict[str, Any] = {
        "author": AUTHOR,
        "holder": AUTHOR,
        "kind": INTEL_OBJECT,
        "marking": marking or Marking(Tlp.CLEAR),
        "conduct": "",
        "exercise": False,
        "accord": TERMS.accord,
        "version": 1,
        "jurisdiction": "AA",
    }
    return Facts(**fields | changes)


def ask(the_facts: Facts, to: Audience = MEMBER, *said: Any, terms: Terms = TERMS, at: int = AT) -> Decision:
    return decide(the_facts, to, terms, standing(said), at)


def grounds(decision: Decision) -> set[str]:
    """Return the rules that forbid; an empty set is a release."""
    assert isinstance(decision, Release) is all(f.allows for f in decision.findings)
    return {finding.rule for finding in decision.findings if not finding.allows}


def released(decision: Decision) -> bool:
    return isinstance(decision, Release)


def consent(*to: Audience, until: int = 0) -> Consent:
    return Consent(SPAN, tuple(each.name for each in to), until)


WHO = {
    "member": MEMBER,
    "person": PERSON,
    "own police": OWN_POLICE,
    "client": CLIENT,
    "contact": CONTACT,
    "in community": IN_COMMUNITY,
    "stranger": STRANGER,
}


TO_HOLDER = {
    "member": MEMBER,
    "person": PERSON,
    "own": audience(HOLDER),
    "own person": audience(HOLDER, person="bo"),
    "own police": audience(office(BOREALIA, "police")),
    "client": audience(HOLDER, correspondent="bank"),
    "contact": audience(HOLDER, correspondent="isac", client=False),
    "in community": audience(HOLDER, correspondent="lab", client=False, communities=frozenset({"three-shores"})),
    "another's client": audience(office(CASCADIA), correspondent="bank"),
    "its police's client": audience(office(BOREALIA, "police"), correspondent="bank"),
    "the author's client": CLIENT,
    "stranger": STRANGER,
}


ASKING = ("requests.assistance", "requests.takedown", "response.notification", "response.notification.update")


EXERCISE = terms_of(in_force(text(exercise=True)), 1)


def when(*moves: tuple[Any, Any], version: int = 1, texts: tuple[SignedText, ...] = ()) -> Terms:
    acts = [Placed(party, 1, index, act) for index, (party, act) in enumerate(moves)]
    return terms_of(in_force(*(texts or (text(),)), acts=acts), version)


def amended(*changes: dict[str, Any]) -> tuple[SignedText, ...]:
    texts = [text(**changes[0])]
    for number, change in enumerate(changes[1:], 2):
        texts.append(text(**{"version": number, "parent": texts[-1].digest} | change))
    return tuple(texts)
