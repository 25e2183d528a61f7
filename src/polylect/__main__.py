"""The command line: `polylect` or `python -m polylect`."""

from __future__ import annotations

import sys

__all__ = ["main"]


def main() -> None:
    """Run the command line and leave with its exit code."""
    from polylect.cli import main as cli_main

    sys.exit(cli_main())


if __name__ == "__main__":
    main()
