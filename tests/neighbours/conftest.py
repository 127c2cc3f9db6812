"""A node with an accord and a partner, and a receiver that it tells."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import Party, accord, acquaint, found
from tests.neighbours.receivers import Receiver

ACCORD = "three-shores"


@pytest.fixture
def receiver(tmp_path: Path) -> Iterator[Receiver]:
    folder = tmp_path / "receiver"
    folder.mkdir()
    with Receiver(folder).serve() as running:
        yield running


@pytest.fixture
def alone(tmp_path: Path) -> Iterator[Party]:
    party = found(tmp_path, "arcadia", listens=False)
    yield party
    party.end()


@pytest.fixture
def pair(tmp_path: Path) -> Iterator[tuple[Party, Party]]:
    """Return two members of an accord; the second is served, so that the first can pull from it."""
    first, second = found(tmp_path, "arcadia"), found(tmp_path, "borealia")
    acquaint([first, second], tmp_path)
    accord([second, first], tmp_path)
    second.serve()
    yield first, second
    for one in (first, second):
        one.end()


def add(party: Party, receiver: Receiver, *more: str, name: str = "hook") -> Any:
    return party.ask(
        "neighbour", "add", name, "--url", f"{receiver.url}/in", "--certificate", str(receiver.certificate), *more
    )


def indicator(value: str, **more: Any) -> dict[str, Any]:
    return {
        "type": "indicator",
        "spec_version": "2.1",
        "id": f"indicator--{uuid.uuid5(uuid.NAMESPACE_DNS, value)}",
        "created": "2026-01-01T00:00:00.000Z",
        "modified": "2026-01-01T00:00:00.000Z",
        "name": f"C2 at {value}",
        "pattern": f"[ipv4-addr:value = '{value}']",
        "pattern_type": "stix",
        "valid_from": "2026-01-01T00:00:00Z",
        **more,
    }


def ingest(party: Party, folder: Path, *objects: dict[str, Any], tlp: str = "GREEN", source: str = "field") -> None:
    file = folder / f"{uuid.uuid4()}.json"
    file.write_text(json.dumps({"type": "bundle", "id": f"bundle--{uuid.uuid4()}", "objects": objects}))
    party("ingest", file, "--source", source, "--tlp", tlp)
