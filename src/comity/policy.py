"""The release decision: may this statement go to that audience, under these terms, now?

`decide` asks these rules, all of them, so that an answer names every ground and not only the first:

 1. acts        an act carries no content and passes every gate, to whoever is or was a member
 2. accord      the accord is in force and the audience's office takes part in it
 3. kind        the accord opens the kind, and the kind may leave an office at all
 4. newcomer    payloads older than a member's accession need their author's release
 5. standing    retracted and erased statements go nowhere
 6. tlp         TLP 2.0: RED named persons, AMBER+STRICT the office, AMBER its clients, GREEN the community
 7. ceiling     nothing above the accord's or the correspondent's ceiling
 8. recipients  where the marking names recipients, only they
 9. onward      who holds it but did not write it passes it on only as the label or a consent allows
10. pap         sensors and outside look-ups only as the Permissible Actions Protocol allows
11. embargo     nobody before its time
12. use         for defence; other uses need a formal request the author granted
13. transfer    personal data stays in the jurisdictions it may go to
14. speech      conduct from the closed list; expression is never a ground
15. exercise    exercise data never leaves exercise accords nor reaches sensors, and no other enters them

Rules: pure and total; the caller supplies the time. No rules means no release. Only this module makes
a `Release`, and everything that sends accepts nothing else.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final

from comity.accord import Accord, Text
from comity.acts import Standing, narrowed
from comity.canon import AccordId, Instant, OfficeId, PartyId, party_id, slug
from comity.errors import Malformed
from comity.party import OfficeRef
from comity.statement import INTEL_EVIDENCE, Header, Marking, is_act
from comity.vocab import BY_REQUEST_ONLY, EXPRESSION_CLASSES, Conduct, Pap, Phase, Purpose, Tlp, Use

NEEDS_CONDUCT: Final = ("requests.", "response.notification")


@dataclass(frozen=True, slots=True)
class Facts:
    """What a decision needs to know of a statement: the same for every statement of its class.

    `holder` is the office that would let it go: the author itself, or whoever received it.
    """

    author: OfficeRef
    holder: OfficeRef
    kind: str
    marking: Marking | None
    conduct: str
    exercise: bool
    accord: AccordId | None  # the accord it was stated in; None for the home log
    version: int
    jurisdiction: str  # the author's

    @property
    def direct(self) -> bool:
        """Say whether the author itself lets it go."""
        return self.holder == self.author


def facts(
    header: Header, party: PartyId, *, accord: AccordId | None, jurisdiction: str, holder: OfficeRef | None = None
) -> Facts:
    """Return the facts of a statement's class; the author holds it unless `holder` says otherwise."""
    author = OfficeRef(party, header.office)
    return Facts(
        author=author,
        holder=holder or author,
        kind=header.kind,
        marking=header.marking,
        conduct=header.conduct,
        exercise=header.exercise,
        accord=accord,
        version=header.accord,
        jurisdiction=jurisdiction,
    )


@dataclass(frozen=True, slots=True)
class Audience:
    """Who would get it: an office, a named person of an office, or a correspondent of an office.

    `name` is `<party>/<office>`, `<party>/<office>/<person>` or `<party>/<office>~<correspondent>`.
    """

    office: OfficeRef
    jurisdiction: str
    person: str = ""
    correspondent: str = ""
    client: bool = False  # a correspondent that is a client or constituent of its office
    communities: frozenset[str] = frozenset()  # declared communities a correspondent belongs to
    ceiling: Tlp = Tlp.RED  # what a correspondent's accepted terms allow
    purpose: Purpose = Purpose.READ

    @property
    def name(self) -> str:
        """Return the name as markings and consents write it."""
        if self.correspondent:
            return f"{self.office}~{self.correspondent}"
        return f"{self.office}/{self.person}" if self.person else str(self.office)


def parse_audience(text: str) -> tuple[OfficeRef, str, str]:
    """Split an audience's name into office, person and correspondent. Raises `Malformed`."""
    base, _, correspondent = text.partition("~")
    parts = base.split("/")
    if len(parts) not in {2, 3} or (correspondent and len(parts) == 3) or text.endswith("~"):
        raise Malformed(f"{text!r} is not an audience", hint="write <party>/<office>, /<person> or ~<correspondent>")
    person = parts[2] if len(parts) == 3 else ""
    if len(parts) == 3 and not person:
        raise Malformed(f"{text!r} names no person")
    office = OfficeRef(party_id(parts[0]), OfficeId(slug(parts[1], what="an office")))
    return office, person, correspondent


@dataclass(frozen=True, slots=True)
class Terms:
    """The terms that govern: those under which a statement was made, narrowed by those in force.

    `None` of the accord's fields matter where there is no accord: `EMPTY` opens nothing but TLP:CLEAR.
    """

    accord: AccordId | None = None
    in_force: bool = False
    why_not: str = "there is no accord with this audience"
    stated: Text | None = None  # the version the statement names
    current: Text | None = None
    since: Mapping[PartyId, int] = field(default_factory=lambda: MappingProxyType({}))
    phases: Mapping[PartyId, Phase] = field(default_factory=lambda: MappingProxyType({}))


EMPTY: Final = Terms()


def terms_of(accord: Accord, version: int) -> Terms:
    """Return the terms for a statement made under `version` of an accord."""
    stated = accord.version(version)
    in_force = accord.phase is Phase.ACTIVE and stated is not None
    why_not = "" if in_force else f"accord {accord.id} is {accord.phase}" if stated else f"no version {version} of it"
    return Terms(
        accord=accord.id,
        in_force=in_force,
        why_not=why_not,
        stated=stated.text if stated else None,
        current=accord.current.text,
        since=MappingProxyType({party: state.since for party, state in accord.members.items()}),
        phases=MappingProxyType({party: state.phase for party, state in accord.members.items()}),
    )


@dataclass(frozen=True, slots=True)
class Finding:
    """What one rule says, and why: shown to people and kept in the home log."""

    rule: str
    allows: bool
    because: str


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


@dataclass(frozen=True, slots=True)
class _Case:
    facts: Facts
    to: Audience
    terms: Terms
    standing: Standing
    at: Instant
    marking: Marking
    consent: Instant | None  # until when the author consents to this audience; None: it does not

    @property
    def consented(self) -> bool:
        return self.consent is not None and (self.consent == 0 or self.consent > self.at)


Rule = Callable[[_Case], Finding]


def decide(
    facts: Facts,
    audience: Audience,
    terms: Terms,
    standing: Standing,
    at: Instant,
    *,
    rules: Sequence[Rule] | None = None,
) -> Decision:
    """Ask every rule. Total: an answer for every input, never an exception."""
    if is_act(facts.kind):
        return _decide_act(audience, terms)
    if facts.marking is None:
        finding = Finding("marking", False, "it has no marking and its source has no default: it stays home")
        return Withholding(audience, (finding,), None)
    asked = RULES if rules is None else rules
    if not asked:
        # No rules would read as "nothing forbids it". Refuse instead.
        return Withholding(audience, (Finding("rules", False, "there are no rules to allow it"),), None)
    marking = narrowed(facts.marking, standing)
    case = _Case(facts, audience, terms, standing, at, marking, _consent(audience, standing, at))
    findings = tuple(rule(case) for rule in asked)
    times = [t for t in (marking.embargo, case.consent or 0) if t > at]
    lapses = min(times) if times else None
    if all(finding.allows for finding in findings):
        return Release(audience, findings, lapses)
    return Withholding(audience, findings, lapses)


def _decide_act(audience: Audience, terms: Terms) -> Decision:
    member = audience.office.party in terms.phases and not audience.correspondent
    because = "an act carries no content and passes every gate" if member else "acts go to members of the accord"
    finding = Finding("acts", member, because)
    return Release(audience, (finding,), None) if member else Withholding(audience, (finding,), None)


def _consent(audience: Audience, standing: Standing, at: Instant) -> Instant | None:
    """Return the author's consent that serves this audience best: for itself, or for its office."""
    names = [audience.name]
    if not audience.correspondent and audience.person:
        names.append(str(audience.office))
    until = [end for name in names if (end := standing.consents_to(name)) is not None]
    live = [end for end in until if end == 0 or end > at]
    if not live:
        return max(until) if until else None
    return 0 if 0 in live else max(live)


def _member(case: _Case) -> bool:
    """Say whether the audience's office takes part in the accord by the text in force."""
    text = case.terms.current
    if text is None or case.terms.phases.get(case.to.office.party) is not Phase.ACTIVE:
        return False
    member = text.member_of(case.to.office.party)
    return member is not None and (not member.offices or case.to.office.office in member.offices)


def _own_client(case: _Case) -> bool:
    return bool(case.to.correspondent) and case.to.client and case.to.office == case.facts.holder


def _rule_accord(case: _Case) -> Finding:
    if case.to.correspondent:
        same = case.to.office == case.facts.holder
        return Finding("accord", same, "a correspondent under accepted terms" if same else "another office's contact")
    if not case.terms.in_force:
        return Finding("accord", False, case.terms.why_not)
    if not _member(case):
        return Finding("accord", False, f"{case.to.office} does not take part in {case.terms.accord} now")
    if case.terms.phases.get(case.facts.holder.party) is not Phase.ACTIVE:
        return Finding("accord", False, f"{case.facts.holder.party} has suspended its part or left")
    return Finding("accord", True, f"{case.terms.accord} is in force and {case.to.office} takes part")


def _rule_kind(case: _Case) -> Finding:
    kind = case.facts.kind
    if kind == INTEL_EVIDENCE:
        return Finding("kind", False, "personal accounts are sealed evidence: never released")
    if kind.startswith("home."):
        return Finding("kind", False, "the home log's own records stay home")
    if case.to.correspondent and case.terms.stated is None:
        return Finding("kind", True, "no accord limits kinds here")
    for text in (case.terms.stated, case.terms.current):
        if text is None or not text.opens(kind):
            return Finding("kind", False, f"the accord does not open {kind}")
    return Finding("kind", True, f"the accord opens {kind}")


def _rule_newcomer(case: _Case) -> Finding:
    since = case.terms.since.get(case.to.office.party)
    if case.to.correspondent or since is None or case.facts.accord != case.terms.accord:
        return Finding("newcomer", True, "not a matter of accession")
    if case.facts.version >= since:
        return Finding("newcomer", True, "stated under a version this member is party to")
    because = f"stated before {case.to.office.party} acceded (version {since})"
    return Finding("newcomer", case.consented, because + ("; its author released it" if case.consented else ""))


def _rule_standing(case: _Case) -> Finding:
    if case.standing.erased:
        return Finding("standing", False, "erased by its author's tombstone")
    if case.standing.retracted:
        return Finding("standing", False, "retracted by its author")
    return Finding("standing", True, "its author stands by it")


def _rule_tlp(case: _Case) -> Finding:
    tlp = case.marking.tlp
    allows, because = _TLP[tlp](case)
    return Finding("tlp", allows, f"{tlp.label}: {because}")


def _tlp_red(case: _Case) -> tuple[bool, str]:
    if not case.to.person:
        return False, "named persons only, and this is not a person"
    named = case.to.name in case.marking.to
    named = named or (case.consented and case.standing.consents_to(case.to.name) is not None)
    return named, "this person is named" if named else "this person is not named"


def _tlp_strict(case: _Case) -> tuple[bool, str]:
    if case.to.correspondent:
        return case.consented, "the office only, no clients" + (", but its author consents" if case.consented else "")
    return True, "an office of the accord"


def _tlp_amber(case: _Case) -> tuple[bool, str]:
    if case.to.correspondent:
        allows = _own_client(case) or case.consented
        return allows, "a client of the holding office" if allows else "not a client of the holding office"
    return True, "an office of the accord"


def _tlp_green(case: _Case) -> tuple[bool, str]:
    if case.to.correspondent:
        community = _community(case)
        allows = (bool(community) and community in case.to.communities) or _own_client(case) or case.consented
        return allows, "inside the community" if allows else "outside the declared community"
    return True, "a member of the community"


def _tlp_clear(_: _Case) -> tuple[bool, str]:
    return True, "anyone"


_TLP: Final[Mapping[Tlp, Callable[[_Case], tuple[bool, str]]]] = MappingProxyType(
    {
        Tlp.RED: _tlp_red,
        Tlp.AMBER_STRICT: _tlp_strict,
        Tlp.AMBER: _tlp_amber,
        Tlp.GREEN: _tlp_green,
        Tlp.CLEAR: _tlp_clear,
    }
)


def _community(case: _Case) -> str:
    text = case.terms.stated or case.terms.current
    return text.community if text else ""


def _rule_ceiling(case: _Case) -> Finding:
    ceilings = [text.terms.ceiling for text in (case.terms.stated, case.terms.current) if text]
    if case.to.correspondent:
        ceilings.append(case.to.ceiling)
    ceiling = min(ceilings, key=lambda tlp: tlp.rank, default=Tlp.CLEAR)
    allows = case.marking.tlp.rank <= ceiling.rank
    return Finding("ceiling", allows, f"{case.marking.tlp.label} against a ceiling of {ceiling.label}")


def _rule_recipients(case: _Case) -> Finding:
    to = case.marking.to
    if not to:
        return Finding("recipients", True, "the marking names no recipients")
    if case.to.name in to or (not case.to.correspondent and str(case.to.office) in to):
        return Finding("recipients", True, "the marking names this audience")
    if case.consented:
        return Finding("recipients", True, "its author consents to this audience")
    return Finding("recipients", False, "the marking names others, not this audience")


def _rule_onward(case: _Case) -> Finding:
    if case.facts.direct:
        return Finding("onward", True, "its author lets it go")
    if case.facts.holder.party == case.facts.author.party:
        return Finding("onward", False, "one office's record is another's only by its release")
    if case.consented:
        return Finding("onward", True, "its author consents to this audience")
    if not case.marking.onward:
        return Finding("onward", False, "its author does not allow passing it on")
    tlp = case.marking.tlp
    if tlp is Tlp.CLEAR:
        return Finding("onward", True, "TLP:CLEAR goes to anyone")
    if tlp is Tlp.GREEN and _same_community(case):
        return Finding("onward", True, "TLP:GREEN within the same declared community")
    if tlp is Tlp.AMBER and _own_client(case):
        return Finding("onward", True, "TLP:AMBER to the holder's own clients")
    return Finding("onward", False, f"passing on {tlp.label} here needs its author's consent")


def _same_community(case: _Case) -> bool:
    """The community of the accord it was stated in must be the audience's, by name."""
    if case.to.correspondent:
        return _tlp_green(case)[0]
    return case.facts.accord is not None and case.facts.accord == case.terms.accord


def _rule_pap(case: _Case) -> Finding:
    pap = case.marking.pap
    match case.to.purpose:
        case Purpose.READ:
            return Finding("pap", True, "read by people; no action visible outside")
        case Purpose.SENSOR:
            return Finding("pap", pap.rank <= Pap.GREEN.rank, f"PAP:{pap.value} against a sensor or blocklist")
        case Purpose.LOOKUP:
            return Finding("pap", pap.rank <= Pap.AMBER.rank, f"PAP:{pap.value} against an outside look-up")


def _rule_embargo(case: _Case) -> Finding:
    if case.marking.embargo > case.at:
        return Finding("embargo", False, "under embargo until its time")
    return Finding("embargo", True, "no embargo in force")


def _rule_use(case: _Case) -> Finding:
    uses = set(case.marking.use)
    if uses & BY_REQUEST_ONLY:
        return Finding("use", False, "marked for a use that only a granted formal request opens")
    allowed = {Use.DEFENCE}
    texts = [text for text in (case.terms.stated, case.terms.current) if text]
    if texts:
        allowed = set.intersection(*(set(text.terms.use) for text in texts))
    allows = bool(uses & allowed)
    words = ", ".join(sorted(uses & allowed)) or "nothing"
    return Finding("use", allows, f"may be used here for {words}")


def _rule_transfer(case: _Case) -> Finding:
    if not case.marking.personal:
        return Finding("transfer", True, "no personal data")
    if case.to.jurisdiction == case.facts.jurisdiction:
        return Finding("transfer", True, "personal data stays in its jurisdiction")
    texts = [text for text in (case.terms.stated, case.terms.current) if text]
    agreed = bool(texts) and all(case.to.jurisdiction in text.terms.transfer for text in texts)
    allows = agreed and case.to.jurisdiction in case.marking.transfer
    because = "agreed in the accord and marked for it" if allows else "needs both the accord's and the marking's leave"
    return Finding("transfer", allows, f"personal data to {case.to.jurisdiction}: {because}")


def _rule_speech(case: _Case) -> Finding:
    return speech(case.facts.kind, case.facts.conduct)


def speech(kind: str, conduct: str) -> Finding:
    """Say whether a statement is about conduct from the closed list: asked on leaving and on arrival."""
    word = conduct.strip().lower()
    if word in EXPRESSION_CLASSES:
        return Finding("speech", False, f"{word} describes expression: no ground for a request or a notification")
    if word and word not in set(Conduct):
        return Finding("speech", False, f"{word!r} is not on the closed list of conduct")
    if not word and kind.startswith(NEEDS_CONDUCT):
        return Finding("speech", False, "a request or notification names conduct from the closed list")
    return Finding("speech", True, f"about {word}" if word else "asks nothing of anyone")


def _rule_exercise(case: _Case) -> Finding:
    to_sensor = case.to.purpose is not Purpose.READ
    text = case.terms.current
    in_exercise = text is not None and text.exercise
    if case.facts.exercise and (to_sensor or not in_exercise):
        return Finding("exercise", False, "exercise data stays in exercise accords and away from sensors")
    if in_exercise and not case.facts.exercise:
        return Finding("exercise", False, "only exercise data enters an exercise accord")
    return Finding("exercise", True, "exercise and production are kept apart")


RULES: Final[tuple[Rule, ...]] = (
    _rule_accord,
    _rule_kind,
    _rule_newcomer,
    _rule_standing,
    _rule_tlp,
    _rule_ceiling,
    _rule_recipients,
    _rule_onward,
    _rule_pap,
    _rule_embargo,
    _rule_use,
    _rule_transfer,
    _rule_speech,
    _rule_exercise,
)
