"""What goes out: sharing, explaining, exporting, and the acts about what went."""

from __future__ import annotations

from typing import Final

import msgspec

from comity.surfaces.cli.verbs import Ask, MarkingSaid, Verb


class Choice(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """Which objects are meant: named ones, those that fit a query, or a collection."""

    names: tuple[str, ...] = ()
    source: str = ""
    type: str = ""
    since: int = 0
    values: tuple[str, ...] = ()
    collection: str = ""
    interest: str = ""  # <origin>#<index>

    @property
    def queries(self) -> bool:
        """Say whether anything but names is given."""
        return bool(self.source or self.type or self.since or self.values or self.collection or self.interest)


class Share(Ask, frozen=True):
    """Objects to state in an accord, and what may change on the way: only ever narrower."""

    accord: str
    choice: Choice
    marking: MarkingSaid = MarkingSaid()
    flash: bool = False
    dry_run: bool = False
    anonymous: bool = False  # what is stated names nobody but this office


class FindingShown(msgspec.Struct, frozen=True):
    """What one rule says, and why."""

    rule: str
    allows: bool
    because: str


class DecisionShown(msgspec.Struct, frozen=True):
    """One decision: for whom, release or withholding, until when, by which findings."""

    audience: str
    purpose: str
    outcome: str
    lapses: int
    findings: tuple[FindingShown, ...]


class Planned(msgspec.Struct, frozen=True):
    """What a dry run would decide for one class of objects."""

    objects: int
    marking: str
    decisions: tuple[DecisionShown, ...]


class Shared(msgspec.Struct, frozen=True):
    """What sharing did, or would do."""

    accord: str
    by: str
    chosen: int
    stated: int
    relayed: int
    known: int
    withheld: int
    grounds: dict[str, int]
    planned: tuple[Planned, ...] = ()
    flagged: int = 0  # objects with values that a warning list has: likely false positives
    flagged_by: dict[str, int] = {}  # name of a list -> values it has
    warnings: str = ""  # how many warning lists were asked


class Explain(Ask, frozen=True):
    """An object, an audience, and what the audience will do with it."""

    name: str
    to: str
    purpose: str = "read"


class ExplainedShown(msgspec.Struct, frozen=True):
    """The decision about one entry; `as_if` names the accord where nothing was stated yet."""

    statement: str
    as_if: str
    decision: DecisionShown


class Explained(msgspec.Struct, frozen=True):
    """The decisions about an object, strictest reading first to last as they stand in the logs."""

    name: str
    audience: str
    decisions: tuple[ExplainedShown, ...]


class Export(Ask, frozen=True):
    """Objects to write to a file for somebody without a node."""

    to: str
    choice: Choice
    path: str  # absolute
    form: str = "stix"
    before: str = ""  # absolute: the folder that this one will stand in place of; empty: what is at `path`
    address: str = ""  # where a folder of files will be found: forms that name their own files need it
    purpose: str = "read"
    confidence: int = 0  # at least this, from 0 to 100
    unsure: bool = True  # also what came without a confidence
    kinds: tuple[str, ...] = ()  # of values; empty: all
    warned: bool = False  # also what warning lists have
    faded: bool = False  # also what has worn off, is doubted, or is said to have ended
    attachments: bool = False  # with objects the attachments about them; of misp alone


class Exported(msgspec.Struct, frozen=True):
    """What an export wrote and what it held back."""

    audience: str
    purpose: str
    by: str
    form: str
    objects: int
    values: int
    withheld: int
    grounds: dict[str, int]
    left: dict[str, int]  # values and objects that were of no use there, by reason
    warnings: str = ""  # how many warning lists were asked


class Retract(Ask, frozen=True):
    """Objects this office no longer stands by."""

    names: tuple[str, ...]
    reason: str


class Narrow(Ask, frozen=True):
    """Objects whose marking becomes narrower."""

    names: tuple[str, ...]
    tlp: str = ""
    pap: str = ""
    to: tuple[str, ...] = ()
    onward: bool = True
    revoke: tuple[str, ...] = ()
    reason: str = ""


class Consent(Ask, frozen=True):
    """Objects that holders may pass on, to whom, until when (0: until it is withdrawn)."""

    names: tuple[str, ...]
    to: tuple[str, ...]
    until: int = 0


class Erase(Ask, frozen=True):
    """Objects whose bytes are to go everywhere, and the legal basis."""

    names: tuple[str, ...]
    basis: str
    reason: str = ""


class Correct(Ask, frozen=True):
    """An own object, and the newer version of it that takes its place."""

    name: str
    text: str  # one STIX object, as it is to be stated
    reason: str


class Corrected(msgspec.Struct, frozen=True):
    """Where a correction went: accords that have the corrected version, and those that only learn of the retraction."""

    statement: str  # of the corrected version, in the home log
    by: str
    stated: tuple[str, ...]
    withheld: dict[str, str]  # accord -> why
    logs: tuple[str, ...]
    answers: tuple[CompliedShown, ...]


class Acts(Ask, frozen=True):
    """Every act of this party about content that it stated; `waiting`: only where somebody has not complied."""

    waiting: bool = False
    limit: int = 100
    after: str = ""  # a cursor: `next` of the answer before


class ActShown(msgspec.Struct, frozen=True):
    """One act about content, and how far the accord's members have come with it."""

    act: str  # retract, narrow or tombstone, or correct: a retraction that names what takes its place
    accord: str
    statement: str  # of the act
    at: int
    statements: int  # that it is about
    reason: str
    members: dict[str, str]  # party -> complied, holds-the-act, witnessed or silent


class ActsShown(msgspec.Struct, frozen=True):
    """Acts, the oldest that somebody has not complied with first."""

    acts: tuple[ActShown, ...]
    waiting: int  # of all, those that somebody has not complied with
    total: int
    next: str  # cursor of the next page; empty: none


class Compliance(Ask, frozen=True):
    """Objects whose holders' answers are asked for."""

    names: tuple[str, ...]


class CompliedShown(msgspec.Struct, frozen=True):
    """What one member has answered about one statement and the act that bears on it."""

    accord: str
    party: str
    statement: str
    act: str
    answer: str
    held: str
    at: int
    relayed_by: str = ""  # the party whose relay it is about; empty: this party's own statement


class Acted(msgspec.Struct, frozen=True):
    """An act on record, the logs that carry it, and who has answered so far."""

    act: str
    by: str
    objects: int
    logs: tuple[str, ...]
    answers: tuple[CompliedShown, ...]


class GivenShown(msgspec.Struct, frozen=True):
    """That a correspondent was given a statement: this node's own word, by grade; never shown as witnessed."""

    correspondent: str
    party: str  # that it has become, or nothing
    statement: str
    channel: str
    grade: str  # sent, fetched, acknowledged
    told: str  # "" while nothing is to be told; else told or owed
    last: int  # to the hour


class Answered(msgspec.Struct, frozen=True):
    """Who has complied, and which correspondents have it."""

    answers: tuple[CompliedShown, ...]
    given: tuple[GivenShown, ...] = ()


SHARE: Final = Verb("release/share", Share, Shared, signs=True)
EXPLAIN: Final = Verb("release/explain", Explain, Explained)
EXPORT: Final = Verb("release/export", Export, Exported, signs=True)
RETRACT: Final = Verb("release/retract", Retract, Acted, signs=True)
NARROW: Final = Verb("release/narrow", Narrow, Acted, signs=True)
CONSENT: Final = Verb("release/consent", Consent, Acted, signs=True)
ERASE: Final = Verb("release/erase", Erase, Acted, signs=True)
CORRECT: Final = Verb("release/correct", Correct, Corrected, signs=True)
ACTS: Final = Verb("release/acts", Acts, ActsShown)
COMPLIANCE: Final = Verb("release/compliance", Compliance, Answered)
