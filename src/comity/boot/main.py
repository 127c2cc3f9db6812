"""The console script: the command line over the nodes of this machine."""

from __future__ import annotations

import sys


def main() -> None:
    """Run `comity` and leave with its exit code."""
    from comity.boot.console import Console
    from comity.surfaces.cli.root import run

    sys.exit(run(sys.argv[1:], Console()))


if __name__ == "__main__":
    main()
