from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from comity import errors
from comity.errors import ComityError
from comity.http.problem import error_of, problem_of
from comity.limits import PROBLEM_TEXT_CHARS_MAX

RAISED = [
    (errors.Malformed, 400), (errors.Unverified, 401), (errors.Refused, 403), (errors.TooLarge, 413),
    (errors.Unreachable, 502), (errors.Misuse, 400), (errors.NotFound, 404), (errors.Conflict, 409),
    (errors.Fault, 500),
]  # fmt: skip


def subclasses(kind: type[ComityError]) -> set[type[ComityError]]:
    return {kind}.union(*(subclasses(below) for below in kind.__subclasses__()))


@pytest.mark.parametrize(("kind", "status"), RAISED)
def test_an_error_crosses_the_wire_and_is_raised_as_it_was(kind: type[ComityError], status: int) -> None:
    got, body = problem_of(kind("what happened", hint="what to do"), to_owner=True)
    assert got == status
    back = error_of(got, body)
    assert (type(back), str(back), back.hint) == (kind, "what happened", "what to do")


def test_every_error_has_a_status_and_crosses_the_wire() -> None:
    abstract = {errors.ComityError, errors.Theirs, errors.Ours}
    # What a door derives for itself crosses the wire as what it is derived from.
    known = {kind for kind in subclasses(ComityError) if kind.__module__ == errors.__name__}
    assert {kind for kind, _ in RAISED} | abstract == known
    for kind in abstract:
        status, body = problem_of(kind("x"))
        assert isinstance(error_of(status, body), ComityError)


def test_the_document_is_what_rfc_9457_asks_for() -> None:
    _, body = problem_of(errors.Refused("the accord forbids it", hint="ask the author"))
    assert json.loads(body) == {
        "title": "Forbidden",
        "status": 403,
        "detail": "the accord forbids it",
        "code": "refused",
        "whose": "their data",
        "hint": "ask the author",
    }


def test_what_is_wrong_with_this_machine_is_told_to_its_owner_only() -> None:
    fault = errors.Fault("/var/lib/comity/log.sqlite: no space left", hint="df /var")
    assert b"/var" not in problem_of(fault)[1]
    assert b"/var" in problem_of(fault, to_owner=True)[1]


def test_a_peer_is_named_and_its_fault_is_not_ours() -> None:
    _, body = problem_of(errors.Refused("not opened"))
    error = error_of(403, body, peer="cert.borealia.example")
    assert str(error) == "cert.borealia.example says: not opened"
    assert type(error) is errors.Refused
    assert type(error_of(*problem_of(errors.Fault("x")), peer="p")) is errors.Unreachable
    assert type(error_of(*problem_of(errors.Fault("x")))) is errors.Fault


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, errors.Misuse), (401, errors.Unverified), (403, errors.Refused), (404, errors.NotFound),
        (409, errors.Conflict), (410, errors.NotFound), (413, errors.TooLarge), (418, errors.Misuse),
        (429, errors.Unreachable), (500, errors.Unreachable), (502, errors.Unreachable), (503, errors.Unreachable),
        (200, errors.Malformed), (304, errors.Malformed), (999, errors.Malformed),
    ],
)  # fmt: skip
@pytest.mark.parametrize("body", [b"", b"<html>Bad gateway</html>", b"[1]", b'{"code":"no-such"}', b'{"code":7}'])
def test_without_a_problem_document_the_status_speaks(status: int, kind: type[ComityError], body: bytes) -> None:
    assert type(error_of(status, body)) is kind


def test_the_far_sides_text_cannot_move_the_cursor_or_fill_the_screen() -> None:
    hostile = "a\x1b[2Jb\r\nc\u202edef\u2066\x00" + "x" * 5000
    error = error_of(403, json.dumps({"code": "refused", "detail": hostile, "hint": hostile}).encode())
    assert str(error).startswith("a [2Jb c def x")
    assert str(error).isprintable()
    assert error.hint.isprintable()
    assert len(str(error)) <= PROBLEM_TEXT_CHARS_MAX
    assert len(error.hint) <= PROBLEM_TEXT_CHARS_MAX


def test_a_document_over_the_limit_is_not_read() -> None:
    body = json.dumps({"code": "refused", "detail": "x" * 20_000}).encode()
    assert "no explanation" in str(error_of(404, body))


@given(st.integers(0, 999), st.binary(max_size=200) | st.text().map(lambda text: json.dumps({"detail": text}).encode()))
def test_any_answer_gives_an_error_to_raise(status: int, body: bytes) -> None:
    error = error_of(status, body, peer="p")
    assert isinstance(error, ComityError)
    assert error.says().isprintable()
