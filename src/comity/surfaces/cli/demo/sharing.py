"""Part two, second half."""
from __future__ import annotations
from comity.surfaces.cli.demo.stage import Member, Stage
def play(stage: Stage, arcadia: Member, borealia: Member, cascadia: Member) -> None: ...
