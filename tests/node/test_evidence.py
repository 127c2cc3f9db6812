"""A personal account that a peer states is not taken, and nothing of it is kept."""

from __future__ import annotations

from pathlib import Path

import pytest

from comity import statement
from comity.canon import accord_origin
from comity.node import books
from comity.statement import INTEL_OBJECT, STIX_MEDIA, Header
from comity.testing.world import START, World, amber

NAME = b"jane.roe.1987"


@pytest.mark.parametrize("word", [b"user-account", b"user\\u002daccount"])
def test_what_a_peer_states_of_an_account_is_refused(tmp_path: Path, word: bytes) -> None:
    world = World(13, 2, tmp_path)
    a, b = world.people
    world.accord("two", [a, b])
    body = b'{"type":"%b","spec_version":"2.1","id":"user-account--11111111-2222-4333-8444-555555555555",' % word
    body += b'"account_login":"%b"}' % NAME
    header = Header(1, INTEL_OBJECT, a.actor.office_id, 1, START, STIX_MEDIA, amber())
    with a.node.writing() as unit:
        origin = books.accord_origin(a.node, unit, "two")  # type: ignore[arg-type]
        books.state(a.node, unit, origin, 1, [books.Draft(statement.encode_header(header), body)])
    world.calm(8)
    with b.store.read() as unit:
        log = unit.logs.find(accord_origin(a.name, "two", 1))  # type: ignore[arg-type]
        assert log is not None
        bodies = [entry.body or b"" for entry in unit.entries.read(log.id, 0, log.size)]
        told = unit.quarantine.all(limit=100)
    assert not any(NAME in one for one in bodies)
    assert any("account" in one[4] for one in told)
    assert not any(NAME in one[5] for one in told)
    world.close()
