"""A world in which the first party lies."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from comity.canon import AccordId
from comity.testing.world import World
from comity.vocab import Tlp
from tests.sync.forger import Forger


@pytest.fixture
def hostile(tmp_path: Path) -> Iterator[World]:
    """Three parties in one accord, and a stranger; the first will lie."""
    made = World(5, 4, tmp_path)
    made.accord(AccordId("all"), made.people[:3], ceiling=Tlp.AMBER)
    yield made
    made.close()


@pytest.fixture
def liar(hostile: World) -> Forger:
    return Forger(hostile, hostile.people[0]).take_over()
