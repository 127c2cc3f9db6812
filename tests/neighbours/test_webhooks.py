"""Webhooks: what they say, that they are signed, tried again, given up and replayed, and what they never show."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from comity.boot.compose import opened
from comity.canon import parse_origin
from comity.errors import Malformed, Misuse, NotFound
from comity.formats.telling import standard
from tests.cli.conftest import Party, until
from tests.neighbours.conftest import ACCORD, add, indicator, ingest
from tests.neighbours.receivers import Receiver, signed_by


def send(party: Party, name: str = "hook", code: int = 0) -> Any:
    return party.ask("neighbour", "send", name, code=code)


def messages(party: Party, name: str = "hook") -> Any:
    return party.ask("neighbour", "messages", name)["messages"]


def test_the_signature_is_the_published_one() -> None:
    # The test vector of the specification's reference libraries.
    secrets = standard.secrets_of(b"whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw\n", "keys/x")
    headers = standard.headers(secrets, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, b'{"test": 2432232314}')
    assert headers["webhook-signature"] == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
    assert headers["webhook-timestamp"] == "1614265330"


@pytest.mark.parametrize("data", [b"", b"whsec_!!", b"whsec_c2hvcnQ=", b"\xff", b"whsec_" + b"QUFB" * 100])
def test_what_is_no_secret_is_refused_and_not_shown(data: bytes) -> None:
    with pytest.raises(Malformed) as refused:
        standard.secrets_of(data, "keys/x")
    assert data.decode("latin-1").strip() not in str(refused.value) or not data.strip()


def test_what_happens_is_told_once_signed_and_with_its_values(alone: Party, receiver: Receiver, tmp_path: Path) -> None:
    ingest(alone, tmp_path, indicator("198.51.100.1"))
    added = add(alone, receiver, "--sign", "--ceiling", "GREEN", "--event", "collected")
    secret = added["secret"]
    assert secret.startswith("whsec_")
    assert send(alone)["sent"] == 0  # what was there before is not news
    ingest(alone, tmp_path, indicator("198.51.100.2"), indicator("198.51.100.3"))
    assert send(alone)["sent"] == 1
    (request,) = receiver.posts
    assert signed_by(request, secret)
    assert (request.path, request.headers["content-type"]) == ("/in", "application/json")
    told = request.json
    assert told["type"] == "comity.collected"
    values = {value["value"] for thing in told["data"]["things"] for value in thing["values"]}
    assert values == {"198.51.100.2", "198.51.100.3"}
    assert told["data"]["things"][0]["tlp"] == "TLP:GREEN"
    assert told["data"]["id"] == request.headers["webhook-id"]
    assert send(alone)["sent"] == 0
    assert len(receiver.posts) == 1
    (kept,) = messages(alone)
    assert (kept["standing"], kept["attempts"], kept["id"]) == ("sent", 1, request.headers["webhook-id"])
    shown = alone("neighbour", "list").out + alone("neighbour", "messages", "hook").out
    assert secret not in shown
    assert secret.encode() not in (alone.home / "node.db").read_bytes()


def test_above_the_ceiling_is_a_number_and_a_label(alone: Party, receiver: Receiver, tmp_path: Path) -> None:
    add(alone, receiver, "--ceiling", "GREEN", "--event", "collected", "--link", "https://node.arcadia.example/in")
    ingest(alone, tmp_path, indicator("198.51.100.2", name="quiet name"), tlp="AMBER")
    assert send(alone)["sent"] == 1
    text = receiver.posts[0].body.decode()
    assert "198.51.100.2" not in text
    assert "quiet name" not in text
    assert "indicator--" not in text
    told = receiver.posts[0].json["data"]
    assert (told["hidden"], told["hidden_tlp"], told["things"]) == (1, "TLP:AMBER", [])
    assert told["link"] == "https://node.arcadia.example/in"
    assert told["subject"].startswith("about-")  # a place in a log says whose it is
    assert "home" not in text


def test_fields_that_were_not_given_are_not_told(alone: Party, receiver: Receiver, tmp_path: Path) -> None:
    add(alone, receiver, "--ceiling", "GREEN", "--event", "collected", "--field", "values")
    ingest(alone, tmp_path, indicator("198.51.100.2", name="quiet name"))
    send(alone)
    (thing,) = receiver.posts[0].json["data"]["things"]
    assert set(thing) == {"tlp", "type", "values"}


def test_what_others_share_is_told_and_so_is_that_they_took_it_back(
    pair: tuple[Party, Party], receiver: Receiver, tmp_path: Path
) -> None:
    arcadia, borealia = pair
    add(arcadia, receiver, "--ceiling", "AMBER", name="hook")
    ingest(borealia, tmp_path, indicator("198.51.100.7"))
    ident = indicator("198.51.100.7")["id"]
    borealia("share", ident, "--accord", ACCORD, "--tlp", "GREEN")
    arcadia("sync")
    assert send(arcadia)["sent"] == 1
    told = receiver.posts[0].json
    assert told["type"] == "comity.received"
    (thing,) = told["data"]["things"]
    assert thing["author"] == f"{borealia.name}/csirt"
    assert thing["values"] == [{"type": "ipv4", "value": "198.51.100.7"}]
    borealia("retract", ident, "--reason", "mistyped")
    arcadia("sync")
    assert send(arcadia)["sent"] == 1
    told = receiver.posts[1].json
    assert told["type"] == "comity.retracted"
    (thing,) = told["data"]["things"]
    assert (thing["id"], thing["note"]) == (ident, "retracted: mistyped")


def test_a_question_and_a_failing_source_are_told(
    pair: tuple[Party, Party], receiver: Receiver, tmp_path: Path
) -> None:
    arcadia, borealia = pair
    add(arcadia, receiver, "--ceiling", "AMBER", "--event", "asked", "--event", "source-failed", "--event",
        "source-works")  # fmt: skip
    borealia("ask", "198.51.100.9", "--accord", ACCORD, "--why", "hunt", "--tlp", "AMBER")
    arcadia("sync")
    arcadia("source", "add", "lost", "--url", "https://127.0.0.1:1/x")
    arcadia("source", "poll", "lost", code=69)
    assert send(arcadia)["sent"] == 2
    asked, failed = (one.json for one in receiver.posts)
    assert asked["type"] == "comity.asked"
    assert asked["data"]["things"][0]["values"] == [{"type": "ipv4", "value": "198.51.100.9"}]
    assert (failed["type"], failed["data"]["subject"]) == ("comity.source_failed", "lost")
    assert send(arcadia)["sent"] == 0  # it fails still, and that was told
    arcadia("source", "remove", "lost")
    assert send(arcadia)["sent"] == 1
    assert receiver.posts[2].json["type"] == "comity.source_works"


# -- at least once --------------------------------------------------------------------


def test_a_receiver_that_fails_is_tried_again_under_the_same_id(
    alone: Party, receiver: Receiver, tmp_path: Path
) -> None:
    add(alone, receiver, "--ceiling", "GREEN", "--event", "collected")
    ingest(alone, tmp_path, indicator("198.51.100.2"))
    receiver.answers = [(500, {}, b"out of order")]
    done = send(alone, code=Malformed.exit_code)
    assert (done["failed"], done["neighbour"]["waiting"]) == (1, 1)
    assert done["said"].startswith("the network: 127.0.0.1")
    assert "out of order" in done["neighbour"]["error"]
    assert "out of order" in alone("doctor").out
    (kept,) = messages(alone)
    assert (kept["standing"], kept["attempts"]) == ("waiting", 1)
    assert kept["due"] > 0
    assert send(alone)["sent"] == 0  # it is left alone for some seconds
    assert alone.ask("neighbour", "replay", "hook", "--message", kept["id"])["messages"] == 1
    assert send(alone)["sent"] == 1
    first, second = receiver.posts
    assert first.headers["webhook-id"] == second.headers["webhook-id"]
    assert first.body == second.body


def test_what_no_receiver_takes_is_given_up_shown_and_replayed(
    alone: Party, receiver: Receiver, tmp_path: Path
) -> None:
    add(alone, receiver, "--ceiling", "GREEN", "--event", "collected")
    ingest(alone, tmp_path, indicator("198.51.100.2"))
    receiver.reply = lambda _: (500, {}, b"never")
    attempts = exhaust(alone)
    assert attempts == 10
    (kept,) = messages(alone)
    assert (kept["standing"], kept["attempts"]) == ("dead", 10)
    assert "1 messages were given up" in alone("doctor").out
    receiver.reply = None
    assert send(alone)["sent"] == 0
    assert alone.ask("neighbour", "replay", "hook")["messages"] == 1
    assert send(alone)["sent"] == 1
    assert len({one.headers["webhook-id"] for one in receiver.posts}) == 1


def exhaust(party: Party) -> int:
    """Let days pass until nothing waits any more; return how often it was tried."""
    with opened(party.home) as machine:
        node = machine.services.node
        start, tried = node.now(), 0
        for step in range(60):
            node.clock = lambda step=step: start + step * 90_000  # type: ignore[misc]
            done = json.loads(
                machine.perform("neighbour/send", b'{"name":"hook","user":"ada","office":"csirt"}', lambda _: None)
            )
            tried += done["failed"]
            if not done["neighbour"]["waiting"]:
                break
    return tried


def test_one_message_that_is_refused_holds_up_no_other(alone: Party, receiver: Receiver, tmp_path: Path) -> None:
    add(alone, receiver, "--ceiling", "GREEN", "--event", "collected")
    ingest(alone, tmp_path, indicator("198.51.100.2"))
    receiver.answers = [(422, {}, b"too odd"), (200, {}, b"")]
    send(alone, code=Malformed.exit_code)
    ingest(alone, tmp_path, indicator("198.51.100.3"))
    assert send(alone)["sent"] == 1
    standings = {kept["standing"] for kept in messages(alone)}
    assert standings == {"waiting", "sent"}


def test_who_wants_no_more_is_paused(alone: Party, receiver: Receiver, tmp_path: Path) -> None:
    add(alone, receiver, "--ceiling", "GREEN", "--event", "collected")
    ingest(alone, tmp_path, indicator("198.51.100.2"))
    receiver.answers = [(410, {}, b"")]
    done = send(alone, code=Malformed.exit_code)
    assert (done["dead"], done["neighbour"]["enabled"]) == (1, False)
    assert "is paused" in alone("doctor").out
    assert "is paused" in alone("neighbour", "send", "hook", code=Misuse.exit_code).err
    alone("neighbour", "resume", "hook")
    alone("neighbour", "replay", "hook")
    assert send(alone)["sent"] == 1


def test_a_busy_receiver_is_left_alone_for_as_long_as_it_says(alone: Party, receiver: Receiver, tmp_path: Path) -> None:
    add(alone, receiver, "--ceiling", "GREEN", "--event", "collected")
    ingest(alone, tmp_path, indicator("198.51.100.2"))
    receiver.answers = [(429, {"Retry-After": "7200"}, b"")]
    done = send(alone, code=Malformed.exit_code)
    neighbour = done["neighbour"]
    assert neighbour["due"] - neighbour["attempt"] >= 7_200
    assert messages(alone)[0]["due"] - neighbour["attempt"] >= 7_200


def test_a_redirect_is_not_followed_and_an_inward_address_is_refused(
    alone: Party, receiver: Receiver, tmp_path: Path
) -> None:
    add(alone, receiver, "--ceiling", "GREEN", "--event", "collected")
    ingest(alone, tmp_path, indicator("198.51.100.2"))
    receiver.answers = [(307, {"Location": "https://169.254.169.254/latest"}, b"")]
    assert send(alone, code=Malformed.exit_code)["failed"] == 1
    assert len(receiver.requests) == 1
    alone("neighbour", "add", "inward", "--url", "https://10.0.0.1/in", "--event", "collected")
    failed = alone("neighbour", "test", "inward", code=77)
    assert "inside this machine or its network" in failed.out


def test_an_answer_without_end_is_read_no_further_than_needed(alone: Party, receiver: Receiver, tmp_path: Path) -> None:
    add(alone, receiver, "--ceiling", "GREEN", "--event", "collected")
    ingest(alone, tmp_path, indicator("198.51.100.2"))
    receiver.answers = [(200, {}, b"x" * 50_000_000)]
    assert send(alone)["sent"] == 1
    assert len(messages(alone)[0]["said"]) < 400


def test_a_serving_node_tells_by_itself(alone: Party, receiver: Receiver, tmp_path: Path) -> None:
    add(alone, receiver, "--ceiling", "GREEN", "--event", "collected")
    alone("neighbour", "add", "lost", "--url", "https://127.0.0.1:1/x", "--ceiling", "GREEN", "--event", "collected")
    alone.serve()
    ingest(alone, tmp_path, indicator("198.51.100.2"))
    until(lambda: len(receiver.posts) == 1, "a neighbour is told")
    until(lambda: alone.ask("neighbour", "show", "lost")["failures"] > 0, "another does not answer")
    assert alone.stop() == 0
    assert "Traceback" not in alone.log.read_text()


def test_a_renewed_secret_and_the_one_before_it_both_hold(alone: Party, receiver: Receiver, tmp_path: Path) -> None:
    old = add(alone, receiver, "--sign", "--ceiling", "GREEN", "--event", "collected")["secret"]
    new = alone.ask("neighbour", "renew", "hook")["secret"]
    assert new != old
    assert alone.ask("neighbour", "test", "hook")["sent"] == 1
    (request,) = receiver.posts
    assert signed_by(request, old)
    assert signed_by(request, new)
    assert request.json["data"]["test"] is True
    alone("neighbour", "renew", "hook")
    alone("neighbour", "test", "hook")
    assert not signed_by(receiver.posts[1], old)


# -- outside the organisation ---------------------------------------------------------


@pytest.fixture
def power(alone: Party) -> str:
    alone("party", "correspondent", "add", "power", "--jurisdiction", "XA", "--ceiling", "AMBER", "--client")
    alone("party", "correspondent", "allow", "power", "webhook")
    return f"{alone.name}/csirt~power"


def home_log(party: Party) -> list[tuple[str, Any]]:
    """Return what stands on a party's home log, as (kind, body)."""
    with opened(party.home) as machine, machine.services.node.store.read() as unit:
        (home,) = [log for log in unit.logs.all() if parse_origin(log.origin)[1] is None]
        entries = unit.entries.read(home.id, 0, home.size)
        headers = [machine.services.node.header(entry.header or b"") for entry in entries]
        return [
            (header.kind, json.loads(entry.body or b"null"))
            for header, entry in zip(headers, entries, strict=True)
            if header.kind.startswith("home.")
        ]


def test_a_correspondent_is_told_by_recorded_decision_and_learns_nothing_of_the_rest(
    alone: Party, receiver: Receiver, tmp_path: Path, power: str
) -> None:
    add(alone, receiver, "--to", "power", "--ceiling", "AMBER", "--event", "collected")
    ingest(alone, tmp_path, indicator("198.51.100.2"), tlp="GREEN")
    ingest(alone, tmp_path, indicator("198.51.100.66"), tlp="AMBER+STRICT", source="inner")
    send(alone)
    bodies = b"".join(one.body for one in receiver.posts)
    assert b"198.51.100.66" not in bodies
    assert b"AMBER+STRICT" not in bodies
    assert all(one.json["data"]["hidden"] == 0 for one in receiver.posts)
    given = alone.ask("party", "correspondent", "show", "power")
    assert [(one["channel"], one["grade"]) for one in given["deliveries"]] == [("webhook", "sent")]
    decided = [body for kind, body in home_log(alone) if kind == "home.release"]
    assert {one["to"] for one in decided} == {power}
    outcomes = [d["outcome"] for one in decided for line in one["classes"] for d in line["decisions"]]
    assert sorted(outcomes) == ["release", "withholding"]
    alone("retract", indicator("198.51.100.2")["id"], "--reason", "mistyped")
    count = len(receiver.posts)
    assert send(alone)["sent"] == 1
    told = receiver.posts[count].json
    assert told["type"] == "comity.retracted"
    assert told["data"]["things"][0]["note"].startswith("retracted")
    assert send(alone)["sent"] == 0  # it was told


def test_who_has_no_such_channel_or_is_not_outside_is_not_told(alone: Party, receiver: Receiver, power: str) -> None:
    alone("party", "correspondent", "forbid", "power", "webhook")
    said = alone("neighbour", "add", "p", "--url", "https://soc.power.example/in", "--to", "power", code=64).err
    assert "given nothing by webhook" in said
    alone("neighbour", "add", "p", "--url", "https://x.example", "--to", "nobody", code=NotFound.exit_code)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--url", "ftp://x.example"], "no address"),
        (["--url", "https://x.example", "--ceiling", "RED"], "for persons"),
        (["--url", "http://x.example"], "plain http"),
        (["--url", "http://x.example", "--plain-http", "--ceiling", "GREEN"], "TLP:CLEAR"),
        (["--url", "https://x.example", "--field", "secrets"], "no field"),
        (["--url", "https://x.example", "--login", "root.key"], "own keys"),
        (["--url", "https://x.example", "--form", "cef"], "takes no form"),
        (["--url", "https://x.example", "--purpose", "fun"], "purpose"),
        (["--url", "tls://x.example", "--kind", "syslog", "--sign"], "not signed"),
    ],
)
def test_what_cannot_be_a_neighbour_is_said(alone: Party, arguments: list[str], says: str) -> None:
    assert says in alone("neighbour", "add", "x", *arguments, code=Misuse.exit_code).err


def test_a_neighbour_is_tried_without_being_sent_anything_real(alone: Party, receiver: Receiver) -> None:
    add(alone, receiver)
    done = alone.ask("doctor", "--neighbours")["tried"]
    assert any(one["kind"] == "neighbour" and one["works"] for one in done)
    assert receiver.posts == []
    alone("doctor", "--neighbours", "--send-test")
    assert receiver.posts[0].json["data"]["test"] is True
    alone("neighbour", "remove", "hook")
    assert alone.ask("neighbour", "list")["neighbours"] == []
