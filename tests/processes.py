"""Processes for tests that kill or connect them: forked from one that has imported everything, as imports take seconds."""

from __future__ import annotations

import multiprocessing
import os
import signal
import socket
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from typing import Any

IMPORTED = (
    "lightning_nas.cli", "lightning_nas.search", "lightning_nas.tasks.classification", "lightning_nas.tasks.detection",
    "lightning_nas.tasks.segmentation", "lightning.pytorch", "pycocotools.cocoeval", "matplotlib.pyplot",
    "torch.distributed", "torch.utils.tensorboard",
)  # fmt: skip

CONTEXT = multiprocessing.get_context("forkserver")
CONTEXT.set_forkserver_preload(list(IMPORTED))


@dataclass(frozen=True)
class Running:
    """A process with a group of its own, and where its output goes."""

    process: ForkServerProcess
    output: Path

    @property
    def ended(self) -> bool:
        return self.process.exitcode is not None

    def kill(self) -> None:
        """Ends it and all it has started, as a lack of memory does."""
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.join()

    def finish(self, seconds: float = 400.0) -> str:
        """Waits for its success; gives what it said."""
        self.process.join(seconds)
        said = self.output.read_text(errors="replace")
        assert self.process.exitcode == 0, f"exit code {self.process.exitcode}: {said[-3000:]}"
        return said


def start(
    function: Callable[..., object], *arguments: Any, cwd: Path, name: str, environment: Mapping[str, str] | None = None
) -> Running:
    """Calls a function of a module in a process of its own.

    Args:
        function: What is called.
        arguments: Of the function.
        cwd: Its working folder.
        name: Of the file in that folder that takes its output.
        environment: Variables that are set beside those of this process.
    """
    cwd.mkdir(parents=True, exist_ok=True)
    output = cwd / f"{name}.txt"
    changed = {**os.environ, **(environment or {})}
    process = CONTEXT.Process(target=_call, args=(function, arguments, cwd, output, changed))
    process.start()
    return Running(process, output)


def _call(
    function: Callable[..., object], arguments: tuple[Any, ...], cwd: Path, output: Path, environment: dict[str, str]
) -> None:
    os.setsid()
    with output.open("w") as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(cwd)
    function(*arguments)


def start_command(cwd: Path, name: str, *arguments: str) -> Running:
    """A command of ours, e.g. ``"search"``; its output goes to a file beside its folder."""
    return start(_command, name, arguments, cwd=cwd, name=f"output_{len(list(cwd.glob('output_*.txt')))}")


def _command(name: str, arguments: tuple[str, ...]) -> None:
    from lightning_nas.cli import main

    sys.argv = ["lightning-nas"]
    main([name, *arguments])


def rank_of_command(name: str, *arguments: str) -> None:
    """A command of ours in one of the ranks of :func:`run_ranks`."""
    from pytorch_lightning.utilities import rank_zero_only

    rank_zero_only.rank = int(os.environ["RANK"])  # type: ignore[attr-defined]  # read at the import, which was before
    _command(name, arguments)


def run_ranks(function: Callable[..., object], *arguments: Any, cwd: Path, ranks: int = 2) -> None:
    """Calls a function in every rank of a group that Lightning takes for one that a launcher has started."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    running = []
    for rank in range(ranks):
        environment = {
            "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "WORLD_SIZE": str(ranks), "RANK": str(rank),
            "NODE_RANK": "0", "LOCAL_RANK": str(rank),
        }  # fmt: skip
        running.append(start(function, *arguments, cwd=cwd, name=f"rank{rank}", environment=environment))
    for one in running:
        one.finish()
