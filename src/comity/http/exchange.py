"""One bounded HTTP exchange: a request out, a whole answer or an error back, before one deadline.

Rules: the deadline is for everything together, so a peer that sends a byte a minute gains nothing. The
body is counted as it comes. Only `identity` bodies are taken: a compressed one could unfold to anything,
and what nodes compress, they compress inside their own media types. Redirects are not followed. A body that is
read as it comes (`streaming`) may take long, but neither fall silent nor drip.
"""

from __future__ import annotations

import contextlib
import re
import select
import socket
import ssl
import time
from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any, Final, NamedTuple

import httpcore2

from comity.errors import Malformed, Misuse, Refused, TooLarge, Unreachable
from comity.http.tls import ClientTls
from comity.limits import HTTP_SECONDS_MAX

SILENCE_SECONDS: Final = HTTP_SECONDS_MAX  # that may pass without a byte, however far the deadline is
_REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})
_METHOD: Final = re.compile("[A-Z]{1,20}")
_WITH_BODY: Final = frozenset({"POST", "PUT", "PATCH"})
# Written by the exchange itself: a caller that set them could make the two ends disagree on where a message ends.
_OURS: Final = frozenset({"accept-encoding", "connection", "content-length", "host", "te", "transfer-encoding"})


class Response(NamedTuple):
    """An answer: header names in lower case, repeated ones joined by ", "; the body whole."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Incoming(NamedTuple):
    """An answer whose body is still to come: `chunks` raises what `exchange` does."""

    status: int
    headers: Mapping[str, str]
    chunks: Iterator[bytes]


class Bounds(NamedTuple):
    """How long an exchange may take in all, and how much it may bring."""

    seconds: float
    body_bytes_max: int
    limit: str = "HTTP_BODY_BYTES_MAX"  # the name of the limit on the body, for errors
    rate_min: int = 0  # bytes a second of the body, over the time waited for it, once that is over `patience`
    patience: float = HTTP_SECONDS_MAX  # seconds


class Stream(httpcore2.NetworkStream):
    """A socket whose every step ends by the exchange's deadline.

    httpcore2 hands each step the number the exchange gave as "timeout" and looks no further into it.
    Here that number is the instant, on the monotonic clock, by which the whole exchange must be over;
    read as a duration, each of a million small steps would be granted it anew.
    """

    def __init__(self, sock: socket.socket, tls: ClientTls | None = None) -> None:
        self._socket = sock
        self._tls = tls

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        """Return what arrives first, at most `max_bytes`; empty when the peer has ended."""
        with _raising(httpcore2.ReadTimeout, httpcore2.ReadError):
            self._socket.settimeout(min(remaining(timeout), SILENCE_SECONDS))
            return self._socket.recv(max_bytes)

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        """Send all of `buffer`."""
        view = memoryview(buffer)
        with _raising(httpcore2.WriteTimeout, httpcore2.WriteError):
            while view:
                self._socket.settimeout(remaining(timeout))
                view = view[self._socket.send(view) :]

    def close(self) -> None:
        """Close the socket."""
        self._socket.close()

    def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,
    ) -> httpcore2.NetworkStream:
        """Return the stream under TLS, its peer proven. Raises `Unverified`."""
        if self._tls is None:
            raise Misuse("this connection was opened for plain http")
        try:
            with _raising(httpcore2.ConnectTimeout, httpcore2.ConnectError):
                self._socket.settimeout(remaining(timeout))
                return Stream(self._tls.handshake(self._socket, server_hostname or ""))
        except BaseException:
            self._socket.close()
            raise

    def get_extra_info(self, info: str) -> Any:
        """Answer what httpcore2 asks: the negotiated protocol, and whether an idle peer has hung up."""
        if info == "ssl_object":
            return self._socket if isinstance(self._socket, ssl.SSLSocket) else None
        if info == "is_readable":
            return self._is_readable()
        return None

    def _is_readable(self) -> bool:
        if self._socket.fileno() < 0:
            return True
        poll = select.poll()
        poll.register(self._socket, select.POLLIN)
        return bool(poll.poll(0))


def remaining(deadline: float | None) -> float:
    """Return the seconds left until an instant of the monotonic clock. Raises `TimeoutError` when it has passed."""
    left = (deadline or 0.0) - time.monotonic()
    if left <= 0:
        raise TimeoutError("the exchange's deadline has passed")
    return left


@contextlib.contextmanager
def _raising(late: type[Exception], broken: type[Exception]) -> Iterator[None]:
    """Turn what a socket raises into what httpcore2 expects of a backend."""
    try:
        yield
    except TimeoutError as error:
        raise late(str(error)) from error
    except OSError as error:
        raise broken(str(error)) from error


def exchange(
    pool: httpcore2.ConnectionPool,
    method: str,
    url: httpcore2.URL,
    *,
    headers: Mapping[str, str],
    body: bytes,
    bounds: Bounds,
    peer: str,
) -> Response:
    """Send a request and return the whole answer; `peer` is the far side's authority, for Host and for errors.

    Raises `Unreachable`, `TooLarge`, `Refused` (a redirect), `Malformed` (a body coded unasked),
    `Misuse` (a request that cannot be sent), and what the pool's backend raises.
    """
    with streaming(pool, method, url, headers=headers, body=body, bounds=bounds, peer=peer) as answer:
        return Response(answer.status, answer.headers, b"".join(answer.chunks))


@contextlib.contextmanager
def streaming(
    pool: httpcore2.ConnectionPool,
    method: str,
    url: httpcore2.URL,
    *,
    headers: Mapping[str, str],
    body: bytes,
    bounds: Bounds,
    peer: str,
) -> Iterator[Incoming]:
    """Send a request and give the answer's head; its body is read as it comes. Raises what `exchange` does."""
    if not _METHOD.fullmatch(method):
        raise Misuse(f"{method!r} is not an HTTP method")
    deadline = time.monotonic() + bounds.seconds
    timeout = {"connect": deadline, "read": deadline, "write": deadline, "pool": bounds.seconds}
    content = body if body or method in _WITH_BODY else None
    with (
        _failing(peer, bounds, deadline),
        pool.stream(
            method, url, headers=_sent(headers, peer), content=content, extensions={"timeout": timeout}
        ) as answer,
    ):
        received = _received(answer.headers)
        _check_head(answer.status, received, bounds, peer)
        yield Incoming(answer.status, received, _chunks(answer, bounds, peer, deadline))


@contextlib.contextmanager
def _failing(peer: str, bounds: Bounds, deadline: float) -> Iterator[None]:
    """Turn what httpcore2 raises into errors of ours."""
    try:
        yield
    except httpcore2.TimeoutException as error:
        late = f"gave no whole answer within {bounds.seconds:g} s" if time.monotonic() >= deadline else "fell silent"
        raise Unreachable(f"{peer} {late}", hint="try again later") from error
    except httpcore2.LocalProtocolError as error:
        raise Misuse(f"the request to {peer} cannot be sent: {error}") from error
    except (httpcore2.NetworkError, httpcore2.ProtocolError) as error:
        raise Unreachable(f"{peer} did not answer, or broke off: {error}", hint="try again later") from error


def _sent(headers: Mapping[str, str], host: str) -> list[tuple[bytes, bytes]]:
    taken = _OURS.intersection(name.lower() for name in headers)
    if taken:
        raise Misuse(f"{', '.join(sorted(taken))} is written by the exchange, not by its caller")
    try:
        sent = [(name.encode("ascii"), value.encode("ascii")) for name, value in headers.items()]
    except UnicodeEncodeError as error:
        raise Misuse(f"a header is not plain ASCII: {error}") from error
    # httpcore2 would write an IPv6 address into Host without its brackets.
    return [(b"Host", host.encode("ascii")), *sent, (b"Accept-Encoding", b"identity")]


def _received(headers: list[tuple[bytes, bytes]]) -> Mapping[str, str]:
    received: dict[str, str] = {}
    for raw_name, raw_value in headers:
        name, value = raw_name.decode("latin-1").lower(), raw_value.decode("latin-1")
        received[name] = f"{received[name]}, {value}" if name in received else value
    return MappingProxyType(received)


def _check_head(status: int, headers: Mapping[str, str], bounds: Bounds, peer: str) -> None:
    """Refuse, before any of it is read, a body that would be refused afterwards."""
    if status in _REDIRECTS:
        raise Refused(
            f"{peer} sends this request elsewhere, which is not followed",
            hint="ask for the address it is really served at",
        )
    coding = headers.get("content-encoding", "identity")
    if coding.strip().lower() not in ("", "identity"):
        raise Malformed(f"{peer} answers in content coding {coding[:40]!r}, which was not asked for")
    length = headers.get("content-length", "")
    if length.isdigit() and (len(length) > 15 or int(length) > bounds.body_bytes_max):
        raise _too_large(peer, bounds)


def _chunks(answer: httpcore2.Response, bounds: Bounds, peer: str, deadline: float) -> Iterator[bytes]:
    coming = iter(answer.iter_stream())
    size, waited = 0, 0.0
    while True:
        began = time.monotonic()
        with _failing(peer, bounds, deadline):
            chunk = next(coming, None)
        if chunk is None:
            return
        size += len(chunk)
        if size > bounds.body_bytes_max:
            raise _too_large(peer, bounds)
        waited += time.monotonic() - began
        if waited > bounds.patience and size < bounds.rate_min * waited:
            raise Unreachable(f"{peer} sends under {bounds.rate_min} bytes a second", hint="try again later")
        yield chunk


def _too_large(peer: str, bounds: Bounds) -> TooLarge:
    return TooLarge(f"the answer of {peer} is over {bounds.limit} ({bounds.body_bytes_max} bytes); it was dropped")
