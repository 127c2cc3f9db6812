"""What a node's API answers, as far as a program needs it.

Rules: every field has a default and what is not known here is passed over, so that an older node and a newer one are
read alike; words of vocabularies stay text. Times are seconds, `modified` microseconds.
"""

from __future__ import annotations

from typing import Any

import msgspec


class Health(msgspec.Struct, frozen=True):
    """That a node answers, and which versions of the API it speaks; none named: the first."""

    status: str = ""
    api: tuple[str, ...] = ("v1",)
    comity: str = ""


class Witness(msgspec.Struct, frozen=True):
    """Who says so, under which marking, and whether that was taken back."""

    statement: str = ""
    party: str = ""
    office: str = ""
    source: str = ""
    marking: str = ""
    at: int = 0
    retracted: bool = False


class Held(msgspec.Struct, frozen=True):
    """An object in its producer's own bytes, and who says it."""

    raw: bytes
    said: Witness

    @property
    def value(self) -> dict[str, Any]:
        """Return the object as plain values."""
        return msgspec.json.decode(self.raw, type=dict[str, Any])


class Page(msgspec.Struct, frozen=True):
    """A page of objects."""

    objects: tuple[msgspec.Raw, ...] = ()
    witnesses: tuple[Witness, ...] = ()
    next: str | None = None


class Object(msgspec.Struct, frozen=True):
    """One version of an object, and everybody who says it."""

    value: str = ""
    kind: str = ""
    id: str = ""
    type: str = ""
    name: str = ""
    modified: int = 0
    until: int | None = None
    revoked: bool = False
    current: bool = False
    witnesses: tuple[Witness, ...] = ()


class Version(msgspec.Struct, frozen=True):
    """A version of an object with its producer's own text."""

    object: Object = Object()
    text: str = ""


class Versions(msgspec.Struct, frozen=True):
    """Every version held of an object, the newest first."""

    name: str = ""
    versions: tuple[Version, ...] = ()


class Bytes(msgspec.Struct, frozen=True):
    """An object in its producer's own bytes, and the tag by which a later call learns that nothing has changed."""

    raw: bytes
    tag: str


class Seen(msgspec.Struct, frozen=True):
    """A sighting; count 0 says that nothing was seen."""

    party: str = ""
    office: str = ""
    at: int = 0
    count: int = 0
    note: str = ""
    retracted: bool = False
    verdict: str = "seen"  # or false-positive, or expired


class Basis(msgspec.Struct, frozen=True):
    """One word that a score rests on."""

    party: str = ""
    office: str = ""
    source: str = ""
    reliability: str = ""
    confidence: int | None = None
    counted: int | None = None


class Score(msgspec.Struct, frozen=True):
    """What a value is still worth, and how that came to be; `score` is None where nobody gave a confidence."""

    kind: str = ""
    value: str = ""
    score: int | None = None
    faded: bool = False
    base: int | None = None
    left: int = 100
    since: int = 0
    model: str = ""
    doubted_by: tuple[str, ...] = ()
    ended_by: str = ""
    basis: tuple[Basis, ...] = ()


class Remark(msgspec.Struct, frozen=True):
    """An opinion or a note about an object, and who says it; `opinion` is empty for a note."""

    id: str = ""
    party: str = ""
    office: str = ""
    source: str = ""
    marking: str = ""
    at: int = 0
    opinion: str = ""
    text: str = ""


class Contradiction(msgspec.Struct, frozen=True):
    """What is said in two ways, and who says which."""

    what: str = ""
    sides: dict[str, tuple[str, ...]] = {}


class Answer(msgspec.Struct, frozen=True):
    """Everything known of one value."""

    asked: str = ""
    read_as: str = ""
    found: tuple[Object, ...] = ()
    sightings: tuple[Seen, ...] = ()
    scores: tuple[Score, ...] = ()
    remarks: tuple[Remark, ...] = ()
    contradictions: tuple[Contradiction, ...] = ()


class Known(msgspec.Struct, frozen=True, gc=False):
    """What is known of one value, on one line; `state` is current, faded, expired, revoked, retracted, unknown …"""

    asked: str = ""
    state: str = ""
    kind: str = ""
    value: str = ""
    party: str = ""
    office: str = ""
    source: str = ""
    marking: str = ""
    modified: int = 0
    until: int | None = None
    confidence: int | None = None
    objects: int = 0
    witnesses: int = 0
    sightings: int = 0
    score: int | None = None


class Related(msgspec.Struct, frozen=True):
    """An object that shares values with those asked about."""

    id: str = ""
    type: str = ""
    name: str = ""
    score: float = 0.0
    shared: int = 0
    values: tuple[str, ...] = ()
    party: str = ""
    office: str = ""
    source: str = ""
    marking: str = ""
    current: bool = False


class Correlated(msgspec.Struct, frozen=True):
    """A page of what shares values; `common` counts values that do not rank, for very many objects have them."""

    values: int = 0
    shared: int = 0
    related: int = 0
    start: int = 0
    page: tuple[Related, ...] = ()
    common: int = 0
    unread: int = 0


class Lost(msgspec.Struct, frozen=True):
    """One thing that did not come over whole, or with `id` an object that was refused."""

    path: str = ""
    where: str = ""
    outcome: str = ""
    id: str = ""
    rule: str = ""
    reason: str = ""


class Ingested(msgspec.Struct, frozen=True):
    """What an ingest did; `lost` counts losses by outcome and rule, `losses` and `refusals` name the first."""

    source: str = ""
    marking: str = ""
    forms: dict[str, int] = {}
    dry: bool = False
    read: int = 0
    kept: int = 0
    known: int = 0
    unmarked: int = 0
    refused: int = 0
    by_rule: dict[str, int] = {}
    refusals: tuple[Lost, ...] = ()
    lost: dict[str, int] = {}
    losses: tuple[Lost, ...] = ()


class Shared(msgspec.Struct, frozen=True):
    """What sharing did, or would do; `grounds` counts why things were withheld."""

    accord: str = ""
    chosen: int = 0
    stated: int = 0
    relayed: int = 0
    known: int = 0
    withheld: int = 0
    grounds: dict[str, int] = {}
    flagged: int = 0  # objects with values that a warning list has
    flagged_by: dict[str, int] = {}


class Finding(msgspec.Struct, frozen=True):
    """What one rule says, and why."""

    rule: str = ""
    allows: bool = False
    because: str = ""


class Decision(msgspec.Struct, frozen=True):
    """One decision: for whom, release or withholding, by which findings; `lapses` 0: until something changes."""

    audience: str = ""
    purpose: str = ""
    outcome: str = ""
    lapses: int = 0
    findings: tuple[Finding, ...] = ()


class Explained(msgspec.Struct, frozen=True):
    """The decision about one entry; `as_if` names the accord where nothing was stated yet."""

    statement: str = ""
    as_if: str = ""
    decision: Decision = Decision()


class Explanation(msgspec.Struct, frozen=True):
    """The decisions about an object and an audience."""

    name: str = ""
    audience: str = ""
    decisions: tuple[Explained, ...] = ()


class Complied(msgspec.Struct, frozen=True):
    """What one member has answered about one statement and the act that bears on it."""

    accord: str = ""
    party: str = ""
    statement: str = ""
    act: str = ""
    answer: str = ""
    held: str = ""
    at: int = 0
    relayed_by: str = ""


class Given(msgspec.Struct, frozen=True):
    """That a correspondent was given a statement, by this node's own word."""

    correspondent: str = ""
    statement: str = ""
    channel: str = ""
    grade: str = ""
    told: str = ""
    last: int = 0


class Compliance(msgspec.Struct, frozen=True):
    """Who has complied, and which correspondents have it."""

    answers: tuple[Complied, ...] = ()
    given: tuple[Given, ...] = ()


class Act(msgspec.Struct, frozen=True):
    """One act about content, and how far the members have come with it."""

    act: str = ""
    accord: str = ""
    statement: str = ""
    at: int = 0
    statements: int = 0
    reason: str = ""
    members: dict[str, str] = {}


class Acts(msgspec.Struct, frozen=True):
    """A page of acts; `next` is its cursor, empty at the end."""

    acts: tuple[Act, ...] = ()
    waiting: int = 0
    total: int = 0
    next: str = ""


class Corrected(msgspec.Struct, frozen=True):
    """Where a correction went; `withheld` says which accords only learn of the retraction, and why."""

    statement: str = ""
    by: str = ""
    stated: tuple[str, ...] = ()
    withheld: dict[str, str] = {}
    logs: tuple[str, ...] = ()


class Acted(msgspec.Struct, frozen=True):
    """An act on record, and the logs that carry it."""

    act: str = ""
    by: str = ""
    objects: int = 0
    logs: tuple[str, ...] = ()


class Remarked(msgspec.Struct, frozen=True):
    """A remark on record; `withheld` says why it was not stated in the accord."""

    statement: str = ""
    id: str = ""
    about: tuple[str, ...] = ()
    accord: str = ""
    withheld: tuple[str, ...] = ()


class Sighted(msgspec.Struct, frozen=True):
    """A sighting on record."""

    statement: str = ""
    about: str = ""
    count: int = 0
    seen: int = 0


class Question(msgspec.Struct, frozen=True):
    """A question, and how far its answers have come."""

    statement: str = ""
    accord: str = ""
    asker: str = ""
    at: int = 0
    marking: str = ""
    about: tuple[tuple[str, str], ...] = ()
    text: str = ""
    why: str = ""
    deadline: int = 0
    overdue: bool = False
    retracted: bool = False
    answered: tuple[str, ...] = ()
    awaited: tuple[str, ...] = ()
    by_us: str = ""


class Value(msgspec.Struct, frozen=True):
    """What all offices say of one value that was asked about; times are to the day where they are not exact."""

    kind: str = ""
    value: str = ""
    seen: tuple[str, ...] = ()
    not_seen: tuple[str, ...] = ()
    malicious: tuple[str, ...] = ()
    benign: tuple[str, ...] = ()
    no_answer: tuple[str, ...] = ()
    count: int = 0
    first: int = 0
    last: int = 0
    contradicted: bool = False


class Picture(msgspec.Struct, frozen=True):
    """All answers to a question as one."""

    question: Question = Question()
    values: tuple[Value, ...] = ()
    answered: tuple[str, ...] = ()
    declined: tuple[str, ...] = ()
    awaited: tuple[str, ...] = ()
    late: tuple[str, ...] = ()


class Answered(msgspec.Struct, frozen=True):
    """An answer on record."""

    statement: str = ""
    question: str = ""
    marking: str = ""
    to: tuple[str, ...] = ()
    late: bool = False


class Source(msgspec.Struct, frozen=True):
    """A source of the office."""

    office: str = ""
    name: str = ""
    marking: str = ""
    note: str = ""


class Import(msgspec.Struct, frozen=True):
    """One original and what was made of it last."""

    name: str = ""
    source: str = ""
    form: str = ""
    at: int = 0
    digest: str = ""
    bytes: int = 0
    read: int = 0
    kept: int = 0
    known: int = 0
    refused: int = 0
    lost: dict[str, int] = {}


class Answers(msgspec.Struct, frozen=True):
    """Answers, in the order of their values."""

    answers: tuple[Answer, ...] = ()


class KnownMany(msgspec.Struct, frozen=True):
    """Lines, in the order of their values."""

    lines: tuple[Known, ...] = ()


class Sources(msgspec.Struct, frozen=True):
    """The sources of an office."""

    sources: tuple[Source, ...] = ()


class Imports(msgspec.Struct, frozen=True):
    """The imports of an office."""

    imports: tuple[Import, ...] = ()


class Questions(msgspec.Struct, frozen=True):
    """Questions, the newest first."""

    questions: tuple[Question, ...] = ()


class Posed(msgspec.Struct, frozen=True):
    """A question on record."""

    question: Question = Question()
