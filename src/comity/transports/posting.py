"""Webhooks: one message as one POST, signed, to an address that a neighbour named.

Rules: taken is what is answered with a status of 200 to 299, and with nothing else; no redirect is followed. The body
of an answer is read as far as people need it and no further: what a receiver says at length holds nobody up. 410 says
that no more is wanted. What is busy is left alone for as long as it says.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, NoReturn
from urllib.parse import quote

from comity import __version__
from comity.canon import Instant
from comity.errors import ComityError, Misuse, Refused, Unreachable
from comity.formats.telling import chat, standard
from comity.formats.telling.message import Message, plain
from comity.http import url as urls
from comity.http.exchange import Bounds, Incoming
from comity.http.fetch import Fetcher
from comity.http.login import NOBODY, Login
from comity.http.tls import PUBLIC, TlsPolicy
from comity.limits import SOURCE_RETRY_AFTER_MAX, TELLING_ANSWER_BYTES_MAX, TELLING_SECONDS
from comity.node.outbox import Gone
from comity.node.polling import Busy
from comity.transports.caller import Manners, retry_after

SAID_CHARS_MAX: Final = 300  # characters of an answer that are kept
_ANY_LENGTH: Final = 1 << 62  # bytes that an answer may announce: what is read of it is bounded by `_beginning`
_BUSY: Final = frozenset({429, 503})
_PASSING: Final = frozenset({408, 500, 502, 504})


@dataclass(frozen=True, slots=True)
class Post:
    """The way to one address by HTTP, for webhooks and whoever else is asked to take something."""

    fetcher: Fetcher
    manners: Manners
    login: Login = NOBODY
    login_name: str = ""  # of its file, for errors
    tls: TlsPolicy = PUBLIC
    plain: bool = False

    @property
    def policy(self) -> TlsPolicy:
        """Return how the far side is known, and what is shown to it."""
        if not self.login.certificate:
            return self.tls
        return TlsPolicy(self.tls.certificate, self.tls.pin, self.login.certificate)

    def ask(self, method: str, url: str, headers: Mapping[str, str], body: bytes = b"") -> tuple[int, str, bytes]:
        """Send a request; return status, media type and the beginning of the body.

        Raises `Unreachable` for what may pass, `Misuse` (the login), `Refused`, and what the fetcher raises.
        """
        bounds = Bounds(TELLING_SECONDS, _ANY_LENGTH)
        sent = {"User-Agent": f"comity/{__version__}", **headers, **self.login.headers}
        with self.fetcher.stream(
            url, bounds, method=method, headers=sent, body=body, tls=self.policy, plain=self.plain
        ) as answer:
            told = _beginning(answer)
            self._judge(answer, url, told)
            return answer.status, answer.headers.get("content-type", ""), told

    def _judge(self, answer: Incoming, url: str, told: bytes) -> None:
        status, where = answer.status, urls.parse(url).authority
        if 200 <= status < 300:
            return
        said = says(told)
        what = f"{where} answers with status {status}" + (f": {said}" if said else "")
        if status in _BUSY:
            seconds = retry_after(answer.headers.get("retry-after", ""), self.manners.clock())
            busy = Busy(min(seconds, SOURCE_RETRY_AFTER_MAX))
            raise Unreachable(f"{where} is busy (status {status})", hint=f"{busy}" if seconds else "") from busy
        if status in _PASSING:
            raise Unreachable(what, hint="a fault of its own: ask whoever runs it, if it stays")
        if status == 410:
            hint = "the neighbour is paused; ask whoever runs it, then `comity neighbour resume`"
            raise Refused(f"{where} wants no more messages (status 410)", hint=hint) from Gone()
        self._refuse(status, what)

    def _refuse(self, status: int, what: str) -> NoReturn:
        if status in {401, 403}:
            hint = f"look at keys/{self.login_name}" if self.login else "does it want a login, or is the address old?"
            raise Misuse(what, hint=hint)
        raise Refused(what, hint="does it take this form at this address? see `comity neighbour show`")


def _beginning(answer: Incoming) -> bytes:
    """Return the first bytes of an answer; a body that breaks off or does not end changes no status."""
    told = b""
    try:
        for chunk in answer.chunks:
            told += chunk
            if len(told) >= TELLING_ANSWER_BYTES_MAX:
                break
    except ComityError:
        if not 200 <= answer.status < 300:
            raise
    return told[:TELLING_ANSWER_BYTES_MAX]


def says(told: bytes) -> str:
    """Return what a receiver says, as people are shown it: one line."""
    return plain(told.decode("utf-8", "replace"), SAID_CHARS_MAX)


@dataclass(frozen=True, slots=True)
class Webhook:
    """A webhook, or a chat's."""

    post: Post
    address: str
    form: str
    secrets: tuple[bytes, ...] = field(default=(), repr=False)

    def send(self, message: Message) -> str:
        """Send a message; return what the receiver said. Raises what `Post.ask` does."""
        body = standard.body(message) if self.form == "json" else chat.FORMS[self.form](message)
        at: Instant = self.post.manners.clock()
        headers = {"Content-Type": standard.MEDIA, **standard.headers(self.secrets, message.id, at, body)}
        method, address = "POST", self.address
        if self.form == "matrix":
            # Matrix client-server API, `PUT /rooms/{roomId}/send/{eventType}/{txnId}`: the id makes it idempotent.
            method, address = "PUT", f"{self.address.rstrip('/')}/{quote(message.id, safe='')}"
        status, _, told = self.post.ask(method, address, headers, body)
        said = says(told)
        return f"status {status}" + (f": {said}" if said else "")

    def reach(self) -> str:
        """Say whether the address answers, without posting to it: most answer a GET with a refusal of their own."""
        headers = {"User-Agent": f"comity/{__version__}", **self.post.login.headers}
        bounds = Bounds(TELLING_SECONDS, _ANY_LENGTH)
        tls = self.post.policy
        with self.post.fetcher.stream(self.address, bounds, headers=headers, tls=tls, plain=self.post.plain) as answer:
            status = answer.status
        if status >= 500:
            raise Unreachable(f"it answers with status {status}", hint="a fault of its own: ask whoever runs it")
        return f"it answers (status {status}); whether it takes messages is seen with --send-test"
