"""Clients that mean no good, or know no better: what they meet, and that others are served meanwhile."""

from __future__ import annotations

import http.client
import json
import socket
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from comity.formats import taxii
from comity.formats.taxii import Filters
from comity.node import submissions
from tests.taxii.conftest import MEDIA, Taxii, ident, indicator


def test_pages_far_beyond_the_end_are_empty_and_cheap(node: Taxii) -> None:
    node.collect([indicator(0)])
    far = taxii.cursor(taxii.MOMENT_MAX - 1, Filters())
    for query in ({"added_after": "9999-12-31T23:59:59.999999Z"}, {"next": far}):
        got = node.objects(**query)
        assert (got.status, got.json) == (200, {})
    assert node.objects(next=taxii.cursor(taxii.MOMENT_MAX, Filters())).status == 400
    assert node.objects(limit=2**53).ids == [ident(0)]


def test_a_cursor_of_one_question_answers_no_other(node: Taxii) -> None:
    node.collect([indicator(n) for n in range(3)])
    given = node.objects(limit=1).json["next"]
    assert node.objects(limit=2, next=given).ids == [ident(1), ident(2)]
    for query in (
        {"match_type": "indicator"},
        {"match_version": "all"},
        {"added_after": "2026-01-01T00:00:00.000000Z"},
    ):
        assert node.objects(next=given, **query).status == 400


def test_who_never_reads_holds_up_nobody(node: Taxii) -> None:
    node.collect([indicator(n, description="x" * 20_000) for n in range(400)])
    request = (
        f"GET {node.collection()}objects/ HTTP/1.1\r\nHost: x\r\nAccept: {MEDIA}\r\nAuthorization: {node.login}\r\n\r\n"
    )
    silent = []
    for _ in range(8):
        sock = socket.create_connection(("127.0.0.1", node.port))
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
        sock.sendall(request.encode())
        silent.append(sock)
    assert node.objects(limit=1).ids == [ident(0)]
    for sock in silent:
        sock.close()


def test_an_object_that_repeats_a_key_is_refused_and_those_beside_it_are_taken(node: Taxii) -> None:
    good = json.dumps(indicator(1)).encode()
    twice = json.dumps(indicator(2)).encode().replace(b'"pattern_type"', b'"id":"indicator--x","pattern_type"')
    body = b'{"objects":[' + twice + b"," + good + b"]}"
    login = node.token(may="write")
    told = node.send("POST", node.collection("inbox") + "objects/", login, body, Content_Type=MEDIA).json
    assert (told["success_count"], told["failure_count"]) == (1, 1)
    assert told["successes"][0]["id"] == ident(1)
    assert node.objects("inbox", login).ids == [ident(1)]


@pytest.mark.parametrize(
    "hostile",
    [
        {"type": "indicator", "id": "indicator--" + "a" * 10_000},
        {"type": "x" * 5_000, "id": "x"},
        {"objects": [{"type": "indicator"}]},
        {"id": None, "type": None},
        {"a": [[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]},
        {"type": "indicator", "id": "indicator--\u202e\x00", "modified": "2026-99-99T00:00:00Z"},
    ],
)
def test_hostile_objects_are_failures_with_a_reason(node: Taxii, hostile: dict[str, Any]) -> None:
    told = node.post([hostile, indicator(1)]).json
    assert (told["failure_count"], told["pending_count"]) == (1, 1)
    assert told["failures"][0]["message"]
    assert told["failures"][0]["version"]
    assert len(json.dumps(told)) < 4_000


def test_deep_nesting_and_huge_numbers_are_answered(node: Taxii) -> None:
    path = node.collection("inbox") + "objects/"
    for body in (b'{"objects":' + b"[" * 100_000 + b"]" * 100_000 + b"}", b'{"objects":[{"a":1e999999}]}'):
        assert node.send("POST", path, None, body, Content_Type=MEDIA).status in {202, 422}


def test_what_waits_is_bounded_and_says_so(node: Taxii, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(submissions, "SUBMISSIONS_WAITING_MAX", 2)
    assert [node.post([indicator(n)]).status for n in range(3)] == [202, 202, 409]


def test_paths_lead_nowhere_else(node: Taxii) -> None:
    for path in (
        "/taxii2/csirt/../police/",
        "/taxii2/%2e%2e/",
        "//taxii2/x/",
        "/taxii2/csirt/collections/%00/",
        "/api/v1/health",
        "/",
    ):
        got = node.send("GET", path)
        assert got.status in {400, 404}, path


def test_keep_alive_serves_many_requests_on_one_connection(node: Taxii) -> None:
    node.collect([indicator(0)])
    connection = http.client.HTTPConnection("127.0.0.1", node.port, timeout=20)
    for _ in range(5):
        for method, path in (("GET", f"{node.collection()}objects/"), ("GET", "/taxii2/none/"), ("HEAD", "/taxii2/")):
            connection.request(method, path, headers={"Accept": MEDIA, "Authorization": node.login})
            answer = connection.getresponse()
            answer.read()
            assert answer.status in {200, 404}
    connection.close()


PARTS = (
    "collections",
    "released",
    "inbox",
    "objects",
    "manifest",
    "versions",
    "status",
    ident(0),
    "%ff",
    "~",
    "a" * 300,
)


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    method=st.sampled_from(["GET", "POST", "DELETE", "HEAD", "PUT"]),
    path=st.lists(st.sampled_from(PARTS), max_size=6),
    query=st.text(st.characters(min_codepoint=33, max_codepoint=126, exclude_characters="#"), max_size=60),
    body=st.binary(max_size=60),
)
def test_any_request_has_an_answer_of_taxii(node: Taxii, method: str, path: list[str], query: str, body: bytes) -> None:
    got = node.send(method, f"/taxii2/csirt/{'/'.join(path)}?{query}", None, body, Content_Type=MEDIA)
    assert got.status in {200, 202, 400, 403, 404, 405, 422}
    assert got.headers["content-type"] == MEDIA
