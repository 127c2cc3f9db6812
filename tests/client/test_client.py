"""The client against a serving node under TLS, and against nodes older, newer and worse than its own."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from comity.client import Client, Older, wire
from comity.client.wire import Reply, error_of
from comity.errors import (
    ComityError,
    Conflict,
    Fault,
    Malformed,
    Misuse,
    NotFound,
    Refused,
    TooLarge,
    Unreachable,
    Unverified,
)
from comity.http.tls import pin_of
from tests.cli.conftest import Party, found, free_port

Answer = tuple[int, dict[str, str], bytes]
HEALTH = (200, {}, b'{"status":"ok","api":["v1"],"comity":"0"}')


class Server:
    """Answers as it is told, and remembers what it was asked."""

    def __init__(self, answer: Callable[[str, str, int], Answer]) -> None:
        self.asked: list[tuple[str, str, dict[str, str], bytes]] = []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                length = int(self.headers.get("Content-Length") or 0)
                body = self.rfile.read(length)
                path = self.path.partition("?")[0]
                before = sum(1 for method, asked, *_ in outer.asked if (method, asked) == (self.command, path))
                outer.asked.append((self.command, path, dict(self.headers), body))
                status, headers, sent = answer(self.command, path, before)
                self.send_response(status)
                for name, value in {"Content-Length": str(len(sent)), **headers}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(sent)

            do_POST = do_DELETE = do_GET  # noqa: N815 (as http.server calls it)

            def log_message(self, *_: Any) -> None:
                """Say nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.base = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def serve(
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Callable[[Callable[[str, str, int], Answer]], tuple[Server, Client]]]:
    made: list[Server] = []
    monkeypatch.setattr("comity.client.calls.time.sleep", lambda _seconds: None)

    def make(answer: Callable[[str, str, int], Answer]) -> tuple[Server, Client]:
        made.append(Server(lambda m, p, n: HEALTH if p.endswith("/health") else answer(m, p, n)))
        return made[-1], Client(made[-1].base, "cmt_x_y", timeout=5.0)

    yield make
    for server in made:
        server.close()


def said(value: object, status: int = 200, **headers: str) -> Answer:
    return status, headers, json.dumps(value).encode()


# -- a node that serves -------------------------------------------------------------------


@pytest.fixture(scope="module")
def serving(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Party, str]]:
    """Return a node that `comity serve` serves, its API under the certificate of its peers' door."""
    party = found(tmp_path_factory.mktemp("serving"), "arcadia")
    port = free_port()
    settings = party.home / "settings.toml"
    settings.write_text(settings.read_text().replace('# api_listen = ""', f'api_listen = "127.0.0.1:{port}"'))
    party.serve()
    yield party, f"https://127.0.0.1:{port}"
    party.end()


def test_a_program_asks_a_serving_node_under_tls(serving: tuple[Party, str], tmp_path: Path) -> None:
    party, base = serving
    token = party.ask("token", "create", "triage", "--office", "csirt", "--may", "write")["token"]
    certificate = party.home / "tls.pem"
    pin = pin_of(certificate.read_bytes())
    text = b'{"type":"identity","spec_version":"2.1","id":"identity--0b1d0c58-8a3c-4c6b-a9b7-2a7d2f1f6c11",'
    text += b'"created":"2026-11-01T08:00:00.000Z","modified":"2026-11-01T08:00:00.000Z","name":"A"}'
    with Client(base, token, ca=certificate, pin=pin) as client:
        assert client.health().api == ("v1",)
        assert client.ingest(text, "lab", tlp="GREEN").kept == 1
        assert [held.raw for held in client.objects()] == [text]
        assert [one.source for one in client.imports()] == []
    with Client(base, token, ca=certificate) as client:
        assert client.sources()[0].name == "lab"
    party("token", "revoke", "triage", "--office", "csirt")
    with Client(base, token, ca=certificate) as client, pytest.raises(Unverified, match="no token that holds"):
        client.sources()
    listed = party.ask("token", "list", "--office", "csirt")["tokens"]
    assert [(one["name"], one["holds"], one["used"] > 0) for one in listed] == [("triage", False, True)]
    (sent,) = [one for one in party.ask("sources", "--as", "csirt")["sources"] if one["name"] == "lab"]
    assert sent["marking"] == "TLP:GREEN PAP:RED"
    assert token.encode() not in (party.home.parent / "arcadia.log").read_bytes()


def test_a_certificate_or_key_that_does_not_hold_is_told_no_token(serving: tuple[Party, str]) -> None:
    party, base = serving
    certificate = party.home / "tls.pem"
    with Client(base, "cmt_x_y") as client, pytest.raises(Unverified, match="certificate"):
        client.sources()
    other = "sha256/" + "A" * 43 + "="
    with Client(base, "cmt_x_y", ca=certificate, pin=other) as client, pytest.raises(Unverified, match="pinned"):
        client.sources()
    with pytest.raises(Misuse):
        Client(base, "x", ca=party.home / "settings.toml")
    with Client(base.replace("127.0.0.1", "localhost"), "x", ca=certificate) as client, pytest.raises(Unverified):
        client.sources()


def test_a_node_is_named_so_that_no_token_is_lost(tmp_path: Path) -> None:
    for base in (
        "http://192.0.2.1",
        "http://node.example",
        "ftp://127.0.0.1",
        "node.example",
        "https://a:b@node.example",
        "",
    ):
        with pytest.raises(Misuse):
            Client(base, "cmt_x_y")
    for token in ("a b", "a\nb", "\u00e9"):
        with pytest.raises(Misuse):
            Client("http://127.0.0.1:1", token)
    with Client("http://127.0.0.1:1", "x", timeout=2.0) as client, pytest.raises(Unreachable):
        client.ingest((b"once",), "x")
    with Client("http://127.0.0.1:1", "x") as client, pytest.raises(Misuse):
        client.ingest(tmp_path / "absent", "x")


# -- nodes of other versions ----------------------------------------------------------------


def test_a_newer_node_is_read_as_far_as_it_is_known(serve: Any) -> None:
    newer = {
        "objects": [{"id": "x", "new": [1, {"deep": 2}]}],
        "witnesses": [{"party": "cert.arcadia.example", "marking": "TLP:ULTRA PAP:NEW", "shade": 7}],
        "next": None,
        "total": {"exact": 9},
    }
    lines = {"lines": [{"asked": "a", "state": "quarantined-by-moonlight", "shine": 0.3}], "version": 9}

    def answer(_method: str, path: str, _before: int) -> Answer:
        return said(newer if path.endswith("/objects") else lines)

    _, client = serve(answer)
    (held,) = client.objects()
    assert (held.value["new"][1]["deep"], held.said.marking) == (2, "TLP:ULTRA PAP:NEW")
    (known,) = client.known(["a"])
    assert known.state == "quarantined-by-moonlight"


def test_an_older_node_is_read_with_what_it_has(serve: Any) -> None:
    def answer(_method: str, path: str, _before: int) -> Answer:
        return said({"objects": [{"id": "x"}]} if path.endswith("/objects") else {"lines": [{"asked": "a"}]})

    _, client = serve(answer)
    (held,) = client.objects()
    assert (held.value, held.said.party) == ({"id": "x"}, "")
    (known,) = client.known(["a"])
    assert (known.state, known.confidence) == ("", None)


def test_versions_are_negotiated_once(serve: Any) -> None:
    server, client = serve(lambda *_: said({"sources": []}))
    client.sources()
    client.sources()
    assert [path for _, path, _, _ in server.asked].count("/api/v1/health") == 1
    alien = Server(lambda *_: said({"status": "ok", "api": ["v7", "v8"]}))
    ancient = Server(lambda _m, path, _n: said({}, 404) if path.endswith("/health") else said({"sources": []}))
    try:
        with Client(alien.base, "x") as client, pytest.raises(Misuse, match="v7, v8"):
            client.sources()
        with Client(ancient.base, "x") as client:
            assert client.sources() == ()
    finally:
        alien.close()
        ancient.close()


def test_a_route_that_an_older_node_lacks_is_told_from_a_thing_that_it_does_not_hold(serve: Any) -> None:
    document = {"openapi": "3.1.0", "paths": {"/attachments/{name}": {"get": {}}, "/rules/{name}": {"get": {}}}}

    def answer(_method: str, path: str, _before: int) -> Answer:
        if path.endswith("/openapi.json"):
            return said(document)
        return said({"detail": "not allowed"}, 405) if path.endswith("/rules/x") else said({"code": "not-found"}, 404)

    server, client = serve(answer)
    for lacking in (client.evidence, lambda: client.forget_rule("x"), lambda: client.read_evidence("a/b/1#2", "why")):
        with pytest.raises(Older, match="comity 0 is older than this client"):
            lacking()
    for _ in range(2):
        with pytest.raises(NotFound):
            client.attachment("cert.arcadia.example/home/1#9")
    assert [path for _, path, _, _ in server.asked].count("/api/v1/openapi.json") == 1
    assert server.asked[-1][1] == "/api/v1/attachments/cert.arcadia.example%2Fhome%2F1%239"
    _, client = serve(lambda *_: said({"code": "not-found"}, 404))
    with pytest.raises(NotFound):  # a node without a document is not judged
        client.evidence()


def test_a_file_comes_whole_or_not_at_all(serve: Any, tmp_path: Path) -> None:
    _, client = serve(lambda *_: (200, {"Content-Length": "100"}, b"half of it"))
    with pytest.raises(Unreachable):
        client.proof("x", tmp_path / "out")
    _, client = serve(lambda *_: (200, {}, b"whole"))
    assert client.proof("x", tmp_path / "out").statement == ""
    assert (tmp_path / "out").read_bytes() == b"whole"
    _, client = serve(lambda *_: (200, {"Comity-Answer": "[not json"}, b"whole"))
    with pytest.raises(Malformed):
        client.proof("x", tmp_path / "other")
    with pytest.raises(Fault):
        client.proof("x", tmp_path / "no-such" / "out")
    server, client = serve(lambda *_: said({}, 503))
    with pytest.raises(Unreachable):
        client.export(tmp_path / "other", "x")
    assert len([path for _, path, _, _ in server.asked if path.endswith("/export")]) == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out"]


# -- nodes that fail ------------------------------------------------------------------------


def test_what_is_safe_to_repeat_is_repeated_under_one_key(serve: Any) -> None:
    server, client = serve(lambda _m, _p, before: said({"statement": "s"}) if before else said({}, 503))
    assert client.sight("192.0.2.1").statement == "s"
    keys = [headers["Idempotency-Key"] for method, _, headers, _ in server.asked if method == "POST"]
    assert len(keys) == 2
    assert len(set(keys)) == 1
    assert client.ingest(b"abc", "x").read == 0
    bodies = [body for _, path, _, body in server.asked if path.endswith("/ingest")]
    assert bodies == [b"abc", b"abc"]


def test_what_cannot_be_read_twice_is_sent_once(serve: Any) -> None:
    server, client = serve(lambda *_: said({}, 503))
    with pytest.raises(Unreachable):
        client.ingest(iter([b"abc"]), "x")
    assert len([path for _, path, _, _ in server.asked if path.endswith("/ingest")]) == 1
    with pytest.raises(Unreachable):
        client.sources()
    assert len([path for _, path, _, _ in server.asked if path.endswith("/sources")]) == wire.ATTEMPTS


def test_a_node_that_is_busy_is_asked_again_when_it_says(serve: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    slept: list[float] = []
    monkeypatch.setattr("comity.client.calls.time.sleep", slept.append)
    after = {0: "2", 1: "99999"}
    _, client = serve(
        lambda _m, _p, before: said({}, 429, **{"Retry-After": after[before]}) if before < 2 else said({"sources": []})
    )
    assert client.sources() == ()
    assert slept == [2.0, wire.WAIT_SECONDS_MAX]


@pytest.mark.parametrize(
    ("status", "code", "kind"),
    [
        (400, "malformed", Malformed), (401, "unverified", Unverified), (403, "refused", Refused),
        (404, "not-found", NotFound), (409, "conflict", Conflict), (413, "too-large", TooLarge),
        (422, "misuse", Misuse), (500, "fault", Fault), (503, "", Unreachable), (404, "", NotFound),
        (418, "never heard of", Misuse), (400, "x" * 9_999, Misuse),
    ],
)  # fmt: skip
def test_errors_keep_their_class_and_name_their_fields(
    serve: Any, status: int, code: str, kind: type[ComityError]
) -> None:
    problem = {
        "detail": "so \x1b[31m\u202eit is",
        "code": code,
        "hint": "do",
        "errors": [{"field": "/a", "reason": "odd"}],
    }
    _, client = serve(lambda *_: said(problem, status))
    with pytest.raises(kind) as raised:
        client.sources()
    assert type(raised.value) is kind
    assert str(raised.value) == "so [31m it is (/a: odd)"
    assert raised.value.hint == "do"


def test_answers_that_are_none_are_said_to_be_so(serve: Any) -> None:
    for odd in (b"<html>", b"", b"[]", b'{"sources":7}', b"\xff", b"[" * 100_000):
        _, client = serve(lambda *_, odd=odd: (200, {}, odd))
        with pytest.raises(Malformed):
            client.sources()
    _, client = serve(lambda *_: (302, {"Location": "https://evil.example"}, b""))
    with pytest.raises(Refused):
        client.sources()
    server, client = serve(lambda *_: said({"objects": [], "next": "same"}))
    with pytest.raises(Malformed, match="again and again"):
        list(client.objects())
    assert len(server.asked) == 3
    _, client = serve(lambda *_: (200, {"Content-Length": "100"}, b"{}"))
    with pytest.raises(Unreachable):
        client.ingest(iter([b"x"]), "x")


def test_an_answer_without_end_is_cut(serve: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wire, "ANSWER_BYTES_MAX", 1_000)
    _, client = serve(lambda *_: (200, {}, b" " * 5_000))
    with pytest.raises(TooLarge):
        client.sources()


@given(st.integers(400, 599), st.binary(max_size=200) | st.just(b'{"code":"fault","errors":[{}]}'))
def test_any_error_body_gives_an_error_on_one_line(status: int, body: bytes) -> None:
    error = error_of(Reply(status, {}, body))
    assert isinstance(error, ComityError)
    assert (str(error) + error.hint).isprintable()
