"""The command line: parses, calls, prints. No logic lives here, and `--help` imports nothing heavy."""

from polylect.cli.main import main

__all__ = ["main"]
