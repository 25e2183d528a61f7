"""`polylect train`: single training steps."""

from polylect.cli.main import train_group

__all__ = ["command"]

command = train_group()
