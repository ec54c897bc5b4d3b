"""The loop over the trials of a study: ask for an architecture, evaluate it, tell.

Nothing is kept beside the study: any worker may be killed at any moment, and whoever starts again goes on with it.
"""

from __future__ import annotations

import contextlib
import logging
import math
import time
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

import optuna
from optuna.study import MaxTrialsCallback
from optuna.trial import FrozenTrial, TrialState
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from lightning_nas.architecture import Choices
from lightning_nas.errors import NotFiniteError, StudyError
from lightning_nas.search.headline import finite_or_none
from lightning_nas.search.lightning import progress as told
from lightning_nas.search.trials.giving_up import METRICS, TWIN, DuplicateTrialError, Failure, Limits, finished
from lightning_nas.search.trials.heartbeats import PATIENCE_S, Heartbeats
from lightning_nas.search.trials.storage import WORKER, requeue_abandoned, worker_name
from lightning_nas.search.trials.study import Objective, best_trial, decided_choices
from lightning_nas.spaces import SearchSpace
from lightning_nas.strategies.blackbox import parameters_of, suggest
from lightning_nas.strategies.blackbox.base import FINISHED

Reuse = Literal["none", "same", "isomorphic"]
"""Which results are told again instead of evaluated: none, those of the same architecture, those of the same function."""

_log = logging.getLogger(__name__)


class Evaluator(Protocol):
    """Measures one architecture; reports intermediate values to the trial where it has any, so that it can be pruned."""

    def __call__(self, choices: Choices, trial: optuna.Trial) -> Mapping[str, float]:
        """Everything that was measured, by name."""


@dataclass(frozen=True)
class Trials:
    """The loop over the trials of a study.

    Args:
        space: The search space.
        evaluator: Measures an architecture.
        objectives: What is told to the study, of what the evaluator measures.
        count: Finished trials of the study, pruned ones included, after which the search ends.
        reuse: Which results are told again instead of evaluated.
        most_failures: Failed trials in a row after which the search gives up.
        alone: Whether no other process works on the study.
        patience: Seconds without a sign of life after which the trial of another worker is queued again.
    """

    space: SearchSpace
    evaluator: Evaluator
    objectives: Sequence[Objective]
    count: int
    reuse: Reuse = "same"
    most_failures: int = 5
    alone: bool = False
    patience: float = PATIENCE_S

    def __post_init__(self) -> None:
        if self.count < 1:
            raise StudyError(f"count must be at least 1, got {self.count}")
        if self.reuse not in ("none", "same", "isomorphic"):
            raise StudyError(f"reuse must be 'none', 'same' or 'isomorphic', got {self.reuse!r}")
        if self.most_failures < 1:
            raise StudyError(f"most_failures must be at least 1, got {self.most_failures}")

    def run(
        self,
        study: optuna.Study,
        timeout: float | None = None,
        progress: told.Progress = told.unwatched,
    ) -> None:
        """Evaluates trials until enough have finished.

        Args:
            study: The study.
            timeout: Seconds after which no more trials are started; None for no limit.
            progress: Called with the share of the trials that have finished, before the first one and after each.

        Raises:
            StudyError: If too many trials fail in a row, the last one with an error of this library.
            Exception: That of the last trial, if too many fail in a row and it is of somebody else's code.
        """
        beats = None if self.alone else Heartbeats(self.patience)
        requeue_abandoned(study, alone=self.alone, beats=beats)
        if finished(study) >= self.count:
            return
        failure = Failure()
        limits = Limits(self.most_failures, self.count, failure)
        deadline = math.inf if timeout is None else time.monotonic() + timeout
        under_way: list[int] = []
        progress(finished(study) / self.count)
        with _progress() as bar:
            task = bar.add_task("trials", total=self.count, completed=finished(study))

            def evaluate(trial: optuna.Trial) -> tuple[float, ...]:
                under_way[:] = [trial.number]
                with failure.kept(trial), contextlib.nullcontext() if beats is None else beats.of(trial):
                    return self._evaluate(trial)

            def show(study: optuna.Study, trial: FrozenTrial) -> None:
                under_way.clear()
                bar.update(task, completed=finished(study), description=_best_so_far(study))
                progress(finished(study) / self.count)

            def requeue(study: optuna.Study, trial: FrozenTrial) -> None:
                if not self.alone:
                    requeue_abandoned(study, beats=beats)

            while finished(study) < self.count and time.monotonic() < deadline:
                try:
                    study.optimize(
                        evaluate,
                        timeout=None if timeout is None else deadline - time.monotonic(),
                        catch=(Exception,),
                        callbacks=[show, MaxTrialsCallback(self.count, states=FINISHED), requeue, limits],
                    )
                    return
                except ValueError:
                    if not _taken_over(study, under_way):
                        raise
                    _log.info("trial %d was taken over by another worker; its result here is dropped", under_way[0])

    def _evaluate(self, trial: optuna.Trial) -> tuple[float, ...]:
        trial.set_user_attr(WORKER, worker_name())
        choices = suggest(trial, self.space)
        try:
            measured = self._known(trial, choices) or self.evaluator(choices, trial)
            missing = [objective.name for objective in self.objectives if objective.name not in measured]
            if missing:
                raise StudyError(f"the evaluator has not measured {missing}; measured are {sorted(measured)}")
            values = tuple(float(measured[objective.name]) for objective in self.objectives)
            if not all(math.isfinite(value) for value in values):
                raise NotFiniteError(f"not finite: {dict(zip([o.name for o in self.objectives], values, strict=True))}")
        except KeyboardInterrupt:
            trial.study.enqueue_trial(parameters_of(choices, self.space))
            raise
        trial.set_user_attr(METRICS, {name: finite_or_none(float(value)) for name, value in measured.items()})
        return values

    # ---- duplicates ---------------------------------------------------------------------------------------------

    def _key(self, choices: Choices) -> Hashable:
        return self.space.canonical(choices) if self.reuse == "isomorphic" else tuple(choices.items())

    def _known(self, trial: optuna.Trial, choices: Choices) -> Mapping[str, float] | None:
        """What an earlier trial has measured of the same architecture.

        Two workers may have asked for the same one at the same time. Both have written their choices before they read
        those of the other, so at least one of them sees it: the later trial gives way.
        """
        if self.reuse == "none":
            return None
        key = self._key(choices)
        for other in trial.study.get_trials(deepcopy=False):
            if other.number == trial.number or other.state not in (*FINISHED, TrialState.RUNNING):
                continue
            theirs = decided_choices(other, self.space)
            if theirs is None or self._key(theirs) != key:
                continue
            if other.state is TrialState.COMPLETE:
                trial.set_user_attr(TWIN, other.number)
                return dict(other.user_attrs[METRICS])
            if other.state is TrialState.PRUNED:
                trial.set_user_attr(TWIN, other.number)
                for step, value in other.intermediate_values.items():
                    trial.report(value, step)
                raise optuna.TrialPruned
            if other.number < trial.number:
                raise DuplicateTrialError(f"trial {other.number} evaluates the same architecture")
        return None


def _taken_over(study: optuna.Study, under_way: Sequence[int]) -> bool:
    """Whether another worker has ended the trial that this one has not told yet."""
    return any(study.get_trials(deepcopy=False)[number].state.is_finished() for number in under_way)


def _best_so_far(study: optuna.Study) -> str:
    try:
        return f"trials, best {best_trial(study).values[0]:.4g}"
    except StudyError:
        return "trials"


def _progress() -> Progress:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    return Progress(*columns, TimeElapsedColumn(), TextColumn("ETA"), TimeRemainingColumn())
