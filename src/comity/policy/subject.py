"""What a release decision is about: a class of statements, and who would get it.

Rules: `Facts` holds all that a decision may know of a statement, so that one answer serves its class.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from comity.canon import AccordId, OfficeId, PartyId, party_id, slug
from comity.errors import Malformed
from comity.party import OfficeRef
from comity.statement import Header, Marking
from comity.vocab import Purpose, Tlp


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
    individual: bool = False  # a correspondent that is a person
    communities: frozenset[str] = frozenset()  # declared communities a correspondent belongs to
    ceiling: Tlp = Tlp.CLEAR  # what a correspondent's accepted terms allow; offices have the accord's
    purpose: Purpose = Purpose.READ

    @property
    def name(self) -> str:
        """Return the name as markings and consents write it."""
        if self.correspondent:
            return f"{self.office}~{self.correspondent}"
        return f"{self.office}/{self.person}" if self.person else str(self.office)


@lru_cache(4_096)
def parse_audience(text: str) -> tuple[OfficeRef, str, str]:
    """Split an audience's name into office, person and correspondent. Raises `Malformed`."""
    base, tilde, correspondent = text.partition("~")
    party, _, rest = base.partition("/")
    office, slash, person = rest.partition("/")
    empty = (tilde and not correspondent) or (slash and not person)
    if empty or (person and correspondent) or "/" in person or not text.isprintable():
        raise Malformed(f"{text!r} is not an audience", hint="write <party>/<office>, /<person> or ~<correspondent>")
    return OfficeRef(party_id(party), OfficeId(slug(office, what="an office"))), person, correspondent
