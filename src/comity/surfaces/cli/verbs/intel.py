"""Intelligence: looking it up, showing it, reporting sightings."""

from __future__ import annotations

from typing import Final

import msgspec

from comity.surfaces.cli.verbs import Ask, MarkingSaid, Nothing, Verb


class Lookup(Ask, frozen=True):
    """Values as people write them, defanged or not."""

    values: tuple[str, ...]


class WitnessShown(msgspec.Struct, frozen=True):
    """Who says so, under which marking, and where that stands."""

    statement: str  # <origin>#<index>
    party: str
    office: str
    source: str
    marking: str
    at: int
    retracted: bool
    corrected_by: tuple[str, ...] = ()  # <origin>#<index>


class Seen(msgspec.Struct, frozen=True):
    """A sighting: by whom, when, how often; count 0 says that nothing was seen."""

    party: str
    office: str
    at: int
    count: int
    note: str
    retracted: bool
    verdict: str = "seen"  # or false-positive, or expired


class BasisShown(msgspec.Struct, frozen=True):
    """One word that a score rests on."""

    party: str
    office: str
    source: str
    reliability: str  # Admiralty letter of the source; empty where this office does not say
    confidence: int | None  # as its producer gave it
    counted: int | None  # of it, by the office's table


class ScoreShown(msgspec.Struct, frozen=True):
    """What a value is still worth, and how that came to be."""

    kind: str
    value: str
    score: int | None  # None: nobody gave a confidence
    faded: bool
    base: int | None  # the confidences joined
    left: int  # per cent of it that age and sightings leave
    since: int  # from when it ages
    model: str
    doubted_by: tuple[str, ...]
    ended_by: str
    basis: tuple[BasisShown, ...]


class ObjectShown(msgspec.Struct, frozen=True):
    """One version of one object, and everybody who says it."""

    value: str
    kind: str
    id: str
    type: str
    name: str
    modified: int  # microseconds
    until: int | None
    revoked: bool
    current: bool
    witnesses: tuple[WitnessShown, ...]


class RemarkShown(msgspec.Struct, frozen=True):
    """An opinion or a note about an object, and who says it."""

    id: str
    party: str
    office: str
    source: str
    marking: str
    at: int
    opinion: str  # of STIX 2.1's opinion-enum; empty: a note
    text: str


class ContradictionShown(msgspec.Struct, frozen=True):
    """What is said in two ways, and who says which."""

    what: str
    sides: dict[str, tuple[str, ...]]


class Answer(msgspec.Struct, frozen=True):
    """What is known of one value."""

    asked: str
    read_as: str  # how it was understood, e.g. `domain evil.example`; empty where it is no value at all
    found: tuple[ObjectShown, ...]
    sightings: tuple[Seen, ...]
    scores: tuple[ScoreShown, ...] = ()  # of each reading of which something stands
    remarks: tuple[RemarkShown, ...] = ()  # about the objects found
    contradictions: tuple[ContradictionShown, ...] = ()


class Answers(msgspec.Struct, frozen=True):
    """What is known of the values asked for, in their order."""

    answers: tuple[Answer, ...]
    known: int


class Know(Ask, frozen=True):
    """Many values, each of which is answered on one line."""

    values: tuple[str, ...]


class Known(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """What is known of one value, on one line."""

    asked: str
    state: str  # current, faded, expired, revoked, superseded, retracted, unknown or unread
    kind: str = ""
    value: str = ""  # as it was read
    party: str = ""
    office: str = ""
    source: str = ""
    marking: str = ""
    modified: int = 0  # microseconds
    until: int | None = None
    confidence: int | None = None
    objects: int = 0
    witnesses: int = 0
    sightings: int = 0
    score: int | None = None


class KnownMany(msgspec.Struct, frozen=True):
    """What is known of the values, in their order."""

    lines: tuple[Known, ...]


class Show(Ask, frozen=True):
    """An object by STIX id or `<origin>#<index>`."""

    name: str


class VersionShown(msgspec.Struct, frozen=True):
    """A version of an object with its producer's own bytes."""

    object: ObjectShown
    text: str


class Shown(msgspec.Struct, frozen=True):
    """Every version held of an object, newest first."""

    name: str
    versions: tuple[VersionShown, ...]
    remarks: tuple[RemarkShown, ...] = ()
    contradictions: tuple[ContradictionShown, ...] = ()


class Sight(Ask, frozen=True):
    """A value or object that was seen (`count` 0: looked for and not seen); `accord` states it there too."""

    name: str
    count: int = 1
    verdict: str = "seen"  # or false-positive, or expired: said of the indicator
    seen: int = 0
    note: str = ""
    accord: str = ""
    marking: MarkingSaid = MarkingSaid()


class Sighted(msgspec.Struct, frozen=True):
    """A sighting on record."""

    statement: str
    about: str
    count: int
    seen: int
    by: str
    accord: str
    withheld: tuple[str, ...]
    verdict: str = "seen"


class Remark(Ask, frozen=True):
    """An opinion or, without one, a note about objects; `accord` states it there too."""

    about: tuple[str, ...]
    opinion: str = ""
    text: str = ""
    accord: str = ""
    marking: MarkingSaid = MarkingSaid()


class Remarked(msgspec.Struct, frozen=True):
    """A remark on record."""

    statement: str
    id: str
    about: tuple[str, ...]
    by: str
    accord: str
    withheld: tuple[str, ...]


class SourceShown(msgspec.Struct, frozen=True):
    """A source of an office and the marking it puts on what comes unmarked."""

    office: str
    name: str
    marking: str
    note: str


class SourcesShown(msgspec.Struct, frozen=True):
    """Every source of the asking office."""

    sources: tuple[SourceShown, ...]


LOOKUP: Final = Verb("intel/lookup", Lookup, Answers)
KNOW: Final = Verb("intel/know", Know, KnownMany)
SHOW: Final = Verb("intel/show", Show, Shown)
SIGHT: Final = Verb("intel/sight", Sight, Sighted, signs=True)
REMARK: Final = Verb("intel/remark", Remark, Remarked, signs=True)
SOURCES: Final = Verb("intel/sources", Nothing, SourcesShown)
