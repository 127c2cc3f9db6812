"""What no neighbour may ever be shown, in whatever form it is told."""

from __future__ import annotations

import itertools
import json
from pathlib import Path

import pytest

from comity.boot.compose import opened
from comity.formats.telling import chat, standard, syslog
from comity.node import delivering, neighbours, outbox, telling
from comity.node.outbox import Standing
from comity.vocab import Tlp
from tests.cli.conftest import Party
from tests.neighbours.conftest import indicator, ingest

LABELS = ("CLEAR", "GREEN", "AMBER", "AMBER+STRICT", "RED")
CEILINGS = LABELS[:-1]


@pytest.fixture
def told(alone: Party, tmp_path: Path) -> Party:
    """Return a node with an object under each label and one without, and a neighbour for each ceiling and kind."""
    for kind, url in (("webhook", "https://127.0.0.1:1/x"), ("syslog", "udp://127.0.0.1:1")):
        for number, ceiling in enumerate(CEILINGS):
            alone(
                "neighbour", "add", f"{kind}-{number}", "--kind", kind, "--url", url, "--ceiling", ceiling,
                "--event", "collected",
            )  # fmt: skip
    for number, label in enumerate(LABELS):
        to = ["--to", f"{alone.name}/csirt/ada"] if label == "RED" else []
        more = [indicator(f"203.0.113.{number + 1}", name=f"secret{number}x")]
        _ingest(alone, tmp_path, more, label, to)
    return alone


def _ingest(party: Party, folder: Path, objects: list[dict[str, object]], label: str, to: list[str]) -> None:
    if not to:
        ingest(party, folder, *objects, tlp=label, source=label)
        return
    file = folder / "red.json"
    file.write_text(json.dumps({"type": "bundle", "id": "bundle--44444444-4444-4444-8444-444444444444",
                                "objects": objects}))  # fmt: skip
    party("ingest", file, "--source", "red", "--tlp", label, *to)


def test_nothing_above_a_ceiling_is_in_any_form(told: Party) -> None:
    seen = 0
    with opened(told.home) as machine:
        services = machine.services
        with services.node.store.read() as unit:
            known = neighbours.every(unit)
        for one in known:
            delivering.look(services, one)
            with services.node.store.read() as unit:
                waiting = outbox.of(unit, one, Standing.WAITING)
            assert waiting
            for kept in waiting:
                made = telling.tell(services, one, kept)
                assert made is not None
                message = made.message
                texts = [standard.body(message), standard.line(message)]
                texts += [write(message) for write in chat.FORMS.values()]
                texts += itertools.chain(*(syslog.frames(message, form, 16, 8_192) for form in syslog.FORMS))
                for number, label in enumerate(LABELS):
                    above = Tlp(label).rank > one.ceiling.rank
                    for text in texts:
                        if above:
                            assert f"secret{number}x".encode() not in text
                            assert f"203.0.113.{number + 1}".encode() not in text
                            assert f"203[.]0[.]113[.]{number + 1}".encode() not in text
                            assert str(indicator(f"203.0.113.{number + 1}")["id"]).encode() not in text
                    seen += not above and f"secret{number}x".encode() in texts[0]
    assert seen == 2 * (1 + 2 + 3 + 4)  # and what is below is shown, at each ceiling of each kind


def test_an_address_is_on_no_log_and_in_no_answer(alone: Party) -> None:
    secret = "hooks-3x4mpl3"
    alone("neighbour", "add", "chat", "--url", f"https://chat.arcadia.example/{secret}")
    said = (
        alone("neighbour", "list").out
        + alone("neighbour", "list", "--json").out
        + alone("neighbour", "show", "chat").out
    )
    assert "https://chat.arcadia.example/…" in said
    assert secret not in said
    with opened(alone.home) as machine, machine.services.node.store.read() as unit:
        for log in unit.logs.all():
            assert all(secret.encode() not in (entry.body or b"") for entry in unit.entries.read(log.id, 0, log.size))


def test_one_office_sees_nothing_of_anothers_neighbours(alone: Party, tmp_path: Path) -> None:
    alone("neighbour", "add", "chat", "--url", "https://chat.arcadia.example/x", "--as", "csirt")
    assert alone.ask("neighbour", "list", "--as", "police")["neighbours"] == []
    alone("neighbour", "show", "chat", "--as", "police", code=66)
    alone("neighbour", "add", "hook", "--url", "https://127.0.0.1:1/x", "--ceiling", "AMBER", "--event", "collected",
          "--as", "police")  # fmt: skip
    ingest(alone, tmp_path, indicator("203.0.113.9"))
    assert alone.ask("neighbour", "send", "hook", "--as", "police")["neighbour"]["waiting"] == 0
