"""Files over the API: samples in and out, exports, proofs; nothing of them is left on the disk, nor lies there bare."""

from __future__ import annotations

import hashlib
import io
import json
import threading
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from comity.errors import NotFound, Unverified
from comity.limits import API_SPOOLS_MAX, ATTACHMENT_BYTES_MAX
from comity.surfaces.api import door, files, once, routes
from comity.surfaces.cli.operations import attachment as operation
from tests.api.conftest import STIX, Node, bundle, indicator

FOR_GRID = "cert.arcadia.example/csirt~grid"
SAMPLE = b"MZ\x90 a sample that scanners would find at once " * 40_000


def spooled(node: Node) -> list[Path]:
    return list((node.party.home / "run").glob("spool/*/*"))


def attach(node: Node, token: str, data: bytes = SAMPLE, query: str = "name=dropper.bin", **headers: str) -> Any:
    return node.send("POST", f"/api/v1/attachments?{query}", token, data, Content_Type=STIX, **headers)


@pytest.fixture
def grid(node: Node) -> Node:
    node.perform("correspondent/add", name="grid", jurisdiction="XA", ceiling="AMBER", client=True)
    return node


def test_a_sample_lies_bare_nowhere_on_its_way_in_and_out(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[bytes] = []

    def watched(real: Callable[..., Any]) -> Callable[..., Any]:
        def look(*given: Any) -> Any:
            done = real(*given)
            seen.extend(path.read_bytes() for path in spooled(node) if path.is_file())
            return done

        return look

    token = node.token()
    monkeypatch.setattr(operation.attachments, "add", watched(operation.attachments.add))
    monkeypatch.setattr(files, "_ready", watched(files._ready))
    done = attach(node, token)
    assert done.status == 200
    name = quote(done.json["attachment"]["statement"], safe="")
    plain = node.get(f"/attachments/{name}/content?plain=true", token)
    assert plain.body == SAMPLE
    assert plain.headers["etag"] == f'"{hashlib.sha256(SAMPLE).hexdigest()}"'
    assert plain.headers["content-disposition"] == 'attachment; filename="attachment.bin"'
    assert plain.headers["x-content-type-options"] == "nosniff"
    zipped = node.get(f"/attachments/{name}/content", token)
    assert json.loads(zipped.headers["comity-answer"]) == {"inside": "dropper.bin", "password": "infected"}
    assert len(seen) == 3
    assert not any(SAMPLE[:64] in each for each in seen)
    assert spooled(node) == []
    assert not any(SAMPLE[:64] in each.read_bytes() for each in node.party.home.rglob("*") if each.is_file())


def test_what_a_caller_has_is_not_sent_again(node: Node) -> None:
    token = node.token()
    name = quote(attach(node, token).json["attachment"]["statement"], safe="")
    for query in ("", "?plain=true"):
        got = node.get(f"/attachments/{name}/content{query}", token)
        again = node.get(f"/attachments/{name}/content{query}", token, If_None_Match=got.headers["etag"])
        assert (again.status, again.body) == (304, b"")
    assert node.get(f"/attachments/{name}/content", token, If_None_Match='"other"').status == 200
    head = node.send("HEAD", f"/api/v1/attachments/{name}/content?plain=true", token)
    assert (head.status, head.body, head.headers["content-length"]) == (200, b"", str(len(SAMPLE)))
    assert spooled(node) == []


def test_an_attachment_is_bounded_named_and_marked(node: Node) -> None:
    token = node.token()
    over = attach(node, token, bytes(ATTACHMENT_BYTES_MAX + 1))
    assert (over.status, over.json["code"]) == (413, "too-large")
    assert attach(node, token, b"").status == 400
    assert attach(node, token, query="").json["errors"] == [
        {"field": "name", "reason": "Object missing required field `name`"}
    ]
    assert attach(node, token, query="name=x&pap=RED").json["errors"][0]["field"] == "tlp"
    assert attach(node, token, query="name=x&about=192.0.2.1&about=nothing--1").status in {400, 404}
    assert attach(node, node.token(may="read")).status == 403
    assert attach(node, node.token(purpose="sensor", may="read")).status == 403
    one = attach(node, token, query="name=" + quote("Q3 \u2013 \u8cbe\u7ba1.pdf"), Idempotency_Key="once")
    again = attach(node, token, query="name=" + quote("Q3 \u2013 \u8cbe\u7ba1.pdf"), Idempotency_Key="once")
    assert again.body == one.body
    assert len(node.get("/attachments", token).json["attachments"]) == 1
    for limit in (0, -1, 10_001):
        assert node.get(f"/attachments?limit={limit}", token).json["errors"][0]["field"] == "limit"
    assert spooled(node) == []


def test_an_export_is_recorded_and_names_no_file_of_the_node(grid: Node, tmp_path: Path) -> None:
    token = grid.token()
    client = grid.client(token)
    client.ingest(bundle([indicator("192.0.2.7"), indicator("192.0.2.8")]), "isac", tlp="GREEN", pap="GREEN")
    client.ingest(bundle([indicator("192.0.2.9")]), "secret", tlp="RED")
    body = {"to": FOR_GRID, "choice": {"type": "indicator"}, "form": "csv", "warned": True}
    got = grid.post("/export", token, body)
    told = json.loads(got.headers["comity-answer"])
    assert (told["objects"], told["values"], told["withheld"], told["by"].startswith("token:")) == (2, 2, 1, True)
    assert list(told["grounds"].values()) and "path" not in told
    assert b"192.0.2.7" in got.body and b"192.0.2.9" not in got.body
    assert got.headers["content-type"].startswith("text/csv")
    for field in ("path", "before", "office", "user"):
        refused = grid.post("/export", token, body | {field: str(tmp_path / "x")})
        assert refused.json["errors"] == [{"field": f"/{field}", "reason": "the token or the path says this"}]
    assert grid.post("/export", token, body | {"form": "no-such"}).json["errors"][0]["field"] == "/form"
    assert grid.post("/export", token, body, Idempotency_Key="k").json["errors"][0]["field"] == once.HEADER
    assert grid.post("/export", grid.token(may="read"), body).status == 403
    assert not list(tmp_path.glob("x*"))
    assert spooled(grid) == []


def test_a_folder_of_files_comes_as_one_archive(grid: Node) -> None:
    token = grid.token()
    grid.client(token).ingest(bundle([indicator("192.0.2.7")]), "isac", tlp="GREEN", pap="GREEN")
    got = grid.post("/export", token, {"to": FOR_GRID, "choice": {}, "form": "misp-feed"})
    assert (got.status, got.headers["content-type"]) == (200, "application/zip")
    with zipfile.ZipFile(io.BytesIO(got.body)) as archive:
        assert "manifest.json" in archive.namelist()
        assert ".comity" not in archive.namelist()
    assert spooled(grid) == []


def test_a_report_has_every_loss_and_is_kept_for_no_key(node: Node) -> None:
    token = node.token()
    odd = [{**indicator(f"192.0.2.{number}"), "pattern": "nonsense"} for number in range(30)]
    data = bundle([indicator("192.0.2.99"), *odd])
    asked = "/api/v1/ingest/report?source=isac&tlp=GREEN"
    got = node.send("POST", asked, token, data, Content_Type=STIX)
    told = json.loads(got.headers["comity-answer"])
    assert (told["kept"], told["refused"]) == (1, 30)
    assert len(got.json["losses"]) == 30
    assert got.json["summary"]["kept"] == 1
    keyed = node.send("POST", asked, token, data, Content_Type=STIX, Idempotency_Key="k")
    assert keyed.json["errors"][0]["field"] == once.HEADER
    wrong = node.send("POST", asked + "&format=no-such", token, data, Content_Type=STIX)
    assert (wrong.status, wrong.json["errors"][0]["field"]) == (400, "format")
    assert node.send("POST", asked, token, b"", Content_Type=STIX).status == 400
    assert node.send("POST", asked, node.token(may="read"), data, Content_Type=STIX).status == 403
    assert spooled(node) == []


def test_only_so_many_files_are_on_their_way_and_each_gives_its_place_back(
    node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    token = node.token()
    name = quote(attach(node, token).json["attachment"]["statement"], safe="")
    ready, go_on = threading.Barrier(API_SPOOLS_MAX + 1), threading.Event()

    def waits(path: Path, answer: dict[str, Any]) -> files.Ready:
        done = files.content(path, answer)
        ready.wait(30)
        go_on.wait(30)
        return done

    monkeypatch.setitem(door.READY, routes.CONTENT, waits)  # type: ignore[arg-type]
    got: list[int] = []
    threads = [
        threading.Thread(target=lambda: got.append(node.get(f"/attachments/{name}/content", token).status))
        for _ in range(API_SPOOLS_MAX)
    ]
    for thread in threads:
        thread.start()
    ready.wait(30)
    busy = attach(node, token)
    assert (busy.status, int(busy.headers["retry-after"]) > 0) == (429, True)
    go_on.set()
    for thread in threads:
        thread.join()
    assert got == [200] * API_SPOOLS_MAX
    assert attach(node, token).status == 200


def test_a_file_that_fails_leaves_nothing_behind(node: Node, tmp_path: Path) -> None:
    client = node.client()
    for number in range(API_SPOOLS_MAX + 1):
        with pytest.raises(NotFound):
            client.content(f"cert.arcadia.example/home/1#{90 + number}", tmp_path / "out")
    assert list(tmp_path.glob("out*")) == []
    assert list(tmp_path.glob(".out*")) == []
    assert attach(node, node.token()).status == 200


def test_bytes_that_are_not_those_of_the_tag_are_not_kept(
    node: Node, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = node.client()
    taken = client.attach(SAMPLE, "dropper.bin").attachment
    monkeypatch.setattr("comity.surfaces.api.files.veil", lambda _key: lambda chunk: bytes(len(chunk)))
    with pytest.raises(Unverified):
        client.content(taken.statement, tmp_path / "out", plain=True)
    assert not (tmp_path / "out").exists()


def test_a_sealed_account_is_read_once_and_kept_for_no_key(node: Node) -> None:
    token = node.token()
    account = {
        "type": "user-account", "spec_version": "2.1", "id": "user-account--7c3e3f1e-0a39-5d8f-8e2e-1f6a3f0f6f77",
        "account_login": "jane.roe.1987",
    }  # fmt: skip
    node.client(token).ingest(bundle([account]), "platform", tlp="AMBER")
    (one,) = node.get("/evidence", node.token(may="read")).json["evidence"]
    assert "jane.roe" not in node.get("/evidence", token).body.decode()
    read = f"/evidence/{quote(one['statement'], safe='')}/read"
    assert node.post(read, node.token(may="read"), {"reason": "x"}).status == 403
    assert node.post(read, token, {}).json["errors"][0]["field"] == "/reason"
    assert node.post(read, token, {"reason": " "}).status == 400
    refused = node.post(read, token, {"reason": "request 2026-17"}, Idempotency_Key="k")
    assert refused.json["errors"][0]["field"] == once.HEADER
    got = node.post(read, token, {"reason": "request 2026-17"})
    assert "jane.roe.1987" in got.json["text"]
    assert got.headers["cache-control"] == "no-store"
    with node.machine.services.node.store.read() as unit:
        assert b"jane.roe" not in b"".join(data for _, data in unit.documents.all(once.ANSWERS))


def test_what_changes_what_is_kept_needs_a_token_that_may_write(node: Node) -> None:
    reader, writer = node.token(may="read"), node.token()
    assert node.post("/collections", reader, {"name": "mine"}).status == 403
    assert node.post("/collections", writer, {"name": "mine"}).status == 200
    assert node.send("DELETE", "/api/v1/collections/mine", reader).status == 403
    assert node.send("DELETE", "/api/v1/collections/mine", writer).status == 200
    assert node.send("DELETE", "/api/v1/collections/mine", writer).status == 404
    assert node.post("/sources/x/enable", reader, {"enabled": False}).status == 403
    made = {"name": "list", "to": "x", "form": "txt"}
    assert node.post("/feeds", writer, made, Idempotency_Key="k").json["errors"][0]["field"] == once.HEADER


def test_answers_have_a_tag(shared_node: Node) -> None:
    token = shared_node.token(may="read")
    for path in ("/objects?limit=2", "/sources", "/search?text=C2", "/doctor"):
        got = shared_node.get(path, token)
        again = shared_node.get(path, token, If_None_Match=got.headers["etag"])
        assert (got.status, again.status, again.body) == (200, 304, b"")
