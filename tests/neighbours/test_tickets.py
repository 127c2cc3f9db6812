"""Tickets in RT, DFIR-IRIS and by configuration: one for each subject, whatever stops in between."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from comity.errors import Malformed, Misuse
from comity.transports.tickets import at, filled
from tests.cli.conftest import Party
from tests.neighbours.conftest import ACCORD, add, indicator, ingest
from tests.neighbours.receivers import Receiver, Request
from tests.neighbours.ticketing import Iris, Rt, said

IRIS = ["--set", "customer=1", "--set", "severity=4", "--set", "status=2"]


def login(party: Party, text: str) -> None:
    (party.home / "keys" / "tickets").write_text(text)
    (party.home / "keys" / "tickets").chmod(0o600)


def begin(party: Party, receiver: Receiver, form: str, *more: str) -> None:
    party(
        "neighbour", "add", "desk", "--kind", "ticket", "--form", form, "--url", receiver.url, "--certificate",
        receiver.certificate, "--login", "tickets", "--ceiling", "GREEN", *more,
    )  # fmt: skip


def send(party: Party, code: int = 0) -> Any:
    return party.ask("neighbour", "send", "desk", code=code)


def again(party: Party) -> Any:
    for kept in party.ask("neighbour", "messages", "desk")["messages"]:
        if kept["standing"] == "waiting":
            party("neighbour", "replay", "desk", "--message", kept["id"])
    return send(party)


def test_rt_gets_a_ticket_that_is_told_of_what_follows(
    pair: tuple[Party, Party], receiver: Receiver, tmp_path: Path
) -> None:
    arcadia, borealia = pair
    receiver.reply = rt = Rt("Incident Reports")
    login(arcadia, "header Authorization: token 1-23-abc\n")
    begin(arcadia, receiver, "rt", "--set", "queue=Incident Reports", "--event", "asked", "--event", "answered")
    borealia("ask", "198.51.100.9", "--accord", ACCORD, "--why", "hunt", "--tlp", "GREEN")
    arcadia("sync")
    assert send(arcadia)["sent"] == 1
    (ticket,) = rt.tickets.values()
    assert "198[.]51[.]100[.]9" in ticket["Content"]
    (shown,) = arcadia.ask("neighbour", "tickets", "desk")["tickets"]
    assert (shown["id"], shown["url"]) == ("1", f"{receiver.url}/Ticket/Display.html?id=1")
    assert shown["reference"] in ticket["Subject"]
    assert shown["subject"] in ticket["Content"]
    assert send(arcadia)["sent"] == 0
    assert len(rt.tickets) == 1


@pytest.mark.parametrize("form", ["rt", "iris"])
def test_what_is_taken_back_is_told_to_the_ticket_of_what_came(
    pair: tuple[Party, Party], receiver: Receiver, tmp_path: Path, form: str
) -> None:
    arcadia, borealia = pair
    system: Rt | Iris = Rt("Q") if form == "rt" else Iris()
    receiver.reply = system
    login(arcadia, "header Authorization: token 1-23-abc\n" if form == "rt" else "bearer k3y\n")
    begin(arcadia, receiver, form, *(IRIS if form == "iris" else ["--set", "queue=Q"]))
    ingest(borealia, tmp_path, indicator("198.51.100.7"))
    borealia("share", indicator("198.51.100.7")["id"], "--accord", ACCORD, "--tlp", "GREEN")
    arcadia("sync")
    assert send(arcadia)["sent"] == 1
    borealia("retract", indicator("198.51.100.7")["id"], "--reason", "mistyped")
    arcadia("sync")
    assert send(arcadia)["sent"] == 1
    (shown,) = arcadia.ask("neighbour", "tickets", "desk")["tickets"]
    assert shown["told"] == 1
    if isinstance(system, Rt):
        assert len(system.tickets) == 1
        ((number, comment),) = system.comments
        assert (number, "retracted: mistyped" in comment) == (1, True)
    else:
        assert len(system.alerts) == 1
        assert "retracted: mistyped" in system.alerts[1]["alert_note"]


@pytest.mark.parametrize("form", ["rt", "iris"])
def test_a_ticket_is_opened_once_though_the_answer_was_lost(
    alone: Party, receiver: Receiver, tmp_path: Path, form: str
) -> None:
    system: Rt | Iris = Rt("Q") if form == "rt" else Iris()
    system.cuts = 1
    receiver.reply = system
    login(alone, "header Authorization: token 1-23-abc\n" if form == "rt" else "bearer k3y\n")
    begin(alone, receiver, form, "--event", "collected", *(IRIS if form == "iris" else ["--set", "queue=Q"]))
    ingest(alone, tmp_path, indicator("198.51.100.2"))
    send(alone, code=Malformed.exit_code)
    (shown,) = alone.ask("neighbour", "tickets", "desk")["tickets"]
    assert shown["id"] == ""
    assert "perhaps opened" in alone("neighbour", "tickets", "desk").out
    assert again(alone)["sent"] == 1
    opened = system.tickets if isinstance(system, Rt) else system.alerts
    assert len(opened) == 1
    assert alone.ask("neighbour", "tickets", "desk")["tickets"][0]["id"] == "1"


def test_iris_gets_an_alert_with_its_reference(alone: Party, receiver: Receiver, tmp_path: Path) -> None:
    receiver.reply = iris = Iris()
    login(alone, "bearer k3y\n")
    begin(alone, receiver, "iris", "--event", "collected", *IRIS)
    ingest(alone, tmp_path, indicator("198.51.100.2"))
    ingest(alone, tmp_path, indicator("198.51.100.9"), tlp="AMBER", source="other")
    send(alone)
    first = iris.alerts[1]
    assert first["alert_source_ref"].startswith("msg_")
    assert (first["alert_customer_id"], first["alert_severity_id"], first["alert_status_id"]) == (1, 4, 2)
    assert "100[.]9" not in json.dumps(iris.alerts)
    assert "works" in alone("doctor", "--neighbours").out
    count = len(iris.alerts)
    alone("neighbour", "test", "desk")
    assert len(iris.alerts) == count  # nobody works at a test


class Generic:
    """A system that takes what it is told."""

    def __init__(self) -> None:
        self.bodies: list[Any] = []

    def __call__(self, asked: Request) -> tuple[int, dict[str, str], bytes]:
        if asked.method == "POST":
            self.bodies.append(asked.json)
        return said(201, {"result": {"key": f"SOC-{len(self.bodies)}"}})


def test_any_system_by_configuration(alone: Party, receiver: Receiver, tmp_path: Path) -> None:
    receiver.reply = system = Generic()
    login(alone, "basic comity:s3cret\n")
    template = '{"fields":{"summary":"{title}","text":"{text}","priority":{"name":"P{severity}"},"plain":"{x}"}}'
    begin(
        alone, receiver, "rest", "--event", "collected", "--set", "open=POST /issue", "--set", f"body={template}",
        "--set", "id=result.key", "--set", "url=https://tickets.arcadia.example/{id}",
    )  # fmt: skip
    ingest(alone, tmp_path, indicator("198.51.100.2", name='"}, "admin": {"x": "{id}'))
    assert send(alone)["sent"] == 1
    (body,) = system.bodies
    assert set(body) == {"fields"}
    assert body["fields"]["priority"] == {"name": "P3"}
    assert body["fields"]["plain"] == "{x}"
    assert '"}, "admin"' in body["fields"]["text"]
    (shown,) = alone.ask("neighbour", "tickets", "desk")["tickets"]
    assert (shown["id"], shown["url"]) == ("SOC-1", "https://tickets.arcadia.example/SOC-1")


def test_a_system_that_cannot_be_asked_is_left_to_a_person(alone: Party, receiver: Receiver, tmp_path: Path) -> None:
    receiver.answers = [(502, {}, b"")]
    login(alone, "basic comity:s3cret\n")
    begin(alone, receiver, "rest", "--event", "collected", "--set", "open=POST /i", "--set", 'body={"t":"{title}"}',
          "--set", "id=id")  # fmt: skip
    ingest(alone, tmp_path, indicator("198.51.100.2"))
    send(alone, code=Malformed.exit_code)
    (kept,) = alone.ask("neighbour", "messages", "desk")["messages"]
    alone("neighbour", "replay", "desk", "--message", kept["id"])
    assert "not known whether the ticket was opened" in send(alone, code=Malformed.exit_code)["said"]
    assert len(receiver.posts) == 1


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--form", "rt"], "needs 'queue'"),
        (["--form", "rt", "--set", "queue=x", "--set", "y=z"], "no setting 'y'"),
        (["--form", "iris", "--set", "customer=a", "--set", "severity=1", "--set", "status=1"], "the number"),
        (["--form", "rt", "--set", "queue"], "no setting"),
    ],
)
def test_what_cannot_be_a_ticket_system_is_said(alone: Party, arguments: list[str], says: str) -> None:
    ran = alone("neighbour", "add", "x", "--kind", "ticket", "--url", "https://x.example", *arguments,
                code=Misuse.exit_code)  # fmt: skip
    assert says in ran.err


def test_one_receiver_for_all_is_a_webhook(alone: Party, receiver: Receiver) -> None:
    assert add(alone, receiver)["neighbour"]["kind"] == "webhook"


LEAVES = st.none() | st.booleans() | st.integers() | st.text()
TREES = st.recursive(LEAVES, lambda one: st.lists(one) | st.dictionaries(st.text(), one))


@given(TREES, st.text())
def test_any_answer_and_any_path_give_text(tree: Any, path: str) -> None:
    assert isinstance(at(tree, path), str)


@given(st.text(), st.dictionaries(st.sampled_from(["id", "text", "title"]), st.text()))
def test_any_template_is_filled_or_malformed(template: str, fields: dict[str, str]) -> None:
    for one in (template, json.dumps({"a": template})):
        try:
            filled(one, fields)
        except Malformed:
            continue


@given(st.text())
def test_no_text_changes_the_shape_of_a_template(text: str) -> None:
    assert filled('{"a": ["x{text}y", 1]}', {"text": text}) == {"a": [f"x{text}y", 1]}
