"""What the API asks and answers beyond the verbs of the command line.

Rules: plain values; times are seconds since the epoch, `modified` microseconds. A parameter has its name once.
"""

from __future__ import annotations

import msgspec

from comity.surfaces.cli.verbs.intel import WitnessShown


class NoQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """No parameter."""


class ObjectsQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which objects: of a STIX type, from a source, modified by their producer or put on record since a time."""

    type: str = ""
    source: str = ""
    since: int = 0  # `modified` of the object is at or after these seconds
    updated_since: int = 0  # its statement was put on record at or after these seconds, by its author's clock
    limit: int = 100
    cursor: str = ""


class ObjectPage(msgspec.Struct, frozen=True):
    """Objects as their producers wrote them, in the order in which this node holds them; beside each, who says so.

    `next` goes on behind them; null where nothing more was held when this page was made.
    """

    objects: tuple[msgspec.Raw, ...]
    witnesses: tuple[WitnessShown, ...]
    next: str | None


class RawQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which version: its `modified` in microseconds; 0 for the newest."""

    modified: int = 0


class IngestQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The source of what is sent, its format and file name, and the default marking if that is to be set."""

    source: str
    format: str = ""  # empty: by content and name
    name: str = ""  # of the file it comes from
    tlp: str = ""
    pap: str = ""
    note: str = ""
    dry: bool = False


class AttachQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is said of a file: its name, objects or values that it is about, where it comes from; its marking.

    Without `tlp` it stays at home; `accord` states it there too.
    """

    name: str
    about: tuple[str, ...] = ()
    media: str = ""
    note: str = ""
    source: str = ""
    accord: str = ""
    tlp: str = ""
    pap: str = ""


class AttachmentsQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Attachments of these hashes, values or objects, or the newest; at most `limit` of them."""

    about: tuple[str, ...] = ()
    limit: int = 100


class ContentQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The bytes themselves, without a ZIP around them."""

    plain: bool = False


class SearchQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Words, all of which an object has; at most `limit`; `before` is a page's `more`."""

    text: str
    limit: int = 20
    before: int = 0


class GraphQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An object by id, statement or value; how far, how many objects, and the page of its own edges."""

    name: str
    depth: int = 1
    limit: int = 1_000
    start: int = 0
    edges: int = 50


class NameQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An object by id, or a statement."""

    name: str


class TextQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What an entry is called: its whole id, name, synonym or UUID."""

    text: str


class TagQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A machine tag."""

    tag: str


class LimitQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """At most so many members."""

    limit: int = 100


class ImportsQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Imports of all sources, or of one."""

    source: str = ""


class QuestionsQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Questions that this office asked, those still open; at most `limit` of them."""

    mine: bool = False
    open: bool = False
    limit: int = 50


class InterestsQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Interests that this office stated, or of everybody; `ended`: those withdrawn or past their end too."""

    mine: bool = False
    ended: bool = False


class MatchesQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """At most so many objects; `before` is a page's `before`."""

    limit: int = 1_000
    before: int = 0


class ArrivedQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What was stated since a time, at most so many objects; `before` is a page's `before`."""

    since: int = 0
    limit: int = 1_000
    before: int = 0


class ActsQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Acts about content; with `waiting` those that somebody has not complied with. `after` is a page's `next`."""

    waiting: bool = False
    limit: int = 100
    after: str = ""


class InboxQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Submissions that wait, or those that were settled."""

    settled: bool = False


class MessagesQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Messages to a neighbour: those that wait, were sent or given up, or all."""

    standing: str = ""


class OriginQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A log by its origin."""

    origin: str


class Health(msgspec.Struct, frozen=True):
    """That this node answers, and in which versions of the API; nothing of what it holds."""

    status: str  # ok
    api: tuple[str, ...]  # versions that it speaks, the newest last
    comity: str  # version of the program
