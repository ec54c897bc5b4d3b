"""The command line: ``lightning-nas search|train|auto|estimate|report|predict|export|benchmark|ui|docs [key=value ...]``."""

from lightning_nas.commands.main import main

__all__ = ["main"]
