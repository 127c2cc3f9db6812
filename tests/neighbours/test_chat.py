"""Messages for chats: what people see, and what strangers cannot do in them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given

from comity.errors import Malformed
from comity.formats.telling import chat
from comity.formats.telling.message import Message, Thing, Value, lines
from tests.cli.conftest import Party
from tests.neighbours.conftest import add, indicator, ingest
from tests.neighbours.receivers import Receiver
from tests.neighbours.test_syslog import MESSAGES, message

MENTION = "@channel <!channel> <https://evil.example|x> [y](https://evil.example) ``` ~~~ *b* \u202e\n# head"


def nasty(**more: Any) -> Message:
    thing = Thing(statement="s", id="indicator--1", type="indicator", name=MENTION, tlp="TLP:GREEN",
                  values=(Value("url", "http://evil.example/a"), Value("email", "a@evil.example")))  # fmt: skip
    return message(things=(thing,), **more)


def test_slack_and_mattermost_quote_what_strangers_say() -> None:
    told = json.loads(chat.slack(nasty()))["text"]
    assert told.startswith("TLP:GREEN intelligence received\n```\n")
    assert told.count("```") == 2
    assert "<" not in told
    assert "&lt;!channel&gt;" in told
    assert "hxxp://evil[.]example/a" in told
    assert "a[@]evil[.]example" in told
    told = json.loads(chat.mattermost(nasty()))["text"]
    assert told.count("```") == 2
    assert "@channel" not in told.replace("[@]channel", "")
    assert len(told.split("```")[1].strip().splitlines()) == 1


def test_a_card_of_teams_is_plain_text_of_a_version_it_takes() -> None:
    sent = json.loads(chat.teams(nasty(link="https://node.arcadia.example/x")))
    (attachment,) = sent["attachments"]
    assert (sent["type"], attachment["contentType"]) == ("message", "application/vnd.microsoft.card.adaptive")
    card = attachment["content"]
    assert (card["type"], card["version"]) == ("AdaptiveCard", "1.4")
    assert {block["type"] for block in card["body"]} == {"RichTextBlock"}
    assert card["actions"] == [
        {"type": "Action.OpenUrl", "title": "See the node", "url": "https://node.arcadia.example/x"}
    ]


@given(MESSAGES)
def test_any_text_stays_inside_its_block(told: Message) -> None:
    assert all("\n" not in line and "\r" not in line for line in lines(told))
    for form, write in chat.FORMS.items():
        sent = json.loads(write(told))
        if form in {"slack", "mattermost"}:
            assert sent["text"].count("```") in (0, 2)
            assert "<" not in sent["text"] or form == "mattermost"
            assert "@" not in sent["text"].replace("[@]", "")


def test_many_values_do_not_make_a_message_that_no_chat_takes() -> None:
    things = tuple(
        Thing(id=f"indicator--{n}", name="x" * 190, values=(Value("url", f"http://x.example/{'y' * 500}"),))
        for n in range(50)
    )
    told = message(things=things)
    assert len(json.loads(chat.mattermost(told))["text"]) < 16_383
    assert len(chat.teams(message(things=things[:20], more=30))) < 28_000


@pytest.mark.parametrize("form", ["slack", "mattermost", "teams", "matrix"])
def test_a_chat_is_told_defanged_up_to_its_ceiling(alone: Party, receiver: Receiver, tmp_path: Path, form: str) -> None:
    (alone.home / "keys" / "chat").write_text("bearer t0ken\n")
    (alone.home / "keys" / "chat").chmod(0o600)
    add(alone, receiver, "--form", form, "--ceiling", "GREEN", "--event", "collected", "--login", "chat")
    ingest(alone, tmp_path, indicator("198.51.100.2"))
    ingest(alone, tmp_path, indicator("198.51.100.9"), tlp="AMBER", source="other")
    assert alone.ask("neighbour", "send", "hook")["sent"] >= 1
    text = b"".join(one.body for one in receiver.posts).decode()
    assert "198[.]51[.]100[.]2" in text
    assert "198.51.100" not in text.replace("C2 at 198.51.100.2", "")
    assert "100.9" not in text
    assert "100[.]9" not in text
    assert "under TLP:AMBER may not be shown here" in text
    (first, *_) = receiver.posts
    assert first.headers["authorization"] == "Bearer t0ken"
    expected = ("PUT", f"/in/{first.headers['webhook-id']}") if form == "matrix" else ("POST", "/in")
    assert (first.method, first.path) == expected


def test_a_login_that_is_not_there_is_said_and_the_message_waits(
    alone: Party, receiver: Receiver, tmp_path: Path
) -> None:
    add(alone, receiver, "--ceiling", "GREEN", "--event", "collected", "--login", "nothing")
    ingest(alone, tmp_path, indicator("198.51.100.2"))
    done = alone.ask("neighbour", "send", "hook", code=Malformed.exit_code)
    assert "keys/nothing" in done["said"]
    assert done["neighbour"]["waiting"] == 1
    assert receiver.requests == []
