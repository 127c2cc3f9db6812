from __future__ import annotations

import contextlib
import hashlib
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from comity.errors import ComityError, Malformed, Misuse, NotFound, Refused, TooLarge, Unreachable
from comity.http.fetch import Fetcher
from comity.http.listen import Listener, Tcp
from comity.node.polling import Fetching
from comity.transports.caller import Caller
from comity.transports.feeds import FileFeed, MispFeed, UrlFeed
from tests.http.servers import answering, raw

Call = Callable[..., Caller]
ONE, TWO, THREE = (f"0000000{n}-2222-4333-8444-555555555555" for n in (1, 2, 3))


@dataclass
class Files:
    """Serves files with their validators, and remembers what was asked."""

    content: dict[str, bytes] = field(default_factory=dict)
    answers: list[Response] = field(default_factory=list)
    asked: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    dated: bool = False  # known by a date, else by an ETag

    def get(self, request: Request) -> Response:
        path = request.url.path
        self.asked.append((path, dict(request.headers)))
        if self.answers:
            return self.answers.pop(0)
        if path not in self.content:
            return Response(status_code=404)
        data = self.content[path]
        if self.dated:
            name, condition, value = "Last-Modified", "if-modified-since", "Mon, 21 Sep 2026 14:13:20 GMT"
        else:
            name, condition, value = "ETag", "if-none-match", f'"{hashlib.sha256(data).hexdigest()[:8]}"'
        if request.headers.get(condition) == value:
            return Response(status_code=304)
        return Response(data, headers={name: value})

    def paths(self) -> list[str]:
        return [path for path, _ in self.asked]


@pytest.fixture
def files() -> Files:
    return Files()


@pytest.fixture
def base(files: Files) -> Iterator[str]:
    with serving(files) as base:
        yield base


@contextlib.contextmanager
def serving(files: Files) -> Iterator[str]:
    listener = Listener(Starlette(routes=[Route("/{path:path}", files.get)]), Tcp("127.0.0.1"))
    listener.start()
    try:
        yield f"http://127.0.0.1:{listener.port}"
    finally:
        listener.stop()


def fetch(feed: Fetching, cursor: bytes = b"", *, useful: bool = True) -> tuple[dict[str, bytes], bytes]:
    """Return what came by name, and the cursor after it."""
    found: dict[str, bytes] = {}
    for part in feed.parts(cursor):
        assert part.chunks is not None
        found[part.name] = b"".join(part.chunks)
        cursor = part.settle(useful)
    return found, cursor


# ---- URLs ----


@pytest.mark.parametrize("dated", [False, True])
def test_what_has_not_changed_is_not_fetched_again(files: Files, base: str, call: Call, dated: bool) -> None:
    files.content["/ips.txt"] = b"198.51.100.7\n"
    files.dated = dated
    where = f"{base}/ips.txt"
    found, cursor = fetch(UrlFeed(call(where)))
    assert found == {where: b"198.51.100.7\n"}
    assert fetch(UrlFeed(call(where)), cursor) == ({}, cursor)
    sent = files.asked[-1][1]
    assert ("if-modified-since" in sent, "if-none-match" in sent) == (dated, not dated)
    files.content["/ips.txt"], files.dated = b"198.51.100.8\n", False
    assert fetch(UrlFeed(call(where)), cursor)[0] == {where: b"198.51.100.8\n"}


def test_what_was_of_no_use_is_read_again(files: Files, base: str, call: Call) -> None:
    files.content["/a"] = b"<html>log in first</html>"
    _, cursor = fetch(UrlFeed(call(f"{base}/a")), useful=False)
    assert cursor == b""


@pytest.mark.parametrize("cursor", [b"\xc1", b"\x00", b"x" * 99])
def test_a_cursor_of_another_kind_or_address_is_no_condition(
    files: Files, base: str, call: Call, cursor: bytes
) -> None:
    files.content |= {"/a": b"same", "/b": b"same"}
    assert fetch(UrlFeed(call(f"{base}/a")), cursor)[0]
    _, cursor = fetch(UrlFeed(call(f"{base}/a")))
    assert fetch(UrlFeed(call(f"{base}/b")), cursor)[0] == {f"{base}/b": b"same"}


def test_a_validator_that_could_break_a_header_is_not_sent_back(fetcher: Fetcher, call: Call) -> None:
    answer = b"HTTP/1.1 200 OK\r\nETag: \xe9\r\nContent-Length: 1\r\n\r\nx"
    with raw(answering(answer)) as server:
        where = f"http://127.0.0.1:{server.port}/"
        _, cursor = fetch(UrlFeed(call(where)))
        assert fetch(UrlFeed(call(where)), cursor)[0] == {where: b"x"}


def test_a_token_in_a_query_is_in_no_name(files: Files, base: str, call: Call) -> None:
    files.content["/a"] = b"x"
    found, _ = fetch(UrlFeed(call(f"{base}/a?token=s3cret")))
    assert list(found) == [f"{base}/a"]


def test_a_body_that_is_cut_is_no_input(call: Call) -> None:
    with raw(answering(b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n198.51.100.1")) as server:
        with pytest.raises(Unreachable):
            fetch(UrlFeed(call(f"http://127.0.0.1:{server.port}/")))


@pytest.mark.parametrize(
    ("status", "kind"), [(204, Malformed), (404, NotFound), (302, Refused), (401, Misuse), (500, Unreachable)]
)
def test_another_status_is_an_error(files: Files, base: str, call: Call, status: int, kind: type[ComityError]) -> None:
    files.answers += [Response(status_code=status, headers={"Location": "/b"})] * 9
    with pytest.raises(kind):
        fetch(UrlFeed(call(f"{base}/a")))


# ---- files ----


def test_a_file_is_read_when_it_changed(tmp_path: Path) -> None:
    path = tmp_path / "list.csv"
    path.write_bytes(b"a,b\n" * 500_000)
    found, cursor = fetch(FileFeed(path))
    assert found == {"list.csv": b"a,b\n" * 500_000}
    assert fetch(FileFeed(path), cursor) == ({}, cursor)
    path.write_bytes(b"a,b\n")
    assert fetch(FileFeed(path), cursor)[0] == {"list.csv": b"a,b\n"}
    assert fetch(FileFeed(path), useful=False) == ({"list.csv": b"a,b\n"}, b"")
    path.unlink()
    with pytest.raises(Misuse, match="cannot be read"):
        fetch(FileFeed(path), cursor)
    with pytest.raises(Misuse, match="cannot be read"):
        fetch(FileFeed(tmp_path))


# ---- MISP feeds ----


def feed(files: Files, *events: tuple[str, int], **more: object) -> None:
    manifest: dict[str, object] = {uuid: {"timestamp": str(at), "info": "x", "Orgc": {}} for uuid, at in events}
    files.content["/feed/manifest.json"] = json.dumps(manifest | more).encode()
    for uuid, at in events:
        files.content[f"/feed/{uuid}.json"] = json.dumps({"Event": {"uuid": uuid, "timestamp": str(at)}}).encode()


@pytest.mark.parametrize("address", ["/feed", "/feed/", "/feed/manifest.json"])
def test_only_events_that_changed_are_fetched(files: Files, base: str, call: Call, address: str) -> None:
    feed(files, (ONE, 20), (TWO, 10))
    found, cursor = fetch(MispFeed(call(base + address)))
    assert list(found) == [f"{TWO}.json", f"{ONE}.json"]  # oldest first
    assert fetch(MispFeed(call(base + address)), cursor) == ({}, cursor)
    feed(files, (ONE, 21), (TWO, 10), (THREE, 5))
    found, cursor = fetch(MispFeed(call(base + address)), cursor)
    assert list(found) == [f"{THREE}.json", f"{ONE}.json"]
    feed(files, (ONE, 21))
    source = MispFeed(call(base + address))
    assert fetch(source, cursor)[0] == {}
    assert source.faults.named == ["has dropped 2 events: what came of them stays"]


def test_an_event_that_does_not_come_stops_no_other_and_is_tried_again(files: Files, base: str, call: Call) -> None:
    feed(files, (ONE, 1), (TWO, 2))
    gone = files.content.pop(f"/feed/{ONE}.json")
    source = MispFeed(call(f"{base}/feed/"))
    found, cursor = fetch(source)
    assert list(found) == [f"{TWO}.json"]
    assert ONE in source.faults.named[0]
    files.content[f"/feed/{ONE}.json"] = gone
    assert list(fetch(MispFeed(call(f"{base}/feed/")), cursor)[0]) == [f"{ONE}.json"]


def test_a_digest_in_the_manifest_is_checked_before_anything_is_read(files: Files, base: str, call: Call) -> None:
    feed(files, (ONE, 1), (TWO, 2))
    digests = {
        uuid: {"timestamp": "3", "integrity:sha256": hashlib.sha256(files.content[f"/feed/{uuid}.json"]).hexdigest()}
        for uuid in (ONE, TWO)
    }
    files.content["/feed/manifest.json"] = json.dumps(digests).encode()
    files.content[f"/feed/{TWO}.json"] += b" "
    source = MispFeed(call(f"{base}/feed/"))
    assert list(fetch(source)[0]) == [f"{ONE}.json"]
    assert "does not have the digest" in source.faults.named[0]


@pytest.mark.parametrize(
    ("name", "entry"),
    [
        ("../../keys/root", {"timestamp": "1"}),
        (ONE + "/../x", {"timestamp": "1"}),
        (f"{ONE}\n", {"timestamp": "1"}),
        ("urn:uuid:" + ONE, {"timestamp": "1"}),
        (ONE, {"timestamp": "-1"}),
        (ONE, {"timestamp": "9" * 5_000}),
        (ONE, {"timestamp": 1 << 60}),
        (ONE, {"timestamp": {}}),
        (ONE, []),
        (ONE, {"timestamp": 1, "integrity:sha256": 5}),
    ],
)
def test_an_entry_that_is_no_event_is_told_and_never_asked_for(
    files: Files, base: str, call: Call, name: str, entry: object
) -> None:
    feed(files, (TWO, 1), **{name: entry})
    source = MispFeed(call(f"{base}/feed/"))
    assert list(fetch(source)[0]) == [f"{TWO}.json"]
    assert len(source.faults.named) == 1
    assert source.faults.named[0].isprintable()
    assert files.paths() == ["/feed/manifest.json", f"/feed/{TWO}.json"]


def test_a_server_that_gives_no_event_is_left(files: Files, base: str, call: Call) -> None:
    feed(files, *((f"{n:08x}-2222-4333-8444-555555555555", n) for n in range(20)))
    files.answers += [Response(files.content["/feed/manifest.json"]), *[Response(status_code=500)] * 90]
    with pytest.raises(Unreachable):
        fetch(MispFeed(call(f"{base}/feed/")))
    assert len(set(files.paths())) == 4


@pytest.mark.parametrize(
    ("manifest", "kind"), [(b"<html>", Malformed), (b"[]", Malformed), (b"[" * 100_000, Malformed), (b"", Malformed)]
)
def test_a_manifest_that_is_none_is_an_error(
    files: Files, base: str, call: Call, manifest: bytes, kind: type[ComityError]
) -> None:
    files.content["/feed/manifest.json"] = manifest
    with pytest.raises(kind):
        fetch(MispFeed(call(f"{base}/feed/")))


def test_manifests_and_events_are_bounded(files: Files, base: str, call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("comity.transports.feeds.MISP_EVENT_BYTES_MAX", 200)
    feed(files, (ONE, 1), (TWO, 2))
    files.content[f"/feed/{ONE}.json"] = b" " * 201
    source = MispFeed(call(f"{base}/feed/"))
    assert list(fetch(source)[0]) == [f"{TWO}.json"]
    assert "MISP_EVENT_BYTES_MAX" in source.faults.named[0]
    monkeypatch.setattr("comity.transports.feeds.MISP_FEED_EVENTS_MAX", 1)
    with pytest.raises(TooLarge, match="MISP_FEED_EVENTS_MAX"):
        fetch(MispFeed(call(f"{base}/feed/")))


@given(st.binary(max_size=60) | st.dictionaries(st.text(max_size=40), st.integers() | st.text() | st.none()))
def test_any_manifest_gives_events_or_malformed(data: bytes | dict[str, object]) -> None:
    body = data if isinstance(data, bytes) else json.dumps(data).encode("utf-8", "surrogatepass")
    try:
        events = MispFeed(None)._manifest(body)  # type: ignore[arg-type]  # asks nobody
    except Malformed:
        return
    assert all(0 <= event.timestamp < 1 << 53 for event in events)
