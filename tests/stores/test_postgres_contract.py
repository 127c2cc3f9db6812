"""PostgreSQL keeps what every store promises."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from comity.node.ports import Store
from comity.stores import postgres as backend
from comity.testing.contract import StoreContract
from comity.testing.contract.samples import VIEWS, Opener

if TYPE_CHECKING:
    from tests.stores.conftest import Server


@pytest.fixture
def opener(postgres: Server) -> Opener:
    dsn = postgres.dsn()
    return lambda: backend.open_store(dsn, VIEWS)


@pytest.fixture
def store(opener: Opener) -> Iterator[Store]:
    store = opener()
    yield store
    store.close()


class TestPostgres(StoreContract):
    pass
