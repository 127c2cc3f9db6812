"""What partners shared in an accord, at the MISP door: as theirs, and gone when they take it back."""

from __future__ import annotations

import json
from pathlib import Path

from tests.cli.conftest import Party, accord, acquaint, found, until
from tests.misp.conftest import door_of, indicator

REPORT = "report--0000000b-0000-4000-8000-00000000000c"


def pulled(borealia: Party) -> None:
    """Sync once, and stop serving, so that the test may open the node's door itself."""
    borealia.serve()
    try:
        borealia("sync")
    finally:
        borealia.stop()


def test_a_partners_event_is_the_partners_and_follows_its_retraction(tmp_path: Path) -> None:
    arcadia, borealia = parties = [found(tmp_path, "arcadia"), found(tmp_path, "borealia", listens=False)]
    acquaint(parties, tmp_path)
    accord(parties, tmp_path)
    named = [indicator(1), indicator(2)]
    report = {
        "type": "report",
        "spec_version": "2.1",
        "id": REPORT,
        "created": "2026-11-01T09:00:00.000Z",
        "modified": "2026-11-01T09:00:00.000Z",
        "published": "2026-11-01T09:00:00.000Z",
        "name": "Shared by Arcadia",
        "object_refs": [one["id"] for one in named],
    }
    file = tmp_path / "objects.json"
    file.write_text("\n".join(json.dumps(one) for one in (*named, report)))
    arcadia.serve()
    try:
        arcadia("ingest", file, "--source", "own", "--tlp", "GREEN", "--pap", "GREEN")
        arcadia("share", "--accord", "three-shores", "--source", "own")
        pulled(borealia)
        with door_of(borealia, tmp_path) as node:
            node.take_on()
            key = node.key = node.credential().secret
            (event,) = node.client().search(pythonify=True)
            assert (event.info, event.Orgc.name, event.Org.name) == ("Shared by Arcadia", arcadia.name, arcadia.name)
            assert {one.value for one in event.attributes} == {"host-1.example", "host-2.example"}
        arcadia("retract", named[0]["id"], "--reason", "a false positive")
        until(lambda: arcadia.ask("compliance")["acts"] != [], "the retraction is on record")
        pulled(borealia)
        (tmp_path / "tls.pem").unlink()
        with door_of(borealia, tmp_path) as node:
            told = node.client(key).get_event(event.uuid, deleted=True, pythonify=True)
            assert {one.value: one.deleted for one in told.attributes} == {"deleted": True, "host-2.example": False}
    finally:
        arcadia.end()
