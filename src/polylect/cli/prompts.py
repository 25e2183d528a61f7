"""`polylect prompts`: where prompts come from."""

from polylect.cli.main import prompts_group

__all__ = ["command"]

command = prompts_group()
