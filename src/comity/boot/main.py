"""The console script: the command line over the nodes of this machine."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from comity.surfaces.cli.root import run

if TYPE_CHECKING:
    from comity.surfaces.cli.host import Host


def main() -> None:
    """Run `comity` and leave with its exit code."""
    sys.exit(run(sys.argv[1:], _host))


def _host() -> Host:
    from comity.boot.console import Console

    return Console()


if __name__ == "__main__":
    main()
