"""Two parties' programs through their nodes' APIs: one asks, the other answers, what is taken back is told."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from comity.client import Client
from tests.cli.conftest import accord, acquaint, found, free_port, until

ACCORD = "three-shores"
YESTERDAY = datetime.now(UTC).date() - timedelta(days=1)  # what is older fades


@pytest.fixture
def two(tmp_path: Path) -> Iterator[list[Client]]:
    """Return programs of two parties that have signed an accord, their nodes serving."""
    parties = [found(tmp_path, short) for short in ("arcadia", "borealia")]
    acquaint(parties, tmp_path)
    accord(parties, tmp_path)
    clients = []
    for party in parties:
        port = free_port()
        settings = party.home / "settings.toml"
        settings.write_text(settings.read_text().replace('# api_listen = ""', f'api_listen = "127.0.0.1:{port}"'))
        party.serve()
        token = party.ask("token", "create", "case-tool", "--office", "csirt", "--may", "write")["token"]
        clients.append(Client(f"https://127.0.0.1:{port}", token, ca=party.home / "tls.pem"))
    yield clients
    for party in parties:
        party.end()


def indicator() -> dict[str, Any]:
    return {
        "type": "indicator", "spec_version": "2.1", "id": "indicator--0b1d0c58-8a3c-4c6b-a9b7-2a7d2f1f6c11",
        "created": f"{YESTERDAY}T08:00:00.000Z", "modified": f"{YESTERDAY}T08:00:00.000Z", "pattern_type": "stix",
        "pattern": "[ipv4-addr:value = '192.0.2.7']", "valid_from": f"{YESTERDAY}T08:00:00Z",
    }  # fmt: skip


def test_programs_share_ask_answer_and_learn_of_a_retraction(two: list[Client]) -> None:
    arcadia, borealia = two
    text = json.dumps(indicator()).encode()
    arcadia.ingest(text, "lab", tlp="AMBER")
    assert arcadia.share(ACCORD, [indicator()["id"]]).stated == 1
    until(lambda: next(borealia.known(["192.0.2.7"])).state == "current", "Borealia has the indicator")
    (held,) = borealia.objects()
    assert (held.raw, held.said.party, held.said.source) == (text, "cert.arcadia.example", "")

    question = borealia.ask(ACCORD, ["192.0.2.7"], "incident", {"tlp": "AMBER"})
    until(lambda: bool(arcadia.questions(still_open=True)), "Arcadia is asked")
    (asked,) = arcadia.questions(still_open=True)
    assert (asked.statement, asked.by_us) == (question.statement, "")
    given = arcadia.answer(asked.statement, [{"said": "seen", "value": "192.0.2.7:3"}])
    assert given.to == ("cert.borealia.example/csirt",)
    until(lambda: borealia.picture(question.statement).answered != (), "Borealia is answered")
    (value,) = borealia.picture(question.statement).values
    assert (value.value, value.count, value.seen) == ("192.0.2.7", 3, ("cert.arcadia.example/csirt",))

    arcadia.retract([indicator()["id"]], "a mistake")
    until(lambda: next(borealia.known(["192.0.2.7"])).state == "retracted", "Borealia learns of the retraction")
    (held,) = borealia.objects()
    assert held.said.retracted
