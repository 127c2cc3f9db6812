"""The door of MISP's REST interface: requests as PyMISP and MISP servers make them, and their answers.

Rules: who asks is known before anything else is looked at. Everything has its turn as all other work at the node has.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from typing import Final, NamedTuple

from starlette.types import Message, Receive, Scope, Send

from comity.errors import ComityError
from comity.limits import API_BODY_SECONDS_MAX, MISP_BODY_BYTES_MAX
from comity.surfaces.cli.desk import Desk
from comity.surfaces.misp import answers
from comity.surfaces.misp.admission import admitted
from comity.surfaces.misp.answers import Answer
from comity.surfaces.misp.routes import Asking, Routes

WORKERS: Final = 4  # requests that wait for their turn together, beyond which they wait for a worker
METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "DELETE"})
Turn = Callable[[], AbstractContextManager[None]]


class Request(NamedTuple):
    """One request, read."""

    method: str
    path: str
    query: str
    authorization: str | None
    address: str
    if_none_match: str
    body: bytes


class MispServer:
    """The ASGI application."""

    def __init__(self, desk: Desk, turn: Turn) -> None:
        self._services = desk.services
        self._turn = turn
        self._routes = Routes(desk)
        self._pool = ThreadPoolExecutor(WORKERS, "misp")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request (ASGI 3)."""
        try:
            answer = await self._respond(scope, receive)
        except ComityError as error:
            answer = answers.error(error, scope["path"])
        except Exception:
            await _send(send, scope["method"], answers.mistake(scope["path"]))
            raise
        await _send(send, scope["method"], answer)

    async def _respond(self, scope: Scope, receive: Receive) -> Answer:
        headers = dict(scope["headers"])
        if scope["method"] not in METHODS:
            raise answers.refuse_method()
        key = headers.get(b"authorization", headers.get(b"x-misp-auth"))
        request = Request(
            scope["method"],
            scope["path"],
            scope["query_string"].decode("latin-1"),
            None if key is None else key.decode("latin-1"),
            (scope.get("client") or ("", 0))[0],
            headers.get(b"if-none-match", b"").decode("latin-1"),
            b"",
        )
        if headers.get(b"content-encoding", b"identity").lower() != b"identity":
            raise answers.refuse_encoding()
        if request.method in {"POST", "PUT"}:
            request = request._replace(body=await _body(receive, headers.get(b"content-length", b"0")))
        return await asyncio.get_running_loop().run_in_executor(self._pool, self._in_turn, request)

    def _in_turn(self, request: Request) -> Answer:
        with self._turn():
            reader = admitted(self._services, request.authorization, request.address)
            asking = Asking(reader, request.method, request.path, request.query, request.body)
            return answers.unless_known(self._routes.answer(asking), request.if_none_match)


async def _body(receive: Receive, declared: bytes) -> bytes:
    """Return a request's body. Raises `TooLarge` (413), and 408 for one that drips."""
    if declared.isdigit() and int(declared) > MISP_BODY_BYTES_MAX:
        raise answers.large(MISP_BODY_BYTES_MAX)
    got = bytearray()
    try:
        async with asyncio.timeout(API_BODY_SECONDS_MAX):
            while True:
                message: Message = await receive()
                if message["type"] == "http.disconnect":
                    raise answers.gone()
                got += message.get("body", b"")
                if len(got) > MISP_BODY_BYTES_MAX:
                    raise answers.large(MISP_BODY_BYTES_MAX)
                if not message.get("more_body", False):
                    return bytes(got)
    except TimeoutError as error:
        raise answers.slow() from error


async def _send(send: Send, method: str, answer: Answer) -> None:
    await send({"type": "http.response.start", "status": answer.status, "headers": answer.raw_headers})
    await send({"type": "http.response.body", "body": b"" if method == "HEAD" else answer.body})
