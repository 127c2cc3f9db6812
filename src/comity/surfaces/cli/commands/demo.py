"""`comity demo`."""

from __future__ import annotations

import click

from comity.surfaces.cli.session import Session
from comity.surfaces.cli.shape import command


@command("demo", example="comity demo --keep")
@click.option("--keep", is_flag=True, help="Leave the three nodes running, and say how to use them.")
def demo(session: Session, keep: bool) -> int | None:
    """Watch one node alone, then three under an accord: share, look up, explain, retract, and catch a forger."""
    from comity.surfaces.cli.demo import run

    return run(session, keep=keep)
