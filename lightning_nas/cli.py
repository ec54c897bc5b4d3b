"""The command line: ``lightning-nas search|train|report|predict|export|benchmark|ui [key=value ...]``."""

from lightning_nas.commands.main import main

__all__ = ["main"]
