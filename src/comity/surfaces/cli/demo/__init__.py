"""`comity demo`: the whole of Comity in a minute, on this machine, with real nodes.

Three parts: one node alone; three nodes and an accord; four attacks that are tried and caught. Rules: the
demonstration uses the same commands, processes and wire as everybody, says each command as it can be
typed, and checks every claim that it makes.
"""

from __future__ import annotations

import time
from typing import Final

import msgspec

from comity.errors import ComityError
from comity.surfaces.cli.demo import accord, alone, caught, sharing
from comity.surfaces.cli.demo.stage import Claim, Failed, Stage
from comity.surfaces.cli.demo.telling import Telling
from comity.surfaces.cli.session import Session

FAILED: Final = 1  # exit code: a claim does not hold


class Outcome(msgspec.Struct, frozen=True):
    """What the demonstration claimed and checked."""

    claims: tuple[Claim, ...]
    failed: str
    seconds: float
    directory: str  # empty if it was deleted


def run(session: Session, *, keep: bool) -> int:
    """Play the demonstration; return 0 if every claim held."""
    stage = Stage(session.host, Telling(quiet=session.as_json))
    failed, left = "", False
    _open(stage)
    try:
        _play(stage)
        left = keep
    except (Failed, ComityError) as error:
        failed = str(error)
    finally:
        if not left:  # also after Ctrl-C
            stage.close()
    seconds = round(time.monotonic() - stage.began, 1)
    _close(stage, failed, seconds, kept=left)
    if session.as_json:
        where = str(stage.root) if left else ""
        session.put(Outcome(tuple(stage.claims), failed, seconds, where), ())
    return FAILED if failed else 0


def _open(stage: Stage) -> None:
    stage.say.line("Comity, from one node to a caught forger, with real nodes on this machine.", "bold")
    stage.say.aside(
        f"Everything happens in {stage.root}; the commands below are typed there. `comity demo --keep` leaves it"
        " to you, nodes running. Parties, addresses and incidents are invented; the two reports are OASIS's own."
    )


def _play(stage: Stage) -> None:
    arcadia = stage.member("arcadia", "XA")
    borealia = stage.member("borealia", "XB")
    cascadia = stage.member("cascadia", "XC")
    alone.play(stage, arcadia)
    accord.play(stage)
    sharing.play(stage, arcadia, borealia, cascadia)
    caught.play(stage, arcadia, borealia, cascadia)


def _close(stage: Stage, failed: str, seconds: float, *, kept: bool) -> None:
    say = stage.say
    say.line()
    if failed:
        say.line(f"FAILED after {seconds} s, {len(stage.claims)} claims: {failed}", "bold red")
        return
    say.line(f"{len(stage.claims)} claims, each checked, in {seconds} s.", "bold green")
    if not kept:
        say.line("The nodes are stopped and their directories deleted; `comity demo --keep` leaves them running.")
        return
    say.line("The three nodes are running:")
    for member in stage.members:
        process = member.process.pid if member.process else 0
        say.line(f"  {member.party:24}  {member.address}  comity --home {member.home}  (process {process})")
    say.line(f"Try:     comity --home {stage.members[2].home} lookup 'hugesoft[.]org'")
    say.line(f"         comity --home {stage.members[0].home} doctor")
    say.line(f"Stop:    kill {' '.join(str(m.process.pid) for m in stage.members if m.process)}")
    say.line(f"Remove:  rm -r {stage.root}")
