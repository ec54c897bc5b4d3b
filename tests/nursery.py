"""A process that has imported everything and run nothing: others are forked from it, as imports take many seconds.

It is forked itself when the tests have been collected, which has imported most of what there is, and before one of them runs.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import multiprocessing
import os
import socket
import sys
from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import Any

IMPORTED = (
    "lightning_nas.cli", "lightning_nas.search", "lightning_nas.tasks.classification", "lightning_nas.tasks.detection",
    "lightning_nas.tasks.segmentation", "lightning.pytorch", "pycocotools.cocoeval", "matplotlib.pyplot",
    "torch.distributed", "torch.utils.tensorboard", "sklearn.datasets",
)  # fmt: skip

SECONDS, PASSES = 0.01, 3
"""For the latency of a network, instead of five, and how many passes are timed at least, instead of 10."""

_ways: list[tuple[int, Connection, socket.socket]] = []
"""To the nursery, once it is there: its number, and ways for what is to be called and for where to say how that has ended."""


def begin() -> None:
    """Forks it from this process, once."""
    if _ways:
        return
    (calls, their_calls), (ends, their_ends) = multiprocessing.Pipe(), socket.socketpair()
    number = os.fork()
    if number == 0:
        calls.close()
        ends.close()
        _serve(their_calls, their_ends)
        os._exit(0)
    their_calls.close()
    their_ends.close()
    _ways.append((number, calls, ends))


def end() -> None:
    """Ends it, when all that it has forked has ended."""
    while _ways:
        number, calls, ends = _ways.pop()
        calls.close()
        ends.close()
        os.waitpid(number, 0)


def fork(function: Callable[..., None], *arguments: Any) -> tuple[int, Connection]:
    """Calls a function in a process of its own.

    Returns:
        The number of the process, and where its exit code can be received when it has ended.
    """
    begin()
    _, calls, ends = _ways[0]
    answers, theirs = multiprocessing.Pipe(duplex=False)
    calls.send((function, arguments))
    socket.send_fds(ends, [b"."], [theirs.fileno()])
    theirs.close()
    return answers.recv(), answers


def _serve(calls: Connection, ends: socket.socket) -> None:
    """Forks a keeper for each request, until there are no more as who asks has ended."""
    for name in IMPORTED:
        importlib.import_module(name)
    sys.modules["lightning_nas.search.costs"].SECONDS = SECONDS
    importlib.import_module("optuna").storages.RDBStorage("sqlite://")  # imports 300 modules, and configures its tables
    sys.modules["lightning_nas.cost.latency"].FEWEST = PASSES
    gc.collect()
    gc.freeze()  # what is shared with the forked stays shared
    while True:
        try:
            function, arguments = calls.recv()
        except EOFError:
            _bury(0)
            return
        answers = Connection(socket.recv_fds(ends, 1, 1)[1][0], readable=False)
        if os.fork() == 0:
            calls.close()
            ends.close()
            try:
                _keep(answers, function, arguments)
            finally:  # whatever happens, what has forked it does not go on twice
                os._exit(0)
        answers.close()
        _bury(os.WNOHANG)


def _keep(answers: Connection, function: Callable[..., None], arguments: tuple[Any, ...]) -> None:
    """Calls the function in a process, says its number and then its exit code."""
    process = multiprocessing.get_context("fork").Process(target=function, args=arguments)
    process.start()
    answers.send(process.pid)
    process.join()
    with contextlib.suppress(BrokenPipeError):  # nobody waits for it
        answers.send(process.exitcode)


def _bury(options: int) -> None:
    """Keepers that have ended are no longer listed as processes."""
    with contextlib.suppress(ChildProcessError):
        while os.waitpid(-1, options)[0] != 0:
            pass
