"""The time of an automatic run, over all attempts."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from lightning_nas.runs.automatic import AutomaticFolder


class Clock:
    """Time that is spent, that of earlier attempts counted.

    Args:
        seconds: In all.
        spent: Before now.
    """

    def __init__(self, seconds: float, spent: float) -> None:
        self._seconds, self._began = seconds, time.monotonic() - spent

    @property
    def spent(self) -> float:
        """Seconds, of all attempts."""
        return time.monotonic() - self._began

    @property
    def left(self) -> float:
        """Seconds until the end; one when it has passed."""
        return max(self._seconds - self.spent, 1.0)

    @contextmanager
    def phase(self, state: dict[str, Any], folder: AutomaticFolder) -> Iterator[None]:
        """Keeps how much is spent, before and after."""
        folder.write_state({**state, "spent": self.spent, "since": time.time()})
        yield
        folder.write_state({**state, "spent": self.spent})


def spent_before(state: dict[str, Any], folder: AutomaticFolder) -> float:
    """Seconds of earlier attempts; of a phase that was interrupted until it wrote something last."""
    since, sign = state.get("since"), folder.last_sign()
    return float(state.get("spent", 0.0)) + (max(sign - since, 0.0) if since is not None and sign is not None else 0.0)
