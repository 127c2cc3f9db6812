from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import pytest

from comity.http.fetch import Fetcher
from comity.http.inward import LOOPBACK
from comity.http.login import NOBODY, Login
from comity.testing.world import START
from comity.transports.caller import Caller, Manners
from tests.transports.taxii_server import Taxii, served


@dataclass
class Patience:
    """A clock that only pauses move."""

    now: int = START + 86_400
    pauses: list[float] = field(default_factory=list)

    def pause(self, seconds: float) -> None:
        self.pauses.append(seconds)

    @property
    def manners(self) -> Manners:
        return Manners(lambda: self.now, self.pause, lambda: 0.5)


@pytest.fixture
def patience() -> Patience:
    return Patience()


@pytest.fixture(scope="session")
def fetcher() -> Iterator[Fetcher]:
    made = Fetcher(allow=LOOPBACK, seconds=10.0)
    yield made
    made.close()


@pytest.fixture
def call(fetcher: Fetcher, patience: Patience) -> Callable[..., Caller]:
    def make(address: str, login: Login = NOBODY) -> Caller:
        return Caller(fetcher, address, patience.manners, login, "isac")

    return make


@pytest.fixture
def server() -> Taxii:
    return Taxii()


@pytest.fixture
def base(server: Taxii) -> Iterator[str]:
    with served(server) as base:
        yield base
