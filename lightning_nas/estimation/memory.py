"""Memory: what a process and its helpers have taken at most, and what there is."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psutil
import torch

CGROUP = Path("/sys/fs/cgroup")
"""Where Linux says what a container may take."""


@dataclass(frozen=True)
class Memory:
    """Bytes that were taken at most.

    Args:
        process: By this process.
        workers: By the processes that read images for it, beside what they share with it.
        accelerator: On the GPU, as reserved by PyTorch; 0 without one.
    """

    process: int = 0
    workers: int = 0
    accelerator: int = 0

    @property
    def largest(self) -> int:
        """Of the accelerator if there is one, else of this process and its helpers."""
        return self.accelerator or self.process + self.workers

    def __or__(self, other: Memory) -> Memory:
        return Memory(
            max(self.process, other.process),
            max(self.workers, other.workers),
            max(self.accelerator, other.accelerator),
        )


def peak_memory() -> Memory:
    """What this process has taken at most since it began, and its helpers now."""
    helpers = 0
    for child in psutil.Process().children(recursive=True):
        with suppress(psutil.Error):
            helpers += child.memory_full_info().uss
    device = torch.cuda.max_memory_reserved() if torch.cuda.is_available() else 0
    return Memory(_peak_of_process(), helpers, device)


def taken_memory() -> int:
    """What is taken now: of the GPU if there is one, else of this process."""
    return torch.cuda.memory_reserved() if torch.cuda.is_available() else psutil.Process().memory_info().rss


def _peak_of_process() -> int:
    if sys.platform == "win32":
        return int(psutil.Process().memory_info().peak_wset)
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def free_memory(cgroup: Path = CGROUP) -> int:
    """Bytes that this process may have in all: what it has now, and what is free on the machine or left to its container."""
    process = psutil.Process().memory_info().rss
    return min(psutil.virtual_memory().available + process, *_left_to_container(cgroup, process))


def _left_to_container(cgroup: Path, process: int) -> Iterator[int]:
    yield sys.maxsize
    with suppress(OSError, ValueError):  # no container, or one without a limit, which says "max"
        limit, used = (int((cgroup / name).read_text()) for name in ("memory.max", "memory.current"))
        cache = next(
            int(line.split()[1])
            for line in (cgroup / "memory.stat").read_text().splitlines()
            if line.startswith("inactive_file ")
        )
        yield limit - used + cache + process


def free_memory_of_accelerator() -> int | None:
    """Bytes of the GPU that this process may have in all; None without one."""
    if not torch.cuda.is_available():
        return None
    return torch.cuda.mem_get_info()[0] + torch.cuda.memory_reserved()
