"""When a search of trials ends before it has enough of them: too many failures in a row, or nothing new is asked."""

from __future__ import annotations

import contextlib
import time
import warnings
from collections.abc import Iterator
from dataclasses import dataclass

import optuna
from optuna.trial import FrozenTrial, TrialState

from lightning_nas.errors import NasError, StudyError, described
from lightning_nas.strategies.blackbox.base import FINISHED

MOST_KNOWN = 100
"""Trials in a row without a new architecture after which a space counts as exhausted."""

PAUSE_S = 5.0
"""Longest wait of a worker whose architecture another one evaluates: together longer than the patience with a dead one."""

METRICS, ERROR, TWIN = "metrics", "error", "twin"
"""User attributes of trials: everything that was measured; why it failed; the trial whose results it has."""


class DuplicateTrialError(Exception):
    """Another worker evaluates the same architecture at this moment."""


def finished(study: optuna.Study) -> int:
    """Number of trials that have ended with a value or were pruned."""
    return len(study.get_trials(deepcopy=False, states=FINISHED))


@dataclass
class Failure:
    """The exception with which the last trial of this worker has failed: a study keeps its text alone."""

    error: Exception | None = None

    @contextlib.contextmanager
    def kept(self, trial: optuna.Trial) -> Iterator[None]:
        """Writes down why a trial fails, and where."""
        try:
            yield
        except optuna.TrialPruned:
            raise
        except Exception as error:
            trial.set_user_attr(ERROR, described(error))
            self.error = error
            raise

    def give_up(self, count: int, number: int) -> None:
        """Ends a search: in one sentence if the library complains, with the traceback if it is somebody else's code.

        Args:
            count: Of the trials that have failed in a row.
            number: Of the last one.

        Raises:
            StudyError: If its exception is one of ours.
            Exception: That exception itself otherwise.
        """
        assert self.error is not None
        text = f"{count} trials in a row have failed, the last one, {number}"
        if isinstance(self.error, NasError):
            raise StudyError(f"{text}, with {described(self.error)}") from self.error
        self.error.add_note(text)
        raise self.error


class Limits:
    """Gives up after so many failed trials in a row of this worker; ends the search where nothing new is asked any more."""

    def __init__(self, most_failures: int, count: int, failure: Failure) -> None:
        self.most_failures, self.count, self.failure = most_failures, count, failure
        self.failed = self.known = self.waiting = 0

    def __call__(self, study: optuna.Study, trial: FrozenTrial) -> None:
        """Called by Optuna after each trial."""
        reason = trial.user_attrs.get(ERROR, "")
        duplicate = reason.startswith(DuplicateTrialError.__name__)
        if trial.state is not TrialState.FAIL:
            self.failed = 0
        elif not duplicate:
            self.failed += 1
        if self.failed >= self.most_failures:
            self.failure.give_up(self.failed, trial.number)
        self.known = self.known + 1 if duplicate or TWIN in trial.user_attrs else 0
        self.waiting = self.waiting + 1 if duplicate else 0
        if self.known >= MOST_KNOWN:
            warnings.warn(
                f"{self.known} trials in a row asked for architectures that are known or being evaluated by other workers: the "
                f"space seems exhausted, the search ends after {finished(study)} of {self.count} trials",
                stacklevel=2,
            )
            study.stop()
        elif duplicate:  # the other worker needs its time, or is found to be dead
            time.sleep(min(0.01 * 2**self.waiting, PAUSE_S))
