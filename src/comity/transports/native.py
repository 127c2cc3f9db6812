"""Comity's own protocol over HTTPS: requests signed by the asking party, answers as `comity.sync` writes them.

    GET  /comity/v1/heads    the list of heads; If-None-Match answers 304 when nothing changed
    POST /comity/v1/ask      any other request of `comity.sync`, as MessagePack

Rules: the asking party is the key that signed the request (RFC 9421), never a name in it. TLS is proven as
the peer's card says. An error travels as RFC 9457 with whose fault it is.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from typing import Final, TypeAlias

from starlette.applications import Starlette
from starlette.requests import Request as HttpRequest
from starlette.responses import Response as HttpResponse
from starlette.routing import Route

from comity import party, sync
from comity.canon import Instant, PartyId
from comity.errors import ComityError, Malformed, Misuse, NotFound, Unverified
from comity.http import problem, signing
from comity.http.fetch import Fetcher
from comity.http.tls import TlsPolicy
from comity.node.node import Node
from comity.node.serving import Serving
from comity.party import Card
from comity.sync import Answer

HEADS: Final = "/comity/v1/heads"
ASK: Final = "/comity/v1/ask"
NONCE_BYTES: Final = 18
WORKERS: Final = 2  # requests worked at: one in its turn, and one that waits for it

Turn: TypeAlias = Callable[[], AbstractContextManager[None]]
"""Waits until nobody else works at the node: its services share memory."""


class NativeWire:
    """The way to one peer over HTTPS."""

    def __init__(
        self, fetcher: Fetcher, card: Card, *, me: PartyId, sign: Callable[[bytes], bytes], clock: Callable[[], Instant]
    ) -> None:
        if not card.address:
            raise Misuse(f"{card.party} has no address: it only pulls", hint="its statements come when it is reached")
        self._fetcher = fetcher
        self._card = card
        self._me = me
        self._sign = sign
        self._clock = clock

    def ask(self, request: sync.AnyRequest) -> Answer:
        """Ask and wait. Raises `Unreachable`, or the error the peer answered with."""
        base = self._card.address.rstrip("/")
        if isinstance(request, sync.Heads):
            headers = {"If-None-Match": f'"{request.etag}"'} if request.etag else {}
            return self._send("GET", base + HEADS, headers, b"")
        return self._send("POST", base + ASK, {"Content-Type": sync.MEDIA}, sync.encode_request(request))

    def _send(self, method: str, url: str, headers: dict[str, str], body: bytes) -> Answer:
        signed = signing.sign_request(
            method,
            url,
            headers,
            body,
            key_id=self._me,
            sign=self._sign,
            at=self._clock(),
            nonce=secrets.token_urlsafe(NONCE_BYTES),
        )
        tls = TlsPolicy(self._card.tls.certificate, self._card.tls.pin)
        response = self._fetcher.request(method, url, headers=headers | signed, body=body, tls=tls)
        etag = response.headers.get("etag", "").strip('"')
        if response.status == 304:
            return Answer(b"", etag, unchanged=True)
        if response.status != 200:
            raise problem.error_of(response.status, response.body, peer=self._card.party)
        return Answer(response.body, etag)


def application(node: Node, serving: Serving, address: Callable[[], str], turn: Turn) -> Starlette:
    """Return the ASGI application that answers other nodes; `address` is this node's own base URL."""
    door = _Door(node, serving, address, turn)
    return Starlette(
        routes=[
            Route(HEADS, door.heads, methods=["GET"]),
            Route(ASK, door.ask, methods=["POST"]),
        ]
    )


class _Door:
    def __init__(self, node: Node, serving: Serving, address: Callable[[], str], turn: Turn) -> None:
        self._node = node
        self._serving = serving
        self._turn = turn
        self._address = address
        self._replays = signing.ReplayCache(node.clock)
        self._workers = ThreadPoolExecutor(WORKERS, "answering")

    async def heads(self, request: HttpRequest) -> HttpResponse:
        """Answer with the heads, or 304."""
        etag = request.headers.get("if-none-match", "").strip('"')
        return await self._answer(request, b"", lambda: sync.Heads(etag))

    async def ask(self, request: HttpRequest) -> HttpResponse:
        """Answer any request of the protocol."""
        body = await request.body()
        return await self._answer(request, body, lambda: _not_heads(sync.decode_request(body)))

    async def _answer(self, request: HttpRequest, body: bytes, read: Callable[[], sync.AnyRequest]) -> HttpResponse:
        try:
            answer = await asyncio.get_running_loop().run_in_executor(self._workers, self._work, request, body, read)
        except ComityError as error:
            status, document = problem.problem_of(error)
            return HttpResponse(document, status, media_type=problem.MEDIA_TYPE)
        headers = {"ETag": f'"{answer.etag}"'} if answer.etag else {}
        headers["Cache-Control"] = "no-store" if not answer.etag else "private, no-cache"
        if answer.unchanged:
            return HttpResponse(b"", 304, headers=headers)
        return HttpResponse(answer.body, 200, headers=headers, media_type=sync.MEDIA)

    def _work(self, request: HttpRequest, body: bytes, read: Callable[[], sync.AnyRequest]) -> Answer:
        with self._turn():
            return self._in_turn(request, body, read)

    def _in_turn(self, request: HttpRequest, body: bytes, read: Callable[[], sync.AnyRequest]) -> Answer:
        asker = signing.verify_request(
            request.method,
            self._address().rstrip("/") + _target(request),
            dict(request.headers),
            body,
            find_key=self._key_of,
            at=self._node.now(),
            seen=self._replays.seen,
        )
        return self._serving.answer(PartyId(asker), read())

    def _key_of(self, name: str) -> bytes | None:
        try:
            with self._node.store.read() as unit:
                return party.public(self._node.card(unit, name).card.keys.request)
        except (NotFound, Malformed, Unverified):
            return None


def _target(request: HttpRequest) -> str:
    """Return path and query as they were sent: what is decoded is not what was signed."""
    query = request.scope["query_string"].decode("latin-1")
    path = str(request.scope["raw_path"].decode("latin-1"))
    return f"{path}?{query}" if query else path


def _not_heads(request: sync.AnyRequest) -> sync.AnyRequest:
    if isinstance(request, sync.Heads):
        raise Malformed(f"heads are asked for with GET {HEADS}")
    return request
