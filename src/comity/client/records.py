"""What a node keeps for an office, and what stands around its intelligence, as far as a program needs it.

Rules: as in `answers`: every field has a default, what is not known here is passed over.
"""

from __future__ import annotations

import msgspec

from comity.client.answers import Decision

# -- finding -------------------------------------------------------------------------


class Hit(msgspec.Struct, frozen=True):
    """One entry that has every word."""

    statement: str = ""
    id: str = ""
    type: str = ""
    name: str = ""
    text: str = ""
    party: str = ""
    office: str = ""
    source: str = ""
    marking: str = ""
    at: int = 0
    retracted: bool = False


class Searched(msgspec.Struct, frozen=True):
    """A page of hits; `more` asks for the next, 0 ends."""

    hits: tuple[Hit, ...] = ()
    more: int = 0


class Vertex(msgspec.Struct, frozen=True):
    """An object of a graph; `more`: it has edges that were not followed."""

    id: str = ""
    type: str = ""
    name: str = ""
    held: bool = True
    depth: int = 0
    more: bool = False


class Tie(msgspec.Struct, frozen=True):
    """An edge, in the direction in which it was stated."""

    source: str = ""
    role: str = ""
    target: str = ""
    retracted: bool = False


class Graph(msgspec.Struct, frozen=True):
    """Objects and edges around one object, nearest first; `cut`: a bound left some out."""

    start: str = ""
    vertices: tuple[Vertex, ...] = ()
    ties: tuple[Tie, ...] = ()
    cut: bool = False


class Entry(msgspec.Struct, frozen=True):
    """One entry of a catalogue; `object` is it in STIX, empty where STIX has none."""

    catalogue: str = ""
    uuid: str = ""
    name: str = ""
    ids: tuple[str, ...] = ()
    synonyms: tuple[str, ...] = ()
    description: str = ""
    refs: tuple[str, ...] = ()
    phases: tuple[str, ...] = ()
    revoked: bool = False
    deprecated: bool = False
    tag: str = ""
    kind: str = ""
    object: str = ""


class Entries(msgspec.Struct, frozen=True):
    """The entries that a name finds, or why no catalogue could be asked."""

    entries: tuple[Entry, ...] = ()
    catalogues: int = 0
    why_not: str = ""


class Tag(msgspec.Struct, frozen=True):
    """What a machine tag says, or why it cannot be told."""

    tag: str = ""
    words: str = ""
    description: str = ""
    number: int | None = None
    entries: tuple[Entry, ...] = ()
    why_not: str = ""


class Warned(msgspec.Struct, frozen=True):
    """One warning list that has a value."""

    list: str = ""
    version: str = ""
    entry: str = ""
    why: str = ""


class Checked(msgspec.Struct, frozen=True):
    """What the warning lists say of one value."""

    asked: str = ""
    read_as: tuple[str, ...] = ()
    warnings: tuple[Warned, ...] = ()


class CheckedMany(msgspec.Struct, frozen=True):
    """The same of several; `why_not` says why no list was asked."""

    values: tuple[Checked, ...] = ()
    lists: int = 0
    why_not: str = ""


# -- collections, models, rules, lists --------------------------------------------------


class Collection(msgspec.Struct, frozen=True):
    """What is kept of a collection; `search`: it has a saved one."""

    name: str = ""
    office: str = ""
    by: str = ""
    at: int = 0
    objects: tuple[str, ...] = ()
    search: bool = False


class Collections(msgspec.Struct, frozen=True):
    """The collections of an office."""

    collections: tuple[Collection, ...] = ()


class Member(msgspec.Struct, frozen=True):
    """One entry that a collection means now."""

    id: str = ""
    type: str = ""
    name: str = ""
    party: str = ""
    office: str = ""
    source: str = ""
    marking: str = ""
    at: int = 0
    retracted: bool = False


class Evaluated(msgspec.Struct, frozen=True):
    """What a collection means now; `missing` was put in by hand and is not held."""

    collection: Collection = Collection()
    entries: int = 0
    missing: tuple[str, ...] = ()
    members: tuple[Member, ...] = ()


class Model(msgspec.Struct, frozen=True):
    """How values of some kinds age; lifetime in days, 0: it does not age."""

    name: str = ""
    kinds: tuple[str, ...] = ()
    lifetime: float = 0.0
    speed: float = 0.0
    threshold: int = 0
    false_positive: int = 0


class Models(msgspec.Struct, frozen=True):
    """The table in force, and its text where it is the office's own."""

    models: tuple[Model, ...] = ()
    reliability: dict[str, int] = {}
    own: str = ""


class Planned(msgspec.Struct, frozen=True):
    """What would be decided for one class of objects."""

    objects: int = 0
    marking: str = ""
    decisions: tuple[Decision, ...] = ()


class Rule(msgspec.Struct, frozen=True):
    """A standing rule of sharing and how far it has come."""

    name: str = ""
    office: str = ""
    accord: str = ""
    source: str = ""
    type: str = ""
    tlp: str = ""
    confidence: int = 0
    to: tuple[str, ...] = ()
    enabled: bool = False
    stopped: str = ""
    ran: int = 0
    stated: int = 0
    withheld: int = 0
    grounds: dict[str, int] = {}
    flagged: int = 0


class Rules(msgspec.Struct, frozen=True):
    """The rules of an office."""

    rules: tuple[Rule, ...] = ()


class HeldBack(msgspec.Struct, frozen=True):
    """An object that a rule holds back, and the warning lists that its values are on."""

    statement: str = ""
    values: tuple[str, ...] = ()
    lists: tuple[str, ...] = ()


class RuleDetail(msgspec.Struct, frozen=True):
    """A rule with the first of what it holds back."""

    rule: Rule = Rule()
    held: tuple[HeldBack, ...] = ()


class Plan(msgspec.Struct, frozen=True):
    """What a rule would share now; `made`: it is a rule from now on."""

    rule: Rule = Rule()
    made: bool = False
    objects: int = 0
    known: int = 0
    withheld: int = 0
    grounds: dict[str, int] = {}
    planned: tuple[Planned, ...] = ()


class Ran(msgspec.Struct, frozen=True):
    """What carrying a rule out did."""

    rule: Rule = Rule()
    stated: int = 0
    withheld: int = 0
    grounds: dict[str, int] = {}


class Feed(msgspec.Struct, frozen=True):
    """A list that sensors fetch by themselves."""

    name: str = ""
    office: str = ""
    to: str = ""
    purpose: str = ""
    form: str = ""
    source: str = ""
    type: str = ""
    confidence: int = 0
    created: int = 0
    by: str = ""


class Feeds(msgspec.Struct, frozen=True):
    """The lists of an office."""

    feeds: tuple[Feed, ...] = ()


class MadeFeed(msgspec.Struct, frozen=True):
    """A new list, and the path of its address, which is shown this once."""

    feed: Feed = Feed()
    path: str = ""


# -- what came in -----------------------------------------------------------------------


class Counts(msgspec.Struct, frozen=True):
    """What polls brought."""

    read: int = 0
    kept: int = 0
    known: int = 0
    refused: int = 0
    lost: int = 0


class Fetched(msgspec.Struct, frozen=True):
    """A source that is fetched, and how it does; times are 0 for never."""

    name: str = ""
    office: str = ""
    kind: str = ""
    address: str = ""
    every: int = 0
    enabled: bool = False
    marking: str = ""
    reliability: str = ""
    success: int = 0
    due: int = 0
    failures: int = 0
    error: str = ""
    last: Counts = Counts()
    total: Counts = Counts()


class FetchedMany(msgspec.Struct, frozen=True):
    """The sources of an office that are fetched."""

    sources: tuple[Fetched, ...] = ()


class Polled(msgspec.Struct, frozen=True):
    """What a poll did, or with `dry` would do."""

    source: Fetched = Fetched()
    dry: bool = False
    counts: Counts = Counts()
    error: str = ""


class ErasedOriginal(msgspec.Struct, frozen=True):
    """An original that was erased."""

    name: str = ""
    digest: str = ""
    parts: int = 0


class Attachment(msgspec.Struct, frozen=True):
    """A sample or document; `missing` numbers the parts that are not here."""

    statement: str = ""
    name: str = ""
    size: int = 0
    sha256: str = ""
    sha1: str = ""
    md5: str = ""
    media: str = ""
    about: tuple[str, ...] = ()
    note: str = ""
    party: str = ""
    office: str = ""
    source: str = ""
    marking: str = ""
    at: int = 0
    retracted: bool = False
    parts: int = 0
    missing: tuple[int, ...] = ()


class Attachments(msgspec.Struct, frozen=True):
    """Attachments, the newest first."""

    attachments: tuple[Attachment, ...] = ()


class Attached(msgspec.Struct, frozen=True):
    """An attachment on record; `withheld` says why it was not stated in the accord."""

    attachment: Attachment = Attachment()
    by: str = ""
    accord: str = ""
    withheld: tuple[str, ...] = ()


class Content(msgspec.Struct, frozen=True):
    """An attachment written to a file; with a `password` in a ZIP, under the name `inside`."""

    inside: str = ""
    password: str = ""


class Sealed(msgspec.Struct, frozen=True):
    """One piece of evidence, without what it says."""

    statement: str = ""
    source: str = ""
    at: int = 0
    digest: str = ""


class SealedMany(msgspec.Struct, frozen=True):
    """What an office has sealed, the newest first."""

    evidence: tuple[Sealed, ...] = ()


class Opened(msgspec.Struct, frozen=True):
    """A piece of evidence that was read, on record, and what it says."""

    evidence: Sealed = Sealed()
    text: str = ""
    by: str = ""


class Exported(msgspec.Struct, frozen=True):
    """What a file for somebody without a node holds, what was held back and why."""

    audience: str = ""
    purpose: str = ""
    by: str = ""
    form: str = ""
    objects: int = 0
    values: int = 0
    withheld: int = 0
    grounds: dict[str, int] = {}
    left: dict[str, int] = {}
    warnings: str = ""


class Done(msgspec.Struct, frozen=True):
    """Something was put on record, or is kept no longer."""

    what: str = ""
    by: str = ""
    logs: tuple[str, ...] = ()
