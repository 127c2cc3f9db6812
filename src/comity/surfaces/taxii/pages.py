"""Objects, manifests and versions of a collection, by page: filtered, in the order of the times they were added.

Rules: of several versions of an object the newest of each who states it counts as the last, for nobody replaces
another's word; the very same bytes from several witnesses are one object, at the time of the first. What was taken back
stands behind it as a note (`node.notices`), in every collection. What is given is noted before it leaves.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple
from uuid import UUID

from comity.areas import intel
from comity.errors import Malformed, NotFound
from comity.formats import taxii
from comity.formats.stix.strict import ident_of
from comity.formats.taxii import Filters
from comity.limits import TAXII_PAGE_OBJECTS, TAXII_PAGE_OBJECTS_MAX
from comity.node import openings
from comity.node.deliveries import Grade
from comity.node.feeding import sayer
from comity.node.gathered import Gathering
from comity.node.notices import Notice, Notices
from comity.node.plain import Plain
from comity.node.ports import Unit, place
from comity.node.seeing import Seen, Wanted
from comity.surfaces.cli.desk import Desk
from comity.surfaces.cli.operations.choosing import chosen
from comity.surfaces.cli.verbs.release import Choice
from comity.surfaces.taxii import shelf as shelves
from comity.surfaces.taxii.admission import Reader
from comity.surfaces.taxii.shelf import Shelf
from comity.vocab import Channel, Tlp

NOTE: Final = "note"
CUSTOM: Final = 0  # the code of every type that is not STIX 2.1's own


class Found(NamedTuple):
    """A page of objects as it goes out."""

    seen: tuple[Seen, ...]
    notices: tuple[Notice, ...]
    after: int
    more: bool
    plain: Plain | None = None  # then all objects are in it, and none is seen or noticed

    @property
    def edges(self) -> tuple[int, int]:
        """Return when the first and the last object were added; of none, where to go on from."""
        if self.plain is not None:
            return max(self.plain.first, 0), max(self.plain.last, 0)
        times = [one.added for one in self.seen] + [one.added for one in self.notices]
        return (min(times), max(times)) if times else (max(self.after, 0), max(self.after, 0))

    @property
    def bodies(self) -> list[bytes]:
        """Return the objects in the order in which they were added."""
        if self.plain is not None:
            return self.plain.bodies
        if not self.notices:
            return [one.body for one in self.seen]
        both = [(one.added, one.body) for one in self.seen] + [(one.added, one.body) for one in self.notices]
        return [body for _, body in sorted(both)]


@dataclass(slots=True)
class Pages:
    """Answers about objects, of one node."""

    desk: Desk
    notices: Notices
    gathering: Gathering
    _members: dict[tuple[str, str], tuple[object, frozenset[int]]] = field(default_factory=dict)

    def page(self, reader: Reader, shelf: Shelf, asked: Filters, *, bodies: bool = True) -> Found:
        """Return a page of a collection. Raises `Malformed` for a `next` of another question, `Refused`."""
        after = taxii.begins(asked)
        limit = min(asked.limit or TAXII_PAGE_OBJECTS, TAXII_PAGE_OBJECTS_MAX)
        if _other_spec(asked):
            return Found((), (), after, more=False)
        plain = self._plain(reader, shelf, after, asked, limit) if bodies else None
        if plain is not None:
            return Found((), (), plain.last, plain.more, plain)
        if asked.ids:
            named = [one for ident in sorted(asked.ids) for one in self._named(reader, shelf, ident)]
            return self._cut(reader, named, asked, after, limit)
        if shelf.kind == shelves.SAVED:
            places = self._places(reader, shelf.name)
            page = self.gathering.page(
                reader.seeing, reader.who, shelf.name, places, after, limit=limit, bodies=bodies or bool(asked.types)
            )
        else:
            page = reader.seeing.page(reader.who, self._wanted(reader, shelf, after, asked), limit=limit, bodies=bodies)
        objects = self._typed(page.objects, asked)
        with self.desk.services.node.store.read() as unit:
            objects = self._versions(unit, reader, objects, asked)
        found = Found(tuple(objects), (), page.after, page.more)
        return self._noticed(reader, found, asked, after, limit)

    def _plain(self, reader: Reader, shelf: Shelf, after: int, asked: Filters, limit: int) -> Plain | None:
        """Return a page on which every object is shown, where it is that simple."""
        if not asked.words or asked.ids or asked.types or shelf.kind in {shelves.SAVED, shelves.INBOX}:
            return None
        if not reader.own and self.notices.behind(reader.who, Channel.TAXII, after):
            return None
        return reader.seeing.plain(reader.who, self._wanted(reader, shelf, after, asked), limit=limit)

    def object(self, reader: Reader, shelf: Shelf, ident: str, asked: Filters) -> Found:
        """Return the versions of one object that fit. Raises `NotFound`, the same for none and for not released."""
        after = taxii.begins(asked)
        limit = min(asked.limit or TAXII_PAGE_OBJECTS, TAXII_PAGE_OBJECTS_MAX)
        named = self._named(reader, shelf, ident)
        about = [] if reader.own else self.notices.behind(reader.who, Channel.TAXII, -1)
        if not named and not any(ident_of(one.body) == ident for one in about):
            raise NotFound(f"this collection has no object {ident}")
        if _other_spec(asked):
            return Found((), (), after, more=False)
        return self._cut(reader, named, asked._replace(ids=frozenset({ident})), after, limit)

    def give(self, reader: Reader, found: Found) -> None:
        """Note what a correspondent is given, before it leaves; a program of one's own gives no receipt."""
        if reader.own:
            return
        if found.plain is not None:
            reader.seeing.give_plain(reader.who, Channel.TAXII, Grade.FETCHED, found.plain)
        if found.seen:
            reader.seeing.give(reader.who, Channel.TAXII, Grade.FETCHED, found.seen)
        self.notices.told(reader.who, Channel.TAXII, found.notices)

    # -- what belongs to a collection -----------------------------------------------

    def _wanted(self, reader: Reader, shelf: Shelf, after: int, asked: Filters) -> Wanted:
        types = frozenset(map(intel.type_code, asked.types))
        if shelf.kind == shelves.TLP:
            return Wanted(after=after, types=types, tlp=Tlp(shelf.name))
        if shelf.kind == shelves.ACCORD:
            return Wanted(after=after, types=types, accord=shelf.name)
        if shelf.kind == shelves.INBOX:
            return Wanted(after=after, types=types, fits=self._is_from(reader))
        return Wanted(after=after, types=types)

    def _is_from(self, reader: Reader) -> Callable[[int], bool]:
        """Return what says whether an entry came from a reader."""
        node = self.desk.services.node
        office = reader.actor.office_id

        def fits(at: int) -> bool:
            log_id, index = place(at)
            with node.store.read() as unit:
                (brief,) = unit.entries.brief(log_id, index, index + 1)
                header = node.header(unit.entries.header(brief.header_id))
                return unit.logs.get(log_id).own and header.office == office and header.source == reader.who.source

        return fits

    def _places(self, reader: Reader, name: str) -> frozenset[int]:
        """Return what a saved collection means now, found anew whenever anything was written."""
        services = self.desk.services
        with services.node.store.read() as unit:
            moment = unit.version(), services.node.now() // 60, threading.get_ident()
            known = self._members.get((reader.who.audience, name))
            if known is not None and known[0] == moment:
                return known[1]
            found = frozenset(chosen(services, unit, reader.actor, Choice(collection=name), received=True))
        self.gathering.gather(reader.seeing, reader.who, name, found)
        self._members[reader.who.audience, name] = moment, found
        return found

    def _named(self, reader: Reader, shelf: Shelf, ident: str) -> list[Seen]:
        """Return every version of an object that a collection has, in the order in which they were added."""
        try:
            found = reader.seeing.object(reader.who, ident, self._wanted(reader, shelf, -1, Filters()))
        except (NotFound, Malformed):
            return []
        found = [one for one in found if ident_of(one.body) == ident]
        if shelf.kind != shelves.SAVED:
            return found
        places = self._places(reader, shelf.name)
        since = [(self.gathering.since(reader.who, shelf.name, one.position), one) for one in found]
        return [one._replace(added=at) for at, one in since if at is not None and one.position in places]

    # -- filters ----------------------------------------------------------------------

    def _cut(self, reader: Reader, named: Sequence[Seen], asked: Filters, after: int, limit: int) -> Found:
        """Return the page of some objects that begins behind a time."""
        with self.desk.services.node.store.read() as unit:
            fitting = self._versions(unit, reader, self._typed(named, asked), asked)
        behind = sorted((one for one in fitting if one.added > after), key=lambda one: one.added)
        page = behind[:limit]
        found = Found(tuple(page), (), page[-1].added if page else after, more=len(behind) > limit)
        return self._noticed(reader, found, asked, after, limit)

    def _typed(self, objects: Sequence[Seen], asked: Filters) -> list[Seen]:
        """Leave out custom types that were not asked for: they have one code together."""
        if not asked.types:
            return list(objects)
        return [
            one
            for one in objects
            if intel.type_name(one.type) in asked.types or (one.type == CUSTOM and self._type_of(one) in asked.types)
        ]

    def _type_of(self, one: Seen) -> str:
        return self.ident(one).partition("--")[0]

    def ident(self, one: Seen) -> str:
        """Return the STIX id of an object: of a custom type, as its bytes say it."""
        if one.type != CUSTOM:
            return f"{intel.type_name(one.type)}--{UUID(bytes=one.uuid)}"
        if one.body:
            return ident_of(one.body)
        with self.desk.services.node.store.read() as unit:
            return ident_of(self.desk.services.queries.body(unit, one.position))

    def _versions(self, unit: Unit, reader: Reader, objects: Sequence[Seen], asked: Filters) -> list[Seen]:
        """Return the objects whose version is asked for, the same bytes once."""
        numbers = {one.position: intel.object_number(one.uuid) for one in objects}
        rows: Sequence[tuple[Any, ...]] = unit.views.find_many(intel.STATED, "object", sorted(set(numbers.values())))
        others: dict[int, list[tuple[int, int]]] = {}
        if len(rows) > len(set(numbers.values())):
            stated = Counter(row[1] for row in rows)
            for at, number, modified in rows:
                if stated[number] > 1:
                    others.setdefault(number, []).append((modified, at))
        judge = _Versions(self.desk, unit, reader, others)
        if asked.words == frozenset({"last"}) and not asked.versions and not others:
            return list(objects)
        kept = []
        for one in objects:
            rest = numbers[one.position]
            right = (
                "all" in asked.words
                or (one.modified or one.added) in asked.versions
                or ("last" in asked.words and not judge.has_beyond(rest, one, later=True))
                or ("first" in asked.words and not judge.has_beyond(rest, one, later=False))
            )
            if right and not judge.repeats(rest, one):
                kept.append(one)
        return kept

    def _noticed(self, reader: Reader, found: Found, asked: Filters, after: int, limit: int) -> Found:
        """Put notes of what was taken back where their times are."""
        if reader.own or (asked.types and NOTE not in asked.types):
            return found
        notices = self.notices.behind(reader.who, Channel.TAXII, after)
        if asked.ids:
            notices = [one for one in notices if ident_of(one.body) in asked.ids]
        if asked.versions and not asked.words:
            notices = [one for one in notices if one.added in asked.versions]
        if found.more:
            notices = [one for one in notices if one.added <= found.after]
        if not notices:
            return found
        # The page may be over its limit now: it ends where that is reached.
        times = sorted([one.added for one in found.seen] + [one.added for one in notices])
        more = found.more
        last = max(found.after, times[-1])
        if len(times) > limit:
            last, more = times[limit - 1], True
        seen = tuple(one for one in found.seen if one.added <= last)
        return Found(seen, tuple(one for one in notices if one.added <= last), last, more)


class _Versions:
    """Which other versions of the objects of a page a reader may see, each found out once."""

    def __init__(self, desk: Desk, unit: Unit, reader: Reader, others: dict[int, list[tuple[int, int]]]) -> None:
        self._node = desk.services.node
        self._queries = desk.services.queries
        self._unit = unit
        self._reader = reader
        self._others = others
        self._visible: dict[int, int | None] = {}
        self._edges: dict[tuple[int, bool, tuple[object, ...]], int] = {}

    def has_beyond(self, number: int, one: Seen, *, later: bool) -> bool:
        """Say whether who states a version has a later one, or an earlier one, that the reader may see."""
        if number not in self._others:
            return False
        who = sayer(self._node, self._unit, one.position)
        edge = self._edges.get((number, later, who))
        if edge is None:
            edge = one.modified
            for modified, at in sorted(self._others[number], reverse=later):
                if sayer(self._node, self._unit, at) == who and self._added(at) is not None:
                    edge = modified
                    break
            self._edges[number, later, who] = edge
        return edge > one.modified if later else edge < one.modified

    def repeats(self, number: int, one: Seen) -> bool:
        """Say whether the very same bytes were added before."""
        for modified, at in self._others.get(number, ()):
            if modified != one.modified or at == one.position:
                continue
            added, mine = self._added(at), self._added(one.position)
            if added is not None and mine is not None and added < mine and self._body(at) == self._body(one.position):
                return True
        return False

    def _body(self, at: int) -> bytes:
        return self._queries.body(self._unit, at)

    def _added(self, at: int) -> int | None:
        """Return when an entry was opened to the reader; None where it may not see it now."""
        if at not in self._visible:
            added = openings.added(self._unit, self._reader.who, at)
            shown = added is not None and bool(self._reader.seeing.at(self._reader.who, [(added, at)], bodies=False))
            self._visible[at] = added if shown else None
        return self._visible[at]


def _other_spec(asked: Filters) -> bool:
    """Say whether another STIX than 2.1 is asked for: what was 2.0 was brought up to it when it came in."""
    return bool(asked.specs) and taxii.SPEC_VERSION not in asked.specs
