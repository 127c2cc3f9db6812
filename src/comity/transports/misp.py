"""The client's side of a MISP server's REST interface (OpenAPI of MISP 2.4 and 2.5), as far as a side-car needs it.

Rules: an index is asked for conditionally, and one that is byte for byte as before is known by its digest, so an
unchanged MISP costs one request. Events are asked for by UUID, some at once; what comes back unasked is dropped. Every
answer is bounded. What is written may be sent twice: UUIDs make it one. What a MISP says no to is an answer, not an
error: it is told, and stops nothing else.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec

from comity.errors import Malformed, TooLarge
from comity.formats.misp import crossing, fields
from comity.formats.stix.report import bounded
from comity.http.exchange import Incoming
from comity.limits import MISP_EVENT_BYTES_MAX, MISP_INDEX_BYTES_MAX, MISP_INDEX_EVENTS_MAX, SOURCE_DOCUMENT_BYTES_MAX
from comity.node.sidecars import Answer, Listing, Member, Row
from comity.transports.caller import Caller, ok

JSON: Final = {"Accept": "application/json", "Content-Type": "application/json"}
NOT_MODIFIED: Final = 304
NO: Final = frozenset({400, 403, 404, 405, 409})  # MISP's ways of saying no to what is written
EXISTS: Final = "already exists"  # EventsController::add, with status 404
ETAG_CHARS_MAX: Final = 1_024
_DELETED_BY: Final = {"Attribute": "attributes", "Object": "objects", "EventReport": "eventReports"}
_ENCODE: Final = msgspec.json.Encoder().encode


class _Event(msgspec.Struct):
    """An event in a minimal index."""

    uuid: str
    timestamp: int | str = 0
    published: bool | int | str = False


class _Found(msgspec.Struct):
    """An event in a search."""

    event: msgspec.Raw = msgspec.field(name="Event")


class MispServer:
    """A MISP server."""

    def __init__(self, caller: Caller) -> None:
        self._caller = caller
        self._base = caller.address.rstrip("/")

    # -- reading ---------------------------------------------------------------------

    def index(self, tags: Sequence[str], group: str, before: Listing) -> Listing | None:
        """Return the events that bear one of the tags, or go to the sharing group of that number.

        Raises `Malformed` for what is no index, `TooLarge`, and what `Caller.once` does.
        """
        asked: dict[str, Any] = {"minimal": 1}
        asked |= {"tag": "|".join(tags)} if tags else {"sharinggroup": group}
        headers = JSON | ({"If-None-Match": before.etag} if before.etag else {})
        answer, body = self._post("/events/index", asked, headers, limit=MISP_INDEX_BYTES_MAX, own={NOT_MODIFIED})
        if answer.status == NOT_MODIFIED and before.etag:
            return None
        ok(answer, self._base)
        digest = hashlib.sha256(body).hexdigest()
        etag = answer.headers.get("etag", "")
        etag = etag if etag.isascii() and etag.isprintable() and len(etag) <= ETAG_CHARS_MAX else ""
        if digest == before.digest and etag == before.etag:
            return None
        return Listing(_rows(body), etag, digest)

    def events(self, uuids: Sequence[str]) -> Mapping[str, bytes]:
        """Return what there is of these events, as JSON. Raises `TooLarge` where a single one is."""
        asked = {
            "returnFormat": "json",
            "uuid": list(uuids),
            "withAttachments": 0,
            "deleted": 0,
            "page": 1,
            "limit": len(uuids),
        }
        try:
            answer, body = self._post("/events/restSearch", asked, limit=MISP_EVENT_BYTES_MAX)
        except TooLarge as error:
            if len(uuids) > 1:
                return {uuid: data for one in uuids for uuid, data in self.events([one]).items()}
            raise TooLarge(f"event {uuids[0]} is over {MISP_EVENT_BYTES_MAX} bytes (MISP_EVENT_BYTES_MAX)") from error
        ok(answer, self._base)
        wanted, found = set(uuids), {}
        for raw in _searched(body):
            uuid = _uuid_of(raw)
            if uuid in wanted:
                found[uuid] = raw
        return found

    def group(self, uuid: str) -> str:
        """Return the number of a sharing group; empty where the login sees none of that UUID."""
        answer, body = self._caller.read(f"{self._base}/sharing_groups", JSON, limit=SOURCE_DOCUMENT_BYTES_MAX)
        ok(answer, self._base)
        tree = _tree(body)
        listed = tree.get("response") if isinstance(tree, dict) else tree
        for one in fields.trees(listed):
            found = one.get("SharingGroup")
            if isinstance(found, dict) and crossing.name_of(found.get("uuid")) == uuid:
                number = fields.number(found, "id")
                return "" if number is None else str(number)
        return ""

    def me(self) -> Member:
        """Return who the login is."""
        answer, body = self._caller.read(f"{self._base}/users/view/me.json", JSON, limit=SOURCE_DOCUMENT_BYTES_MAX)
        ok(answer, self._base)
        tree = _tree(body)
        role = tree.get("Role") if isinstance(tree, dict) else None
        organisation = tree.get("Organisation") if isinstance(tree, dict) else None
        role = role if isinstance(role, dict) else {}
        name = fields.text(organisation, "name") if isinstance(organisation, dict) else ""
        return Member(name, fields.truth(role, "perm_sync") or fields.truth(role, "perm_site_admin"))

    # -- writing ---------------------------------------------------------------------

    def add(self, data: bytes) -> Answer:
        """Add an event; `exists` where its UUID is taken."""
        return self._said("/events/add", data)

    def edit(self, uuid: str, data: bytes) -> Answer:
        """Edit an event; `absent` where there is none."""
        return self._said(f"/events/edit/{uuid}", data)

    def delete(self, uuid: str) -> Answer:
        """Delete an event; `absent` where there is none."""
        return self._said(f"/events/delete/{uuid}", b"{}")

    def drop(self, part: str) -> Answer:
        """Delete a part for good; `absent` where there is none."""
        kind, _, uuid = part.partition("/")
        return self._said(f"/{_DELETED_BY[kind]}/delete/{uuid}", b'{"hard":1}')

    def mark(self, part: str, tag: str, comment: str) -> Answer:
        """Say of a part that it holds no more: an attribute is for no sensor any more, and tagged."""
        kind, _, uuid = part.partition("/")
        if kind != "Attribute":
            return self.drop(part)  # MISP tags attributes and events only
        answer = self._said(f"/attributes/edit/{uuid}", _ENCODE({"to_ids": False, "comment": comment}))
        if not answer.taken:
            return answer
        return self._said("/tags/attachTagToObject", _ENCODE({"uuid": uuid, "tag": tag}))

    def _said(self, path: str, body: bytes) -> Answer:
        """Send something and return what the MISP says to it."""
        answer, data = self._caller.post(self._base + path, body, JSON, limit=MISP_EVENT_BYTES_MAX, own=NO)
        if answer.status in NO:
            why = _reason(data) or f"status {answer.status}"
            return Answer(False, why, EXISTS in why.lower(), answer.status == 404 and EXISTS not in why.lower())
        ok(answer, self._base)
        return Answer(True, event=data)

    def _post(
        self,
        path: str,
        asked: Mapping[str, Any],
        headers: Mapping[str, str] = JSON,
        *,
        limit: int,
        own: Sequence[int] | set[int] = (),
    ) -> tuple[Incoming, bytes]:
        return self._caller.post(self._base + path, _ENCODE(asked), headers, limit=limit, own=own)


def _tree(body: bytes) -> Any:
    try:
        return msgspec.json.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise Malformed(f"what the MISP answers is no JSON: {error}", hint="is the address that of a MISP?") from error


def _rows(body: bytes) -> dict[str, Row]:
    """Return an index. Raises `Malformed`, `TooLarge`: of half an index every other event would seem gone."""
    try:
        listed = msgspec.json.decode(body, type=list[_Event])
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise Malformed(f"the index is none: {error}", hint="is the address that of a MISP?") from error
    if len(listed) > MISP_INDEX_EVENTS_MAX:
        raise TooLarge(f"the index names over {MISP_INDEX_EVENTS_MAX} events (MISP_INDEX_EVENTS_MAX)")
    found: dict[str, Row] = {}
    for one in listed:
        uuid = crossing.name_of(one.uuid)
        timestamp = fields.number({"timestamp": one.timestamp}, "timestamp")
        if not uuid or timestamp is None:
            raise Malformed("the index names an event that has no UUID or no timestamp")
        found[uuid] = Row(timestamp, fields.truth({"published": one.published}, "published"))
    return found


def _searched(body: bytes) -> list[bytes]:
    """Return the events of a search, each with its wrapper. Raises `Malformed`."""
    try:
        found = msgspec.json.decode(body, type=dict[str, list[_Found]] | list[_Found])
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise Malformed(f"what the MISP found is no list of events: {error}") from error
    listed = found.get("response", []) if isinstance(found, dict) else found
    return [b'{"Event":' + bytes(one.event) + b"}" for one in listed]


def _uuid_of(raw: bytes) -> str:
    try:
        tree = msgspec.json.decode(raw, type=dict[str, dict[str, msgspec.Raw]])["Event"]
        return crossing.name_of(msgspec.json.decode(tree["uuid"]))
    except (msgspec.MsgspecError, KeyError, UnicodeDecodeError, RecursionError):
        return ""


def _reason(body: bytes) -> str:
    """Return why a MISP says no, in its own words."""
    try:
        tree = msgspec.json.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return ""
    if not isinstance(tree, dict):
        return ""
    words = [fields.text(tree, "message") or fields.text(tree, "name")]
    errors = tree.get("errors")
    if errors:
        words.append(errors if isinstance(errors, str) else msgspec.json.encode(errors).decode())
    return bounded(": ".join(word for word in words if word))
