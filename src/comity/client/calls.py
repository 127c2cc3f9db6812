"""Calls of a node's API, typed.

Rules: values go in as people write them. A call that puts something on record carries an idempotency key, so that it
may be made again when the answer was lost; one whose body cannot be read a second time is made once.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self, TypeVar
from urllib.parse import quote, urlencode

import msgspec

from comity.client import answers
from comity.client.answers import Answer, Correlated, Health, Held, Known, Version
from comity.client.wire import Content, Reply, Wire
from comity.errors import Malformed, Misuse, NotFound
from comity.limits import API_LOOKUP_VALUES_MAX, API_VALUES_MAX

T = TypeVar("T")

VERSION: Final = "v1"
SECONDS: Final = 60.0  # without a byte from the node before a call has failed
CHUNK_BYTES: Final = 1_048_576


class Client:
    """One node, asked by one token. `ca` is a PEM file to trust instead of the system's; `pin` as a card names it.

    Every call raises `comity.errors`: `Unverified` (token, certificate), `Refused`, `NotFound`, `Unreachable`, …
    """

    def __init__(
        self, base_url: str, token: str, *, ca: str | Path | None = None, pin: str = "", timeout: float = SECONDS
    ) -> None:
        self._wire = Wire(base_url, token, ca, pin, timeout, time.sleep)
        self._negotiated = False

    def __enter__(self) -> Self:
        """Return the client, to be closed on leaving."""
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        """Close the connections."""
        self._wire.close()

    # -- reading ----------------------------------------------------------------

    def health(self) -> Health:
        """Return which versions of the API the node speaks; an older node that does not say speaks the first."""
        try:
            return _read(self._wire.call("GET", "/api/v1/health", {}, None, repeat=True), Health)
        except NotFound:
            return Health()

    def objects(
        self, *, kind: str = "", source: str = "", since: int = 0, updated_since: int = 0, limit: int = 500
    ) -> Iterator[Held]:
        """Yield every object that fits, page after page, in the order in which the node holds them."""
        filters = {"type": kind, "source": source, "since": since, "updated_since": updated_since, "limit": limit}
        cursor: str | None = ""
        while cursor is not None:
            page = self._get("/objects", answers.Page, filters | {"cursor": cursor})
            said = [*page.witnesses, *[answers.Witness()] * (len(page.objects) - len(page.witnesses))]
            yield from (Held(bytes(raw), one) for raw, one in zip(page.objects, said, strict=False))
            if page.next is not None and page.next == cursor:
                raise Malformed("the node gives the same page again and again")
            cursor = page.next or None

    def object(self, ident: str) -> tuple[Version, ...]:
        """Return every version of an object, the newest first, with who says so. Raises `NotFound`."""
        return self._get(f"/objects/{quote(ident, safe='')}", answers.Versions).versions

    def lookup(self, values: Iterable[str]) -> Iterator[Answer]:
        """Yield everything that is known of each value, in their order."""
        for some in _batches(values, API_LOOKUP_VALUES_MAX):
            yield from self._ask("/lookup", answers.Answers, values=some).answers

    def known(self, values: Iterable[str]) -> Iterator[Known]:
        """Yield what is known of each value on one line, as many as there are, in their order."""
        for some in _batches(values, API_VALUES_MAX):
            yield from self._ask("/known", answers.KnownMany, values=some).lines

    def correlate(self, names: Sequence[str] = (), *, values: Sequence[str] = (), **more: int) -> Correlated:
        """Return what else shares values with objects, or with values; `start`, `limit`, `common` as in the API."""
        choice = {"choice": {"names": names}} if names else {}
        return self._ask("/correlate", Correlated, **choice, values=values, **more)

    def sources(self) -> tuple[answers.Source, ...]:
        """Return the sources of the token's office."""
        return self._get("/sources", answers.Sources).sources

    def imports(self, source: str = "") -> tuple[answers.Import, ...]:
        """Return what was imported, oldest first."""
        return self._get("/imports", answers.Imports, {"source": source}).imports

    def questions(
        self, *, mine: bool = False, still_open: bool = False, limit: int = 50
    ) -> tuple[answers.Question, ...]:
        """Return the newest questions."""
        asked = {"mine": str(mine).lower(), "open": str(still_open).lower(), "limit": limit}
        return self._get("/questions", answers.Questions, asked).questions

    def picture(self, question: str) -> answers.Picture:
        """Return all answers to a question as one picture."""
        return self._get(f"/questions/{quote(question, safe='')}/answers", answers.Picture)

    # -- putting on record --------------------------------------------------------

    def ingest(
        self, what: Path | bytes | Iterable[bytes], source: str, *, key: str = "", **more: str | bool
    ) -> answers.Ingested:
        """Bring a file, bytes or chunks of them in; `format`, `name`, `tlp`, `pap`, `note` and `dry` as in the API."""
        if isinstance(what, Path):
            more.setdefault("name", what.name)
        asked = {n: str(v).lower() if isinstance(v, bool) else v for n, v in {"source": source, **more}.items()}
        content, headers = _content(what)
        headers |= {"Content-Type": "application/octet-stream", "Idempotency-Key": key or str(uuid.uuid4())}
        path, repeat = f"/ingest?{urlencode(asked)}", isinstance(what, Path | bytes)
        return _read(self._call("POST", path, headers, content, repeat=repeat), answers.Ingested)

    def share(self, accord: str, names: Sequence[str] = (), **more: Any) -> answers.Shared:
        """State objects in an accord; instead of names a `choice`; `marking`, `flash`, `dry_run` as in the API."""
        choice = more.pop("choice", {"names": names})
        return self._record("/share", answers.Shared, accord=accord, choice=choice, **more)

    def retract(self, names: Sequence[str], reason: str, **more: Any) -> answers.Acted:
        """No longer stand by objects, wherever they went."""
        return self._record("/retract", answers.Acted, names=names, reason=reason, **more)

    def sight(self, name: str, count: int = 1, **more: Any) -> answers.Sighted:
        """Put on record that a value or object was seen so often; 0: looked for and not seen."""
        return self._record("/sightings", answers.Sighted, name=name, count=count, **more)

    def ask(
        self, accord: str, values: Sequence[str], why: str, marking: Mapping[str, Any], **more: Any
    ) -> answers.Question:
        """Ask the members of an accord; `text`, `note`, `wants`, `deadline`, `priority` as in the API."""
        asked = dict(accord=accord, values=values, why=why, marking=marking, **more)
        return self._record("/questions", answers.Posed, **asked).question

    def answer(self, question: str, lines: Sequence[Mapping[str, str]] = (), **more: Any) -> answers.Answered:
        """Answer a question: lines such as `{"said": "seen", "value": "192.0.2.7:3"}`, or `decline=True`."""
        path = f"/questions/{quote(question, safe='')}/answers"
        return self._record(path, answers.Answered, lines=lines, **more)

    # -- underneath -----------------------------------------------------------------

    def _call(self, method: str, path: str, headers: dict[str, str], content: Content | None, *, repeat: bool) -> Reply:
        if not self._negotiated:
            spoken = self.health().api
            if VERSION not in spoken:
                raise Misuse(
                    f"this client speaks {VERSION} of the API, the node {', '.join(spoken)[:80]}", hint="another comity"
                )
            self._negotiated = True
        return self._wire.call(method, f"/api/{VERSION}{path}", headers, content, repeat=repeat)

    def _get(self, path: str, kind: type[T], query: Mapping[str, Any] | None = None) -> T:
        given = {name: value for name, value in (query or {}).items() if value not in ("", 0)}
        path += f"?{urlencode(given)}" if given else ""
        return _read(self._call("GET", path, {}, None, repeat=True), kind)

    def _ask(self, path: str, kind: type[T], **body: Any) -> T:
        return self._post(path, kind, body, {})

    def _record(self, path: str, kind: type[T], **body: Any) -> T:
        return self._post(path, kind, body, {"Idempotency-Key": body.pop("key", "") or str(uuid.uuid4())})

    def _post(self, path: str, kind: type[T], body: dict[str, Any], headers: dict[str, str]) -> T:
        content, measured = _content(msgspec.json.encode(body))
        headers |= measured | {"Content-Type": "application/json"}
        return _read(self._call("POST", path, headers, content, repeat=True), kind)


def _content(what: Path | bytes | Iterable[bytes]) -> tuple[Content, dict[str, str]]:
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


def _batches(values: Iterable[str], size: int) -> Iterator[list[str]]:
    left = iter(values)
    while some := list(islice(left, size)):
        yield some


def _read(reply: Reply, kind: type[T]) -> T:
    try:
        return msgspec.json.decode(reply.body, type=kind)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise Malformed(f"the node answers in another way than this client reads: {error}") from error
