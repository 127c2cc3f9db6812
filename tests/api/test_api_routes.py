"""Every route asked once and more by the real client, against a real node; and the document that describes them."""

from __future__ import annotations

import json
import threading
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from jsonschema_rs import Draft202012Validator
from openapi_spec_validator import validate

from comity.errors import Conflict, Malformed, Misuse, NotFound, Refused
from comity.limits import API_ANSWERS_KEPT_MAX, API_ANSWERS_KEPT_SECONDS
from comity.node import tokens
from comity.surfaces.api import once
from comity.surfaces.api.problems import OtherStatus
from comity.surfaces.api.routes import ROUTES
from comity.testing.world import World
from comity.vocab import Purpose
from tests.api.conftest import Node, bundle, door_of, indicator
from tests.cli.conftest import accord, acquaint, found

ACCORD = "three-shores"


@pytest.fixture(scope="module")
def member(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Node]:
    """Return a node whose party has signed an accord with another."""
    folder = tmp_path_factory.mktemp("member")
    parties = [found(folder, short) for short in ("arcadia", "borealia")]
    acquaint(parties, folder)
    accord(parties, folder)
    with door_of(parties[0]) as one:
        yield one


# -- the document ---------------------------------------------------------------------


def test_the_document_is_openapi_and_names_every_route(shared_node: Node) -> None:
    got = shared_node.send("GET", "/api/v1/openapi.json")
    assert got.status == 200
    document = got.json
    validate(document)
    named = {(method.upper(), path) for path, item in document["paths"].items() for method in item}
    assert {(route.method, route.path) for route in ROUTES} < named
    assert named - {(route.method, route.path) for route in ROUTES} == {("GET", "/health"), ("GET", "/openapi.json")}
    share = document["components"]["schemas"]["Share"]
    assert set(share["properties"]) == {"accord", "choice", "marking", "flash", "dry_run", "anonymous"}
    assert document["components"]["schemas"]["MarkingSaid"]["additionalProperties"] is False
    answer = document["components"]["schemas"]["GiveAnswer"]
    assert "question" not in answer["properties"]
    assert shared_node.send("GET", "/api/v1/openapi.json", If_None_Match=got.headers["etag"]).status == 304
    assert shared_node.send("GET", "/api/v1/health").json["api"] == ["v1"]


def answers(document: dict[str, Any], got: Any, method: str, path: str) -> None:
    """Check that an answer is what the document says of it."""
    responses = document["paths"][path][method.lower()]["responses"]
    content = responses[str(got.status)]["content"][got.headers["content-type"]]
    Draft202012Validator(content["schema"] | {"components": document["components"]}).validate(got.json)


def test_answers_are_what_the_document_says(member: Node) -> None:
    document = member.send("GET", "/api/v1/openapi.json").json
    token = member.token()
    ident = indicator("203.0.113.77")["id"]
    member.client(token).ingest(bundle([indicator("203.0.113.77")]), "documented", tlp="GREEN")
    posted = {
        "/lookup": {"values": ["203.0.113.77", "nothing at all"]},
        "/known": {"values": ["203.0.113[.]77", "unknown.example"]},
        "/correlate": {"values": ["203.0.113.77"]},
        "/share": {"accord": ACCORD, "choice": {"names": [ident]}, "dry_run": True},
        "/explain": {"name": ident, "to": "cert.borealia.example/csirt"},
        "/sightings": {"name": "203.0.113.77"},
        "/questions": {"accord": ACCORD, "why": "incident", "values": ["203.0.113.77"], "marking": {"tlp": "AMBER"}},
        "/interests": {"accord": ACCORD, "why": "hunt", "about": ["203.0.113.0/24"], "marking": {"tlp": "AMBER"}},
        "/remarks": {"about": [ident], "opinion": "disagree", "text": "a mirror", "marking": {"tlp": "GREEN"}},
        "/correct": {
            "name": ident,
            "reason": "a wrong port",
            "text": json.dumps(indicator("203.0.113.77", 7, name="corrected")),
        },
        "/narrow": {"names": [ident], "tlp": "AMBER", "reason": "asked for"},
        "/retract": {"names": [ident], "reason": "a mistake"},
        "/compliance": {"names": [ident]},
    }
    for path, body in posted.items():
        got = member.post(path, token, body)
        assert (path, got.status) == (path, 200), got.body
        answers(document, got, "POST", path)
        answers(document, member.post(path, token, {"bogus": 1}), "POST", path)
    (asked, *_) = member.get("/interests?mine=true", token).json["interests"]
    matches = f"/interests/{quote(asked['statement'], safe='')}/matches?limit=5"
    answers(document, member.get(matches, token), "GET", "/interests/{name}/matches")
    for path in ("/interests", "/interests/arrived"):
        answers(document, member.get(path, token), "GET", path)
    (question, *_) = member.get("/questions?mine=true", token).json["questions"]
    for path in ("/objects", "/sources", "/imports", "/compliance", "/questions", "/log", "/log/receipts"):
        answers(document, member.get(path, token), "GET", path)
    answers(document, member.get(f"/objects/{ident}", token), "GET", "/objects/{id}")
    picture = f"/questions/{quote(question['statement'], safe='')}/answers"
    answers(document, member.get(picture, token), "GET", "/questions/{question}/answers")
    origin = member.get("/log", token).json["logs"][0]["origin"]
    got = member.get(f"/log/checkpoint?origin={quote(origin)}", token)
    assert got.json["text"].startswith(f"{origin}\n")
    answers(document, got, "GET", "/log/checkpoint")


def test_what_fits_an_interest_comes_with_what_would_be_decided(member: Node) -> None:
    token = member.token()
    about = ["203.0.113.144/28", "arcadia.example"]
    told = {"accord": ACCORD, "why": "hunt", "about": about, "marking": {"tlp": "AMBER"}}
    voiced = member.post("/interests", token, told).json
    assert (voiced["networks"], voiced["domains"], voiced["withdrawn"]) == (about[:1], about[1:], False)
    inside, outside = indicator("203.0.113.150"), indicator("203.0.113.160")
    member.client(token).ingest(bundle([inside, outside]), "matched", tlp="GREEN")
    matches = f"/interests/{quote(voiced['statement'], safe='')}/matches"
    found = member.get(matches, token).json
    assert [one["id"] for one in found["found"]] == [inside["id"]]
    assert found["planned"] and not found["found"][0]["known"]
    assert member.get("/interests/arrived", token).json["found"] == []
    assert member.get("/interests/nothing%231/matches", token).status == 404
    assert member.post("/interests", member.token(may="read"), told).status == 403


def test_acts_come_in_pages_and_a_cursor_that_is_none_is_refused(member: Node) -> None:
    token = member.token()
    idents = [indicator(f"203.0.113.{number}")["id"] for number in range(130, 134)]
    member.client(token).ingest(bundle([indicator(f"203.0.113.{n}") for n in range(130, 134)]), "paged", tlp="GREEN")
    assert member.post("/share", token, {"accord": ACCORD, "choice": {"names": idents}}).status == 200
    before = member.get("/compliance", token).json["total"]
    for ident in idents:
        assert member.post("/retract", token, {"names": [ident], "reason": ident}).status == 200
    whole = member.get("/compliance", token).json
    assert whole["total"] == before + 4 and whole["next"] == ""
    found, after = [], ""
    while page := member.get(f"/compliance?limit=2&after={after}", token).json:
        assert len(page["acts"]) <= 2
        found += page["acts"]
        if not (after := page["next"]):
            break
    assert found == whole["acts"]
    assert {act["reason"] for act in found} >= set(idents)
    assert member.get("/compliance?after=nonsense", token).status == 400


# -- the client, route by route ----------------------------------------------------------


def test_values_are_looked_up_in_batches_and_on_lines(shared_node: Node) -> None:
    client, token = shared_node.client(), shared_node.token()
    values = [f"192.0.2.{n}" for n in range(256)] + [f"n{n}.example" for n in range(25_000)]
    known = list(client.known(iter(values)))
    assert [one.asked for one in known] == values
    assert {one.asked for one in known if one.state == "current"} == {f"192.0.2.{n}" for n in range(1, 21)}
    (first, second) = client.lookup(["192[.]0[.]2[.]1", "gibberish here"])
    assert (first.read_as, [one.name for one in first.found]) == ("ipv4 192.0.2.1", ["C2 at 192.0.2.1"])
    assert (first.found[0].witnesses[0].marking, second.found) == ("TLP:GREEN PAP:GREEN", ())
    lines = shared_node.post("/known", token, {"values": values[:3]}, Accept="application/x-ndjson")
    assert lines.headers["content-type"] == "application/x-ndjson"
    assert [json.loads(line)["state"] for line in lines.body.splitlines()] == ["unknown", "current", "current"]


def test_objects_that_share_values_are_found(node: Node) -> None:
    client = node.client()
    one, other = indicator("192.0.2.1"), indicator("192.0.2.1", id=f"indicator--{uuid.uuid4()}")
    client.ingest(bundle([one, other]), "isac")
    done = client.correlate([one["id"]])
    assert ([each.id for each in done.page], done.related) == ([other["id"]], 1)
    assert client.correlate(values=["192.0.2.1"]).related == 2
    with pytest.raises(Misuse):
        client.correlate()


def test_a_file_comes_in_by_path_bytes_or_chunks_with_its_losses(node: Node, tmp_path: Path) -> None:
    client = node.client()
    data = bundle([indicator("192.0.2.1"), {**indicator("192.0.2.2"), "pattern": "nonsense"}])
    path = tmp_path / "feed.json"
    path.write_bytes(data)
    dry = client.ingest(path, "isac", tlp="GREEN", dry=True)
    assert (dry.dry, dry.kept, dry.refused) == (True, 1, 1)
    assert client.sources() == ()
    done = client.ingest(path, "isac", tlp="GREEN")
    assert (done.read, done.kept, done.refused, done.forms) == (2, 1, 1, {"stix": 1})
    assert [(one.path, one.rule) for one in done.refusals] == [("feed.json", done.refusals[0].rule)]
    assert client.ingest(data, "isac").known == 1
    assert client.ingest((data[at : at + 10] for at in range(0, len(data), 10)), "isac").known == 1
    assert [(one.name, one.marking) for one in client.sources()] == [("isac", "TLP:GREEN PAP:RED")]
    assert not list((node.party.home / "run").glob("spool/*"))
    for wrong in ("../x", "a/b", ".hidden", "x" * 300, "nul\0"):
        with pytest.raises(Malformed, match="name"):
            client.ingest(data, "isac", name=wrong)
    with pytest.raises(Malformed):
        client.ingest(b"", "isac")
    with pytest.raises(Misuse):
        client.ingest(data, "isac", format="no-such")
    with pytest.raises(Malformed, match="tlp"):
        client.ingest(data, "isac", pap="RED")


def test_an_accord_is_shared_into_narrowed_and_retracted(member: Node) -> None:
    client, token = member.client(), member.token()
    one = indicator("198.51.100.7")
    client.ingest(bundle([one]), "to share", tlp="GREEN")
    assert client.share(ACCORD, [one["id"]], dry_run=True).stated == 0
    done = client.share(ACCORD, [one["id"]])
    assert (done.chosen, done.stated, done.withheld) == (1, 1, 0)
    assert client.share(ACCORD, choice={"source": "to share"}).known == 1
    narrowed = member.post("/narrow", token, {"names": [one["id"]], "tlp": "AMBER", "reason": "x"})
    assert narrowed.json["by"].startswith("token:")
    assert client.object(one["id"])[0].object.witnesses[0].marking.startswith("TLP:AMBER ")
    acted = client.retract([one["id"]], "a mistake")
    assert (acted.act, acted.objects, len(acted.logs)) == ("retract", 1, 2)
    assert client.object(one["id"])[0].object.witnesses[0].retracted
    with pytest.raises(NotFound):
        client.share("no-such-accord", [one["id"]])


def test_a_sighting_goes_on_record(node: Node) -> None:
    client = node.client()
    done = client.sight("192.0.2.8", 3, note="in a proxy log")
    assert done.count == 3
    (known,) = client.known(["192.0.2.8"])
    assert known.sightings == 3
    with pytest.raises(Misuse):
        client.sight("192.0.2.8", -1)


def test_a_question_is_asked_and_answered(member: Node) -> None:
    client = member.client()
    asked = client.ask(ACCORD, ["192.0.2.200"], "incident", {"tlp": "AMBER"}, note="beacons")
    assert asked.about == (("ipv4", "192.0.2.200"),)
    assert asked.statement in {one.statement for one in client.questions(mine=True)}
    assert client.questions(limit=1) != ()
    with pytest.raises((Refused, Misuse)):
        client.answer(asked.statement, [{"said": "seen", "value": "192.0.2.200"}])
    with pytest.raises(Malformed, match="/marking/tlpp"):
        client.ask(ACCORD, ["192.0.2.200"], "incident", {"tlpp": "AMBER"})
    with pytest.raises(NotFound):
        client.answer("cert.arcadia.example/accord/none/1#4", decline=True)


# -- idempotency keys ---------------------------------------------------------------------


def test_the_same_key_and_request_is_carried_out_once(node: Node) -> None:
    token = node.token()
    client = node.client(token)
    body = {"name": "192.0.2.2"}
    one = node.post("/sightings", token, body, Idempotency_Key="k1")
    two = node.post("/sightings", token, body, Idempotency_Key="k1")
    assert (two.body, two.headers["idempotency-replayed"]) == (one.body, "true")
    assert "idempotency-replayed" not in one.headers
    other = node.post("/sightings", token, {"name": "192.0.2.3"}, Idempotency_Key="k1")
    assert (other.status, other.json["code"]) == (422, "misuse")
    assert node.post("/retract", token, {"names": ["x"], "reason": ""}, Idempotency_Key="k1").status == 422
    assert node.post("/sightings", node.token(), body, Idempotency_Key="k1").json != one.json
    (known,) = client.known(["192.0.2.2"])
    assert known.sightings == 2
    for key in ("", "x" * 200, "\t"):
        assert node.post("/sightings", token, body, Idempotency_Key=key).status == 400


def test_an_ingest_under_a_key_answers_alike_and_another_body_does_not(node: Node) -> None:
    client = node.client()
    data = bundle([indicator("192.0.2.1")])
    first = client.ingest(data, "isac", key="nightly")
    assert (first.kept, first.known) == (1, 0)
    assert client.ingest(data, "isac", key="nightly") == first
    with pytest.raises(Misuse):
        client.ingest(bundle([indicator("192.0.2.2")]), "isac", key="nightly")
    with pytest.raises(Misuse):
        client.ingest(data, "other", key="nightly")
    assert client.ingest(data, "isac").known == 1


def test_what_failed_may_be_tried_again_under_its_key(node: Node) -> None:
    token = node.token()
    one = indicator("192.0.2.1")
    body = {"names": [one["id"]], "reason": "x"}
    assert node.post("/retract", token, body, Idempotency_Key="k").status == 404
    node.client(token).ingest(bundle([one]), "isac")
    assert node.post("/retract", token, body, Idempotency_Key="k").status == 200


def test_kept_answers_are_few_and_lapse(tmp_path: Path) -> None:
    world = World(5, 1, tmp_path)
    (one,) = world.people
    with one.node.writing() as unit:
        token, _ = tokens.create(one.node, unit, one.actor, "t", purpose=Purpose.READ, write=True, days=700)
    kept = once.Once(one.node)
    for number in range(API_ANSWERS_KEPT_MAX + 5):
        world.now += 1
        assert kept.begin(token, f"k{number}", "asked") is None
        kept.keep(token, f"k{number}", "asked", b'{"n":1}')
        kept.end(token, f"k{number}")
    assert once.Once(one.node).begin(token, "k260", "asked") == b'{"n":1}'
    assert kept.begin(token, "k4", "asked") is None
    with pytest.raises(Conflict):
        kept.begin(token, "k4", "asked")
    with pytest.raises(OtherStatus):
        kept.begin(token, "k260", "something else")
    world.now += API_ANSWERS_KEPT_SECONDS
    assert kept.begin(token, "k260", "something else") is None
    kept.keep(token, "k260", "something else", b"{}")
    with one.store.read() as unit:
        assert len(unit.documents.all(once.ANSWERS)) == 1
    world.close()


def test_two_of_the_same_key_at_once_are_carried_out_once(node: Node) -> None:
    token = node.token()
    got: list[Any] = []

    def send() -> None:
        got.append(node.post("/sightings", token, {"name": "192.0.2.9"}, Idempotency_Key="both"))

    threads = [threading.Thread(target=send) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {one.status for one in got} <= {200, 409}
    assert len({one.body for one in got if one.status == 200}) == 1
    (known,) = node.client(token).known(["192.0.2.9"])
    assert known.sightings == 1
