"""The API's door: requests under `/api/v1` to the node's operations, and their answers back.

Rules: a token first, then everything else. Operations are carried out by `perform`, in their turn, as those of the
command line are; who asks is the token's office and `token:<name>`. No cookies, no other origin's scripts, nothing kept
by caches.
"""

from __future__ import annotations

import asyncio
import hashlib
import secrets
import shutil
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, Final, TypeVar

import msgspec
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route as HttpRoute

from comity import __version__
from comity.errors import ComityError, Fault, Malformed, Misuse, NotFound
from comity.limits import ATTACHMENT_BYTES_MAX
from comity.node import tokens
from comity.node.tokens import Token
from comity.surfaces.api import feeds, files, objects, once, openapi, problems, reading, routes, spool
from comity.surfaces.api.admission import Buckets, require, shown
from comity.surfaces.api.problems import FieldError, OtherStatus, Unfit
from comity.surfaces.api.routes import BASE, ROUTES, Route
from comity.surfaces.api.shapes import AttachQuery, Health, IngestQuery, ObjectsQuery, RawQuery
from comity.surfaces.cli.desk import Desk
from comity.surfaces.cli.operations.writing import VEIL_BYTES
from comity.surfaces.cli.verbs import Ask, MarkingSaid, Progress
from comity.surfaces.cli.verbs.attachment import Add
from comity.surfaces.cli.verbs.importing import Ingest
from comity.surfaces.cli.verbs.intel import KnownMany, Shown

T = TypeVar("T")
Perform = Callable[[str, bytes, Callable[[Progress], None]], bytes]
Turn = Callable[[], AbstractContextManager[None]]
Handler = Callable[[Request], Awaitable[Response]]

FEEDS: Final = "feeds"  # the folder of editions, beside that of bodies
READERS: Final = 4  # questions worked at or waiting for their turn together
WRITERS: Final = 4  # the same of what is put on record, which may go on for long
QUOTING: Final = (Malformed, Misuse, NotFound)  # errors of operations that quote what was said
STIX_MEDIA: Final = "application/stix+json;version=2.1"
_ALWAYS: Final = {"X-Content-Type-Options": "nosniff"}
SLASHED: Final = (  # where paths name what may have slashes: statements, and sources by their names
    ("/questions/", "question"), ("/interests/", "name"), ("/attachments/", "name"), ("/evidence/", "name"),
    ("/sources/", "name"),
)  # fmt: skip
READY: Final = {
    routes.EXPORT: files.export,
    routes.CONTENT: files.content,
    routes.PROOF: files.proof,
    routes.REPORT: files.report,
}
_UNKEPT: Final = {"Cache-Control": "no-store"}
_PRIVATE: Final = {"Cache-Control": "private, no-cache"}


def application(desk: Desk, perform: Perform, turn: Turn, folder: Path) -> Starlette:
    """Return the ASGI application of the API; `folder` is for bodies on their way, and is emptied."""
    door = _Door(desk, perform, turn, folder)
    served = [HttpRoute(f"{BASE}/health", door.health), HttpRoute(f"{BASE}/openapi.json", door.openapi)]
    by_path: dict[str, dict[str, Handler]] = {}
    for route in ROUTES:
        by_path.setdefault(route.path, {})[route.method] = door.handler(route)
    for path, handlers in by_path.items():
        served.append(HttpRoute(BASE + _spelt(path), _by_method(handlers), methods=[*handlers]))
    served += feeds.routes(door.carry_out, folder.parent / FEEDS)
    app = Starlette(routes=served, exception_handlers={HTTPException: _unrouted, Exception: _broken})
    app.router.redirect_slashes = False
    return app


def _spelt(path: str) -> str:
    """Return a path as it is matched: a name that has slashes has them again though they were sent as %2F."""
    for before, field in SLASHED:
        path = path.replace(f"{before}{{{field}}}", f"{before}{{{field}:path}}")
    return path


def _by_method(handlers: dict[str, Handler]) -> Handler:
    async def serve(request: Request) -> Response:
        return await handlers["GET" if request.method == "HEAD" else request.method](request)

    return serve


async def _unrouted(_request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    if error.status_code == 404:
        return problems.answer(NotFound("there is no such route", hint=f"GET {BASE}/openapi.json has all"))
    what = Misuse(f"this route is not asked so: {error.detail}", hint=f"GET {BASE}/openapi.json says how")
    return problems.answer(OtherStatus(error.status_code, what, error.headers))


async def _broken(_request: Request, _error: Exception) -> Response:
    return problems.answer(Fault("a mistake in this program"))


class _Door:
    def __init__(self, desk: Desk, perform: Perform, turn: Turn, folder: Path) -> None:
        self._desk = desk
        self._node = desk.services.node
        self._perform = perform
        self._turn = turn
        self._buckets = Buckets()
        self._once = once.Once(self._node)
        self._spool = spool.Spool(folder)
        # Separate, so that a token is judged and a question answered while four imports go on.
        self._admitting = ThreadPoolExecutor(1, "admitting")
        self._reading = ThreadPoolExecutor(READERS, "api reading")
        self._writing = ThreadPoolExecutor(WRITERS, "api writing")

    # -- without a token ----------------------------------------------------------

    async def health(self, _request: Request) -> Response:
        """Say that this node answers, and in which versions."""
        return _json(msgspec.json.encode(Health("ok", routes.VERSIONS, __version__)))

    async def openapi(self, request: Request) -> Response:
        """Return the document of this API."""
        data = openapi.document()
        return _tagged(request, data, hashlib.sha256(data).hexdigest(), "application/json")

    async def carry_out(self, name: str, asked: bytes) -> bytes:
        """Carry an operation out that asks for no token, because what it is asked has one of its own."""
        return await _in(self._writing, lambda: self._perform(name, asked, _unheard))

    # -- with one -----------------------------------------------------------------

    def handler(self, route: Route) -> Handler:
        """Return what serves a route."""
        own = {
            routes.OBJECTS: self._objects, routes.RAW: self._raw,
            routes.INGEST: self._ingest, routes.REPORT: self._report, routes.ATTACH: self._attach,
        }  # fmt: skip
        carry_out = own.get(route)

        async def serve(request: Request) -> Response:
            try:
                token = await _in(self._admitting, lambda: tokens.verify(self._node, shown(request)))
                self._buckets.take(token.id)
                require(token, write=route.write, separate=route.separate)
                if carry_out is not None:
                    return await carry_out(request, token)
                if route.gives:
                    return await self._file(request, token, route)
                return await self._ask(request, token, route)
            except (ComityError, OtherStatus) as error:
                return problems.answer(error)

        return serve

    async def _objects(self, request: Request, token: Token) -> Response:
        query = reading.parameters(request, ObjectsQuery)

        def work() -> bytes:
            with self._turn():
                return msgspec.json.encode(objects.page(self._desk, token, query))

        data = await _in(self._reading, work)
        return _tagged(request, data, hashlib.sha256(data).hexdigest(), reading.JSON)

    async def _raw(self, request: Request, token: Token) -> Response:
        query = reading.parameters(request, RawQuery)
        ident = _stix_id(request)

        def work() -> tuple[bytes, str]:
            with self._turn():
                return objects.raw(self._desk, token, ident, query.modified)

        data, digest = await _in(self._reading, work)
        return _tagged(request, data, digest, STIX_MEDIA)

    async def _ingest(self, request: Request, token: Token) -> Response:
        query = reading.parameters(request, IngestQuery)
        marking = _marking(query)
        async with self._spool.taken(request, query.name) as (path, digest):
            ask = _ingested(query, marking, token, path)
            return await self._bring(request, token, routes.INGEST, ask, digest, query)

    async def _report(self, request: Request, token: Token) -> Response:
        """Bring a file in, or tell what would be; answer with the report, which may be larger than memory."""
        query = reading.parameters(request, IngestQuery)
        marking = _marking(query)
        _unkeyed(request, routes.REPORT)
        out = self._spool.given()
        try:
            async with self._spool.taken(request, query.name) as (path, _):
                ask = _ingested(query, marking, token, path, report=out)
                ready = await _in(self._writing, lambda: self._written(routes.REPORT, ask, out))
        except BaseException as error:
            self._spool.leave(out)
            if isinstance(error, QUOTING):
                return _of_query(error, query)
            raise
        return files.Sent(ready, "", lambda: self._spool.leave(out), _ALWAYS | _UNKEPT)

    async def _attach(self, request: Request, token: Token) -> Response:
        query = reading.parameters(request, AttachQuery)
        marking, key = _marking(query), secrets.token_hex(VEIL_BYTES)
        async with self._spool.taken(request, "", most=ATTACHMENT_BYTES_MAX, key=key) as (path, digest):
            ask = Add(
                path=str(path),
                name=query.name,
                about=query.about,
                media=query.media,
                note=query.note,
                source=query.source,
                accord=query.accord,
                marking=marking,
                veil=key,
                **_who(token),
            )
            return await self._bring(request, token, routes.ATTACH, ask, digest, query)

    async def _bring(
        self, request: Request, token: Token, route: Route, ask: Ask, digest: str, query: msgspec.Struct
    ) -> Response:
        """Carry out what takes a file; what goes wrong is about its parameters."""
        try:
            return await self._carry_out(request, token, route, msgspec.json.encode(ask), digest)
        except QUOTING as error:
            return _of_query(error, query)

    async def _ask(self, request: Request, token: Token, route: Route) -> Response:
        """Ask a verb with what path, parameters and body say."""
        ask, data, given = await _asked(request, token, route, {})
        digest = hashlib.sha256(data).hexdigest()
        try:
            return await self._carry_out(request, token, route, msgspec.json.encode(ask), digest)
        except QUOTING as error:
            return problems.answer(error, reading.quoted(error, ask, given) if route.asks else ())

    async def _file(self, request: Request, token: Token, route: Route) -> Response:
        """Ask a verb that writes a file, and answer with the file."""
        _unkeyed(request, route)
        path = self._spool.given()
        try:
            key = secrets.token_hex(VEIL_BYTES) if route is routes.CONTENT else ""
            ask, _, given = await _asked(request, token, route, _of_door(route, path, key))
            key = key if getattr(ask, "plain", False) else ""  # a ZIP is veiled by its own password
            try:
                ready = await _in(self._writing, lambda: self._written(route, ask, path))
            except QUOTING as error:
                self._spool.leave(path)
                return problems.answer(error, reading.quoted(error, ask, given) if route.asks else ())
        except BaseException:
            self._spool.leave(path)
            raise
        if ready.tag and ready.tag.removeprefix("W/") in _had(request):
            self._spool.leave(path)
            return files.unchanged(ready, _ALWAYS | _PRIVATE)
        return files.Sent(ready, key, lambda: self._spool.leave(path), _ALWAYS | (_PRIVATE if ready.tag else _UNKEPT))

    def _written(self, route: Route, ask: Ask, path: Path) -> files.Ready:
        """Have a file written, and opened; its folder is removed, so that no name is left of it."""
        assert route.verb is not None
        answer = self._perform(route.verb.name, msgspec.json.encode(ask), _unheard)
        ready = READY[route](path, msgspec.json.decode(answer, type=dict[str, Any]))
        shutil.rmtree(path.parent, ignore_errors=True)
        return ready

    async def _carry_out(self, request: Request, token: Token, route: Route, ask: bytes, digest: str) -> Response:
        verb = route.verb
        assert verb is not None
        _unkeyed(request, route)
        key = request.headers.get(once.HEADER) if route.once else None

        def work() -> tuple[bytes, bool]:
            if key is None:
                return self._perform(verb.name, ask, _unheard), False
            said = f"{route.method} {request.scope['path']}?{request.scope['query_string'].decode('latin-1')} {digest}"
            asked = hashlib.sha256(said.encode("utf-8", "surrogatepass")).hexdigest()
            before = self._once.begin(token, key, asked)
            if before is not None:
                return before, True
            try:
                answer = self._perform(verb.name, ask, _unheard)
                self._once.keep(token, key, asked, answer)
            finally:
                self._once.end(token, key)
            return answer, False

        answer, replayed = await _in(self._writing if route.write else self._reading, work)
        if route is routes.OBJECT:
            answer = _of_that_id(answer)
        if route.lines and _wants_lines(request):
            many = msgspec.json.decode(answer, type=KnownMany).lines
            return _json(msgspec.json.Encoder().encode_lines(many), media=openapi.UTF8_LINES)
        if not route.write and route.method == "GET":
            return _tagged(request, answer, hashlib.sha256(answer).hexdigest(), reading.JSON)
        return _json(answer, {once.REPLAYED: "true"} if replayed else {})


async def _in(pool: ThreadPoolExecutor, work: Callable[[], T]) -> T:
    return await asyncio.get_running_loop().run_in_executor(pool, work)


def _unheard(_progress: Progress) -> None:
    """Tell nobody: an answer over the API comes whole."""


def _who(token: Token) -> dict[str, str]:
    return {"office": token.office, "user": token.user}


def _of_door(route: Route, path: Path, key: str) -> dict[str, object]:
    """Return what the door says of a file, which no caller may."""
    given: dict[str, object] = {"path": str(path)}
    if route is routes.EXPORT:
        given["before"] = ""
    if key:
        given["veil"] = key
    return given


async def _asked(
    request: Request, token: Token, route: Route, more: dict[str, object]
) -> tuple[Ask, bytes, dict[str, object]]:
    """Return what path, parameters and body ask, the body, and what is not the body's to say."""
    assert route.verb is not None
    query = reading.parameters(request, route.query)
    given: dict[str, object] = {**_who(token), **request.path_params, **more}
    if route is routes.OBJECT:
        given["name"] = _stix_id(request)
        del given["id"]
    data = b""
    if route.asks is None:
        ask: Ask = reading.asked(msgspec.structs.asdict(query) | given, route.verb.asks)
    else:
        data = await reading.body(request)
        ask = reading.decoded(data, route.asks, given)
    values = getattr(ask, "values", ()) if route.values_max else ()
    if len(values) > route.values_max:
        raise Unfit("the body", [FieldError("/values", f"over {route.values_max} of them")])
    return ask, data, given


def _ingested(query: IngestQuery, marking: MarkingSaid, token: Token, path: Path, report: Path | None = None) -> Ingest:
    """Return what an ingest of a file asks, with a report where one is wanted."""
    return Ingest(
        paths=(str(path),),
        source=query.source,
        form=query.format,
        marking=marking if query.tlp else None,
        note=query.note,
        dry=query.dry,
        report="" if report is None else str(report),
        **_who(token),
    )


def _of_query(error: ComityError, query: msgspec.Struct) -> Response:
    """Return what went wrong with a file that was sent: it is about its parameters."""
    if isinstance(error, Unfit):
        return problems.answer(error)
    fields = [FieldError(each.field[1:], each.reason) for each in reading.quoted(error, query, ())]
    return problems.answer(error, fields)


def _marking(query: IngestQuery | AttachQuery) -> MarkingSaid:
    """Return the marking that parameters say. Raises `Unfit` for a PAP label alone."""
    if not query.tlp and query.pap:
        raise Unfit("the query", [FieldError("tlp", "a marking begins with its TLP label")])
    return MarkingSaid(tlp=query.tlp, pap=query.pap)


def _unkeyed(request: Request, route: Route) -> None:
    """Refuse a key that nothing would be kept under. Raises `Unfit`."""
    if route.write and not route.once and once.HEADER in request.headers:
        reason = "no answer of this route is kept: it is a file, or nothing that is kept in the clear"
        raise Unfit("the header", [FieldError(once.HEADER, reason)])


def _stix_id(request: Request) -> str:
    ident: str = request.path_params["id"]
    if not objects.STIX_ID.fullmatch(ident):
        raise Unfit("the path", [FieldError("id", "not a STIX id: <type>--<UUID>")])
    return ident


def _of_that_id(answer: bytes) -> bytes:
    """Leave out versions of an object of another type that has the same UUID. Raises `NotFound`."""
    shown_ = msgspec.json.decode(answer, type=Shown)
    versions = tuple(one for one in shown_.versions if one.object.id == shown_.name)
    if not versions:
        raise NotFound(f"no object {shown_.name} is held here")
    return answer if len(versions) == len(shown_.versions) else msgspec.json.encode(Shown(shown_.name, versions))


def _wants_lines(request: Request) -> bool:
    return any(
        one.partition(";")[0].strip().lower() == openapi.UTF8_LINES
        for one in request.headers.get("accept", "").split(",")
    )


def _json(data: bytes, headers: dict[str, str] | None = None, *, media: str = reading.JSON) -> Response:
    return Response(data, 200, headers=_ALWAYS | _UNKEPT | (headers or {}), media_type=media)


def _tagged(request: Request, data: bytes, digest: str, media: str) -> Response:
    """Return bytes under their ETag, or 304 where the caller has them (RFC 9110 §13.1.2)."""
    headers = _ALWAYS | _PRIVATE | {"ETag": f'"{digest}"'}
    had = _had(request)
    if "*" in had or f'"{digest}"' in had:
        return Response(status_code=304, headers=headers)
    return Response(data, 200, headers=headers, media_type=media)


def _had(request: Request) -> list[str]:
    """Return the tags of what the caller has, without what makes them weak."""
    return [one.strip().removeprefix("W/") for one in ",".join(request.headers.getlist("if-none-match")).split(",")]
