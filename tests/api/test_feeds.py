"""Lists that sensors fetch by themselves, over a real listener: one secret, one list, an ETag, and nothing stale."""

from __future__ import annotations

import json
from typing import Any

import pytest
from pysequoia import Cert, Sig, verify

from tests.api.conftest import STIX, Node, indicator

TO = "cert.arcadia.example/csirt~grid"
FIRST, SECOND = "198.51.100.1", "198.51.100.2"


def ready(node: Node, **more: Any) -> str:
    """Register a correspondent, take an indicator in, make a list; return its path."""
    node.perform("correspondent/add", name="grid", jurisdiction="XA", ceiling="AMBER", client=True)
    take(node, indicator(FIRST, 1))
    made = node.perform("feed/create", name="block", to=TO, form="list-ip", warned=True, **more)
    path: str = made["path"]
    assert path.endswith("/block.txt")
    return path


def take(node: Node, *objects: dict[str, Any]) -> None:
    body = "\n".join(map(json.dumps, objects)).encode()
    got = node.send("POST", "/api/v1/ingest?source=feed&tlp=GREEN&pap=GREEN", node.token(), body, Content_Type=STIX)
    assert got.status == 200, got.body


def test_a_list_is_fetched_by_its_address_alone(node: Node) -> None:
    path = ready(node)
    got = node.send("GET", path)
    assert (got.status, got.body) == (200, f"{FIRST}\n".encode())
    assert got.headers["content-type"].startswith("text/plain")
    assert "private" in got.headers["cache-control"]


def test_nothing_is_sent_while_nothing_has_changed(node: Node) -> None:
    path = ready(node)
    tag = node.send("GET", path).headers["etag"]
    for had in (tag, f"W/{tag}"):
        again = node.send("GET", path, If_None_Match=had)
        assert (again.status, again.body) == (304, b"")
    take(node, indicator(SECOND, 2))
    fresh = node.send("GET", path, If_None_Match=tag)
    assert fresh.status == 200
    assert sorted(fresh.body.decode().split()) == [FIRST, SECOND]
    assert fresh.headers["etag"] != tag


def test_what_was_retracted_is_gone_from_the_next_fetch_on(node: Node) -> None:
    path = ready(node)
    take(node, indicator(SECOND, 2))
    assert len(node.send("GET", path).body.split()) == 2
    node.perform("release/retract", names=[indicator(FIRST, 1)["id"]], reason="a false positive")
    shown = node.perform("correspondent/show", name="grid")
    assert [(each["channel"], each["grade"], each["entries"]) for each in shown["deliveries"]] == [
        ("feed", "fetched", 2)
    ]
    assert [(each["channel"], each["what"]) for each in shown["owed"]] == [("feed", "retracted")]
    assert node.send("GET", path).body == f"{SECOND}\n".encode()
    assert node.perform("correspondent/show", name="grid")["owed"] == []  # the list without it is what tells


@pytest.mark.parametrize("path", ["/feeds/x/a.txt", f"/feeds/{'A' * 43}/block.txt", f"/feeds/{'%00' * 9}/b"])
def test_a_wrong_address_learns_nothing(node: Node, path: str) -> None:
    ready(node)
    got = node.send("GET", path)
    assert got.status == 404
    assert got.json["code"] == "not-found"


def test_an_ended_list_answers_nobody(node: Node) -> None:
    path = ready(node)
    assert node.send("GET", path).status == 200
    node.perform("feed/revoke", name="block")
    assert node.send("GET", path).status == 404
    assert node.perform("feed/list")["feeds"] == []


def test_the_secret_is_kept_nowhere(node: Node) -> None:
    secret = ready(node).split("/")[2]
    assert len(secret) >= 43
    for file in node.party.home.rglob("*"):
        if file.is_file():
            assert secret.encode() not in file.read_bytes(), file


def test_a_list_holds_only_what_its_audience_may_have(node: Node) -> None:
    node.perform("correspondent/add", name="grid", jurisdiction="XA", ceiling="GREEN", client=True)
    take(node, indicator(FIRST, 1))
    body = json.dumps(indicator(SECOND, 2)).encode()
    got = node.send("POST", "/api/v1/ingest?source=secret&tlp=RED", node.token(), body, Content_Type=STIX)
    assert got.status == 200
    path = node.perform("feed/create", name="block", to=TO, form="list-ip", warned=True)["path"]
    assert node.send("GET", path).body == f"{FIRST}\n".encode()


def test_a_csaf_provider_is_fetched_file_by_file_and_its_signatures_hold(node: Node) -> None:
    ready(node)
    named = indicator(FIRST, 1)["id"]
    report = {
        **indicator(SECOND, 3), "type": "report", "id": named.replace("indicator", "report"), "name": "A wave",
        "published": indicator(FIRST)["created"], "object_refs": [named],
    }  # fmt: skip
    take(node, {key: value for key, value in report.items() if key not in {"pattern", "pattern_type", "valid_from"}})
    made = node.perform(
        "feed/create", name="csaf", to=TO, form="csaf", type="report", purpose="read",
        address="https://node.arcadia.example:8461",
    )  # fmt: skip
    metadata = node.send("GET", made["path"])
    base = made["path"].rpartition("/")[0]
    assert metadata.json["canonical_url"] == f"https://node.arcadia.example:8461{made['path']}"
    key = Cert.from_bytes(node.send("GET", f"{base}/openpgp/key.asc").body)
    (name,) = node.send("GET", f"{base}/green/index.txt").body.decode().split()
    document = node.send("GET", f"{base}/green/{name}")
    signature = Sig.from_bytes(node.send("GET", f"{base}/green/{name}.asc").body)
    assert verify(bytes=document.body, store=lambda _: [key], signature=signature).valid_sigs
    assert "198[.]51[.]100[.]1" in document.body.decode()
    rolie = node.send("GET", f"{base}/green/csaf-feed-tlp-green.json").json["feed"]
    assert rolie["entry"][0]["content"]["src"].startswith("https://node.arcadia.example:8461/feeds/")
    for wrong in ("../settings.toml", "green/../../state.json", ".comity", "green", "none.json"):
        assert node.send("GET", f"{base}/{wrong}").status in {400, 404}
