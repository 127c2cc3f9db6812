"""What stands between uvicorn and an application: the limit on bodies, and the line for an access log.

Rules: a body is counted as the application reads it and never gathered here. Over the limit the answer is
the guard's 413, whatever the application makes of the error it gets.
"""

from __future__ import annotations

from collections.abc import Callable

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from comity.errors import TooLarge
from comity.http.problem import MEDIA_TYPE, problem_of


class Guard:
    """An application, and the limit on what it is sent; `answered` gets method, path and status of each request."""

    def __init__(self, app: ASGIApp, body_bytes_max: int, answered: Callable[[str, str, int], None] | None) -> None:
        self._app = app
        self._body_bytes_max = body_bytes_max
        self._answered = answered

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request (ASGI 3)."""
        request = _Guarded(scope, receive, send, self._body_bytes_max)
        try:
            await request.run(self._app)
        finally:
            if self._answered is not None:
                # The path as it came, percent-encoded: decoded, it could put lines of its own into a log.
                self._answered(scope["method"], scope["raw_path"].decode("ascii"), request.status or 500)


class _Guarded:
    """One request on its way through the guard."""

    def __init__(self, scope: Scope, receive: Receive, send: Send, body_bytes_max: int) -> None:
        self._scope = scope
        self._receive = receive
        self._send = send
        self._left = body_bytes_max
        self._error: TooLarge | None = None
        self._limit = body_bytes_max
        self.status = 0

    async def run(self, app: ASGIApp) -> None:
        declared = dict(self._scope["headers"]).get(b"content-length", b"0")  # h11 has checked that it is a number
        if int(declared) > self._limit:
            self._error = self._too_large()
        else:
            try:
                await app(self._scope, self.receive, self.send)
            except Exception:
                if self._error is None:
                    raise
        if self._error is not None and not self.status:
            await self._refuse(self._error)

    async def receive(self) -> Message:
        message = await self._receive()
        self._left -= len(message.get("body", b""))
        if self._left < 0:
            self._error = self._too_large()
            raise self._error
        return message

    async def send(self, message: Message) -> None:
        # What the application makes of the error that `receive` raised is dropped: the answer is the guard's.
        if self._error is not None and not self.status:
            return
        if message["type"] == "http.response.start":
            self.status = message["status"]
        await self._send(message)

    async def _refuse(self, error: TooLarge) -> None:
        self.status, body = problem_of(error)
        headers = [(b"content-type", MEDIA_TYPE.encode()), (b"content-length", b"%d" % len(body))]
        await self._send({"type": "http.response.start", "status": self.status, "headers": headers})
        await self._send({"type": "http.response.body", "body": body})

    def _too_large(self) -> TooLarge:
        return TooLarge(f"the request's body is over the limit of {self._limit} bytes", hint="send it in smaller parts")
