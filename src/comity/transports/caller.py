"""Requests to one source's server: known by its login, patient, and never in a hurry.

Rules: the login goes to the server that the source is registered at, and to no other that a document names. What may
pass (no answer, 429, 5xx) is asked again a few times, each pause twice the one before, or as long as the server says
(RFC 9110 §10.2.3); a long pause ends the poll. Sleeping and chance come from outside.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC
from email.utils import parsedate_to_datetime
from types import MappingProxyType
from typing import Final

from comity.canon import Instant
from comity.errors import ComityError, Malformed, Misuse, NotFound, Refused, Unreachable
from comity.http import url as urls
from comity.http.exchange import Bounds, Incoming
from comity.http.fetch import Fetcher
from comity.http.login import NOBODY, Login
from comity.http.tls import PUBLIC, TlsPolicy
from comity.limits import (
    SOURCE_ATTEMPTS,
    SOURCE_BYTES_MAX,
    SOURCE_DOCUMENT_BYTES_MAX,
    SOURCE_POLL_SECONDS_MAX,
    SOURCE_RATE_MIN,
    SOURCE_RETRY_AFTER_MAX,
    SOURCE_WAIT_SECONDS_MAX,
)
from comity.node.polling import Busy, asked

PAUSE_SECONDS: Final = 1.0  # before the second attempt; doubled before each one after
_BUSY: Final = frozenset({429, 503})  # RFC 6585 §4, RFC 9110 §15.6.4
_PASSING: Final = frozenset({408, 500, 502, 504})
_NONE: Final[Mapping[str, str]] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Manners:
    """What waiting is done with: `pause` sleeps, or raises where this process is to stop; `chance` is in [0, 1)."""

    clock: Callable[[], Instant]
    pause: Callable[[float], None]
    chance: Callable[[], float]


@dataclass(frozen=True, slots=True)
class Caller:
    """The way to one server."""

    fetcher: Fetcher
    address: str  # the URL that the source is registered at
    manners: Manners
    login: Login = NOBODY
    login_name: str = ""  # of its file, for errors
    plain: bool = False
    tls: TlsPolicy = PUBLIC

    def read(
        self, url: str, headers: Mapping[str, str] = _NONE, *, limit: int = SOURCE_DOCUMENT_BYTES_MAX
    ) -> tuple[Incoming, bytes]:
        """Return a small document's head and body. Raises what `get` does."""
        for attempt in range(SOURCE_ATTEMPTS):
            with self.get(url, headers, limit=limit) as answer:
                try:
                    return answer, b"".join(answer.chunks)
                except Unreachable as error:
                    cut = error
            self.again(attempt, cut)
        raise AssertionError  # `again` raises at the last attempt

    def post(
        self, url: str, body: bytes, headers: Mapping[str, str] = _NONE, *, limit: int, own: Collection[int] = ()
    ) -> tuple[Incoming, bytes]:
        """Return the head and body of the answer to a POST that may be sent twice. Raises what `once` does.

        `own` are statuses that mean something to whoever asks and are not refused here.
        """
        for attempt in range(SOURCE_ATTEMPTS):
            try:
                with self.once(url, headers, limit=limit, method="POST", body=body, own=own) as answer:
                    return answer, b"".join(answer.chunks)
            except Unreachable as error:
                failed = error
            self.again(attempt, failed)
        raise AssertionError  # `again` raises at the last attempt

    @contextmanager
    def get(self, url: str, headers: Mapping[str, str] = _NONE, *, limit: int = SOURCE_BYTES_MAX) -> Iterator[Incoming]:
        """Give the answer to a GET, asked for until there is one. Raises what `once` does."""
        for attempt in range(SOURCE_ATTEMPTS):
            with ExitStack() as opening:
                try:
                    answer = opening.enter_context(self.once(url, headers, limit=limit))
                    stack = opening.pop_all()
                except Unreachable as error:
                    failed = error
                else:
                    with stack:
                        yield answer
                    return
            self.again(attempt, failed)

    @contextmanager
    def once(
        self,
        url: str,
        headers: Mapping[str, str] = _NONE,
        *,
        limit: int = SOURCE_BYTES_MAX,
        method: str = "GET",
        body: bytes = b"",
        own: Collection[int] = (),
    ) -> Iterator[Incoming]:
        """Give the answer to one request; its body is read as it comes, at most `limit` bytes.

        Its status is none that is refused: raises `Unreachable` for what may pass, `Misuse` (the login),
        `NotFound`, and what the fetcher raises.
        """
        bounds = Bounds(SOURCE_POLL_SECONDS_MAX, limit, "what is left of SOURCE_BYTES_MAX", SOURCE_RATE_MIN)
        sent = self._sent(url, headers)
        with self.fetcher.stream(
            url, bounds, method=method, headers=sent, body=body, tls=self._policy(url), plain=self.plain
        ) as answer:
            if answer.status not in own:
                self._refuse(answer, url)
            yield answer

    def again(self, attempt: int, error: ComityError) -> None:
        """Wait before another attempt. Raises the error where it was the last one or the wait would be long."""
        seconds = PAUSE_SECONDS * 2**attempt * (1 + self.manners.chance())
        if asked(error) > SOURCE_WAIT_SECONDS_MAX:
            raise error
        seconds = max(seconds, float(asked(error)))
        if attempt + 1 >= SOURCE_ATTEMPTS:
            raise error
        self.manners.pause(seconds)

    def is_home(self, url: str) -> bool:
        """Say whether a URL is at the server that the source is registered at."""
        return urls.parse(url)[:3] == urls.parse(self.address)[:3]

    def _sent(self, url: str, headers: Mapping[str, str]) -> Mapping[str, str]:
        return {**headers, **self.login.headers} if self.is_home(url) else headers

    def _policy(self, url: str) -> TlsPolicy:
        if not self.is_home(url) or not self.login.certificate:
            return self.tls
        return TlsPolicy(self.tls.certificate, self.tls.pin, self.login.certificate)

    def _refuse(self, answer: Incoming, url: str) -> None:
        status, where = answer.status, urls.parse(url).authority
        if status in _BUSY:
            seconds = min(
                retry_after(answer.headers.get("retry-after", ""), self.manners.clock()), SOURCE_RETRY_AFTER_MAX
            )
            busy = Busy(seconds)
            raise Unreachable(f"{where} is busy (status {status})", hint=f"{busy}" if seconds else "") from busy
        if status in _PASSING:
            raise Unreachable(f"{where} has a fault of its own (status {status})", hint="try again later")
        if status in {401, 403}:
            hint = f"look at keys/{self.login_name}" if self.login else "name a file with the login: --login FILE"
            raise Misuse(f"{where} does not let us in (status {status})", hint=hint)
        if status in {404, 410}:
            raise NotFound(f"{where} has nothing at {urls.parse(url).path}", hint="has the source moved?")


def ok(answer: Incoming, url: str) -> None:
    """Refuse an answer that is no success. Raises `Malformed`."""
    if answer.status != 200:
        raise Malformed(f"{urls.parse(url).authority} answers with status {answer.status}")


def retry_after(text: str, at: Instant) -> int:
    """Return the seconds that a Retry-After asks for (RFC 9110 §10.2.3); 0 for none or none that can be read."""
    if text.isascii() and text.isdigit():
        return int(text[:9])
    try:
        when = parsedate_to_datetime(text)
        return max(0, int(when.replace(tzinfo=when.tzinfo or UTC).timestamp()) - at)
    except (ValueError, OverflowError, TypeError, IndexError):
        return 0


def same_server(caller: Caller, url: str) -> str:
    """Return a URL that a document names, if it is at the source's own server. Raises `Refused`."""
    if not caller.is_home(url):
        raise Refused(
            f"{urls.parse(caller.address).authority} sends us on to {urls.parse(url).authority}",
            hint="if that is meant, register that address",
        )
    return url
