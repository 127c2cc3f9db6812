"""The MISP door of a node that is served as its operator serves it."""

from __future__ import annotations

import json
import urllib.request
from pathlib import Path

from tests.cli.conftest import found, free_port


def test_a_served_node_opens_its_misp_door_and_the_doctor_tries_it(tmp_path: Path) -> None:
    party = found(tmp_path, "arcadia", listens=False)
    port = free_port()
    settings = party.home / "settings.toml"
    text = settings.read_text().replace('# misp_listen = ""', f'misp_listen = "127.0.0.1:{port}"')
    settings.write_text(text.replace("# plain_http = false", "plain_http = true"))
    card = "party", "correspondent"
    party(*card, "add", "grid", "--jurisdiction", "XA", "--ceiling", "AMBER", "--client")
    party(*card, "allow", "grid", "misp", "--send")
    made = party(*card, "login", "create", "grid", "misp")
    assert "in this version" not in made.out
    key = made.out.splitlines()[0].strip()
    party.serve()
    try:
        asked = urllib.request.Request(f"http://127.0.0.1:{port}/servers/getVersion", headers={"Authorization": key})
        with urllib.request.urlopen(asked) as answer:
            assert json.load(answer)["comity"] == "cert.arcadia.example/csirt"
        rows = party.ask("doctor", "--neighbours")["tried"]
        (door,) = (one for one in rows if one["what"] == f"the door to MISP clients at 127.0.0.1:{port}")
        assert "it answers (status 403)" in door["said"]
    finally:
        party.stop()
