"""Every route of a node's own document has a method of the client, which is asked here of a real node."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import pyzipper
from jsonschema_rs import Draft202012Validator

from comity.client import Client
from comity.client.wire import Reply
from comity.errors import Malformed, Misuse, NotFound, Refused
from comity.node import correspondents, submissions
from comity.surfaces.api.routes import ROUTES, UNROUTED
from comity.surfaces.cli.operations import SUBJECTS, find
from comity.surfaces.cli.verbs import Verb
from comity.vocab import Channel
from tests.api.conftest import Node, bundle, door_of, indicator
from tests.cli.conftest import accord, acquaint, found
from tests.node.correspond import indicator as submitted

ACCORD = "three-shores"
FOR_GRID = "cert.arcadia.example/csirt~grid"
ACCOUNT = {
    "type": "user-account", "spec_version": "2.1", "id": "user-account--7c3e3f1e-0a39-5d8f-8e2e-1f6a3f0f6f77",
    "account_login": "m.example", "account_type": "facebook", "display_name": "M. Example",
}  # fmt: skip


@pytest.fixture(scope="module")
def member(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Node]:
    """Return a node whose party has signed an accord with another, and has a correspondent."""
    folder = tmp_path_factory.mktemp("member")
    parties = [found(folder, short) for short in ("arcadia", "borealia")]
    acquaint(parties, folder)
    accord(parties, folder)
    with door_of(parties[0]) as one:
        one.perform("correspondent/add", name="grid", jurisdiction="XA", ceiling="AMBER", client=True)
        one.perform("correspondent/allow", name="grid", channel="taxii", send=True)
        yield one


class Asked(Client):
    """The client, which remembers what it asked."""

    def __init__(self, node: Node, token: str = "") -> None:
        super().__init__(node.base, token or node.token(), timeout=90.0)
        self.asked: list[tuple[str, str, Reply | None]] = []
        call = self._wire.call

        def remembered(method: str, path: str, *rest: Any, **more: Any) -> Reply:
            reply: Reply | None = None
            try:
                reply = call(method, path, *rest, **more)
            finally:
                self.asked.append((method, path.partition("?")[0].removeprefix("/api/v1"), reply))
            return reply

        self._wire.call = remembered  # type: ignore[method-assign]


def test_every_route_has_a_method_that_asks_it(member: Node, tmp_path: Path) -> None:
    client = Asked(member)
    intelligence(client)
    came_in(client, member, tmp_path)
    evidence(client)
    went_out(client, tmp_path)
    asking(client)
    node_itself(client, member, tmp_path)
    document = member.send("GET", "/api/v1/openapi.json").json
    routes = {(method.upper(), path) for path, item in document["paths"].items() for method in item}
    # What is spelt out comes before what a name stands for: `/interests/arrived` before `/interests/{name}`.
    patterns = [
        (method, path, re.compile(re.sub(r"\\\{\w+\\\}", "[^/]+", re.escape(path))))
        for method, path in sorted(routes, key=lambda route: route[1].count("{"))
    ]
    reached = set()
    for method, asked, reply in client.asked:
        path = next(path for verb, path, form in patterns if verb == method and form.fullmatch(asked))
        reached.add((method, path))
        if reply is None:
            continue
        said = document["paths"][path][method.lower()]["responses"][str(reply.status)]
        if "application/json" in said.get("content", {}) and reply.body:
            schema = said["content"]["application/json"]["schema"] | {"components": document["components"]}
            Draft202012Validator(schema).validate(json.loads(reply.body))
    assert reached == routes


def test_every_operation_has_a_route_or_a_reason() -> None:
    routed = {route.verb.name for route in ROUTES if route.verb is not None}
    there = {
        operation.verb.name
        for subject in SUBJECTS
        for operation in __import__(f"comity.surfaces.cli.operations.{subject}", fromlist=["OPERATIONS"]).OPERATIONS
    }
    assert there - routed == UNROUTED.keys()
    assert all(UNROUTED.values())
    assert isinstance(find("evidence/read").verb, Verb)


# -- by subject ----------------------------------------------------------------------------


def intelligence(client: Client) -> None:
    assert client.health().api == ("v1",)
    one = indicator("198.51.100.21", confidence=80)
    other = indicator("198.51.100.21", id="indicator--11111111-1111-4111-8111-111111111111", name="Watering hole")
    client.ingest(bundle([one, other]), "isac", tlp="GREEN", pap="GREEN")
    assert {held.value["id"] for held in client.objects(source="isac")} == {one["id"], other["id"]}
    assert [version.object.name for version in client.object(one["id"])] == [one["name"]]
    raw = client.raw(one["id"])
    assert raw is not None and json.loads(raw.raw) == one
    assert client.raw(one["id"], tag=raw.tag) is None
    (answer,) = client.lookup(["198.51.100.21"])
    assert {each.id for each in answer.found} == {one["id"], other["id"]}
    assert [known.state for known in client.known(["198.51.100.21"])] == ["current"]
    assert client.correlate([one["id"]]).page[0].id == other["id"]
    assert [hit.id for hit in client.search("watering hole", limit=1)] == [other["id"]]
    assert client.sight("198.51.100.21", note="in a proxy log").count == 1
    remarked = client.remark([one["id"]], opinion="agree", text="seen here too", marking={"tlp": "GREEN"})
    (tie,) = client.graph(one["id"]).ties
    assert (tie.source, tie.target) == (remarked.id, one["id"])

    assert client.make_collection("waters", [one["id"]], values=["198.51.100.21"]).search
    assert client.put_in("waters", [other["id"]]).objects == (one["id"], other["id"])
    assert client.take_out("waters", [one["id"]]).objects == (other["id"],)
    assert client.collection("waters", limit=1).entries == 2
    assert [each.name for each in client.collections()] == ["waters"]
    assert client.forget_collection("waters").name == "waters"
    assert client.collections() == ()

    with pytest.raises((Misuse, Malformed)):
        client.set_decay("nonsense = [")
    assert client.set_decay("").models == client.decay().models != ()

    entries = client.entries("T0049")
    assert entries.catalogues == 0 or "disarm-techniques" in {entry.catalogue for entry in entries.entries}
    assert client.tag("tlp:amber").tag == "tlp:amber"
    assert [each.read_as[:1] for each in client.warnings(["8[.]8.8.8", ""])] == [("ipv4 8.8.8.8",), ()]


def came_in(client: Client, node: Node, folder: Path) -> None:
    assert {source.name for source in client.sources()} >= {"isac"}
    fed = folder / "fed.json"
    fed.write_bytes(bundle([indicator("198.51.100.30")]))
    node.perform("source/add", name="own/feed", kind="file", address=str(fed), every=3_600)
    assert [(source.name, source.enabled) for source in client.fetched()] == [("own/feed", True)]
    assert client.poll("own/feed", dry=True).counts.kept == 1
    assert not client.enable_source("own/feed", enabled=False).enabled
    assert client.poll("own/feed").counts.kept == 1

    done = client.ingest(b"name,address\nloader,198.51.100.31\n", "tables", name="seen.csv", dry=True)
    assert (done.dry, done.kept) == (True, 1)
    client.ingest(b"name,address\nloader,198.51.100.31\n", "tables", name="seen.csv")
    (imported,) = client.imports("tables")
    assert client.erase_original(imported.digest, "a request").digest == imported.digest
    with pytest.raises(NotFound):
        client.erase_original(imported.digest, "a request")

    lossy = bundle([indicator("198.51.100.32"), {**indicator("198.51.100.33"), "pattern": "nonsense"}])
    told = client.ingest_reported(lossy, "lossy", folder / "report.json", dry=True, tlp="GREEN")
    assert (told.dry, told.kept, told.refused) == (True, 1, 1)
    assert json.loads((folder / "report.json").read_bytes())["summary"]["refused"] == 1
    assert "lossy" not in {source.name for source in client.sources()}

    sample = folder / "dropper \u2013 final.bin"
    sample.write_bytes(b"MZ" + bytes(range(256)) * 4_096)
    taken = client.attach(sample, about=["198.51.100.21"], tlp="AMBER", note="from a mail").attachment
    assert (taken.name, taken.size, len(taken.about)) == (sample.name, sample.stat().st_size, 2)
    assert client.attachments(taken.sha256, "198.51.100.99") == client.attachments() == (taken,)
    assert client.attachment(taken.statement) == taken
    out = folder / "out"
    client.content(taken.statement, out, plain=True)
    assert out.read_bytes() == sample.read_bytes()
    said = client.content(taken.statement, out)
    with pyzipper.AESZipFile(out) as archive:
        archive.setpassword(said.password.encode())
        assert archive.read(said.inside) == sample.read_bytes()


def evidence(client: Client) -> None:
    client.ingest(bundle([ACCOUNT]), "platform", tlp="AMBER")
    (one,) = client.evidence()
    assert one.source == "platform"
    with pytest.raises(Misuse):
        client.read_evidence(one.statement, " ")
    opened = client.read_evidence(one.statement, "request 2026-17")
    assert json.loads(opened.text) == ACCOUNT
    assert opened.by.startswith("token:")
    assert "Erased" in client.erase_evidence(one.statement, "GDPR art. 17").what
    assert client.evidence() == ()


def went_out(client: Client, folder: Path) -> None:
    idents = [indicator(f"198.51.100.{number}")["id"] for number in range(40, 46)]
    client.ingest(bundle([indicator(f"198.51.100.{n}") for n in range(40, 46)]), "to share", tlp="GREEN", pap="GREEN")
    assert client.share(ACCORD, idents).stated == 6
    explained = client.explain(idents[0], "cert.borealia.example/csirt")
    assert {each.decision.outcome for each in explained.decisions} == {"release"}
    assert explained.decisions[0].decision.findings
    assert client.narrow([idents[0]], "asked for", tlp="AMBER").act == "narrow"
    assert client.consent([idents[1]], ["cert.cascadia.example/csirt"]).act == "consent"
    newer = indicator("198.51.100.42", 7, name="corrected")
    assert client.correct(idents[2], json.dumps(newer), "a wrong name").stated == (ACCORD,)
    assert client.retract([idents[3]], "a mistake").act == "retract"
    assert client.erase([idents[4]], "a court's order").objects == 1
    acts = list(client.acts(limit=2))
    assert {act.act for act in acts} >= {"narrow", "retract", "tombstone"}
    assert {each.party for each in client.compliance([idents[3]]).answers} == {"cert.borealia.example"}

    out = folder / "export"
    told = client.export(out, FOR_GRID, choice={"source": "to share"})
    assert (told.form, told.objects) == ("stix", len(json.loads(out.read_bytes())["objects"]))
    told = client.export(out, FOR_GRID, "txt", choice={"source": "to share"}, warned=True, faded=True)
    assert told.values == len(out.read_text().split()) > 0

    assert not client.make_rule("to share", ACCORD, source="to share").made
    assert client.make_rule("ours", ACCORD, source="isac", tlp="GREEN", warned=True, yes=True).made
    assert [rule.name for rule in client.rules()] == ["ours"]
    assert client.rule("ours").rule.enabled
    assert client.plan("ours").objects == 2
    assert client.run_rule("ours", warned=True).stated == 2
    assert not client.enable_rule("ours", enabled=False).enabled
    assert client.forget_rule("ours").what
    assert client.rules() == ()

    made = client.make_feed("grid-list", FOR_GRID, "txt")
    assert made.path.startswith("/feeds/")
    assert [feed.name for feed in client.feeds()] == ["grid-list"]
    assert client.end_feed("grid-list").name == "grid-list"
    assert client.feeds() == ()


def asking(client: Client) -> None:
    posed = client.ask(ACCORD, ["198.51.100.21"], "incident", {"tlp": "AMBER"})
    assert posed.statement in {one.statement for one in client.questions(mine=True, still_open=True)}
    assert client.picture(posed.statement).question.statement == posed.statement
    for ours in (client.answer, client.draft):
        with pytest.raises((Refused, Misuse)):  # one's own question
            ours(posed.statement)
    voiced = client.voice(ACCORD, "hunt", {"tlp": "AMBER"}, about=["198.51.100.0/24"])
    assert [one.statement for one in client.interests(mine=True)] == [voiced.statement]
    assert client.matches(voiced.statement, limit=5).found
    assert list(client.arrived()) == []


def node_itself(client: Client, node: Node, folder: Path) -> None:
    services = node.machine.services
    with services.node.store.read() as unit:
        who = correspondents.by_audience(unit, FOR_GRID)
    assert who is not None
    first, second = (
        submissions.submit_objects(services.node, who, Channel.TAXII, [submitted(number)]).submission.id
        for number in (1, 2)
    )
    assert [one.audience for one in client.correspondents()] == [FOR_GRID]
    assert client.correspondent("grid").waiting == 2
    assert {one.id for one in client.inbox()} == {first, second}
    assert client.submission(first).data
    assert client.accept(first).state == "accepted"
    assert client.refuse(second, "a printer").state == "refused"
    assert len(client.inbox(settled=True)) == 2

    told_of(client, node)
    beside(client, node)
    assert {party.party for party in client.parties()} == {"cert.arcadia.example", "cert.borealia.example"}
    assert client.party("cert.borealia.example").state == "known"
    assert [one.id for one in client.accords()] == [ACCORD]
    assert client.accord(ACCORD).phase == "active"
    origins = [log.origin for log in client.logs()]
    assert client.checkpoint(origins[0]).text.startswith(origins[0])
    assert client.receipts() == ()
    proven = client.proof(indicator("198.51.100.41")["id"], folder / "proof.json")
    assert proven.party == "cert.arcadia.example"
    assert json.loads((folder / "proof.json").read_bytes())
    assert client.doctor().party == "cert.arcadia.example"


def told_of(client: Client, node: Node) -> None:
    node.perform("neighbour/add", name="hook", kind="webhook", address="https://127.0.0.1:1/x", events=["collected"])
    assert [one.name for one in client.all_neighbours()] == ["hook"]
    assert client.neighbour("hook").ceiling == "TLP:CLEAR"
    tried = client.test("hook")
    assert (tried.failed, tried.neighbour.waiting) == (1, 0)
    client.ingest(bundle([indicator("198.51.100.77")]), source="field", tlp="GREEN")
    assert client.tell("hook").failed == 1
    (message,) = client.messages("hook", standing="waiting")
    assert client.message("hook", message.id).attempts == 1
    assert client.replay("hook", message.id) == 1
    assert client.tickets("hook") == ()
    assert client.enable_neighbour("hook", enabled=False).enabled is False


def beside(client: Client, node: Node) -> None:
    node.perform(
        "sidecar/add", name="misp", address="https://127.0.0.1:1", login="misp", every=86_400,
        tags=[["share", ACCORD]], marking={"tlp": "GREEN"},
    )  # fmt: skip
    assert [one.name for one in client.all_sidecars()] == ["misp"]
    assert client.sidecar("misp").sidecar.tags == (("share", ACCORD),)
    assert client.run_sidecar("misp").sidecar.error
    assert client.asked_beside() == ()
    event = "5a1b0000-0000-4000-8000-000000000001"
    for settle in (lambda: client.release_asked("misp", event), lambda: client.refuse_asked("misp", event, "no")):
        with pytest.raises(NotFound):
            settle()
