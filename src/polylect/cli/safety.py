"""`polylect safety`: safety in every language."""

from polylect.cli.main import safety_group

__all__ = ["command"]

command = safety_group()
