"""Calls of a node's API, underneath: versions, paths, idempotency keys, files, and what a node does not have yet.

Rules: values go in as people write them. A call that puts something on record carries an idempotency key, so that it
may be made again when the answer was lost; one whose body cannot be read a second time, or whose answer is kept for no
key, is made once. A route that the node does not have is told from a thing that it does not hold.
"""

from __future__ import annotations

import secrets
import time
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import islice
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self, TypeVar
from urllib.parse import quote, urlencode

import msgspec

from comity.client.answers import Health
from comity.client.wire import Content, Reply, Wire
from comity.errors import ComityError, Fault, Malformed, Misuse, NotFound

T = TypeVar("T")

VERSION: Final = "v1"
SECONDS: Final = 60.0  # without a byte from the node before a call has failed
CHUNK_BYTES: Final = 1_048_576
BESIDE: Final = "comity-answer"  # the header beside an answer that is a file


class Older(Misuse):
    """The node has no such route: it is older than this client, or was built without it."""


class _Document(msgspec.Struct, frozen=True):
    paths: dict[str, dict[str, msgspec.Raw]] = {}


class Caller:
    """One node, asked by one token. `ca` is a PEM file to trust instead of the system's; `pin` as a card names it.

    Every call raises `comity.errors`: `Unverified` (token, certificate), `Refused`, `NotFound`, `Unreachable`, …, and
    `Older` where the node does not have its route.
    """

    def __init__(
        self, base_url: str, token: str, *, ca: str | Path | None = None, pin: str = "", timeout: float = SECONDS
    ) -> None:
        self._wire = Wire(base_url, token, ca, pin, timeout, time.sleep)
        self._node: Health | None = None
        self._routes: dict[str, dict[str, msgspec.Raw]] | None = None  # of the node's own document, once it was asked

    def __enter__(self) -> Self:
        """Return the client, to be closed on leaving."""
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        """Close the connections."""
        self._wire.close()

    def health(self) -> Health:
        """Return which versions of the API the node speaks; an older node that does not say speaks the first."""
        try:
            return decoded(self._wire.call("GET", "/api/v1/health", {}, None, repeat=True), Health)
        except NotFound:
            return Health()

    def _call(
        self,
        method: str,
        route: str,
        headers: Mapping[str, str] | None = None,
        sent: Content | None = None,
        *,
        path: Mapping[str, str] | None = None,
        asked: Mapping[str, Any] | None = None,
        repeat: bool = True,
        into: Path | None = None,
    ) -> Reply:
        """Make a call of a route as the node's own document names it, e.g. `/questions/{question}/answers`."""
        if self._node is None:
            node = self.health()
            if VERSION not in node.api:
                spoken = ", ".join(node.api)[:80]
                raise Misuse(f"this client speaks {VERSION} of the API, the node {spoken}", hint="another comity")
            self._node = node
        named = {name: quote(value, safe="") for name, value in (path or {}).items()}
        where = f"/api/{VERSION}{route.format(**named)}{query(asked or {})}"
        try:
            return self._wire.call(method, where, dict(headers or {}), sent, repeat=repeat, into=into)
        except (NotFound, Misuse) as error:  # 404 and 405, and what they share their classes with
            if self._lacks(method, route):
                what = f"the node has no {method} {route}: its comity {self._node.comity} is older than this client"
                raise Older(what, hint="update the node, or do without") from error
            raise

    def _lacks(self, method: str, route: str) -> bool:
        """Say whether the node's own document has no such route; one without a document is not judged."""
        if self._routes is None:
            try:
                document = self._wire.call("GET", f"/api/{VERSION}/openapi.json", {}, None, repeat=True)
                self._routes = decoded(document, _Document).paths
            except ComityError:
                return False
        return bool(self._routes) and method.lower() not in self._routes.get(route, {})

    def _get(self, route: str, kind: type[T], asked: Mapping[str, Any] | None = None, **path: str) -> T:
        return decoded(self._call("GET", route, asked=asked, path=path), kind)

    def _ask(self, route: str, kind: type[T], body: Mapping[str, Any], **path: str) -> T:
        return self._post(route, kind, body, {}, path)

    def _record(self, route: str, kind: type[T], body: Mapping[str, Any], **path: str) -> T:
        """Put something on record; the body's `key` is the idempotency key, else a new one."""
        said = dict(body)
        return self._post(route, kind, said, {"Idempotency-Key": said.pop("key", "") or str(uuid.uuid4())}, path)

    def _post(
        self, route: str, kind: type[T], body: Mapping[str, Any], headers: dict[str, str], path: Mapping[str, str]
    ) -> T:
        sent, measured = content(msgspec.json.encode(body))
        headers |= measured | {"Content-Type": "application/json"}
        return decoded(self._call("POST", route, headers, sent, path=path), kind)

    def _once(self, route: str, kind: type[T], body: Mapping[str, Any], **path: str) -> T:
        """Put something on record whose answer the node keeps for no key: the call is made once."""
        sent, headers = content(msgspec.json.encode(body))
        headers |= {"Content-Type": "application/json"}
        return decoded(self._call("POST", route, headers, sent, path=path, repeat=False), kind)

    def _delete(self, route: str, kind: type[T], key: str = "", **path: str) -> T:
        return decoded(self._call("DELETE", route, {"Idempotency-Key": key or str(uuid.uuid4())}, path=path), kind)

    def _fetch(
        self,
        method: str,
        route: str,
        out: Path,
        kind: type[T],
        *,
        body: Mapping[str, Any] | Path | bytes | Iterable[bytes] | None = None,
        asked: Mapping[str, Any] | None = None,
        path: Mapping[str, str] | None = None,
        check: Callable[[Path, Reply], None] | None = None,
    ) -> T:
        """Have an answer that is a file written to `out`, whole and checked or not at all; return what is beside it.

        A `body` is a mapping, which goes as JSON, or a file.
        """
        partial = out.with_name(f".{out.name}.{secrets.token_hex(8)}.partial")
        sent, headers = None, dict[str, str]()
        if isinstance(body, Mapping):
            sent, headers = content(msgspec.json.encode(body))
            headers["Content-Type"] = "application/json"
        elif body is not None:
            sent, headers = content(body)
            headers["Content-Type"] = "application/octet-stream"
        try:
            reply = self._call(
                method, route, headers, sent, asked=asked, path=path, repeat=method == "GET", into=partial
            )
            said = decoded(reply._replace(body=reply.headers.get(BESIDE, "{}").encode()), kind)
            if check is not None:
                check(partial, reply)
            partial.replace(out)
        except OSError as error:
            raise Fault(f"{out} cannot be written: {error.strerror}") from error
        finally:
            partial.unlink(missing_ok=True)
        return said


def content(what: Path | bytes | Iterable[bytes]) -> tuple[Content, dict[str, str]]:
    """Return what is sent, and the header that says how long it is. Raises `Misuse`."""
    if isinstance(what, bytes):
        return lambda: iter((what,)), {"Content-Length": str(len(what))}
    if isinstance(what, Path):
        try:
            size = what.stat().st_size
        except OSError as error:
            raise Misuse(f"{what} cannot be read: {error.strerror}") from error
        return lambda: _chunks(what), {"Content-Length": str(size)}
    return lambda: iter(what), {"Transfer-Encoding": "chunked"}


def _chunks(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while chunk := file.read(CHUNK_BYTES):
            yield chunk


def batches(values: Iterable[str], size: int) -> Iterator[list[str]]:
    """Yield values in lists of at most `size`."""
    left = iter(values)
    while some := list(islice(left, size)):
        yield some


def query(given: Mapping[str, Any]) -> str:
    """Return parameters as they are sent; what is empty is left out, a list is given member by member."""
    named = {name: value for name, value in given.items() if value not in ("", 0, None, (), [])}
    said = {name: str(value).lower() if isinstance(value, bool) else value for name, value in named.items()}
    return f"?{urlencode(said, doseq=True)}" if said else ""


def decoded(reply: Reply, kind: type[T]) -> T:
    """Return an answer as what it stands for. Raises `Malformed`."""
    try:
        return msgspec.json.decode(reply.body, type=kind)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise Malformed(f"the node answers in another way than this client reads: {error}") from error
