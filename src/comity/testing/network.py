"""A network between nodes that drops, doubles, delays, reorders and partitions, from one seed.

Rules: every decision comes from the seeded generator, in the order of the calls, so a failing seed replays
exactly. Requests and answers pass as bytes, as on a real wire.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random

from comity import sync
from comity.canon import PartyId
from comity.errors import ComityError, Unreachable
from comity.http import problem
from comity.node.ports import Wire
from comity.sync import Answer

Answerer = Callable[[PartyId, sync.AnyRequest], Answer]


@dataclass(frozen=True, slots=True)
class Faults:
    """How often, of a thousand requests, each fault strikes."""

    drop_request: int = 0
    drop_answer: int = 0
    double: int = 0
    late: int = 0  # the answer comes instead of a later one: delayed and reordered


NONE = Faults()
ROUGH = Faults(drop_request=60, drop_answer=60, double=60, late=60)


@dataclass(slots=True)
class Network:
    """The wires between the nodes of a world."""

    random: Random
    faults: Faults = NONE
    nodes: dict[PartyId, Answerer] = field(default_factory=dict)
    parts: dict[PartyId, int] = field(default_factory=dict)  # which side of a partition each node is on
    carried: int = 0  # bytes of requests and answers
    asked: int = 0
    _late: dict[tuple[PartyId, PartyId, str], Answer] = field(default_factory=dict)

    def wire(self, source: PartyId, target: PartyId) -> Wire:
        """Return the way from one node to another."""
        return _Wire(self, source, target)

    def partition(self, *sides: list[PartyId]) -> None:
        """Cut the network: nodes reach only nodes of their own side."""
        self.parts = {name: number for number, side in enumerate(sides) for name in side}

    def heal(self) -> None:
        """End every partition and fault; answers still under way are lost."""
        self.parts.clear()
        self._late.clear()
        self.faults = NONE

    def carry(self, source: PartyId, target: PartyId, request: sync.AnyRequest) -> Answer:
        """Carry a request and its answer, with whatever befalls them."""
        self.asked += 1
        if self.parts.get(source, 0) != self.parts.get(target, 0):
            raise Unreachable(f"{target} is on the other side of a partition")
        if self._strikes(self.faults.drop_request):
            raise Unreachable(f"the request to {target} was lost")
        answer = self._serve(source, target, request)
        if self._strikes(self.faults.double):
            answer = self._serve(source, target, request)
        if self._strikes(self.faults.drop_answer):
            raise Unreachable(f"the answer of {target} was lost")
        key = (source, target, type(request).__name__)
        if self._strikes(self.faults.late):
            late, self._late[key] = self._late.get(key), answer
            if late is None:
                raise Unreachable(f"the answer of {target} is late")
            return late
        return answer

    def _serve(self, source: PartyId, target: PartyId, request: sync.AnyRequest) -> Answer:
        data = sync.encode_request(request)
        try:
            answer = self.nodes[target](source, sync.decode_request(data))
        except ComityError as error:
            raise problem.error_of(*problem.problem_of(error), peer=target) from error
        self.carried += len(data) + len(answer.body)
        return answer

    def _strikes(self, in_a_thousand: int) -> bool:
        return bool(in_a_thousand) and self.random.randrange(1_000) < in_a_thousand


@dataclass(frozen=True, slots=True)
class _Wire:
    network: Network
    source: PartyId
    target: PartyId

    def ask(self, request: sync.AnyRequest) -> Answer:
        """Ask over the network."""
        return self.network.carry(self.source, self.target, request)
