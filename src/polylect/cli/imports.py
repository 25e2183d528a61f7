"""`polylect import`: results of other tools."""

from polylect.cli.main import import_group

__all__ = ["command"]

command = import_group()
