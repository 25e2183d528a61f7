"""`polylect gap`: the language gap."""

from polylect.cli.main import gap_group

__all__ = ["command"]

command = gap_group()
