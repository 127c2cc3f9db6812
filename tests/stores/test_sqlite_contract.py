"""SQLite keeps what every store promises."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from comity.node.ports import Store
from comity.stores import sqlite
from comity.testing.contract import StoreContract
from comity.testing.contract.samples import VIEWS, Opener


@pytest.fixture
def opener(tmp_path: Path) -> Opener:
    return lambda: sqlite.open_store(tmp_path / "node.db", VIEWS)


@pytest.fixture
def store(opener: Opener) -> Iterator[Store]:
    store = opener()
    yield store
    store.close()


class TestSqlite(StoreContract):
    pass
