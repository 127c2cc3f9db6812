"""Rules that protect others than the author: permitted use, personal data, speech, exercises.

Rules: what is shared for defence is used for defence, and a request names conduct from a closed list
(mission, rules 2 and 3). No consent of an author opens any of these.
"""

from __future__ import annotations

from typing import Final

from comity.policy.case import Case, Finding
from comity.vocab import BY_REQUEST_ONLY, EXPRESSION_CLASSES, Conduct, Purpose, Use

NEEDS_CONDUCT: Final = ("requests.", "response.notification")
_CONDUCT: Final = frozenset(conduct.value for conduct in Conduct)


def use(case: Case) -> Finding:
    """For defence, and for what every governing text permits; other uses need a granted formal request."""
    uses = set(case.marking.use)
    if uses & BY_REQUEST_ONLY:
        return Finding("use", False, "marked for a use that only a granted formal request opens")
    allowed = {Use.DEFENCE}
    if case.texts:
        allowed = set.intersection(*(set(text.terms.use) for text in case.texts))
    words = ", ".join(sorted(uses & allowed)) or "nothing"
    return Finding("use", bool(uses & allowed), f"may be used here for {words}")


def transfer(case: Case) -> Finding:
    """Personal data goes to another jurisdiction only where the accord and the marking both say so."""
    if not case.marking.personal:
        return Finding("transfer", True, "no personal data")
    where = case.to.jurisdiction
    member = case.texts[-1].member_of(case.to.office.party) if case.texts and not case.to.correspondent else None
    if not where or (member is not None and member.jurisdiction != where):
        # All members signed what the accord says; a party's card is its own word.
        return Finding("transfer", False, "personal data: the audience's jurisdiction is not established")
    if where == case.facts.jurisdiction:
        return Finding("transfer", True, "personal data stays in its jurisdiction")
    agreed = bool(case.texts) and all(where in text.terms.transfer for text in case.texts)
    allows = agreed and where in case.marking.transfer
    because = "agreed in the accord and marked for it" if allows else "needs both the accord's and the marking's leave"
    return Finding("transfer", allows, f"personal data to {where}: {because}")


def conduct(case: Case) -> Finding:
    """The speech rule, asked on leaving."""
    return speech(case.facts.kind, case.facts.conduct)


def speech(kind: str, conduct: str) -> Finding:
    """Say whether a statement is about conduct from the closed list: asked on leaving and on arrival."""
    word = conduct.strip().lower()
    if word in EXPRESSION_CLASSES:
        return Finding("speech", False, f"{word} describes expression: no ground for a request or a notification")
    if word and word not in _CONDUCT:
        return Finding("speech", False, f"{word!r} is not on the closed list of conduct")
    if not word and kind.startswith(NEEDS_CONDUCT):
        return Finding("speech", False, "a request or notification names conduct from the closed list")
    return Finding("speech", True, f"about {word}" if word else "asks nothing of anyone")


def exercise(case: Case) -> Finding:
    """Exercise data stays in exercise accords and away from sensors; nothing else enters them."""
    to_sensor = case.to.purpose is not Purpose.READ
    if case.facts.exercise and (to_sensor or not case.texts or not all(text.exercise for text in case.texts)):
        return Finding("exercise", False, "exercise data stays in exercise accords and away from sensors")
    if not case.facts.exercise and any(text.exercise for text in case.texts):
        return Finding("exercise", False, "only exercise data enters an exercise accord")
    return Finding("exercise", True, "exercise and production are kept apart")
