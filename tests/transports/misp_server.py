"""A MISP server on loopback, as far as PyMISP and a side-car speak to one. It can be told to lie.

What it does follows MISP 2.5's own controllers: `EventsController` (index, restSearch, view, add, edit, delete),
`AttributesController::delete`, `TagsController::attachTagToObject`, `Event::_add` and `_edit`. That PyMISP takes it for
a MISP is tested (`test_misp_server.py`).
"""

from __future__ import annotations

import contextlib
import copy
import hashlib
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any
from uuid import NAMESPACE_URL, uuid5

from pymisp.mispevent import MISPEvent
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from comity.http.listen import Listener, Tcp
from comity.testing.world import START

Tree = dict[str, Any]

KEY = "M1spK3y" * 5
ORG = {"id": "1", "name": "Arcadia CSIRT", "uuid": "5f1a1c3e-0f6c-4d2c-9d55-0a1b2c3d4e5f"}
NO_SUCH = "Invalid event."
EXISTS = "Event already exists, if you would like to edit it, use the url in the location header."
NOT_NEWER = "Event could not be saved: Event in the request not newer than the local copy."
NOT_YOURS = (
    "Event could not be saved: The user used to edit the event is not authorised to do so. This can be caused by the"
    " user not being of the same organisation as the original creator of the event whilst also not being a site"
    " administrator."
)


class No(Exception):
    """An exception of CakePHP's: a status and a message."""

    def __init__(self, status: int, message: str, **more: Any) -> None:
        self.status = status
        self.body = {"name": message, "message": message, "url": "/", **more}


@dataclass
class Asked:
    """A request as it came."""

    method: str
    path: str
    body: Any
    headers: dict[str, str]


@dataclass
class Misp:
    """One instance, its one user, and what it holds."""

    now: int = START
    sync: bool = False  # the user's role may name other organisations as creators
    tag_editor: bool = True
    etags: bool = True
    blocklists: bool = True
    groups: list[Tree] = field(default_factory=list)
    events: dict[str, Tree] = field(default_factory=dict)
    blocked: set[str] = field(default_factory=set)
    tags: set[str] = field(default_factory=set)
    asked: list[Asked] = field(default_factory=list)
    answers: list[Response] = field(default_factory=list)  # given first, whatever is asked
    lie: Callable[[str, Any], Any] = lambda path, answer: answer
    before: Callable[[str], None] = lambda path: None  # called when a request has come
    serial: int = 0

    # -- what an analyst does in the browser --------------------------------------------

    def event(self, info: str, *values: str, tags: tuple[str, ...] = (), distribution: int = 1, **more: Any) -> Tree:
        """Make an event with one `ip-dst` or `sha256` for each value, published."""
        made = MISPEvent()
        made.info, made.distribution, made.date = info, distribution, "2026-09-21"
        made.uuid = more.pop("uuid", str(uuid5(NAMESPACE_URL, f"{info} {self.serial}")))
        for name in tags:
            made.add_tag(name)
        for value in values:
            kind = "sha256" if len(value) == 64 else "ip-dst"
            made.add_attribute(kind, value, to_ids=True, uuid=str(uuid5(NAMESPACE_URL, f"{made.uuid} {value}")))
        event = self._add({"Event": json.loads(made.to_json())})
        event.update(more)
        event["published"] = True
        return event

    def edit(self, uuid: str, *, published: bool = True) -> Tree:
        """Return an event to change by hand, as touched now."""
        event = self.events[uuid]
        event["timestamp"], event["published"] = str(self.now), published
        return event

    def attach(self, uuid: str, name: str, *, local: bool = False) -> None:
        """Tag an event, and publish it again."""
        self._tag(uuid, name, local=local)
        self.events[uuid]["published"] = True

    def detach(self, uuid: str, name: str) -> None:
        """Take a tag off an event, and publish it again."""
        self._untag(uuid, name)
        self.events[uuid]["published"] = True

    def remove(self, uuid: str, value: str) -> None:
        """Soft-delete an attribute by its value, and publish."""
        event = self.edit(uuid)
        for one in event["Attribute"]:
            if one["value"] == value:
                one["deleted"], one["timestamp"] = True, str(self.now)

    def change(self, uuid: str, before: str, after: str) -> None:
        """Change an attribute's value, and publish."""
        event = self.edit(uuid)
        for one in event["Attribute"]:
            if one["value"] == before:
                one["value"], one["timestamp"] = after, str(self.now)

    def delete(self, uuid: str) -> None:
        """Delete an event: MISP tells nobody."""
        del self.events[uuid]
        if self.blocklists:
            self.blocked.add(uuid)

    def wrote(self) -> list[Asked]:
        """Return the requests that wrote."""
        kinds = ("/add", "/edit", "/delete", "/attachTag", "/removeTag")
        return [one for one in self.asked if one.method == "POST" and any(kind in one.path for kind in kinds)]

    def state(self) -> str:
        """Return all it holds, but when it was touched."""
        kept = copy.deepcopy(self.events)
        for event in kept.values():
            event.pop("timestamp")
        return json.dumps(kept, sort_keys=True)

    # -- events ----------------------------------------------------------------------------

    def _number(self) -> str:
        self.serial += 1
        return str(self.serial)

    def _add(self, data: Tree) -> Tree:
        given = data.get("Event", data)
        uuid = str(given.get("uuid") or uuid5(NAMESPACE_URL, f"event {self.serial}")).lower()
        if uuid in self.blocked:
            raise No(403, "Could not add Event", errors=["Event blocked by event blocklist."])
        if uuid in self.events:
            raise No(404, EXISTS)
        orgc = given.get("Orgc")
        if orgc and orgc.get("uuid") != ORG["uuid"] and not self.sync:
            raise No(403, "Event cannot be created as you are not a member of the creator organisation.")
        event: Tree = {
            "id": self._number(),
            "uuid": uuid,
            "info": given["info"],
            "date": given.get("date", "2026-09-21"),
            "threat_level_id": str(given.get("threat_level_id", 4)),
            "analysis": str(given.get("analysis", 0)),
            "distribution": str(given.get("distribution", 0)),
            "sharing_group_id": str(given.get("sharing_group_id", 0)),
            "timestamp": str(given.get("timestamp") or self.now),
            "publish_timestamp": "0",
            "published": bool(given.get("published", False)),
            "locked": bool(given.get("locked", False)) and self.sync,
            "Org": ORG,
            "Orgc": ({"id": "9", **orgc} if orgc else ORG),
            "Attribute": [],
            "Object": [],
            "EventReport": [],
            "Tag": [],
        }
        self.events[uuid] = event
        self._capture(event, given)
        return event

    def _capture(self, event: Tree, given: Tree) -> None:
        """Take over the tags and parts of what was sent; what has another event's UUID is dropped."""
        for tag in given.get("Tag") or []:
            self._put_tag(event, tag["name"], local=bool(tag.get("local")))
        for kind in ("Attribute", "Object", "EventReport"):
            for part in given.get(kind) or []:
                uuid = str(part.get("uuid") or uuid5(NAMESPACE_URL, f"part {self.serial}")).lower()
                owner = next((one for one in self.events.values() for each in one[kind] if each["uuid"] == uuid), None)
                if owner is not None and owner is not event:
                    continue
                known = next((each for each in event[kind] if each["uuid"] == uuid), None)
                when = part.get("timestamp")
                if known is not None and when is not None and int(when) <= int(known["timestamp"]):
                    continue  # a tie drops the edit that comes
                made = {**(known or {"id": self._number(), "deleted": False}), **part, "uuid": uuid}
                made["timestamp"] = str(when or self.now)
                made["distribution"] = str(made.get("distribution", 5))
                made.pop("event_id", None)
                if known is None:
                    event[kind].append(made)
                else:
                    known.clear()
                    known.update(made)

    def _put_tag(self, entity: Tree, name: str, *, local: bool) -> None:
        if name not in self.tags and not self.tag_editor:
            return  # MISP drops a tag that the user may not create
        self.tags.add(name)
        if all(each["name"] != name for each in entity.setdefault("Tag", [])):
            entity["Tag"].append(
                {"id": self._number(), "name": name, "colour": "#000", "exportable": True, "local": local}
            )

    def _edit(self, uuid: str, data: Tree) -> Tree:
        event = self._found(uuid)
        given = data.get("Event", data)
        if "timestamp" in given and int(given["timestamp"]) <= int(event["timestamp"]):
            raise No(403, "Could not edit Event", errors=NOT_NEWER)
        if event["Orgc"]["uuid"] != ORG["uuid"] and not (self.sync and event["locked"]):
            raise No(403, "Could not edit Event", errors=NOT_YOURS)
        for name in ("info", "date", "threat_level_id", "analysis", "distribution"):
            if name in given:
                event[name] = str(given[name])
        event["published"] = bool(given.get("published", False))
        event["timestamp"] = str(given.get("timestamp") or self.now)
        self._capture(event, given)
        return event

    def _found(self, name: str) -> Tree:
        for event in self.events.values():
            if name.lower() in (event["uuid"], event["id"]):
                return event
        raise No(404, NO_SUCH)

    def _entity(self, uuid: str) -> tuple[Tree, Tree]:
        """Return an event or attribute, and the event it is in."""
        for event in self.events.values():
            for one in (event, *event["Attribute"]):
                if one["uuid"] == uuid.lower():
                    return one, event
        raise No(404, "Invalid Target.")

    def _tag(self, uuid: str, name: str, *, local: bool) -> None:
        entity, event = self._entity(uuid)
        if name not in self.tags and not self.tag_editor:
            raise No(403, "Tag not found and insufficient privileges to create it.")
        self._put_tag(entity, name, local=local)
        if not local:  # a local tag is on nobody's copy, and touches nothing
            entity["timestamp"] = event["timestamp"] = str(self.now)
            event["published"] = False

    def _untag(self, uuid: str, name: str) -> None:
        entity, event = self._entity(uuid)
        gone = [each for each in entity["Tag"] if each["name"].lower() == name.lower()]
        entity["Tag"] = [each for each in entity["Tag"] if each not in gone]
        if gone and not gone[0]["local"]:
            entity["timestamp"] = event["timestamp"] = str(self.now)
            event["published"] = False

    def _drop(self, kind: str, uuid: str, *, hard: bool) -> Tree:
        for event in self.events.values():
            for one in event[kind]:
                if one["uuid"] == uuid.lower():
                    if hard:
                        event[kind].remove(one)
                    else:
                        one["deleted"], one["timestamp"] = True, str(self.now)
                    event["timestamp"], event["published"] = str(self.now), False
                    return {"message": f"{kind} deleted."}
        raise No(404, f"Invalid {kind}.")

    # -- what is shown -----------------------------------------------------------------------

    def _index(self, asked: Tree) -> list[Tree]:
        given = asked.get("tag") or asked.get("tags") or ""
        tags = [one.lower() for one in (given if isinstance(given, list) else given.split("|")) if one]
        found = []
        for event in sorted(self.events.values(), key=lambda one: int(one["id"])):
            names = {each["name"].lower() for each in event["Tag"]}
            if tags and not names & set(tags):
                continue
            if asked.get("sharinggroup") and event["sharing_group_id"] != str(asked["sharinggroup"]):
                continue
            if asked.get("minimal"):
                live = [one for one in (*event["Attribute"], *event["EventReport"]) if not one["deleted"]]
                if not live and not event["Object"]:
                    continue
                kept = ("id", "timestamp", "published", "uuid")
                row = {name: event[name] for name in kept} | {"sighting_timestamp": "0"}
                found.append(row | {"orgc_uuid": event["Orgc"]["uuid"]})
            else:
                found.append({name: value for name, value in event.items() if name not in ("Attribute", "Object")})
        return found

    def _shown(self, event: Tree, *, deleted: bool = False) -> Tree:
        shown = copy.deepcopy(event)
        for kind in ("Attribute", "Object", "EventReport"):
            shown[kind] = [one for one in shown[kind] if deleted or not one["deleted"]]
        group = next((one for one in self.groups if one["id"] == event["sharing_group_id"]), None)
        if group is not None and event["distribution"] == "4":
            shown["SharingGroup"] = group
        return {"Event": shown}

    def _search(self, asked: Tree) -> Tree:
        wanted = asked.get("uuid")
        uuids = {wanted} if isinstance(wanted, str) else set(wanted or self.events)
        found = [
            event
            for event in self.events.values()
            if event["uuid"] in uuids or any(one["uuid"] in uuids for one in event["Attribute"])
        ]
        limit, page = int(asked.get("limit") or 10_000), int(asked.get("page") or 1)
        shown = found[(page - 1) * limit : page * limit]
        return {"response": [self._shown(event, deleted=bool(asked.get("deleted"))) for event in shown]}

    # -- the wire -------------------------------------------------------------------------------

    async def answer(self, request: Request) -> Response:
        data = await request.body()
        body = json.loads(data) if data else {}
        path = request.url.path.removesuffix(".json").rstrip("/")
        self.asked.append(Asked(request.method, path, body, dict(request.headers)))
        self.before(path)
        if self.answers:
            return self.answers.pop(0)
        if request.headers.get("authorization") != KEY:
            message = "Authentication failed. Please make sure you pass the API key of an API enabled user along."
            return JSONResponse({"name": message, "message": message, "url": path}, 403)
        try:
            found = self.lie(path, self._route(path, body))
        except No as error:
            return JSONResponse(error.body, error.status)
        sent = json.dumps(found).encode()
        headers = {}
        if self.etags and request.method == "POST" and path == "/events/index":
            headers["ETag"] = '"' + hashlib.sha1(sent).hexdigest() + '"'
            if request.headers.get("if-none-match") == headers["ETag"]:
                return Response(status_code=304, headers=headers)
        return Response(sent, media_type="application/json", headers=headers)

    def _route(self, path: str, body: Any) -> Any:  # noqa: C901, PLR0911, PLR0912 - MISP's routes, one line each
        kind, _, rest = path.lstrip("/").partition("/")
        verb, _, name = rest.partition("/")
        name = name.partition("/")[0]
        match kind, verb:
            case "servers", "getVersion":
                return {"version": "2.5.1", "pymisp_recommended_version": "2.5.1", "perm_sync": self.sync}
            case "users", "view":
                role = {"id": "3", "name": "sync" if self.sync else "user", "perm_sync": self.sync, "perm_add": True}
                role |= {"perm_tag_editor": self.tag_editor, "perm_site_admin": False}
                user = {"id": "2", "email": "comity@arcadia.example", "org_id": "1"}
                return {"User": user, "Role": role, "UserSetting": [], "Organisation": ORG}
            case "sharing_groups", _:
                return {"response": [{"SharingGroup": one} for one in self.groups]}
            case "events", "index":
                return self._index(body)
            case "events", "restSearch":
                return self._search(body)
            case "events", "view":
                return self._shown(self._found(name), deleted=bool(body.get("deleted")))
            case "events", "add":
                return self._shown(self._add(body))
            case "events", "edit":
                return self._shown(self._edit(name, body))
            case "events", "delete":
                event = self._found(name)
                self.delete(event["uuid"])
                return {"saved": True, "success": True, "name": "Event deleted.", "message": "Event deleted."}
            case "events", "publish":
                event = self._found(name)
                event["published"], event["publish_timestamp"] = True, str(self.now)
                return {"saved": True, "success": True, "name": "Job queued", "message": "Job queued"}
            case "attributes", "edit":
                entity, event = self._entity(name)
                entity.update(body | {"timestamp": str(self.now)})
                event["timestamp"], event["published"] = str(self.now), False
                return {"Attribute": entity}
            case (("attributes" | "objects" | "eventReports"), "delete"):
                names = {"attributes": "Attribute", "objects": "Object", "eventReports": "EventReport"}
                return self._drop(names[kind], name, hard=bool(body.get("hard")))
            case "tags", "attachTagToObject":
                self._tag(body["uuid"], body["tag"], local=bool(body.get("local")))
                return {"saved": True, "success": True, "message": "Tag attached."}
            case "tags", "removeTagFromObject":
                self._untag(body["uuid"], body["tag"])
                return {"saved": True, "success": True, "message": "Tag removed."}
        raise No(404, f"Not Found: {path}")

    def application(self) -> Starlette:
        return Starlette(routes=[Route("/{path:path}", self.answer, methods=["GET", "POST", "HEAD"])])


@contextlib.contextmanager
def served(server: Misp) -> Iterator[str]:
    """Serve, and give the base URL."""
    listener = Listener(server.application(), Tcp("127.0.0.1"), body_bytes_max=64_000_000)
    listener.start()
    try:
        yield f"http://127.0.0.1:{listener.port}"
    finally:
        listener.stop()
