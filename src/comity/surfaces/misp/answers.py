"""Answers of MISP's REST interface: JSON, and errors with the words and the status that PyMISP and MISP understand."""

from __future__ import annotations

import hashlib
from http import HTTPStatus
from typing import Any, Final, NamedTuple

import msgspec

from comity.errors import ComityError, Fault, Malformed, Misuse, NotFound, Refused, TooLarge, Unverified
from comity.http.problem import problem_of

_MEDIA: Final = (b"content-type", b"application/json; charset=UTF-8")
_ALWAYS: Final = (_MEDIA, (b"x-content-type-options", b"nosniff"), (b"cache-control", b"no-store"))
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


class Unsaved(Refused):
    """Something sent that is not taken as it is; `errors` by what they are about, as MISP has them."""

    def __init__(self, text: str, *, hint: str = "", about: str = "value") -> None:
        super().__init__(text, hint=hint)
        self.about = about


def told(what: Any, *, status: int = 200) -> Answer:
    """Return JSON."""
    return Answer(status, _encode(what))


def response(what: Any) -> Answer:
    """Return JSON as searches answer it."""
    return told({"response": what})


def tagged(body: bytes) -> Answer:
    """Return an answer that a client may ask for on condition (RFC 9110 §8.8.3)."""
    etag = b'"' + hashlib.sha256(body).hexdigest()[:32].encode() + b'"'
    return Answer(200, body, ((b"etag", etag),))


def unless_known(answer: Answer, if_none_match: str) -> Answer:
    """Return 304 without a body where the client has what would be answered (RFC 9110 §13.1.2)."""
    etag = dict(answer.headers).get(b"etag", b"").decode()
    known = {one.strip().removeprefix("W/") for one in if_none_match.split(",")}
    return Answer(304, b"", answer.headers) if etag and etag in known else answer


def saved(what: str, said: str, url: str, **more: Any) -> Answer:
    """Return what MISP says when something was done."""
    return told({"saved": True, "success": True, "name": said, "message": said, "url": url, "id": what, **more})


def error(what: ComityError, url: str) -> Answer:
    """Return an error. What is wrong with this machine is told only to its owner."""
    status, problem = problem_of(what)
    if isinstance(what, Unverified):  # MISP answers so, and its servers tell a bad key by it
        status = HTTPStatus.FORBIDDEN
    elif isinstance(what, Unusual):
        status = what.status
    said = msgspec.json.decode(problem, type=_Problem)
    text = f"{said.detail} ({said.hint})" if said.hint else said.detail
    body: dict[str, Any] = {"name": text, "message": text, "url": url, "code": what.code}
    if isinstance(what, Unsaved):
        body |= {"saved": False, "errors": {what.about: [text]}}
    return told(body, status=int(status))


class _Problem(msgspec.Struct):
    detail: str = ""
    hint: str = ""


def mistake(url: str) -> Answer:
    """Return the answer for what nobody foresaw."""
    return error(Fault("a mistake in this program"), url)


def large(limit: int) -> ComityError:
    """Return the error for a body over a limit."""
    return TooLarge(f"the body is over {limit} bytes", hint="send fewer attributes at a time")


def slow() -> ComityError:
    """Return the error for a body that does not come."""
    return Unusual(HTTPStatus.REQUEST_TIMEOUT, "the body did not come in time")


def refuse_method() -> ComityError:
    """Return the error for a method that an endpoint does not have."""
    return Unusual(HTTPStatus.METHOD_NOT_ALLOWED, "this endpoint is not asked so")


def refuse_form(form: str) -> ComityError:
    """Return the error for a form that this does not answer in."""
    return Misuse(f"{form[:32]!r} is not answered here", hint="returnFormat json; other forms are exports of this node")


def refuse_encoding() -> ComityError:
    """Return the error for a body that is packed."""
    return Unusual(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "bodies are not packed: /servers/getVersion names no encoding")


def nothing(url: str) -> ComityError:
    """Return the error for an endpoint that this does not have."""
    return NotFound(f"{url[:200]} is not served here", hint="Comity has the part of MISP that its reference names")


def gone() -> ComityError:
    """Return the error for a client that went away while it sent."""
    return Malformed("the client went away")
