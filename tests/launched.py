"""The workers of Hydra's joblib launcher: forked from the nursery instead of new interpreters, which import for seconds."""

from __future__ import annotations

import contextlib
import fcntl
import itertools
import os
import runpy
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import pytest
from joblib.externals.loky import reusable_executor
from joblib.externals.loky.backend import fork_exec
from processes import start

FAR = 1000
"""Numbers of files from here on are not those of anybody else."""


@contextlib.contextmanager
def workers_from_the_nursery(folder: Path) -> Iterator[None]:
    """Workers that are started meanwhile know nothing of this process but what is sent to them; they end with the block.

    Args:
        folder: Gets what they say, a file each.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(fork_exec, "fork_exec", _starting(folder))
        try:
            yield
        finally:
            if reusable_executor._executor is not None:
                reusable_executor._executor.shutdown(wait=True, kill_workers=True)


def _starting(folder: Path) -> Callable[..., int]:
    """Starts what loky starts as ``python -m <module> <arguments>``, and hands over the files of this process it names."""
    numbers = itertools.count()

    def start_one(command: Sequence[str], keep_fds: Sequence[int], env: Mapping[str, str] | None = None) -> int:
        assert list(command[:2]) == [sys.executable, "-m"]
        ready, done = os.pipe()
        try:
            kept = sorted({*map(int, keep_fds)})
            name = f"worker_{next(numbers)}"
            running = start(_module, command[2:], os.getpid(), kept, done, cwd=folder, name=name, environment=env)
            assert os.read(ready, 1), "it has the files: this process may close them"
        finally:
            os.close(ready)
            os.close(done)
        return running.pid

    return start_one


def _module(command: Sequence[str], starter: int, kept: Sequence[int], done: int) -> None:
    far = {number: _taken(starter, number) for number in kept}
    for number, file in far.items():
        os.dup2(file, number)
        os.close(file)
    told = _taken(starter, done)
    os.write(told, b".")
    os.close(told)
    sys.argv = list(command)
    runpy.run_module(command[0], run_name="__main__", alter_sys=True)


def _taken(starter: int, number: int) -> int:
    """The file that another process has open under this number."""
    about = Path(f"/proc/{starter}/fdinfo/{number}").read_text()
    flags = int(about.partition("flags:")[2].split()[0], 8) & os.O_ACCMODE
    file = os.open(f"/proc/{starter}/fd/{number}", flags)
    far = fcntl.fcntl(file, fcntl.F_DUPFD, FAR)
    os.close(file)
    return far
