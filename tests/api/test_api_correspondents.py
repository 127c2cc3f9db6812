"""Correspondents and their inbox over the API of an office's own programs."""

from __future__ import annotations

from comity.node import correspondents, submissions
from comity.vocab import Channel
from tests.api.conftest import Node
from tests.node.correspond import ident, indicator


def test_a_program_settles_the_inbox_of_its_office(node: Node) -> None:
    node.perform("correspondent/add", name="grid", jurisdiction="XA", ceiling="AMBER", client=True)
    node.perform("correspondent/allow", name="grid", channel="taxii", send=True)
    services = node.machine.services
    with services.node.store.read() as unit:
        who = correspondents.by_audience(unit, "cert.arcadia.example/csirt~grid")
    assert who is not None
    first, second = (
        submissions.submit_objects(services.node, who, Channel.TAXII, [indicator(number)]).submission.id
        for number in (1, 2)
    )
    token, reader = node.token(), node.token(may="read")
    assert [one["audience"] for one in node.get("/correspondents", reader).json["correspondents"]] == [who.audience]
    assert node.get("/correspondents/grid", reader).json["waiting"] == 2
    assert node.get("/correspondents/rail", reader).status == 404
    assert {one["id"] for one in node.get("/inbox", reader).json["submissions"]} == {first, second}
    assert node.get(f"/inbox/{first}", reader).json["submission"]["state"] == "waiting"
    assert node.post(f"/inbox/{first}/accept", reader, {}).status == 403
    assert node.post(f"/inbox/{first}/accept", token, {"reason": "seen here"}).json["kept"] == 1
    assert node.post(f"/inbox/{second}/refuse", token, {"reason": " "}).status == 400
    assert node.post(f"/inbox/{second}/refuse", token, {"reason": "a printer"}).json["state"] == "refused"
    assert node.post(f"/inbox/{second}/accept", token, {}).status == 409
    settled = node.get("/inbox?settled=true", reader).json["submissions"]
    assert {one["id"]: one["state"] for one in settled} == {first: "accepted", second: "refused"}
    assert node.get(f"/objects/{ident(1)}/raw", reader).body == indicator(1)
    assert node.get(f"/objects/{ident(2)}/raw", reader).status == 404
