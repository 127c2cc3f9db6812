"""What goes wrong over the API, as problem documents (RFC 9457) that name the field.

Rules: an error keeps its class, so that a client raises the same; what is wrong with a request is named by JSON pointer
(RFC 6901) into its body, or by the name of the parameter, all of it at once where that is possible.
"""

from __future__ import annotations

import http
import re
from collections.abc import Mapping, Sequence
from typing import Final

import msgspec
from starlette.responses import Response

from comity.errors import ComityError, Malformed, Unreachable
from comity.http import problem

REASON_CHARS_MAX: Final = 300  # of a reason, which may quote what was sent
FIELDS_MAX: Final = 20  # fields named in one answer
_AT: Final = re.compile(r"\A(?P<why>.*?)(?: - at `\$(?P<path>[^`]*)`)?\Z", re.DOTALL)
_STEP: Final = re.compile(r"\.(?P<name>[^.\[\]]+)|\[(?P<index>\d+|\.\.\.)\]")
_FIELD: Final = re.compile(r"(?:required|unknown) field `(?P<name>[^`]*)`")


class FieldError(msgspec.Struct, frozen=True):
    """One field that cannot stay as it is: a JSON pointer into the body, or a parameter's name, and why."""

    field: str
    reason: str


class ProblemDocument(msgspec.Struct, frozen=True, omit_defaults=True):
    """What went wrong (RFC 9457 §3), whose fault it is, and what to do about it."""

    title: str
    status: int
    detail: str
    code: str  # malformed, unverified, refused, too-large, unreachable, misuse, not-found, conflict or fault
    whose: str
    hint: str = ""
    errors: tuple[FieldError, ...] = ()


class Unfit(Malformed):
    """A request whose fields cannot stay as they are."""

    whose = "this request"

    def __init__(self, what: str, fields: Sequence[FieldError]) -> None:
        named = ", ".join(one.field or "the whole" for one in fields[:FIELDS_MAX])
        super().__init__(f"{what} cannot be taken: see {named}", hint="`errors` names each field and why")
        self.fields = tuple(fields[:FIELDS_MAX])


class TooManyRequests(Unreachable):
    """Asked too often; safe to try again after `seconds`."""

    whose = "this request"

    def __init__(self, what: str, seconds: int) -> None:
        super().__init__(what, hint=f"try again after {seconds} s")
        self.seconds = seconds


class OtherStatus(Exception):
    """An error whose status is not the one of its class (405, 408, 415, 422 …), with headers of its own."""

    def __init__(self, status: int, error: ComityError, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(str(error))
        self.status = status
        self.error = error
        self.headers = dict(headers or {})


def answer(error: ComityError | OtherStatus, fields: Sequence[FieldError] = ()) -> Response:
    """Return the response that says what went wrong, and with which fields where the error itself does not."""
    inner = error.error if isinstance(error, OtherStatus) else error
    status, written = problem.problem_of(inner)
    headers: dict[str, str] = {"Cache-Control": "no-store"}
    if isinstance(error, OtherStatus):
        status = error.status
        headers |= error.headers
    if isinstance(inner, TooManyRequests):
        status = http.HTTPStatus.TOO_MANY_REQUESTS
        headers["Retry-After"] = str(inner.seconds)
    if status == http.HTTPStatus.UNAUTHORIZED:
        headers["WWW-Authenticate"] = 'Bearer realm="comity"'
    said = msgspec.json.decode(written, type=dict[str, str | int])
    said |= {"status": int(status), "title": http.HTTPStatus(status).phrase}
    named = inner.fields if isinstance(inner, Unfit) else tuple(fields)
    document = msgspec.convert(said | {"errors": named}, ProblemDocument)
    return Response(msgspec.json.encode(document), status, headers=headers, media_type=problem.MEDIA_TYPE)


def field_of(error: Exception, *, before: str = "") -> FieldError:
    """Return the field that msgspec's error is about; `before` is the pointer to what was converted."""
    found = _AT.match(str(error))
    why, path = (found["why"], found["path"] or "") if found else (str(error), "")
    pointer = before + "".join(f"/{_escaped(step['name'] or step['index'])}" for step in _STEP.finditer(path))
    named = _FIELD.search(why)
    if named:
        pointer += f"/{_escaped(named['name'])}"
    return FieldError(pointer, shortened(why))


def shortened(text: str) -> str:
    """Return a reason on one line that a hostile value cannot fill."""
    line = "".join(char if char.isprintable() else " " for char in text)
    return line if len(line) <= REASON_CHARS_MAX else line[: REASON_CHARS_MAX - 1] + "…"


def _escaped(name: str) -> str:
    return name.replace("~", "~0").replace("/", "~1")  # RFC 6901 §3
