"""What a marking forbids, in plain words after TLP 2.0 and the design (§4, §5): the oracle of the policy.

It is written from the raw acts and texts, without a line of the policy's, and knows no more than its node does.
"""

from __future__ import annotations

from dataclasses import dataclass

from comity.accord import Accord, SignedText
from comity.acts import AnyAct, Consent, Narrow, Retract, Tombstone
from comity.canon import AccordId
from comity.party import OfficeRef
from comity.policy import Audience
from comity.statement import INTEL_EVIDENCE, INTEL_OBJECT, Marking
from comity.vocab import Conduct, Pap, Phase, Purpose, Tlp, Use
from tests.domain.makers import JURISDICTIONS


@dataclass(frozen=True)
class Said:
    """A statement, and in which accord under which version it was made."""

    number: int
    author: OfficeRef
    marking: Marking
    accord: AccordId
    version: int
    kind: str = INTEL_OBJECT
    conduct: str = ""
    exercise: bool = False


@dataclass(frozen=True)
class Showing:
    """`by` lets `to` have a statement at a time, through an accord (None: outside any), knowing what it knows."""

    said: Said
    by: OfficeRef
    to: Audience
    through: Accord | None
    version: int
    heard: tuple[AnyAct, ...]  # the author's acts about it that `by` holds
    at: int


def forbidden(s: Showing) -> str:
    """Return why the statement may not be shown, or nothing."""
    return _gone(s) or _by_protection(s) or _by_accord(s) or _by_recipients(s) or _by_label(s) or _by_onward(s)


def _narrows(s: Showing) -> list[Narrow]:
    return [act for act in s.heard if isinstance(act, Narrow)]


def _label(s: Showing) -> Tlp:
    strictness = [Tlp.CLEAR, Tlp.GREEN, Tlp.AMBER, Tlp.AMBER_STRICT, Tlp.RED]
    return max([s.said.marking.tlp, *(n.tlp for n in _narrows(s))], key=strictness.index)


def _author_consents(s: Showing) -> bool:
    """The author's consent on record names to whom and until when; a withdrawal ends it for good."""
    withdrawn = {name for n in _narrows(s) for name in n.revoke}
    office_name = f"{s.to.office.party}/{s.to.office.office}"
    for act in s.heard:
        if not isinstance(act, Consent) or (act.until and act.until <= s.at) or s.to.name in withdrawn:
            continue
        if s.to.name in act.to:
            return True
        if s.to.person and _label(s) is not Tlp.RED and office_name in act.to and office_name not in withdrawn:
            return True
    return False


def _gone(s: Showing) -> str:
    if any(isinstance(act, Retract | Tombstone) for act in s.heard):
        return "its author took it back"
    if s.at < s.said.marking.embargo:
        return "it is not yet time"
    return ""


def _by_protection(s: Showing) -> str:
    m = s.said.marking
    if s.said.kind == INTEL_EVIDENCE:
        return "sealed evidence"
    if s.said.conduct and s.said.conduct not in [c.value for c in Conduct]:
        return "not about conduct from the closed list"
    if s.said.kind.startswith("requests.") and not s.said.conduct:
        return "a request that does not say what it is about"
    if s.said.exercise or Use.DEFENCE not in m.use or Use.ATTACK in m.use:
        return "exercise data in production, or not for defence"
    pap = max([m.pap, *(n.pap for n in _narrows(s))], key=[Pap.CLEAR, Pap.GREEN, Pap.AMBER, Pap.RED].index)
    if s.to.purpose is Purpose.SENSOR and pap in (Pap.AMBER, Pap.RED):
        return "the adversary would see it used"
    if s.to.purpose is Purpose.LOOKUP and pap is Pap.RED:
        return "a third party would see it used"
    home = JURISDICTIONS[s.said.author.party]
    if m.personal and s.to.jurisdiction != home:
        agreed = bool(_texts(s)) and all(s.to.jurisdiction in t.text.terms.transfer for t in _texts(s))
        if s.to.jurisdiction not in m.transfer or not agreed:
            return "personal data would go abroad"
    return ""


def _texts(s: Showing) -> list[SignedText]:
    """Return the texts that bind it here: from the one it was made under (or is passed on under) to today's."""
    if s.through is None:
        return []
    start = min(s.version, s.said.version) if s.through.id == s.said.accord else s.version
    return [t for t in s.through.versions if t.text.version >= start]


def _has_seat(text: SignedText, ref: OfficeRef) -> bool:
    return any(m.party == ref.party and (not m.offices or ref.office in m.offices) for m in text.text.member)


def _by_accord(s: Showing) -> str:
    if s.to.correspondent and s.to.office != s.by:
        return "another office's correspondent"
    if not (s.to.correspondent and s.by == s.said.author):
        if s.through is None or s.through.phase is not Phase.ACTIVE:
            return "no accord in force"
        seats = [s.by] if s.to.correspondent else [s.by, s.to.office]
        for ref in seats:
            state = s.through.members.get(ref.party)
            if state is None or state.phase is not Phase.ACTIVE or not _has_seat(_texts(s)[-1], ref):
                return "an office that does not take part now"
    if not s.to.correspondent and not all(_has_seat(t, s.to.office) for t in _texts(s)) and not _author_consents(s):
        return "made before this office took part"
    return _by_terms(s)


def _by_terms(s: Showing) -> str:
    if not _texts(s):
        return "terms nobody knows"
    if any(t.text.exercise for t in _texts(s)):
        return "production data in an exercise"
    label = [*Tlp].index(_label(s))
    for t in _texts(s):
        opened = [area.value for area in t.text.areas]
        if s.said.kind.split(".")[0] not in opened or s.said.kind in t.text.terms.refused_kinds:
            return "a kind that is not opened"
        if label > [*Tlp].index(t.text.terms.ceiling):
            return "above the ceiling"
    if s.to.correspondent and label > [*Tlp].index(s.to.ceiling):
        return "above what the correspondent accepted"
    return ""


def _by_recipients(s: Showing) -> str:
    for names in recipient_lists(s):
        office_named = not s.to.correspondent and f"{s.to.office.party}/{s.to.office.office}" in names
        if s.to.name not in names and not office_named and not _author_consents(s):
            return "somebody else is named"
    return ""


def recipient_lists(s: Showing) -> list[tuple[str, ...]]:
    """Return whom the marking names and whom each narrowing act names; all must name the audience."""
    return [names for names in (s.said.marking.to, *(n.to for n in _narrows(s))) if names]


def _by_label(s: Showing) -> str:
    label = _label(s)
    consented = _author_consents(s)
    own_client = bool(s.to.correspondent) and s.to.client and s.to.office == s.by
    if label is Tlp.RED:
        # Every saying that made it RED must name the person; the marking's list or another act's does for one without.
        sayings = [(s.said.marking.tlp, s.said.marking.to), *((n.tlp, n.to) for n in _narrows(s))]
        red = [names for tlp, names in sayings if tlp is Tlp.RED]
        named = all(s.to.name in (names or s.said.marking.to) for names in red)
        human = s.to.individual if s.to.correspondent else s.to.person
        return "" if human and (named or consented) else "RED, and not a named person"
    if label is Tlp.AMBER_STRICT and s.to.correspondent and not consented:
        return "AMBER+STRICT, and not the office"
    if label is Tlp.AMBER and s.to.correspondent and not (own_client or consented):
        return "AMBER, and not a client of the office"
    if label is Tlp.GREEN and s.to.correspondent and not (own_client or consented or _in_community(s)):
        return "GREEN, and not of the community"
    return ""


def _in_community(s: Showing) -> bool:
    """Say whether the audience is of the community of the accord in which it was stated."""
    if s.through is None or s.through.id != s.said.accord:
        return False
    return not s.to.correspondent or all(t.text.community in s.to.communities for t in _texts(s))


def _by_onward(s: Showing) -> str:
    if s.by == s.said.author or (s.to.office == s.by and not s.to.correspondent):
        return ""
    if s.by.party == s.said.author.party:
        return "another office's record"
    if _author_consents(s):
        return ""
    if not s.said.marking.onward or not all(n.onward for n in _narrows(s)):
        return "not to be passed on"
    label = _label(s)
    own_client = bool(s.to.correspondent) and s.to.client
    free = label is Tlp.CLEAR or (label is Tlp.GREEN and (own_client or _in_community(s)))
    return "" if free or (label is Tlp.AMBER and own_client) else "passing it on takes the author's consent"
