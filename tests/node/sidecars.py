"""Arcadia and its MISP, and Borealia and its own, under one accord."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest

from comity.formats.misp.read import read
from comity.http.fetch import Fetcher
from comity.http.inward import LOOPBACK
from comity.http.login import Login
from comity.node import sidecar_rounds, sidecars
from comity.node.sidecar_pulling import Round
from comity.node.sidecar_rounds import Result
from comity.node.sidecars import Kept, Sidecar, Written
from comity.statement import Marking
from comity.testing.world import START, Inhabitant, World
from comity.transports.caller import Caller, Manners
from comity.transports.misp import MispServer
from comity.vocab import Pap, Tlp
from tests.transports.misp_server import KEY, Misp, served

ACCORD = "energy"
TAG = 'comity:share="energy"'
MARKING = Marking(tlp=Tlp.GREEN, pap=Pap.GREEN)


@dataclass
class Team:
    """A party, its MISP, and the side-car between them."""

    world: World
    who: Inhabitant
    misp: Misp
    base: str
    fetcher: Fetcher
    sidecar: Sidecar

    def register(self, **more: object) -> Sidecar:
        given = {
            "tags": ((TAG, ACCORD),), "standing": True, "writes": (ACCORD,),
            **more,
        }  # fmt: skip
        wanted = Sidecar("misp", "csirt", self.base, "misp", 60, **given)  # type: ignore[arg-type]
        with self.who.node.writing() as unit:
            self.sidecar = sidecars.register(self.who.node, unit, self.who.actor, wanted, MARKING)
        return self.sidecar

    def server(self) -> MispServer:
        manners = Manners(lambda: self.world.now, lambda _: None, lambda: 0.0)
        return MispServer(Caller(self.fetcher, self.base, manners, Login({"Authorization": KEY}), "misp"))

    def run(self, *, withdrawals: bool = False) -> Result:
        """Make a round; no time passes by itself."""
        going = Round(self.who.services, self.who.actor, self.sidecar, self.server(), read, withdrawals)
        return sidecar_rounds.run(going)

    def good(self, *, withdrawals: bool = False) -> Result:
        """Make a round that must go well."""
        result = self.run(withdrawals=withdrawals)
        assert result.error is None, result.error
        return result

    def kept(self, uuid: str) -> Kept:
        with self.who.store.read() as unit:
            found = sidecars.get(unit, sidecars.EVENTS, f"{sidecars.key(self.sidecar)}/{uuid}", Kept)
        assert found is not None
        return found

    def written(self) -> list[Written]:
        with self.who.store.read() as unit:
            return sidecars.written(unit, self.sidecar)

    def knows(self, value: str, *, of: Inhabitant | None = None) -> bool:
        """Say whether the node finds a value that somebody (else) stands by."""
        with self.who.store.read() as unit:
            found = self.who.services.queries.lookup(unit, self.who.actor, value)
        return any(
            one.current(self.world.now) and any(
                not witness.retracted and (of is None or witness.party == of.name) for witness in one.witnesses
            )
            for one in found
        )  # fmt: skip


@dataclass
class Teams:
    """Both, and the time that they have in common."""

    world: World
    arcadia: Team
    borealia: Team

    def pass_time(self, seconds: int = 60) -> None:
        self.world.now += seconds
        for team in (self.arcadia, self.borealia):
            team.misp.now = self.world.now

    def sync(self) -> None:
        self.world.calm(10)
        self.pass_time(0)


def teams(tmp_path: Path) -> Iterator[Teams]:
    """Make both parties, their accord, and a MISP for each."""
    world = World(11, 2, tmp_path)
    fetcher = Fetcher(allow=LOOPBACK, seconds=10.0)
    with ExitStack() as stack:
        stack.callback(world.close)
        stack.callback(fetcher.close)
        made = []
        for who in world.people:
            misp = Misp(now=START)
            base = stack.enter_context(served(misp))
            made.append(Team(world, who, misp, base, fetcher, None))  # type: ignore[arg-type]
        world.accord(ACCORD, world.people)
        for team in made:
            team.register()
        yield Teams(world, *made)


@pytest.fixture(name="teams")
def teams_(tmp_path: Path) -> Iterator[Teams]:
    yield from teams(tmp_path)
