"""A door of this node: an ASGI application served by uvicorn in a thread of its own.

Rules: a TCP door speaks TLS, or plain http on a loopback address only; a local door is a unix socket that
nobody but its owner can open. Each door has one application, so what is meant for the owner is never served to
peers by a mistaken route. Headers, bodies, connections and the time to send or take a message are bounded. No
forwarded address is believed, and nothing is logged of a request but method, path and status, if asked.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
import threading
import time
from collections.abc import Callable
from typing import Any, Final

import h11
import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.h11_impl import H11Protocol

from comity.errors import Fault, Misuse
from comity.http.doors import Local as Local
from comity.http.doors import Tcp as Tcp
from comity.http.doors import bind
from comity.http.guard import Guard
from comity.limits import (
    HTTP_BODY_BYTES_MAX,
    HTTP_CLOSE_SECONDS,
    HTTP_CONNECTIONS_MAX,
    HTTP_HEADER_BYTES_MAX,
    HTTP_KEEP_ALIVE_SECONDS,
    HTTP_SECONDS_MAX,
    HTTP_START_SECONDS,
    HTTP_STOP_SECONDS,
)

GATHERED_BYTES: Final = 65_536  # written together at most: what is larger goes at once


class Listener:
    """Serves one application at one door, between `start` and `stop`."""

    def __init__(
        self,
        app: ASGIApp,
        door: Tcp | Local,
        *,
        body_bytes_max: int = HTTP_BODY_BYTES_MAX,
        seconds: float = HTTP_SECONDS_MAX,
        answered: Callable[[str, str, int], None] | None = None,
    ) -> None:
        self._app = Guard(app, body_bytes_max, answered)
        self._door = door
        self._seconds = seconds
        self._server: uvicorn.Server | None = None
        self._thread: threading.Thread | None = None
        self._port = 0

    @property
    def port(self) -> int:
        """Return the TCP port that is listened on; 0 for a local door or before `start`."""
        return self._port

    def start(self) -> None:
        """Open the door and return once it answers.

        Raises `Misuse` (plain http off loopback, an impossible address), `Conflict` (the door is taken), `Fault`.
        """
        if self._thread is not None:
            raise Misuse("this listener has been started already")
        sock = bind(self._door)
        if isinstance(self._door, Tcp):
            self._port = sock.getsockname()[1]
        config = _Config(
            self._app,
            loop="asyncio",
            http=_BoundedProtocol,
            ws="none",
            lifespan="off",
            interface="asgi3",
            log_config=None,
            access_log=False,
            workers=1,
            proxy_headers=False,
            server_header=False,
            limit_concurrency=HTTP_CONNECTIONS_MAX,
            timeout_keep_alive=HTTP_KEEP_ALIVE_SECONDS,
            timeout_graceful_shutdown=HTTP_STOP_SECONDS,
            h11_max_incomplete_event_size=HTTP_HEADER_BYTES_MAX,
            ssl_context_factory=_context(self._door),
        )
        config.message_seconds = self._seconds
        self._server = uvicorn.Server(config)
        name = f"listener {self._port}" if self._port else "listener local"
        self._thread = threading.Thread(target=self._server.run, args=([sock],), name=name, daemon=True)
        self._thread.start()
        self._wait_until_started()

    def stop(self) -> None:
        """Let requests under way finish (`HTTP_STOP_SECONDS` at most), then close the door. Safe to call twice."""
        if self._server is None or self._thread is None:
            return
        self._server.should_exit = True
        self._thread.join(HTTP_STOP_SECONDS + HTTP_START_SECONDS)
        if self._thread.is_alive():
            raise Fault("a listener does not stop", hint="a request hangs in this process; end the process")
        self._server = self._thread = None
        if isinstance(self._door, Local):
            with contextlib.suppress(FileNotFoundError):
                self._door.path.unlink()

    def _wait_until_started(self) -> None:
        give_up = time.monotonic() + HTTP_START_SECONDS
        assert self._server is not None and self._thread is not None
        while not self._server.started:
            if not self._thread.is_alive() or time.monotonic() > give_up:
                raise Fault("a listener did not start", hint="the log says why")
            time.sleep(0.005)


def _context(door: Tcp | Local) -> Callable[[uvicorn.Config, Callable[[], ssl.SSLContext]], ssl.SSLContext] | None:
    tls = door.tls if isinstance(door, Tcp) else None
    return None if tls is None else lambda _config, _default: tls


class _Config(uvicorn.Config):
    message_seconds: float = HTTP_SECONDS_MAX


class _Alarm:
    """Cuts a connection unless it is called off in time."""

    def __init__(self, protocol: _BoundedProtocol) -> None:
        self._protocol = protocol
        self._handle: asyncio.TimerHandle | None = None

    def arm(self) -> None:
        if self._handle is None:
            protocol = self._protocol
            self._handle = protocol.loop.call_later(protocol.config.message_seconds, protocol.transport.abort)

    def call_off(self) -> None:
        if self._handle is not None:
            self._handle.cancel()
            self._handle = None


class _Gathering(asyncio.Transport):
    """A transport that sends what was written in one turn of the loop together.

    The server writes head and body of an answer apart; sent apart, a small answer costs two calls of the system and
    two packets, which is an eighth of all it costs.
    """

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__()
        self._transport = transport
        self._loop = loop
        self._kept: list[bytes] = []
        self._size = 0

    def write(self, data: bytes | bytearray | memoryview[Any]) -> None:
        if not self._kept:
            self._loop.call_soon(self._flush)
        self._kept.append(bytes(data))
        self._size += len(data)
        if self._size > GATHERED_BYTES:
            self._flush()

    def _flush(self) -> None:
        kept, self._kept = self._kept, []
        # A large body is not copied for its head's sake.
        for part in kept if self._size > GATHERED_BYTES else [b"".join(kept)]:
            if part:
                self._transport.write(part)
        self._size = 0

    def close(self) -> None:
        self._flush()
        self._transport.close()

    def abort(self) -> None:
        self._kept.clear()
        self._transport.abort()

    def is_closing(self) -> bool:
        return self._transport.is_closing()

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return self._transport.get_extra_info(name, default)

    def pause_reading(self) -> None:
        self._transport.pause_reading()

    def resume_reading(self) -> None:
        self._transport.resume_reading()

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        self._transport.set_protocol(protocol)


class _BoundedProtocol(H11Protocol):
    """uvicorn's protocol with the two bounds it lacks: a client sends a whole request in time, and takes its answer.

    Otherwise a few hundred idle clients would hold every connection for ever. The time is for what an application
    writes at once, so an answer that may take a slow link longer is streamed in pieces.
    """

    config: _Config
    _unsent: _Alarm
    _untaken: _Alarm

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        super().connection_made(_Gathering(transport, self.loop))
        tls = transport.get_extra_info("ssl_object")
        certificate = tls.getpeercert(binary_form=True) if tls is not None else None
        if certificate is not None:
            self.app_state = self.app_state | {"certificate": certificate}  # each request's `scope["state"]`
        self._unsent = _Alarm(self)
        self._untaken = _Alarm(self)
        self._watch()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        self._watch()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        self._watch()

    def pause_writing(self) -> None:
        super().pause_writing()
        self._untaken.arm()

    def resume_writing(self) -> None:
        super().resume_writing()
        self._untaken.call_off()

    def connection_lost(self, exc: Exception | None) -> None:
        self._unsent.call_off()
        self._untaken.call_off()
        super().connection_lost(exc)

    def shutdown(self) -> None:
        super().shutdown()
        if self.transport.is_closing():
            # TLS waits for the peer's goodbye, and a peer that keeps an idle connection never says it.
            self.loop.call_later(HTTP_CLOSE_SECONDS, self.transport.abort)

    def _watch(self) -> None:
        if self.conn.their_state in (h11.IDLE, h11.SEND_BODY):
            self._unsent.arm()
        else:
            self._unsent.call_off()
