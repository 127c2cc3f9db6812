"""Bad input to the MISP door: each has its designed answer, and loses nothing."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pymisp import PyMISPError

from comity.errors import ComityError, Fault
from comity.limits import MISP_BODY_BYTES_MAX
from comity.node import acting
from comity.surfaces.misp import searching
from comity.surfaces.misp.admission import admitted
from comity.surfaces.misp.routes import Asking, Routes
from comity.vocab import Channel, Tlp
from tests.cli.conftest import found
from tests.misp.conftest import EVENT, Misp, door_of, event, indicator, uuid


@pytest.mark.parametrize("key", ["", "x" * 40, "0" * 40, "y" * 5_000, "Bearer cmc_0", "kéy"])
def test_a_key_that_does_not_hold_is_answered_in_the_same_words(node: Misp, key: str) -> None:
    got = node.send("GET", "/servers/getVersion", key=key.encode("latin-1").decode("latin-1"))
    assert got.status == 403
    assert got.json == node.send("GET", "/servers/getVersion", key="z" * 40).json
    assert got.json["message"].startswith("Authentication failed")


def test_a_key_that_was_revoked_or_is_another_channels_does_not_hold(node: Misp) -> None:
    taxii = node.credential(channel=Channel.TAXII).secret
    assert node.send("GET", "/servers/getVersion", key=taxii).status == 403
    assert node.send("GET", "/servers/getVersion", key=f"Bearer {taxii}").status == 403
    assert node.send("GET", "/servers/getVersion").status == 200
    node.perform("correspondent/end-login", name="grid", id=node.key[:12])
    assert node.send("GET", "/servers/getVersion").status == 403
    with pytest.raises(PyMISPError):
        node.client()


def test_what_is_not_released_is_as_if_it_were_not(node: Misp) -> None:
    node.bring_in(event(distribution="0", Tag=[{"name": "tlp:red"}]), Tlp.RED)
    for path in (f"/events/view/{EVENT}", f"/attributes/view/{uuid(1)}", f"/{EVENT}.json"):
        none = node.send("GET", path.replace(EVENT, uuid(9)).replace(uuid(1), uuid(9)))
        assert (node.send("GET", path).status, none.status) == (404, 404)
    assert node.send("POST", "/attributes/restSearch", {"value": "login.example.com"}).json["response"] == {
        "Attribute": []
    }
    assert node.send("POST", "/events/index", {"minimal": 1}).json == []
    assert node.send("POST", f"/sightings/add/{uuid(1)}", {"type": "0"}).status == 404


def test_what_is_held_is_taken_under_nothing_wider(node: Misp) -> None:
    node.bring_in(event(distribution="1", Tag=[{"name": "tlp:amber"}]), Tlp.AMBER)
    for wider in ({"distribution": "3"}, {"Tag": [{"name": "tlp:clear"}], "distribution": ""}):
        got = node.send("POST", f"/events/edit/{EVENT}", event(timestamp="1793530000", **({"Tag": []} | wider)))
        assert (got.status, got.json.get("saved")) == (403, False), got.json
        assert "AMBER" in got.json["message"]
    other = event(uuid=uuid(50), distribution="3", Tag=[])  # its attributes in an event of one's own
    assert node.send("POST", "/events/add", other).status == 403
    assert node.perform("inbox/list", settled=True)["submissions"] == []


def test_what_says_nothing_is_marked_as_it_is_held(node: Misp) -> None:
    node.bring_in(event(distribution="1", Tag=[{"name": "tlp:amber"}]), Tlp.AMBER)
    node.perform("correspondent/source", name="grid", marking={"tlp": "CLEAR"})
    silent = event(timestamp="1793530000", Tag=[], distribution="")
    assert node.send("POST", f"/events/edit/{EVENT}", silent).status == 200
    found = node.client().get_event(EVENT, pythonify=True)
    assert (found.distribution, {tag.name for tag in found.tags if tag.name.startswith("tlp")}) == (1, {"tlp:amber"})


def test_any_organisation_is_claimed_in_vain(node: Misp) -> None:
    node.perform("correspondent/source", name="grid", marking={"tlp": "GREEN"})
    got = node.send("POST", "/events/add", event())
    assert got.json["Comity"]["others"] == 1
    assert got.json["Event"]["Orgc"]["name"] == "cert.arcadia.example"
    (sent,) = node.perform("inbox/list", settled=True)["submissions"]
    assert sent["others"] == 1


def test_nobody_moves_or_replaces_what_another_says(node: Misp) -> None:
    node.bring_in(event())
    node.perform("correspondent/source", name="grid", marking={"tlp": "GREEN"})
    theirs = event(timestamp="1893530000", info="All a mistake")
    theirs["Attribute"][0] |= {"value": "harmless.example.org", "timestamp": "1893530000"}
    assert node.send("POST", f"/events/edit/{EVENT}", theirs).status == 200
    found = node.client().get_event(EVENT, pythonify=True)
    assert found.info == "Phishing of grid operators"
    assert {one.value for one in found.attributes} == {"login.example.com", "198.51.100.7"}
    copy = event(uuid=uuid(60), info="Mine now", timestamp="1893530000")
    assert node.send("POST", "/events/add", copy).status == 200
    assert {one.uuid for one in node.client().get_event(EVENT, pythonify=True).attributes} == {uuid(1), uuid(2)}


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("/events/add", b"{", 400),
        ("/events/add", b'{"Event": ' + b"[" * 100_000, 400),
        ("/events/add", b"[]", 400),
        ("/events/add", b'{"Event": {"info": ""}}', 403),
        ("/events/add", b'{"Event": {"info": "x", "uuid": "../../etc"}}', 400),
        ("/events/restSearch", b'{"value": {"XOR": "x"}}', 400),
        ("/events/restSearch", b'{"sharinggroup": "1"}', 400),
        ("/events/restSearch", b'{"timestamp": "yesterday"}', 400),
        ("/events/restSearch", b'{"returnFormat": "stix2"}', 400),
        ("/events/restSearch", b'{"limit": -1}', 400),
        ("/events/edit/1", b'{"info": "x"}', 404),
        ("/events/index", b"\xff\xfe", 400),
        ("/sightings/add", b'{"type": "7", "value": "x"}', 400),
        ("/admin/users/add", b"{}", 404),
        ("/events/publish/1", b"{}", 403),
        ("/attributes/edit/1", b"{}", 403),
        ("/attributes/add/1", b"{}", 404),
    ],
)
def test_what_is_malformed_or_not_served_says_so_in_its_words(node: Misp, path: str, body: bytes, status: int) -> None:
    got = node.send("POST", path, body)
    assert got.status == status, got.body
    assert {"name", "message", "url"} <= got.json.keys()
    assert node.send("GET", "/servers/getVersion").status == 200


def test_a_body_over_the_limit_or_packed_is_refused(node: Misp) -> None:
    assert node.send("POST", "/events/add", b" " * (MISP_BODY_BYTES_MAX + 1)).status == 413
    assert node.send("POST", "/events/add", b"{}", Content_Encoding="gzip").status == 415
    assert node.send("GET", "/events/add").status == 405


def test_who_may_not_send_is_told(node: Misp) -> None:
    node.bring_in(event())
    node.take_on("reader", send=False)
    key = node.credential("reader").secret
    assert node.send("POST", "/events/add", event(uuid=uuid(80)), key).status == 403
    assert node.send("POST", f"/sightings/add/{uuid(1)}", {"type": "0"}, key).status == 403
    assert node.client(key).roles(pythonify=True)[0].perm_add is False


def test_a_page_far_beyond_the_end_is_empty(node: Misp) -> None:
    node.collect([indicator(number) for number in range(5)])
    assert node.client().search("attributes", limit=2, page=999_999)["Attribute"] == []
    assert node.client().search_index(limit=1, page=999_999) == []


def test_a_program_of_ones_own_reads_and_sends_by_its_token(node: Misp) -> None:
    node.bring_in(event(distribution="0", Tag=[{"name": "tlp:red"}]), Tlp.RED)
    token = node.perform("token/create", name="siem", may="write")["token"]
    client = node.client(token)
    assert client.get_event(EVENT, pythonify=True).distribution == 0
    sent = event(uuid=uuid(81), distribution="0", Tag=[{"name": "tlp:red"}])
    got = node.send("POST", "/events/add", sent, token)
    assert got.json["Comity"]["state"] == "taken"


PATHS = (
    *("/events/index", "/events/restSearch", "/attributes/restSearch", "/events/add", "/events/edit/1"),
    *("/events/filterEventIdsForPush", "/sightings/add", "/sightings/restSearch/event", "/sightings/listSightings"),
    *(
        f"/attributes/add/{EVENT}",
        "/sightings/bulkSaveSightings/1",
        "/sightings/filterSightingUuidsForPush/1",
        "/tags/search",
        "/servers/postTest",
    ),
    *("/events/view/1", "/events/delete/1", "/attributes/delete/1", "/organisations/view/1", "/galaxies/pushCluster"),
)
NAMES = "value uuid id type timestamp limit page deleted tags Event Attribute Object info Sighting context name".split()
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=6) | st.sampled_from([EVENT, uuid(1)]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(NAMES), inner, max_size=4),
    max_leaves=10,
)


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Misp]:
    folder = tmp_path_factory.mktemp("misp")
    with door_of(found(folder, "arcadia", listens=False), folder) as node:
        node.take_on()
        node.key = node.credential().secret
        node.bring_in(event())
        yield node


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.sampled_from(PATHS), VALUES | st.binary(max_size=60))
def test_any_body_is_answered_and_nothing_is_a_mistake_of_this_program(shared: Misp, path: str, body: Any) -> None:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    machine = shared.machine
    with machine.turns.mine():
        routes = Routes(machine)
        reader = admitted(machine.services, shared.key, "192.0.2.1")
        try:
            answer = routes.answer(Asking(reader, "POST", path, "", data))
        except ComityError as error:
            assert not isinstance(error, Fault)
            return
    assert answer.status in {200, 304}
    json.loads(answer.body)


def test_what_is_erased_is_told_by_its_uuid_alone(node: Misp) -> None:
    node.bring_in(event())
    node.client().get_event(EVENT)
    with node.machine.turns.mine():
        places = node.places(f"indicator--{uuid(1)}")
        acting.erase(node.actor, node.machine.services.node, places, "a court order", "it named a person")
    told = node.client().get_event(EVENT, deleted=True)
    assert b"login.example.com" not in json.dumps(told).encode()
    assert [one["uuid"] for one in told["Event"]["Attribute"] if one["deleted"]] == [uuid(1)]
    shown = node.perform("correspondent/show", name="grid")
    assert not shown["owed"]


def test_who_is_suspended_is_given_nothing(node: Misp) -> None:
    node.bring_in(event())
    assert node.send("GET", f"/events/view/{EVENT}").status == 200
    node.perform("correspondent/move", name="grid", state="suspended", reason="their terms are looked at")
    got = node.send("GET", f"/events/view/{EVENT}")
    assert got.status == 403
    assert b"Phishing" not in got.body


def test_an_answer_or_a_search_that_would_be_too_large_is_refused_and_not_cut_off(
    node: Misp, monkeypatch: pytest.MonkeyPatch
) -> None:
    days = [f"2026-10-{day:02}T08:00:00.000Z" for day in range(1, 29)]
    node.collect([indicator(number, created=days[number % 28]) for number in range(56)])
    monkeypatch.setattr(searching, "MISP_ANSWER_ATTRIBUTES_MAX", 50)
    for path in ("/events/restSearch", "/attributes/restSearch"):
        assert node.send("POST", path, {}).status == 413
        assert node.send("POST", path, {"limit": 5}).status == 200
    monkeypatch.setattr(searching, "MISP_ANSWER_ATTRIBUTES_MAX", 100_000)
    monkeypatch.setattr(searching, "MISP_SCAN_OBJECTS_MAX", 10)
    monkeypatch.setattr(searching, "CHUNK_OBJECTS", 10)
    got = node.send("POST", "/attributes/restSearch", {"type": "md5"})
    assert (got.status, "look at too much" in got.json["message"]) == (413, True)
    (one,) = node.send("POST", "/attributes/restSearch", {"value": "host-3.example"}).json["response"]["Attribute"]
    assert one["value"] == "host-3.example"
