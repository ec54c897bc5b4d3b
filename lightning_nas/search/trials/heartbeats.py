"""Signs of life of workers that share a study, in the storage itself: any storage, any machine, whatever its clock says."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterator

import optuna
from optuna.trial import FrozenTrial

BEAT = "beat"
"""User attribute of a trial: a number that its worker raises as long as it evaluates it."""

EVERY_S = 30.0
PATIENCE_S = 4 * EVERY_S


class Heartbeats:
    """Beats for the trials of this process, and listens to those of others.

    A trial is silent if its number has not changed for some time of this process's own monotonic clock: clocks of other
    machines, and steps of this one's, play no part.

    Args:
        patience: Seconds without a beat after which a trial is silent.
        every: Seconds between two beats.
    """

    def __init__(self, patience: float = PATIENCE_S, every: float = EVERY_S) -> None:
        self.patience, self.every = patience, every
        self._heard: dict[int, tuple[int | None, float]] = {}  # trial -> last beat, and when it was new

    @contextlib.contextmanager
    def of(self, trial: optuna.Trial) -> Iterator[None]:
        """Beats, in a thread, as long as the block lasts."""
        over = threading.Event()

        def beat() -> None:
            count = 0
            with contextlib.suppress(
                Exception
            ):  # the storage is away or the trial has been taken over: no sign of life
                while not over.is_set():
                    trial.set_user_attr(BEAT, count)
                    count += 1
                    over.wait(self.every)

        thread = threading.Thread(target=beat, daemon=True)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()

    def silent(self, trial: FrozenTrial) -> bool:
        """Whether a running trial has given no sign of life for too long."""
        beat, now = trial.user_attrs.get(BEAT), time.monotonic()
        known, since = self._heard.get(trial.number, (None, now))
        if trial.number not in self._heard or known != beat:
            self._heard[trial.number] = (beat, now)
            return False
        return now - since > self.patience
