"""This party's own programs as readers by page: what their office may read, in an order that only grows.

Rules: to an office's own programs nothing is released and nothing recorded: it reads what it may read. For sensors and
look-ups it is what PAP allows besides. What was taken back is not shown to them any more.
"""

from __future__ import annotations

import msgspec

from comity.acts import Standing
from comity.node import correspondents, tokens
from comity.node.actor import Actor
from comity.node.correspondents import Correspondent
from comity.node.openings import Openings, is_object
from comity.node.ports import Log, Unit
from comity.node.releases import Class, Judged
from comity.node.tokens import Token
from comity.policy import parse_audience
from comity.vocab import Channel, Purpose, Tlp


class Program(Correspondent, frozen=True):
    """A program of an office's own, by its token; its name is none that a correspondent can have."""

    token: str = ""
    purpose: Purpose = Purpose.READ

    @property
    def source(self) -> str:
        """Return the source that it is where it brings something in."""
        return f"token {self.token}"

    def actor(self) -> Actor:
        """Return who acts."""
        return Actor(parse_audience(self.office)[0], f"token:{self.token}")


def program(office: str, token: Token) -> Program:
    """Return the program that shows a token of an office, `<party>/<office>`."""
    return Program(
        office=office,
        name=f"~{token.purpose.value}",
        jurisdiction="",
        ceiling=Tlp.RED.value,
        channels=tuple(correspondents.Allowed(one, send=token.write) for one in (Channel.TAXII, Channel.MISP)),
        waits=False,
        token=token.name,
        purpose=token.purpose,
    )


class ProgramOpenings(Openings):
    """What is opened to an office's own programs: whatever it may read and use for their purpose."""

    def _judge(self, unit: Unit, who: Correspondent, log: Log, which: Class) -> Judged | None:
        assert isinstance(who, Program)
        header = self._node.header(unit.entries.header(which.header_id))
        if not is_object(header):
            return None
        standing = msgspec.json.decode(unit.entries.standing(which.standing_id), type=Standing)
        actor = Actor(parse_audience(who.office)[0], "program")
        mine = self._releases.readable(unit, log, which, actor)
        if standing.retracted or (mine is not None and not mine.released):
            return None
        if not tokens.serves_class(self._node, unit, actor, who.purpose, log, which):
            return None
        return mine or Judged((), None)

    def _decided(self, unit: Unit, who: Correspondent, log: Log, which: Class) -> tuple[Judged | None, ...]:
        return (self._releases.readable(unit, log, which, Actor(parse_audience(who.office)[0], "program")),)

    def _record(self, *_: object) -> None:
        """Record nothing: an office that reads its own is no release."""
