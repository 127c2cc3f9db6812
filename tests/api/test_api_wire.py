"""What strangers and mistakes send: every answer is a problem that names what is wrong, and the node goes on."""

from __future__ import annotations

import contextlib
import json
import socket
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from comity.http.listen import Listener, Tcp
from comity.limits import API_BODY_BYTES_MAX, API_VALUES_MAX
from comity.surfaces.api import reading, spool
from comity.surfaces.api.door import application
from comity.surfaces.api.problems import Unfit
from comity.surfaces.api.routes import ROUTES
from comity.surfaces.cli.verbs.asking import GiveAnswer
from comity.surfaces.cli.verbs.release import Share
from tests.api.conftest import Node

PROBLEM = "application/problem+json"


@pytest.fixture(scope="module")
def writer(shared_node: Node) -> str:
    return shared_node.token("writer")


def fields(got: Any) -> list[str]:
    return [one["field"] for one in got.json["errors"]]


@pytest.mark.parametrize(
    ("body", "field"),
    [
        (b"{", ""), (b"", ""), (b"[]", ""), (b"null", ""), (b'"x"', ""), (b"\xff", ""), (b"[" * 5000, ""),
        (b"{}", "/choice"), (b'{"accord":1,"choice":{}}', "/accord"), (b'{"accord":"x"}', "/choice"),
        (b'{"accord":"x","choice":{"names":[1]}}', "/choice/names/0"),
        (b'{"accord":"x","choice":{"nmaes":[]}}', "/choice/nmaes"),
        (b'{"accord":"x","choice":{},"marking":{"tlpp":"RED"}}', "/marking/tlpp"),
        (b'{"accord":"x","choice":{},"office":"police"}', "/office"),
        (b'{"accord":"x","choice":{},"user":"ada"}', "/user"),
        (b'{"accord":"x","choice":{},"a/b~c":1}', "/a~1b~0c"),
        (b'{"accord":"x","choice":{"since":9007199254740992}}', "/choice/since"),
        (b'{"accord":"x","choice":{"since":1' + b"0" * 400 + b'}}', "/choice/since"),
        (b'{"accord":"x","choice":{"since":1.5}}', "/choice/since"),
        (b'{"accord":"\\ud800","choice":{}}', ""),
    ],
)  # fmt: skip
def test_a_body_that_cannot_be_taken_names_its_field(shared_node: Node, body: bytes, field: str) -> None:
    got = shared_node.send("POST", "/api/v1/share", shared_node.token(), body, Content_Type="application/json")
    assert (got.status, got.headers["content-type"]) == (400, PROBLEM)
    if field == "/choice":
        assert fields(got)[0] in {"/choice", "/accord"}
    else:
        assert fields(got)[0] == field
    assert got.json["whose"] == "this request"


def test_an_operation_that_quotes_a_field_names_it(shared_node: Node, writer: str) -> None:
    said = {
        "/questions": ({"accord": "x", "why": "because", "values": ["192.0.2.1"]}, ["/why"]),
        "/correlate": ({"choice": {"type": "nothing"}}, ["/choice/type"]),
    }
    for path, (body, named) in said.items():
        got = shared_node.post(path, writer, body)
        assert (path, got.status, fields(got)) == (path, 400, named)
    got = shared_node.send("POST", "/api/v1/ingest?source=x&format=no-such", writer, b"{}")
    assert fields(got) == ["format"]


def test_other_methods_types_and_paths_are_told_what_to_do(shared_node: Node) -> None:
    token = shared_node.token()
    wrong = shared_node.send("DELETE", "/api/v1/objects", token)
    assert (wrong.status, wrong.headers["content-type"]) == (405, PROBLEM)
    assert set(wrong.headers["allow"].split(", ")) == {"GET", "HEAD"}
    for kind in ("text/plain", "application/x-www-form-urlencoded", "application/jsonx", ""):
        got = shared_node.send("POST", "/api/v1/lookup", token, b"{}", **({"Content_Type": kind} if kind else {}))
        assert (got.status, got.headers["content-type"]) == (415, PROBLEM)
    for path in (
        "/", "/api", "/api/v1", "/api/v1/", "/api/v2/objects", "/api/v1//objects", "/api/v1/objects/",
        "/api/v1/../v1/objects", "/api/v1/%2e%2e/objects", "/api/v1/objects%00", "/API/v1/objects",
    ):  # fmt: skip
        got = shared_node.send("GET", path, token)
        assert (path, got.status, got.headers["content-type"]) == (path, 404, PROBLEM)
    assert shared_node.send("OPTIONS", "/api/v1/objects", Origin="https://evil.example").status == 405
    allowed = shared_node.send("GET", "/api/v1/health", Origin="https://evil.example")
    assert not [name for name in allowed.headers if name.startswith("access-control") or name == "set-cookie"]
    assert shared_node.send("HEAD", "/api/v1/objects", token).status == 200


def test_a_body_over_its_limit_is_refused_by_name(shared_node: Node) -> None:
    token = shared_node.token()
    huge = json.dumps({"values": ["x" * API_BODY_BYTES_MAX]}).encode()
    got = shared_node.send("POST", "/api/v1/lookup", token, huge, Content_Type="application/json")
    assert (got.status, got.json["code"]) == (413, "too-large")
    assert "API_BODY_BYTES_MAX" in got.json["detail"]
    many = shared_node.post("/known", token, {"values": ["x"] * (API_VALUES_MAX + 1)})
    assert (many.status, fields(many)) == (400, ["/values"])
    assert fields(shared_node.post("/lookup", token, {"values": ["x"] * 1_001})) == ["/values"]
    choice = {"choice": {"names": ["x"] * (API_VALUES_MAX + 1)}}
    assert fields(shared_node.post("/correlate", token, choice)) == ["/choice/names"]


def test_a_body_that_drips_is_cut(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "API_BODY_SECONDS_MAX", 0.3)
    monkeypatch.setattr(spool, "API_INGEST_SECONDS_MAX", 0.3)
    token = node.token()
    for path, kind in (("lookup", "application/json"), ("ingest?source=x", "application/octet-stream")):
        with socket.create_connection(("127.0.0.1", node.port), timeout=20) as raw:
            head = f"POST /api/v1/{path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\n"
            raw.sendall(f"{head}Content-Type: {kind}\r\nContent-Length: 100\r\n\r\n{{".encode())
            assert raw.recv(65_536).startswith(b"HTTP/1.1 408 ")
    assert not list((node.party.home / "run").glob("spool/*"))


def test_a_caller_that_goes_away_leaves_nothing(node: Node) -> None:
    token = node.token()
    for _ in range(6):
        with socket.create_connection(("127.0.0.1", node.port), timeout=20) as raw:
            head = f"POST /api/v1/ingest?source=x HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\n"
            raw.sendall(f"{head}Content-Length: 1000000\r\n\r\nxyz".encode())
    assert node.client(token).ingest(b'{"type":"bundle","id":"x","objects":[]}', "x").read == 0
    assert node.get("/imports", token).status == 200


@pytest.mark.parametrize(
    "head",
    [
        b"GET /api/v1/sources HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer \xff\xfe\r\n\r\n",
        b"GET /api/v1/sources HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer a\r\nAuthorization: Bearer b\r\n\r\n",
        b"GET /api/v1/sources HTTP/1.1\r\nHost: x\r\nX: " + b"y" * 20_000 + b"\r\n\r\n",
        b"GET /api/v1/\xff HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET /api/v1/%ff%fe HTTP/1.1\r\nHost: x\r\n\r\n",
        b"BREW /api/v1/sources HTTP/1.1\r\nHost: x\r\n\r\n",
        b"POST /api/v1/lookup HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"GET /api/v1/sources HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
        b"POST /api/v1/ingest?source=x HTTP/1.1\r\nHost: x\r\nContent-Length: 2000000000\r\n\r\n",
        b"\x16\x03\x01\x02\x00",
    ],
)
def test_hostile_heads_get_an_error_or_a_closed_door(shared_node: Node, head: bytes) -> None:
    with socket.create_connection(("127.0.0.1", shared_node.port), timeout=20) as raw:
        raw.sendall(head)
        raw.shutdown(socket.SHUT_WR)
        got = b""
        with contextlib.suppress(ConnectionResetError):
            got = raw.recv(65_536)
    assert not got or got.startswith(b"HTTP/1.1 4")
    assert shared_node.send("GET", "/api/v1/health").status == 200


def test_a_mistake_of_the_program_is_told_without_its_insides(node: Node) -> None:
    def broken(name: str, ask: bytes, report: object) -> bytes:
        raise RuntimeError("/secret/path")

    app = application(node.machine, broken, node.machine.turns.mine, node.party.home / "run" / "other")
    listener = Listener(app, Tcp("127.0.0.1"))
    listener.start()
    try:
        other = Node(node.party, node.machine, listener.port)
        got = other.get("/sources", node.token())
    finally:
        listener.stop()
    assert (got.status, got.json["code"], got.headers["content-type"]) == (500, "fault", PROBLEM)
    assert b"secret" not in got.body


NAMES = ["accord", "choice", "names", "marking", "tlp", "values", "lines", "said", "office"]
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(NAMES) | st.text(max_size=5), inner, max_size=4)
    ),
    max_leaves=20,
)


@given(JSON.map(lambda tree: json.dumps(tree).encode()) | st.binary(max_size=200), st.sampled_from([Share, GiveAnswer]))
@settings(max_examples=300)
def test_any_body_is_read_or_named_unfit(data: bytes, kind: type[Any]) -> None:
    with contextlib.suppress(Unfit):
        assert isinstance(reading.decoded(data, kind, {"office": "csirt", "user": "x"}), kind)


@given(st.sampled_from([route for route in ROUTES if route.asks]), JSON)
@settings(max_examples=60)
def test_any_json_gets_an_answer_from_any_route(shared_node: Node, writer: str, route: Any, tree: object) -> None:
    got = shared_node.post(route.path.replace("{question}", "x%231"), writer, tree)
    assert got.status in {200, 400, 403, 404, 409, 413, 429}
    assert got.headers["content-type"] in {PROBLEM, "application/json"}
