"""What `released` gives in SQL is what filtering gives in Python, on any log, for any classes allowed."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from comity.canon import Origin
from comity.node.ports import NewEntry, Store, position
from comity.stores import postgres as postgres_store
from comity.stores import sqlite
from comity.testing.contract.entries import filtered
from comity.testing.contract.samples import HEADERS, RETRACTED, VIEWS, extend, open_log, payload, unheld
from comity.vocab import Held

if TYPE_CHECKING:
    from tests.stores.conftest import Server

GENERATIONS = count(1)
STANDINGS = (b"{}", RETRACTED, b'{"onward":false}')
LEAVES = st.tuples(st.sampled_from(list(Held)), st.sampled_from(HEADERS), st.sampled_from(STANDINGS), st.booleans())


@pytest.fixture(scope="module", params=["sqlite", "postgres"])
def store(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    store: Store
    if request.param == "sqlite":
        path: Path = tmp_path_factory.mktemp("released") / "node.db"
        store = sqlite.open_store(path, VIEWS, durability="off")
    else:
        server: Server = request.getfixturevalue("postgres")
        store = postgres_store.open_store(server.dsn(), VIEWS, durability="off")
    yield store
    store.close()


@settings(max_examples=60)
@given(data=st.data())
def test_released_is_what_filtering_gives(store: Store, data: Any) -> None:
    leaves = data.draw(st.lists(LEAVES, min_size=1, max_size=12))
    with store.write() as unit:
        log = open_log(unit, Origin(f"cert.arcadia.example/accord/three-shores/{next(GENERATIONS)}"))
        for index, (held, header, standing, shares) in enumerate(leaves):
            owned = index and unit.entries.is_held(log.id, index - 1)
            body = position(log.id, index - 1) if shares and owned else None
            kept = payload(index, header=header, body=body)
            entry: NewEntry = kept if held in {Held.PAYLOAD, Held.ERASED} else unheld(index, held)
            extend(unit, unit.logs.get(log.id), [entry])
            unit.entries.set_standing(log.id, index, index + 1, standing)
        for index, (held, *_) in enumerate(leaves):
            if held is Held.ERASED:
                unit.entries.erase(log.id, index, index + 1)
    with store.read() as unit:
        classes = sorted(unit.entries.classes(log.id, 0, len(leaves)))
        strange = [(header, 999_999) for header, _ in classes] + [(999_999, standing) for _, standing in classes]
        allowed = data.draw(st.lists(st.sampled_from([*classes, *strange, (0, 0)])))
        start = data.draw(st.integers(0, len(leaves)))
        end = data.draw(st.integers(start, len(leaves)))
        released = list(unit.entries.released(log.id, start, end, allowed))
        assert released == filtered(unit, log.id, start, end, set(allowed))
        for entry in released:
            assert (entry.body is None) == (entry.held is not Held.PAYLOAD) == (entry.salt is None)
