"""Rules about the marking: who may have a statement, what may be done with it, and since when.

Rules: the label is TLP 2.0 (FIRST, August 2022) to the letter, with the office where it says
organisation; whatever the marking adds only narrows it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final

from comity.policy.case import Case, Finding
from comity.vocab import Pap, Purpose, Tlp


def standing(case: Case) -> Finding:
    """Nothing that its author retracted or had erased goes anywhere; no consent helps."""
    if case.standing.erased:
        return Finding("standing", False, "erased by its author's tombstone")
    if case.standing.retracted:
        return Finding("standing", False, "retracted by its author")
    return Finding("standing", True, "its author stands by it")


def tlp(case: Case) -> Finding:
    """TLP 2.0: who may have it."""
    label = case.marking.tlp
    allows, because = _TLP[label](case)
    return Finding("tlp", allows, f"{label.label}: {because}")


def _red(case: Case) -> tuple[bool, str]:
    is_person = case.to.individual if case.to.correspondent else bool(case.to.person)
    if not is_person:
        return False, "named persons only, and this is not a person"
    named = case.to.name in case.marking.to or case.consented
    return named, "this person is named" if named else "this person is not named"


def _strict(case: Case) -> tuple[bool, str]:
    if case.to.correspondent:
        return case.consented, "the office only, no clients" + (", but its author consents" if case.consented else "")
    return True, "an office of the accord"


def _amber(case: Case) -> tuple[bool, str]:
    if not case.to.correspondent:
        return True, "an office of the accord"
    if case.own_correspondent and case.to.client:
        return True, "a client of the holding office"
    return case.consented, "its author consents" if case.consented else "not a client of the holding office"


def _green(case: Case) -> tuple[bool, str]:
    if not case.to.correspondent:
        return True, "a member of the community"
    if _in_community(case):
        return True, "inside the declared community"
    if case.own_correspondent and case.to.client:
        return True, "a client of the holding office"
    return case.consented, "its author consents" if case.consented else "outside the declared community"


def _clear(_: Case) -> tuple[bool, str]:
    return True, "anyone"


_TLP: Final[Mapping[Tlp, Callable[[Case], tuple[bool, str]]]] = MappingProxyType(
    {Tlp.RED: _red, Tlp.AMBER_STRICT: _strict, Tlp.AMBER: _amber, Tlp.GREEN: _green, Tlp.CLEAR: _clear}
)


def _in_community(case: Case) -> bool:
    """Say whether the audience is of the community that GREEN means where the statement was made."""
    if case.facts.accord is None or case.facts.accord != case.terms.accord:
        return False  # another accord's texts name another community
    if not case.to.correspondent:
        return True
    return bool(case.texts) and all(text.community in case.to.communities for text in case.texts)


def ceiling(case: Case) -> Finding:
    """Nothing above the accord's ceiling, nor above what a correspondent accepted."""
    ceilings = [text.terms.ceiling for text in case.texts]
    if case.to.correspondent:
        ceilings.append(case.to.ceiling)
    lowest = min(ceilings, key=lambda label: label.rank, default=Tlp.CLEAR)
    allows = case.marking.tlp.rank <= lowest.rank
    return Finding("ceiling", allows, f"{case.marking.tlp.label} against a ceiling of {lowest.label}")


def recipients(case: Case) -> Finding:
    """Where the marking names recipients, only they: an office with its people, a person, a correspondent."""
    to = case.marking.to
    if not to:
        return Finding("recipients", True, "the marking names no recipients")
    if case.to.name in to or (not case.to.correspondent and str(case.to.office) in to):
        return Finding("recipients", True, "the marking names this audience")
    if case.consented:
        return Finding("recipients", True, "its author consents to this audience")
    return Finding("recipients", False, "the marking names others, not this audience")


def onward(case: Case) -> Finding:
    """Who holds it but did not write it passes it on only as the label or a consent allows (design §5)."""
    if case.facts.direct:
        return Finding("onward", True, "its author lets it go")
    if case.to.office == case.facts.holder and not case.to.correspondent:
        return Finding("onward", True, "it stays within the office that holds it")
    if case.facts.holder.party == case.facts.author.party:
        return Finding("onward", False, "one office's record is another's only by its release")
    if case.consented:
        return Finding("onward", True, "its author consents to this audience")
    if not case.marking.onward:
        return Finding("onward", False, "its author does not allow passing it on")
    label = case.marking.tlp
    client = case.own_correspondent and case.to.client
    if label is Tlp.CLEAR:
        return Finding("onward", True, "TLP:CLEAR goes to anyone")
    if label is Tlp.GREEN and (client or _in_community(case)):
        return Finding("onward", True, "TLP:GREEN within the same declared community")
    if label is Tlp.AMBER and client:
        return Finding("onward", True, "TLP:AMBER to the holder's own clients")
    return Finding("onward", False, f"passing on {label.label} here needs its author's consent")


def pap(case: Case) -> Finding:
    """PAP: GREEN for what the adversary can see, AMBER for what a third party can see."""
    level = case.marking.pap
    match case.to.purpose:
        case Purpose.READ:
            return Finding("pap", True, "read by people; no action visible outside")
        case Purpose.SENSOR:
            return Finding("pap", level.rank <= Pap.GREEN.rank, f"PAP:{level.value} against a sensor or blocklist")
        case Purpose.LOOKUP:
            return Finding("pap", level.rank <= Pap.AMBER.rank, f"PAP:{level.value} against an outside look-up")


def embargo(case: Case) -> Finding:
    """Nobody before its time; no consent helps."""
    if case.marking.embargo > case.at:
        return Finding("embargo", False, "under embargo until its time")
    return Finding("embargo", True, "no embargo in force")
