"""Errors over HTTP: a `ComityError` as a problem document (RFC 9457), and back.

Rules: the document carries the error's code, whose fault it is, its message and its hint, so that the far
side raises the same class. What comes back is a stranger's text: bounded, on one line, nothing in it that
moves a terminal's cursor or turns writing round. Any bytes give an error to raise, never one in reading them.
"""

from __future__ import annotations

import http
from typing import Final

import msgspec

from comity import errors
from comity.errors import ComityError
from comity.limits import PROBLEM_BYTES_MAX, PROBLEM_TEXT_CHARS_MAX

MEDIA_TYPE: Final = "application/problem+json"

# A class that is not named has the status of the nearest one it derives from.
_STATUS: Final[dict[type[ComityError], int]] = {
    errors.Theirs: 400,
    errors.Unverified: 401,
    errors.Refused: 403,
    errors.TooLarge: 413,
    errors.Unreachable: 502,
    errors.Ours: 400,
    errors.NotFound: 404,
    errors.Conflict: 409,
    ComityError: 500,
}
_BY_CODE: Final[dict[str, type[ComityError]]] = {
    kind.code: kind
    for kind in (
        errors.Malformed, errors.Unverified, errors.Refused, errors.TooLarge, errors.Unreachable,
        errors.Misuse, errors.NotFound, errors.Conflict, errors.Fault,
    )
}  # fmt: skip
# What a status says when no problem document explains it: a proxy's page, or another kind of server.
_BY_STATUS: Final[dict[int, type[ComityError]]] = {
    401: errors.Unverified,
    403: errors.Refused,
    404: errors.NotFound,
    409: errors.Conflict,
    410: errors.NotFound,
    413: errors.TooLarge,
    429: errors.Unreachable,
}


class _Problem(msgspec.Struct, frozen=True, omit_defaults=True):
    """RFC 9457 §3.1. There is no `type`, which stands for "about:blank": the code below is what programs read."""

    title: str = ""
    status: int = 0
    detail: str = ""
    code: str = ""
    whose: str = ""
    hint: str = ""


def problem_of(error: ComityError, *, to_owner: bool = False) -> tuple[int, bytes]:
    """Return the status and the problem document of an error, of media type `MEDIA_TYPE`.

    What is wrong with this machine (paths, disks) is told only to its owner.
    """
    status = next(_STATUS[kind] for kind in type(error).__mro__ if kind in _STATUS)
    detail, hint = str(error), error.hint
    if isinstance(error, errors.Fault) and not to_owner:
        detail, hint = "this node has a fault of its own", "try again later; its operator can read what happened"
    problem = _Problem(http.HTTPStatus(status).phrase, status, _clean(detail), error.code, error.whose, _clean(hint))
    return status, msgspec.json.encode(problem)


def error_of(status: int, body: bytes, *, peer: str = "") -> ComityError:
    """Return the error that an answer with an error status stands for.

    Without a `peer` the answer is from our own node and the error is as it was there. A peer's error keeps
    its class and gets the peer's name in front; but its `Fault` is no fault of this machine, so it becomes
    `Unreachable`: try again later.
    """
    problem = _read(body)
    kind = _BY_CODE.get(problem.code) or _kind_of(status)
    text = _clean(problem.detail) or _clean(problem.title) or f"an answer with status {status} and no explanation"
    if peer:
        text = f"{peer} says: {text}"
        if issubclass(kind, errors.Fault):
            kind = errors.Unreachable
    return kind(text, hint=_clean(problem.hint))


def _kind_of(status: int) -> type[ComityError]:
    if 400 <= status < 500:
        return _BY_STATUS.get(status, errors.Misuse)
    if 500 <= status < 600:
        return errors.Unreachable
    return errors.Malformed  # not an error status at all: the far side does not speak this protocol


def _read(body: bytes) -> _Problem:
    if len(body) > PROBLEM_BYTES_MAX:
        return _Problem()
    try:
        return msgspec.json.decode(body, type=_Problem)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return _Problem()


def _clean(text: str) -> str:
    shown = "".join(char if char.isprintable() else " " for char in text[: 2 * PROBLEM_TEXT_CHARS_MAX])
    line = " ".join(shown.split())
    return line if len(line) <= PROBLEM_TEXT_CHARS_MAX else line[: PROBLEM_TEXT_CHARS_MAX - 1] + "…"
