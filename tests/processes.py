"""Processes for tests that kill or connect them, or need one in which something has not been imported."""

from __future__ import annotations

import logging
import os
import runpy
import signal
import socket
import sys
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import nursery


@dataclass
class Running:
    """A process with a group of its own, and where its output goes."""

    pid: int
    output: Path
    answers: Connection
    exit_codes: list[int] = field(default_factory=list)

    def wait(self, seconds: float | None = None) -> int | None:
        """Waits for its end; gives its exit code, negative if a signal has ended it, or None if it has not ended."""
        if not self.exit_codes and self.answers.poll(seconds):
            self.exit_codes.append(self.answers.recv())
        return self.exit_codes[0] if self.exit_codes else None

    @property
    def ended(self) -> bool:
        return self.wait(0) is not None

    def kill(self) -> None:
        """Ends it and all it has started, as a lack of memory does."""
        os.killpg(self.pid, signal.SIGKILL)
        self.wait()

    def finish(self, seconds: float = 400.0) -> str:
        """Waits for its success; gives what it said."""
        code = self.wait(seconds)
        said = self.output.read_text(errors="replace")
        assert code == 0, f"exit code {code}: {said[-3000:]}"
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
    pid, answers = nursery.fork(_call, function, arguments, cwd, output, changed)
    return Running(pid, output, answers)


def _call(
    function: Callable[..., object], arguments: tuple[Any, ...], cwd: Path, output: Path, environment: dict[str, str]
) -> None:
    os.setsid()
    with output.open("w") as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
    sys.stdout, sys.stderr = (os.fdopen(number, "w", buffering=1, closefd=False) for number in (1, 2))
    for logger in [logging.root, *map(logging.getLogger, logging.root.manager.loggerDict)]:
        for handler in logger.handlers:
            if type(handler) is logging.StreamHandler:  # made by an import, whose output pytest has taken
                handler.setStream(sys.stderr)
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(cwd)
    function(*arguments)


def run_code(code: str, cwd: Path, *, forgotten: Collection[str] = ()) -> str:
    """Runs a program in a process of its own; gives what it said.

    Args:
        code: Of the program.
        cwd: Its working folder.
        forgotten: Packages that the program finds as if nothing had imported them, nor what belongs to them.
    """
    (cwd / "program.py").write_text(code)
    return start(_program, tuple(forgotten), cwd=cwd, name="program").finish()


def _program(forgotten: tuple[str, ...]) -> None:
    for name in list(sys.modules):
        if name.partition(".")[0] in forgotten:
            del sys.modules[name]
    sys.path.insert(0, os.getcwd())
    runpy.run_path("program.py", run_name="__main__")


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
