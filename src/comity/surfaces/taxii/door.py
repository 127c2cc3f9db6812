"""The door of the TAXII 2.1 server: requests under `/taxii2/` to collections, and their answers.

One API root for each office, `/taxii2/<office>/`; a reader sees that of its own office, and no other exists for it.

Rules: who asks is known before anything else is looked at. Questions and what is posted have their turn as all other
work at the node has. Where a turn is free a question is answered at once, without a thread in between: that is half of
what a small answer costs.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from typing import Final, NamedTuple

from starlette.types import Message, Receive, Scope, Send

from comity.errors import ComityError, NotFound, Refused
from comity.formats import taxii
from comity.formats.stix.strict import ident_of
from comity.formats.taxii import ApiRoot, Discovery, Filters, Manifest, Record, Versions
from comity.limits import API_BODY_SECONDS_MAX, SUBMISSION_BYTES_MAX
from comity.node.gathered import Gathering
from comity.node.notices import Notices
from comity.surfaces.cli.desk import Desk
from comity.surfaces.taxii import answers, posting
from comity.surfaces.taxii import shelf as shelves
from comity.surfaces.taxii.admission import Reader, admitted
from comity.surfaces.taxii.answers import Answer
from comity.surfaces.taxii.kept import Kept
from comity.surfaces.taxii.pages import Found, Pages
from comity.surfaces.taxii.shelf import Shelf

BASE: Final = "taxii2"
WORKERS: Final = 4  # requests that wait for their turn together, beyond which they wait for a worker
_PAGED: Final = frozenset({"added_after", "limit", "next"})
_OBJECTS: Final = _PAGED | {"match[id]", "match[type]", "match[version]", "match[spec_version]"}  # §5.3, §5.4
_OBJECT: Final = _PAGED | {"match[type]", "match[version]", "match[spec_version]"}  # §5.6
_VERSIONS: Final = _PAGED | {"match[spec_version]"}  # §5.8
_DELETE: Final = frozenset({"match[version]", "match[spec_version]"})  # §5.7

_HOST: Final = re.compile(r"[A-Za-z0-9.\-]{1,253}(:\d{1,5})?|\[[0-9a-fA-F:.]{2,45}\](:\d{1,5})?")
Turn = Callable[[], AbstractContextManager[None]]
AtOnce = Callable[[], AbstractContextManager[bool]]


class Request(NamedTuple):
    """One request, read."""

    method: str
    path: tuple[str, ...]  # behind the base
    query: str
    authorization: str | None
    certificate: bytes | None  # DER, proven by TLS
    address: str
    body: bytes
    base: str  # how the client reached this server, `https://…`; empty over plain http


class TaxiiServer:
    """The ASGI application; `address` is where clients reach it, `https://host`, if that is not where they say."""

    def __init__(self, desk: Desk, turn: Turn, at_once: AtOnce, address: str = "") -> None:
        services = desk.services
        self._services = services
        self._turn = turn
        self._at_once = at_once
        self._address = address.rstrip("/")
        self._pages = Pages(desk, Notices(services.node, services.owing), Gathering(services.node))
        self._kept = Kept(services.node)
        self._pool = ThreadPoolExecutor(WORKERS, "taxii")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request (ASGI 3)."""
        try:
            answer = await self._respond(scope, receive)
        except ComityError as error:
            answer = answers.error(error)
        except Exception:
            await _send(send, scope["method"], answers.mistake())
            raise
        await _send(send, scope["method"], answer)

    async def _respond(self, scope: Scope, receive: Receive) -> Answer:
        headers = dict(scope["headers"])
        path = scope["path"].strip("/").split("/")
        if path[0] != BASE:
            raise NotFound("there is no such endpoint", hint=f"/{BASE}/ is the discovery")
        if scope["method"] not in {"GET", "HEAD", "POST", "DELETE"}:
            raise answers.refuse_method()
        accept = headers.get(b"accept")
        if not taxii.accepts(None if accept is None else accept.decode("latin-1")):
            raise answers.refuse_accept()
        authorization = headers.get(b"authorization")
        request = Request(
            scope["method"],
            tuple(path[1:]),
            scope["query_string"].decode("latin-1"),
            None if authorization is None else authorization.decode("latin-1"),
            scope.get("state", {}).get("certificate"),
            (scope.get("client") or ("", 0))[0],
            b"",
            self._base(scope["scheme"], headers.get(b"host", b"").decode("latin-1")),
        )
        if request.method == "POST":
            if not taxii.is_taxii(headers.get(b"content-type", b"").decode("latin-1")):
                raise answers.refuse_media()
            request = request._replace(body=await _body(receive, headers.get(b"content-length", b"0")))
        elif request.method != "DELETE":
            with self._at_once() as is_mine:
                if is_mine:
                    return self._answer(request)
        return await asyncio.get_running_loop().run_in_executor(self._pool, self._in_turn, request)

    def _base(self, scheme: str, host: str) -> str:
        if self._address or scheme != "https" or not _HOST.fullmatch(host):
            return self._address
        return f"https://{host}"

    def _in_turn(self, request: Request) -> Answer:
        with self._turn():
            return self._answer(request)

    # -- in one's turn ----------------------------------------------------------------

    def _answer(self, request: Request) -> Answer:
        services = self._services
        reader = admitted(services, request.authorization, request.certificate, request.address)
        path, is_read = request.path, request.method in {"GET", "HEAD"}
        if not path or path == ("",):
            _require(is_read)
            # Whole where that can be said: some clients take no path (§4.1.1 allows both).
            root = f"{request.base}/{BASE}/{reader.office}/"
            title = f"{services.node.me}, by Comity"
            return answers.resource(Discovery(title, default=root, api_roots=(root,)))
        if path[0] != reader.office:
            raise NotFound("there is no such API root", hint=f"/{BASE}/ names yours")
        match path[1:]:
            case ():
                _require(is_read)
                return answers.resource(ApiRoot(reader.who.office, (taxii.MEDIA,), SUBMISSION_BYTES_MAX))
            case ("status", ident):
                _require(is_read)
                return answers.resource(posting.status(services, reader, ident))
            case ("collections",):
                _require(is_read)
                with services.node.store.read() as unit:
                    known = tuple(one.shown for one in shelves.shelves(services, unit, reader))
                return answers.resource(taxii.Collections(known))
            case ("collections", name, *rest):
                with services.node.store.read() as unit:
                    shelf = shelves.find(services, unit, reader, name)
                return self._of_collection(request, reader, shelf, tuple(rest))
        raise NotFound("there is no such endpoint")

    def _of_collection(self, request: Request, reader: Reader, shelf: Shelf, rest: tuple[str, ...]) -> Answer:
        is_read = request.method in {"GET", "HEAD"}
        match rest:
            case ():
                _require(is_read)
                return answers.resource(shelf.shown)
            case ("manifest",):
                _require(is_read)
                return self._manifest(reader, shelf, taxii.filters(request.query, fields=_OBJECTS))
            case ("objects",) if request.method == "POST":
                _require_write(shelf)
                return answers.resource(posting.post(self._services, reader, request.body), status=202)
            case ("objects",):
                _require(is_read)
                return self._objects(reader, shelf, taxii.filters(request.query, fields=_OBJECTS))
            case ("objects", ident) if request.method == "DELETE":
                _require_write(shelf)
                asked = taxii.filters(request.query, fields=_DELETE, version="all")
                posting.delete(self._services, reader, ident, asked)
                return Answer(200, b"")
            case ("objects", ident):
                _require(is_read)
                asked = taxii.filters(request.query, fields=_OBJECT)
                return self._object(reader, shelf, ident, asked)
            case ("objects", ident, "versions"):
                _require(is_read)
                asked = taxii.filters(request.query, fields=_VERSIONS)
                return self._versions(reader, shelf, ident, asked._replace(words=frozenset({"all"})))
        raise NotFound("there is no such endpoint")

    def _objects(self, reader: Reader, shelf: Shelf, asked: Filters) -> Answer:
        # What a saved collection means may change with the hour.
        key = None if shelf.kind == shelves.SAVED else (reader.who.audience, shelf.shown.id, asked)
        return self._kept.answer(
            reader,
            key,
            lambda: self._pages.page(reader, shelf, asked),
            lambda found: _envelope(found, asked),
            self._pages.give,
        )

    def _object(self, reader: Reader, shelf: Shelf, ident: str, asked: Filters) -> Answer:
        key = None if shelf.kind == shelves.SAVED else (reader.who.audience, shelf.shown.id, ident, asked)
        return self._kept.answer(
            reader,
            key,
            lambda: self._pages.object(reader, shelf, ident, asked),
            lambda found: _envelope(found, asked),
            self._pages.give,
        )

    def _manifest(self, reader: Reader, shelf: Shelf, asked: Filters) -> Answer:
        found = self._pages.page(reader, shelf, asked, bodies=False)
        lines = [(one.added, _record(self._pages.ident(one), one.added, one.modified)) for one in found.seen]
        lines += [(one.added, _record(ident_of(one.body), one.added, one.added)) for one in found.notices]
        next_ = taxii.cursor(found.after, asked) if found.more else ""
        told = Manifest(found.more, next_, tuple(record for _, record in sorted(lines, key=lambda one: one[0])))
        return answers.paged(answers.resource(told).body, found.edges)

    def _versions(self, reader: Reader, shelf: Shelf, ident: str, asked: Filters) -> Answer:
        found = self._pages.object(reader, shelf, ident, asked)
        both = [(one.added, _version(one.modified, one.added)) for one in found.seen]
        both += [(one.added, _version(one.added, one.added)) for one in found.notices]
        distinct = tuple(dict.fromkeys(version for _, version in sorted(both)))
        told = Versions(found.more, taxii.cursor(found.after, asked) if found.more else "", distinct)
        return answers.paged(answers.resource(told).body, found.edges)


def _envelope(found: Found, asked: Filters) -> Answer:
    next_ = taxii.cursor(found.after, asked) if found.more else ""
    return answers.paged(taxii.envelope(found.bodies, next_=next_, more=found.more), found.edges)


def _record(ident: str, added: int, modified: int) -> Record:
    return Record(ident, taxii.stamp(added), _version(modified, added), taxii.STIX_MEDIA)


def _version(modified: int, added: int) -> str:
    """Return the version of an object: `modified`, else `created`; when it was added where it has neither (§5.3)."""
    return taxii.version_stamp(modified) if modified else taxii.stamp(added)


def _require(is_so: bool) -> None:
    if not is_so:
        raise answers.refuse_method()


def _require_write(shelf: Shelf) -> None:
    if not shelf.shown.can_write:
        raise Refused("you may not write to this collection", hint="`can_write` says where you may")


async def _body(receive: Receive, declared: bytes) -> bytes:
    """Return a request's body. Raises `TooLarge` (413), and 408 for one that drips."""
    if declared.isdigit() and int(declared) > SUBMISSION_BYTES_MAX:
        raise answers.large(SUBMISSION_BYTES_MAX)
    got = bytearray()
    try:
        async with asyncio.timeout(API_BODY_SECONDS_MAX):
            while True:
                message: Message = await receive()
                if message["type"] == "http.disconnect":
                    raise answers.gone()
                got += message.get("body", b"")
                if len(got) > SUBMISSION_BYTES_MAX:
                    raise answers.large(SUBMISSION_BYTES_MAX)
                if not message.get("more_body", False):
                    return bytes(got)
    except TimeoutError as error:
        raise answers.slow() from error


async def _send(send: Send, method: str, answer: Answer) -> None:
    await send({"type": "http.response.start", "status": answer.status, "headers": answer.raw_headers})
    await send({"type": "http.response.body", "body": b"" if method == "HEAD" else answer.body})
