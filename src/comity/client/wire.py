"""One exchange with a node's API: bounded, TLS proven, tried again where that is safe, errors as `comity.errors`.

Rules: a token leaves this machine under TLS only; a pin is compared before a byte of it goes out. No redirect is
followed. What a node says of an error is shown on one line, whatever it holds.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import hmac
import ipaddress
import ssl
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final, NamedTuple
from urllib.parse import urlsplit

import httpcore2
import msgspec
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from comity import errors
from comity.errors import ComityError, Misuse, TooLarge, Unreachable, Unverified

ANSWER_BYTES_MAX: Final = 268_435_456  # bytes of one answer: 1,000 values with all their versions
ATTEMPTS: Final = 3  # times that a call which is safe to repeat is made
WAIT_SECONDS_MAX: Final = 30.0  # waited between two of them
TEXT_CHARS_MAX: Final = 500  # characters of the node's words that are shown
_KINDS: Final = (
    errors.Malformed, errors.Unverified, errors.Refused, errors.TooLarge, errors.Unreachable,
    errors.Misuse, errors.NotFound, errors.Conflict, errors.Fault,
)  # fmt: skip
_BY_CODE: Final[dict[str, type[ComityError]]] = {kind.code: kind for kind in _KINDS}
_BY_STATUS: Final[dict[int, type[ComityError]]] = {
    401: errors.Unverified, 403: errors.Refused, 404: errors.NotFound, 409: errors.Conflict,
    413: errors.TooLarge, 429: errors.Unreachable,
}  # fmt: skip


class Reply(NamedTuple):
    """An answer: header names in lower case, the body whole."""

    status: int
    headers: dict[str, str]
    body: bytes


class _Field(msgspec.Struct, frozen=True):
    field: str = ""
    reason: str = ""


class _Problem(msgspec.Struct, frozen=True):
    title: str = ""
    detail: str = ""
    code: str = ""
    hint: str = ""
    errors: tuple[_Field, ...] = ()


Content = Callable[[], Iterator[bytes]]


class Wire:
    """The way to one node. Safe to share between threads."""

    def __init__(
        self, base: str, token: str, ca: str | Path | None, pin: str, timeout: float, sleep: Callable[[float], None]
    ) -> None:
        parts = urlsplit(base)
        if parts.scheme not in {"http", "https"} or not parts.hostname or parts.username or parts.query:
            raise Misuse(f"{base!r} is no address of a node", hint="https://node.arcadia.example:8461")
        if parts.scheme == "http" and not _is_loopback(parts.hostname):
            raise Misuse("a token goes over plain http to this machine only", hint="https://")
        if not token.isascii() or not token.isprintable() or " " in token:
            raise Misuse("this is no token", hint="`comity token create` shows one")
        self._base = base.rstrip("/")
        self._token = token
        self._sleep = sleep
        self._timeout = dict.fromkeys(("connect", "read", "write", "pool"), timeout)
        context = _context(ca, pin) if parts.scheme == "https" else None
        self._pool = httpcore2.ConnectionPool(ssl_context=context, max_connections=8, keepalive_expiry=10.0)

    def close(self) -> None:
        """Close the connections."""
        self._pool.close()

    def call(
        self,
        method: str,
        path: str,
        headers: dict[str, str],
        content: Content | None,
        *,
        repeat: bool,
        into: Path | None = None,
    ) -> Reply:
        """Make a call, again if it is safe to `repeat`; return any answer below 400. Raises `ComityError`.

        With `into` the body of an answer 200 is written to that file, whatever its size, and is empty in what returns.
        """
        for attempt in range(1, ATTEMPTS + 1):
            wait = 0.2 * 2**attempt
            try:
                reply = self._exchange(method, path, headers, content, into)
                if reply.status < 400:
                    return reply
                after = reply.headers.get("retry-after", "")
                wait = min(float(after), WAIT_SECONDS_MAX) if after.isascii() and after.isdigit() else wait
                raise error_of(reply)
            except Unreachable:
                if not repeat or attempt == ATTEMPTS:
                    raise
            self._sleep(wait)
        raise AssertionError("the last attempt returns or raises")

    def _exchange(
        self, method: str, path: str, headers: dict[str, str], content: Content | None, into: Path | None
    ) -> Reply:
        sent = {"Authorization": f"Bearer {self._token}", "Accept-Encoding": "identity", **headers}
        body = content() if content is not None else None
        extensions: dict[str, Any] = {"timeout": self._timeout}
        try:
            with self._pool.stream(
                method, self._base + path, headers=list(sent.items()), content=body, extensions=extensions
            ) as answer:
                got = _gathered(answer, into if answer.status == 200 else None)
        except httpcore2.RemoteProtocolError as error:
            raise Unreachable(f"the node's answer broke off: {_line(str(error))}") from error
        except (httpcore2.NetworkError, httpcore2.TimeoutException) as error:
            if error.args and isinstance(error.args[0], ssl.SSLCertVerificationError):
                raise Unverified(
                    f"the node's certificate does not hold: {_line(str(error))}", hint="ca= names the one that does"
                ) from error
            what = _line(str(error)) or type(error).__name__
            raise Unreachable(f"the node does not answer: {what}") from error
        except (httpcore2.LocalProtocolError, httpcore2.UnsupportedProtocol) as error:
            raise Misuse(f"this cannot be sent: {error}") from error
        if 300 <= answer.status < 400 and answer.status != 304:
            raise errors.Refused("the node sends this call elsewhere: its token does not go there")
        named = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in answer.headers}
        return Reply(answer.status, named, got)


def _gathered(answer: httpcore2.Response, into: Path | None) -> bytes:
    """Return an answer's body, or write it to a file. Raises `TooLarge`, `Fault`."""
    if into is not None:
        try:
            with into.open("wb") as file:
                file.writelines(answer.iter_stream())
        except OSError as error:
            raise errors.Fault(f"{into} cannot be written: {error.strerror}") from error
        return b""
    got = bytearray()
    for chunk in answer.iter_stream():
        got += chunk
        if len(got) > ANSWER_BYTES_MAX:
            raise TooLarge(f"the answer is over {ANSWER_BYTES_MAX} bytes (ANSWER_BYTES_MAX)")
    return bytes(got)


def error_of(reply: Reply) -> ComityError:
    """Return the error that an answer stands for, in the class that the node raised."""
    problem = _Problem()
    # What does not decode is a proxy's page, or another kind of server.
    with contextlib.suppress(msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        problem = msgspec.json.decode(reply.body, type=_Problem)
    usual: type[ComityError] = Unreachable if reply.status >= 500 else Misuse
    kind = _BY_CODE.get(problem.code) or _BY_STATUS.get(reply.status, usual)
    fields = "; ".join(f"{one.field or 'the whole'}: {one.reason}" for one in problem.errors)
    text = problem.detail or problem.title or f"an answer with status {reply.status} and no explanation"
    return kind(_line(f"{text} ({fields})" if fields else text), hint=_line(problem.hint))


def _line(text: str) -> str:
    shown = " ".join("".join(char if char.isprintable() else " " for char in text[: 2 * TEXT_CHARS_MAX]).split())
    return shown if len(shown) <= TEXT_CHARS_MAX else shown[: TEXT_CHARS_MAX - 1] + "…"


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


class _Pinned(ssl.SSLContext):
    """A context whose peer has one public key, compared before anything is sent."""

    pin = ""

    def wrap_socket(self, *args: Any, **rest: Any) -> ssl.SSLSocket:
        """Return the socket under TLS. Raises `Unverified`."""
        sock = super().wrap_socket(*args, **rest)
        key = x509.load_der_x509_certificate(sock.getpeercert(binary_form=True) or b"").public_key()
        digest = hashlib.sha256(key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)).digest()
        if self.pin and not hmac.compare_digest(f"sha256/{base64.b64encode(digest).decode()}", self.pin):
            sock.close()
            raise Unverified("the node's public key is not the one pinned", hint="its new card names its new pin")
        return sock


def _context(ca: str | Path | None, pin: str) -> ssl.SSLContext:
    context = _Pinned(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.pin = pin
    try:
        if ca is None:
            context.load_default_certs()
        else:
            context.load_verify_locations(cafile=str(ca))
    except (OSError, ssl.SSLError) as error:
        raise Misuse(f"{ca} cannot be read as PEM certificates: {error}") from error
    return context
