"""Answers of a TAXII 2.1 server: resources and errors in its media type."""

from __future__ import annotations

from http import HTTPStatus
from typing import Final, NamedTuple

import msgspec

from comity.errors import ComityError, Fault, Malformed, Misuse, TooLarge, Unverified
from comity.formats import taxii
from comity.http.problem import problem_of
from comity.surfaces.taxii.admission import CHALLENGES
from comity.surfaces.taxii.posting import Unprocessable

_MEDIA: Final = (b"content-type", taxii.MEDIA.encode())
_ALWAYS: Final = (_MEDIA, (b"x-content-type-options", b"nosniff"), (b"cache-control", b"no-store"))
METHODS: Final = "GET, HEAD, POST, DELETE"
_encode: Final = msgspec.json.Encoder().encode


class Answer(NamedTuple):
    """What is sent back."""

    status: int
    body: bytes
    headers: tuple[tuple[bytes, bytes], ...] = ()

    @property
    def raw_headers(self) -> list[tuple[bytes, bytes]]:
        """Return all headers, as ASGI takes them."""
        return [*_ALWAYS, (b"content-length", b"%d" % len(self.body)), *self.headers]


class Unusual(Misuse):
    """A request that HTTP has a status of its own for."""

    def __init__(self, status: HTTPStatus, text: str, *, hint: str = "") -> None:
        super().__init__(text, hint=hint)
        self.status = status


def resource(what: msgspec.Struct, *, status: int = 200) -> Answer:
    """Return a resource."""
    return Answer(status, _encode(what))


def paged(body: bytes, edges: tuple[int, int]) -> Answer:
    """Return objects, a manifest or versions with the times of the first and the last (§3.2)."""
    first, last = (taxii.stamp(at).encode() for at in edges)
    return Answer(200, body, ((taxii.FIRST.lower().encode(), first), (taxii.LAST.lower().encode(), last)))


def error(what: ComityError) -> Answer:
    """Return an error message (§3.6.1). What is wrong with this machine is told only to its owner."""
    status, problem = problem_of(what)
    if isinstance(what, Unusual):
        status = what.status
    elif isinstance(what, Unprocessable):
        status = HTTPStatus.UNPROCESSABLE_ENTITY
    said = msgspec.json.decode(problem, type=_Problem)
    text = f"{said.detail} ({said.hint})" if said.hint else said.detail
    body = _encode(taxii.Error(HTTPStatus(status).phrase, text, what.code, str(int(status))))
    return Answer(int(status), body, tuple(_extra(what, int(status))))


def _extra(what: ComityError, status: int) -> list[tuple[bytes, bytes]]:
    if isinstance(what, Unverified):
        return [(b"www-authenticate", challenge.encode()) for challenge in CHALLENGES]
    if status == HTTPStatus.METHOD_NOT_ALLOWED:
        return [(b"allow", METHODS.encode())]
    return []


class _Problem(msgspec.Struct):
    detail: str = ""
    hint: str = ""


def mistake() -> Answer:
    """Return the answer for what nobody foresaw."""
    return error(Fault("a mistake in this program"))


def large(limit: int) -> ComityError:
    """Return the error for a body over a limit (§5.5: 413)."""
    return TooLarge(f"the body is over max_content_length ({limit} bytes)", hint="send fewer objects in one envelope")


def slow() -> ComityError:
    """Return the error for a body that does not come."""
    return Unusual(HTTPStatus.REQUEST_TIMEOUT, "the body did not come in time")


def refuse_method() -> ComityError:
    """Return the error for a method that an endpoint does not have."""
    return Unusual(HTTPStatus.METHOD_NOT_ALLOWED, "this endpoint is not asked so")


def refuse_accept() -> ComityError:
    """Return the error for a client that takes no TAXII 2.1 (§1.6.8: 406)."""
    return Unusual(HTTPStatus.NOT_ACCEPTABLE, f"this server answers in {taxii.MEDIA}")


def refuse_media() -> ComityError:
    """Return the error for a body of another media type (§5.5: 415)."""
    return Unusual(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, f"an envelope is sent as {taxii.MEDIA}")


def gone() -> ComityError:
    """Return the error for a client that went away while it sent."""
    return Malformed("the client went away")
