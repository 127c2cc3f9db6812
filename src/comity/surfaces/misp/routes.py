"""What is asked where: each path of MISP's REST interface to what answers it.

Rules: a path that is not served is said not to be; nothing is answered by a guess. What is given is noted before it
leaves.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from http import HTTPStatus
from types import MappingProxyType
from typing import Final, NamedTuple
from urllib.parse import parse_qsl

import msgspec

from comity.errors import Malformed, NotFound, TooLarge
from comity.formats.misp import feed, fields, rest
from comity.formats.misp.filters import Filters, Terms, filters
from comity.formats.misp.rest import Call, Tree
from comity.limits import MISP_INDEX_ROWS_MAX
from comity.node.submissions import TAKEN
from comity.surfaces.cli.desk import Desk
from comity.surfaces.misp import about, answers, searching, showing, sighted, taking
from comity.surfaces.misp.admission import Reader
from comity.surfaces.misp.answers import Answer, Unsaved, Unusual
from comity.surfaces.misp.catalogue import Catalogue, number
from comity.surfaces.misp.composing import Composed, Composer, organisation
from comity.surfaces.misp.kept import Kept
from comity.surfaces.misp.searching import Catalogues, Searching
from comity.surfaces.misp.taking import Taken

_HEADERS: Final = ("Content-type", "Accept")  # that a MISP looks for when it tries a connection
READ: Final = frozenset({"GET", "HEAD"})
_ENCODE: Final = msgspec.json.Encoder().encode


class Asking(NamedTuple):
    """One request, and who makes it."""

    reader: Reader
    method: str
    path: str
    query: str
    body: bytes


class Routes:
    """Answers of one node."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._services = desk.services
        self._node = desk.services.node
        self._composer = Composer(desk.services, desk.services.owing)
        self._catalogues = Catalogues(desk)
        self._searching = Searching(desk, self._catalogues, self._composer)
        self._kept = Kept()

    def answer(self, asking: Asking) -> Answer:
        """Answer a request. Raises `ComityError` for what cannot be answered."""
        call = rest.call(asking.path)
        if call.who in {"manifest.json", "manifest"} and call.what == "index":
            return self._manifest(asking)
        if call.what == "index" and rest.uuid_of(call.who.removesuffix(".json")):
            return self._feed_event(asking, call.who.removesuffix(".json"))
        route = _ROUTES.get(f"{call.who}/{call.what}")
        if route is None:
            if call.who in about.EMPTY and call.what in {"index", "restsearch"}:
                return answers.told([])
            raise answers.nothing(asking.path)
        if route.changes and asking.method in READ:
            raise answers.refuse_method()
        return route.answer(self, asking, call)

    def _catalogue(self, asking: Asking) -> Catalogue:
        return self._catalogues.of(asking.reader)[0]

    def _filters(self, asking: Asking, call: Call, *, view: bool = False) -> Filters:
        """Read what is asked for, in the body, in the path or behind it."""
        given: Tree = {}
        for name, value in parse_qsl(asking.query, keep_blank_values=True, max_num_fields=100):
            given[name.removesuffix("[]")] = value
        given |= {name: values if len(values) > 1 else values[0] for name, values in call.named.items()}
        if asking.body:
            given |= rest.tree(asking.body)
        return filters(given, self._node.now(), view=view)

    # -- what this is and who asks --------------------------------------------------------

    def version(self, asking: Asking, call: Call) -> Answer:
        """Answer `servers/getVersion`."""
        return answers.told(about.version(asking.reader))

    def pymisp(self, asking: Asking, call: Call) -> Answer:
        """Answer `servers/getPyMISPVersion`."""
        return answers.told({"version": rest.VERSION})

    def post_test(self, asking: Asking, call: Call) -> Answer:
        """Answer `servers/postTest`, by which a MISP finds out whether what it sends arrives."""
        return answers.told({"body": rest.body(asking.body), "headers": dict.fromkeys(_HEADERS, "application/json")})

    def user(self, asking: Asking, call: Call) -> Answer:
        """Answer `users/view`: of nobody but who asks."""
        mine = about.user(asking.reader)
        if (call.of[:1] or ("me",))[0].lower() not in {"me", mine["User"]["id"]}:
            raise NotFound("Invalid user")
        return answers.told(mine)

    def roles(self, asking: Asking, call: Call) -> Answer:
        """Answer `roles`."""
        return answers.told([{"Role": about.role(asking.reader)}])

    def types(self, asking: Asking, call: Call) -> Answer:
        """Answer `attributes/describeTypes`."""
        return answers.told(about.types())

    def tags(self, asking: Asking, call: Call) -> Answer:
        """Answer `tags`."""
        wanted = (call.named.get("searchall") or [""])[0]
        return answers.told({"Tag": about.tags(self._catalogue(asking), wanted)})

    def tag_search(self, asking: Asking, call: Call) -> Answer:
        """Answer `tags/search`."""
        wanted = rest.named_in(rest.tree(asking.body), ("tagname", "tag", "name")) if asking.body else ""
        found = about.tags(self._catalogue(asking), wanted or (call.of or ("",))[0])
        return answers.told([{"Tag": one} for one in found])

    def rules(self, asking: Asking, call: Call) -> Answer:
        """Answer `servers/getAvailableSyncFilteringRules`: by what a server that pulls may choose events."""
        catalogue = self._catalogue(asking)
        found = {"organisations": [one.name for one in catalogue.orgs()]}
        return answers.told(found | {"tags": [one["name"] for one in about.tags(catalogue)]})

    def organisations(self, asking: Asking, call: Call) -> Answer:
        """Answer `organisations`."""
        return answers.told(about.organisations(self._catalogue(asking), asking.reader))

    def organisation(self, asking: Asking, call: Call) -> Answer:
        """Answer `organisations/view`."""
        return answers.told(about.one_organisation(self._catalogue(asking), asking.reader, _one(call)))

    # -- events --------------------------------------------------------------------------

    def index(self, asking: Asking, call: Call) -> Answer:
        """Answer `events/index`; with `minimal`, what servers pull by. Unchanged it is 304 for who has it."""
        asked = self._filters(asking, call)
        if asked.tags and not asked.event_tags:  # of events, in an index
            asked = asked._replace(event_tags=asked.tags, tags=Terms())
        reader = asking.reader
        _, mark = self._catalogues.of(reader)

        def make() -> Answer:
            found = self._searching.index(reader, asked)
            if not asked.minimal and not asked.limit and len(found) > MISP_INDEX_ROWS_MAX:
                raise TooLarge(f"over {MISP_INDEX_ROWS_MAX} rows in one answer", hint="ask with a limit, or minimal")
            catalogue, _ = self._catalogues.of(reader)
            row = searching.minimal if asked.minimal else searching.row
            return answers.tagged(_ENCODE([row(catalogue, event) for event in found]))

        return self._kept.answer((reader.who.audience, asked), mark, make)

    def search(self, asking: Asking, call: Call) -> Answer:
        """Answer `events/restSearch`."""
        asked = self._filters(asking, call)
        _require_json(asked)
        if asked.metadata:
            catalogue = self._catalogue(asking)
            found = self._searching.index(asking.reader, asked)
            return answers.response([{"Event": searching.row(catalogue, one)} for one in found])
        whole = self._searching.events(asking.reader, asked)
        self._composer.give(asking.reader, self._catalogue(asking), whole)
        return answers.response([{"Event": showing.shown(one, asked)} for one in whole])

    def view(self, asking: Asking, call: Call) -> Answer:
        """Answer `events/view`."""
        asked = self._filters(asking, call, view=True)
        catalogue = self._catalogue(asking)
        event = catalogue.find(_one(call))
        if event is None:
            return self._only_sent(asking, _one(call))
        if asking.method == "HEAD":
            return answers.told({"Event": {"id": str(event.number), "uuid": event.uuid}})
        (one,) = self._composer.compose(asking.reader, catalogue, [event])
        self._composer.give(asking.reader, catalogue, [one])
        shown = showing.shown(one, asked)
        if call.flag("nosightings"):
            shown = showing.without_sightings(shown)
        if call.flag("excludegalaxy"):  # a server that pulls has its own, by their tags
            shown = shown | {"Galaxy": []}
        return answers.told({"Event": shown})

    def _only_sent(self, asking: Asking, name: str) -> Answer:
        """Say that an event is there which its sender cannot read (yet); else that there is none."""
        uuid = rest.uuid_of(name)
        if not uuid or taking.sent(self._node, asking.reader, uuid) is None:
            raise NotFound("Invalid event")
        if asking.method == "HEAD":
            return answers.told({"Event": {"uuid": uuid}})
        raise NotFound("Invalid event", hint="you sent it; it waits for the office, or is not released to you")

    def filter_for_push(self, asking: Asking, call: Call) -> Answer:
        """Answer `events/filterEventIdsForPush`: of the events that a server has, which are news here."""
        given = rest.body(asking.body)
        wanted: list[str] = []
        catalogue = self._catalogue(asking)
        for one in fields.trees(given):
            event = one["Event"] if isinstance(one.get("Event"), dict) else one
            uuid, at = fields.uuid(event), fields.number(event, "timestamp") or 0
            known = catalogue.find(uuid) if uuid else None
            held = catalogue.times(known)[0] if known is not None else -1
            before = taking.sent(self._node, asking.reader, uuid) if uuid else None
            if uuid and at > max(held, before.timestamp if before else -1):
                wanted.append(uuid)
        return answers.told(wanted)

    def add(self, asking: Asking, call: Call) -> Answer:
        """Answer `events/add`."""
        taken = taking.take(self._desk, asking.reader, self._catalogue(asking), asking.body)
        return self._taken(asking, call, taken)

    def edit(self, asking: Asking, call: Call) -> Answer:
        """Answer `events/edit`: a newer state, which stands beside what others say."""
        name = _one(call)
        taken = taking.take(self._desk, asking.reader, self._catalogue(asking), asking.body, name)
        return self._taken(asking, call, taken)

    def _taken(self, asking: Asking, call: Call, taken: Taken) -> Answer:
        """Return an event as it was taken, and what became of it; as it is held where its sender may read it."""
        one = taken.submission
        became = {"state": one.state, "submission": one.id, "others": one.others, "refused": one.refused}
        catalogue = self._catalogue(asking)
        event = catalogue.find(taken.uuid)
        metadata = call.flag("metadata")
        shown: Tree
        if event is not None and one.state == TAKEN:
            (composed,) = self._composer.compose(asking.reader, catalogue, [event])
            if not metadata:
                self._composer.give(asking.reader, catalogue, [composed])
            shown = showing.shown(composed, Filters())
        else:
            mine = organisation(*about.org(asking.reader))
            own = {"id": str(number(taken.uuid)), "org_id": mine["id"], "Org": mine, "published": False}
            shown = showing.echoed(taken.event) | own
        if metadata:
            shown = showing.metadata(shown)
        return answers.told({"Event": shown, "Comity": became})

    def delete(self, asking: Asking, call: Call) -> Answer:
        """Answer `events/delete`: takes back what its sender stands by, and nothing of others."""
        catalogue, name = self._catalogue(asking), _one(call)
        event = catalogue.find(name)
        uuid = event.uuid if event is not None else rest.uuid_of(name)
        if not uuid or (event is None and taking.sent(self._node, asking.reader, uuid) is None):
            raise NotFound("Invalid event")
        taking.delete(self._services, asking.reader, uuid)
        return answers.saved(str(number(uuid)), "Event deleted", asking.path)

    # -- attributes ----------------------------------------------------------------------

    def attributes(self, asking: Asking, call: Call) -> Answer:
        """Answer `attributes/restSearch`."""
        asked = self._filters(asking, call)
        _require_json(asked)
        found = self._searching.attributes(asking.reader, asked)
        self._give_some(asking, found)
        return answers.response({"Attribute": [showing.with_event(one) for one in found]})

    def attribute(self, asking: Asking, call: Call) -> Answer:
        """Answer `attributes/view`."""
        found = self._find_attribute(asking, _one(call))
        if asking.method != "HEAD":
            self._give_some(asking, [found])
        return answers.told({"Attribute": showing.with_event(found)})

    def _find_attribute(self, asking: Asking, name: str) -> searching.Match:
        catalogue = self._catalogue(asking)
        thing = sighted.attribute(self._services, catalogue, name)
        events = catalogue.events_of(thing)[:1] if thing is not None else searching.holding(catalogue, name)[:1]
        for composed in self._composer.compose(asking.reader, catalogue, events):
            for one, within in composed.attributes():
                if name.lower() in (one["uuid"], one["id"]) and not one["deleted"]:
                    return searching.Match(composed, one, within)
        raise NotFound("Invalid attribute")

    def _give_some(self, asking: Asking, found: list[searching.Match]) -> None:
        by_event: dict[str, tuple[Composed, list[str]]] = {}
        for one in found:
            by_event.setdefault(one.composed.event.uuid, (one.composed, []))[1].append(one.attribute["uuid"])
        self._composer.give_parts(asking.reader, self._catalogue(asking), list(by_event.values()))

    def add_attribute(self, asking: Asking, call: Call) -> Answer:
        """Answer `attributes/add`: a newer state of an event that its sender sent, with an attribute more, or some."""
        catalogue = self._catalogue(asking)
        event = catalogue.find(_one(call))
        if event is None:
            raise NotFound("Invalid event")
        given = rest.body(asking.body)
        several = isinstance(given, list)
        more = [one["Attribute"] if isinstance(one.get("Attribute"), dict) else one for one in fields.trees(given)]
        if not more:
            raise Malformed("the body is no attribute")
        (composed,) = self._composer.compose(asking.reader, catalogue, [event])
        taken, more = taking.add_attributes(self._desk, asking.reader, catalogue, composed, more)
        shown = [one | {"id": str(number(one["uuid"])), "event_id": str(event.number)} for one in more]
        became = {"state": taken.submission.state, "submission": taken.submission.id}
        return answers.told({"Attribute": shown if several else shown[0], "Comity": became})

    def delete_attribute(self, asking: Asking, call: Call) -> Answer:
        """Answer `attributes/delete`, as `delete`."""
        found = self._find_attribute(asking, _one(call))
        taking.delete_attribute(self._services, asking.reader, found.attribute["uuid"])
        return answers.saved(found.attribute["id"], "Attribute deleted", asking.path)

    def refuse_parts(self, asking: Asking, call: Call) -> Answer:
        """Answer what would change a part of an event: the event is sent whole, as its author says it."""
        raise Unsaved("an event is changed as a whole", hint="POST all of it to /events/edit/<uuid>", about="Event")

    # -- sightings ------------------------------------------------------------------------

    def sight(self, asking: Asking, call: Call) -> Answer:
        """Answer `sightings/add`."""
        catalogue = self._catalogue(asking)
        given = rest.tree(asking.body)
        given = given["Sighting"] if isinstance(given.get("Sighting"), dict) else given
        some = sighted.said(self._services, catalogue, given, (call.of or ("",))[0])
        done = sighted.take(self._services, asking.reader, some, what="MISP sighting")
        sighted.require_taken(done)
        shown = sighted.shown(catalogue, about.org(asking.reader), done[0].said)
        said = f"{len(done)} sightings successfully added."
        return answers.told({"Sighting": shown, "message": said, "Comity": {"state": done[0].answer.outcome}})

    def sightings(self, asking: Asking, call: Call) -> Answer:
        """Answer `sightings/restSearch`."""
        given = rest.tree(asking.body) if asking.body else {}
        wanted = sighted.asked(given, (call.of or ("",))[0].lower(), self._node.now())
        return answers.response([{"Sighting": one} for one in self._sightings(asking, wanted)])

    def list_sightings(self, asking: Asking, call: Call) -> Answer:
        """Answer `sightings/listSightings` and `sightings/index`."""
        given = rest.tree(asking.body) if asking.body else {}
        context = fields.text(given, "context").lower()
        if call.of and not given.get("id"):
            given, context = given | {"id": call.of[0]}, context or "event"
        return answers.told(self._sightings(asking, sighted.asked(given, context, self._node.now())))

    def _sightings(self, asking: Asking, wanted: sighted.Asked) -> list[Tree]:
        catalogue = self._catalogue(asking)
        found: list[Tree] = []
        for composed in self._composer.compose(asking.reader, catalogue, sighted.events(catalogue, wanted)):
            for one, attribute in sighted.sightings(composed, wanted):
                shown = dict(one)
                if wanted.event:
                    shown["Event"] = showing.around(composed)
                if wanted.attribute:
                    shown["Attribute"] = {name: value for name, value in attribute.items() if name != "Sighting"}
                found.append(shown)
        return found

    def filter_sightings(self, asking: Asking, call: Call) -> Answer:
        """Answer `sightings/filterSightingUuidsForPush`: of the sightings that a server has, which are here already."""
        given = rest.body(asking.body)
        catalogue = self._catalogue(asking)
        here = []
        for one in given if isinstance(given, list) else ():
            uuid = rest.uuid_of(one) if isinstance(one, str) else ""
            if uuid and {f"sighting--{uuid}", f"opinion--{uuid}"} & catalogue.things.keys():
                here.append(one)
        return answers.told(here)

    def save_sightings(self, asking: Asking, call: Call) -> Answer:
        """Answer `sightings/bulkSaveSightings`: what is of no attribute that the sender sees is said."""
        catalogue = self._catalogue(asking)
        some: list[sighted.Said] = []
        left = 0
        for one in fields.trees(rest.body(asking.body)):
            given = one["Sighting"] if isinstance(one.get("Sighting"), dict) else one
            try:
                name = rest.named_in(given, ("attribute_uuid",))
                some += sighted.said(self._services, catalogue, given, name)
            except (NotFound, Malformed, Unsaved):
                left += 1
        done = sighted.take(self._services, asking.reader, some, what="MISP sightings") if some else []
        kept = sum(one.answer.outcome != "refused" for one in done)
        said = f"{kept} sightings added." if kept else "No sightings added."
        return answers.told({"saved": kept > 0, "success": said, "message": said, "left": left + len(done) - kept})

    # -- a feed ------------------------------------------------------------------------------

    def _manifest(self, asking: Asking) -> Answer:
        """Answer the manifest of a feed: clients that only read feeds send the key as a header, too."""
        _, mark = self._catalogues.of(asking.reader)

        def make() -> Answer:
            catalogue = self._catalogue(asking)
            return answers.tagged(feed.manifest(showing.entry(catalogue, one) for one in catalogue.behind(-1)))

        return self._kept.answer((asking.reader.who.audience, "manifest"), mark, make)

    def _feed_event(self, asking: Asking, uuid: str) -> Answer:
        catalogue = self._catalogue(asking)
        event = catalogue.find(uuid)
        if event is None:
            raise NotFound("Invalid event")
        (one,) = self._composer.compose(asking.reader, catalogue, [event])
        self._composer.give(asking.reader, catalogue, [one])
        return answers.told({"Event": one.tree})

    # -- what is not taken ----------------------------------------------------------------------

    def proposals(self, asking: Asking, call: Call) -> Answer:
        """Answer `events/pushProposals`: who proposes a change says it as an event, a sighting or an opinion."""
        said = "proposals are not taken here: send an event of your own, or a sighting"
        return answers.told({"success": False, "counter": 0, "message": said})

    def nothing_found(self, asking: Asking, call: Call) -> Answer:
        """Answer searches in what this has none of."""
        return answers.response([])

    def refuse(self, asking: Asking, call: Call) -> Answer:
        """Answer what only a MISP's own users do."""
        raise Unusual(HTTPStatus.FORBIDDEN, "you may not do that here", hint="the office does it with its own commands")


def _one(call: Call) -> str:
    """Return the id that a path ends with. Raises `Malformed`."""
    if not call.of:
        raise Malformed("an id or a UUID is missing")
    return call.of[0]


def _require_json(asked: Filters) -> None:
    if asked.form != "json":
        raise answers.refuse_form(asked.form)


class _Route(NamedTuple):
    answer: Callable[[Routes, Asking, Call], Answer]
    changes: bool = False  # then it is not asked by GET


_ROUTES: Final[Mapping[str, _Route]] = MappingProxyType(
    {
        "servers/getversion": _Route(Routes.version),
        "servers/getpymispversion": _Route(Routes.pymisp),
        "servers/posttest": _Route(Routes.post_test, True),
        "servers/getavailablesyncfilteringrules": _Route(Routes.rules),
        "users/view": _Route(Routes.user),
        "roles/index": _Route(Routes.roles),
        "attributes/describetypes": _Route(Routes.types),
        "tags/index": _Route(Routes.tags),
        "tags/search": _Route(Routes.tag_search),
        "organisations/index": _Route(Routes.organisations),
        "organisations/view": _Route(Routes.organisation),
        "events/index": _Route(Routes.index),
        "events/restsearch": _Route(Routes.search),
        "events/view": _Route(Routes.view),
        "events/filtereventidsforpush": _Route(Routes.filter_for_push, True),
        "events/add": _Route(Routes.add, True),
        "events/edit": _Route(Routes.edit, True),
        "events/delete": _Route(Routes.delete, True),
        "events/pushproposals": _Route(Routes.proposals, True),
        "events/publish": _Route(Routes.refuse, True),
        "events/unpublish": _Route(Routes.refuse, True),
        "attributes/restsearch": _Route(Routes.attributes),
        "attributes/view": _Route(Routes.attribute),
        "attributes/add": _Route(Routes.add_attribute, True),
        "attributes/edit": _Route(Routes.refuse_parts, True),
        "attributes/delete": _Route(Routes.delete_attribute, True),
        "objects/add": _Route(Routes.refuse_parts, True),
        "objects/edit": _Route(Routes.refuse_parts, True),
        "sightings/add": _Route(Routes.sight, True),
        "sightings/restsearch": _Route(Routes.sightings),
        "sightings/index": _Route(Routes.list_sightings),
        "sightings/listsightings": _Route(Routes.list_sightings),
        "sightings/filtersightinguuidsforpush": _Route(Routes.filter_sightings, True),
        "sightings/bulksavesightings": _Route(Routes.save_sightings, True),
        "galaxyclusters/restsearch": _Route(Routes.nothing_found),
        "galaxies/pushcluster": _Route(Routes.refuse, True),
        "tags/add": _Route(Routes.refuse, True),
        "tags/attachtagtoobject": _Route(Routes.refuse_parts, True),
        "tags/removetagfromobject": _Route(Routes.refuse_parts, True),
    }
)
