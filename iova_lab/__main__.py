"""The program `iova-lab`: what it imports first is what Ctrl-C may interrupt first."""

from __future__ import annotations

import sys


def start() -> None:
    """Run the command line.  Ctrl-C while its modules are imported ends it quietly, too."""
    try:
        from iova_lab.commands.cli import main
    except KeyboardInterrupt:
        sys.exit(130)
    main()


if __name__ == "__main__":
    start()
