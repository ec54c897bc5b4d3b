"""Ranks that Lightning starts for a command with several devices: how they are started, and that they end together.

Lightning's own watch ends all if one of the started ranks dies, but not if the first one does, which has started them: they
would wait for it for half an hour.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Sequence

FIRST_RANK = "LIGHTNING_NAS_FIRST_RANK"
"""Environment variable with the process id of the rank that starts the others."""

_STARTED_BY_LIGHTNING = "hydra.job.name=train_ddp_process_"
"""An argument of Lightning's to the ranks that it starts under Hydra."""

_LOOKS_EVERY_S = 1.0


def say_how_to_start_others(arguments: Sequence[str]) -> None:
    """Lightning starts the other ranks as this process was started: with ``sys.argv``, from which Hydra reads as well.

    Args:
        arguments: Of the process. Hydra has read its own when this is called.
    """
    sys.argv = [sys.argv[0], *arguments]
    if not _is_started(arguments):
        os.environ[FIRST_RANK] = str(os.getpid())


def end_with_the_first(arguments: Sequence[str]) -> None:
    """In a rank that Lightning has started: ends the process soon after the one that started it is gone.

    Args:
        arguments: Of the process.
    """
    if _is_started(arguments) and FIRST_RANK in os.environ:
        threading.Thread(target=_watch, args=(int(os.environ[FIRST_RANK]),), daemon=True, name="first-rank").start()


def _is_started(arguments: Sequence[str]) -> bool:
    return any(argument.startswith(_STARTED_BY_LIGHTNING) for argument in arguments)


def _watch(first: int) -> None:
    while os.getppid() == first:
        time.sleep(_LOOKS_EVERY_S)
    os._exit(1)  # the main thread may wait in a call that nothing interrupts


def lost_connection(error: BaseException) -> str | None:
    """What to tell a user of ranks that do not find each other; None for any other error."""
    distributed = sys.modules.get("torch.distributed")  # whose import takes seconds
    if distributed is None or not isinstance(error, distributed.DistNetworkError):
        return None
    port = os.environ.get("MASTER_PORT")
    if "EADDRINUSE" in str(error):
        return f"MASTER_PORT = {port}: another process listens there; name a free port, or unset it, and one is chosen"
    address = f"MASTER_ADDR = {os.environ.get('MASTER_ADDR')}, MASTER_PORT = {port}"
    return f"{address}: the ranks do not reach each other: {str(error).splitlines()[0]}"
