"""What a black-box strategy is: an Optuna sampler that proposes whole architectures."""

from __future__ import annotations

import functools
import random
from abc import abstractmethod
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Any

import optuna
from optuna.distributions import BaseDistribution
from optuna.samplers import BaseSampler
from optuna.study import Study, StudyDirection
from optuna.trial import FrozenTrial, TrialState

from lightning_nas.architecture import Choices, Option
from lightning_nas.errors import NasError
from lightning_nas.spaces import SearchSpace
from lightning_nas.strategies.blackbox.parameters import choices_of, decision_of

FINISHED = (TrialState.COMPLETE, TrialState.PRUNED)
RETRIES = "retries"
"""User attribute of a trial: the number of an abandoned one that it repeats."""

TRIES = 50
"""Draws before a sampler that wants an architecture which nobody has evaluated takes one that somebody has."""

KEYS = 1 << 15
"""Architectures whose canonical form a sampler keeps in mind: candidates come again and again."""


@dataclass(frozen=True)
class Told:
    """A finished trial.

    Args:
        choices: Its architecture.
        value: Its objective, turned so that larger is better; of a pruned trial the last value that it reported.
    """

    choices: dict[str, Option]
    value: float


class ArchitectureSampler(BaseSampler):
    """Proposes one architecture per trial.

    Optuna calls :meth:`before_trial` when a trial is asked for. All trials that have finished since are then told to
    :meth:`observe`, one by one in the order in which they ended, and :meth:`propose` gives the next architecture. What
    a strategy knows follows from the trials that the study holds, and its random numbers from the seed and the number of
    trials before: a study that was interrupted goes on as if it had not been, and several workers may share one.

    Args:
        space: The search space.
        seed: Of all draws.
        isomorphic: Whether architectures of the same function count as one when new ones are wanted.

    Example:
        >>> import optuna
        >>> from lightning_nas.spaces import NasBench201
        >>> from lightning_nas.strategies.blackbox import suggest
        >>> class First(ArchitectureSampler):
        ...     def propose(self, rng):
        ...         return {name: self.space.ops[0] for name in self.space.decisions}
        >>> space = NasBench201(nodes=3)
        >>> suggest(optuna.create_study(sampler=First(space)).ask(), space)
        {'cell.1.0': 'none', 'cell.2.0': 'none', 'cell.2.1': 'none'}
    """

    def __init__(self, space: SearchSpace, *, seed: int = 0, isomorphic: bool = False) -> None:
        self.space, self.seed, self.isomorphic = space, seed, isomorphic
        self.history: list[Told] = []
        self._seen: set[int] = set()
        self._known: set[Hashable] = set()
        self._pending: set[Hashable] = set()
        self._proposed: dict[int, dict[str, Option]] = {}
        self._canonical = functools.lru_cache(KEYS)(lambda choices: space.canonical(dict(choices)))

    @abstractmethod
    def propose(self, rng: random.Random) -> dict[str, Option]:
        """The next architecture; all draws come from the given generator."""

    def observe(self, told: Told) -> None:
        """Learns from one finished trial, which is the last of :attr:`history`."""

    def key(self, choices: Choices) -> Hashable:
        """Equal for architectures that count as one."""
        name = tuple(choices.items())
        return self._canonical(name) if self.isomorphic else name

    def is_new(self, choices: Choices) -> bool:
        """Whether no trial has evaluated this architecture and none is doing so."""
        key = self.key(choices)
        return key not in self._known and key not in self._pending

    def new_sample(self, rng: random.Random) -> dict[str, Option]:
        """A random architecture, a new one if there still is any to be found."""
        for _ in range(TRIES):
            choices = self.space.sample(rng)
            if self.is_new(choices):
                break
        return choices

    def generator(self, *labels: object) -> random.Random:
        """Random numbers that depend on the seed and some labels only."""
        return random.Random("/".join(map(str, (self.seed, *labels))))

    # ---- Optuna's side ------------------------------------------------------------------------------------------

    def before_trial(self, study: Study, trial: FrozenTrial) -> None:
        """Catches up on what has finished, then proposes."""
        if len(study.directions) > 1:
            raise NasError(
                f"{type(self).__name__} follows one objective, and the study has {len(study.directions)}: use NSGA-II or TPE"
            )
        trials = study.get_trials(deepcopy=False)
        self._catch_up(trials, -1.0 if study.direction is StudyDirection.MINIMIZE else 1.0)
        self._pending = {
            self.key(choices_of(other, self.space))
            for other in trials
            if other.state is TrialState.RUNNING and other.number != trial.number and _is_decided(other, self.space)
        }
        repeated = {other.user_attrs[RETRIES] for other in trials if RETRIES in other.user_attrs}
        before = trial.number - sum(number < trial.number for number in repeated)
        self._proposed[trial.number] = self.propose(self.generator(before))

    def _catch_up(self, trials: Sequence[FrozenTrial], sign: float) -> None:
        ended = [t for t in trials if t.state in FINISHED and t.value is not None and t.number not in self._seen]
        for trial in sorted(ended, key=lambda trial: (trial.datetime_complete, trial.number)):
            assert trial.value is not None
            self._seen.add(trial.number)
            told = Told(choices_of(trial, self.space), sign * trial.value)
            self._known.add(self.key(told.choices))
            self.history.append(told)
            self.observe(told)

    def infer_relative_search_space(self, study: Study, trial: FrozenTrial) -> dict[str, BaseDistribution]:
        """Nothing: every parameter is asked for by itself, since which ones there are depends on the choices."""
        return {}

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        """Nothing, see :meth:`infer_relative_search_space`."""
        return {}

    def sample_independent(
        self, study: Study, trial: FrozenTrial, param_name: str, param_distribution: BaseDistribution
    ) -> Any:
        """The option that was proposed for a decision.

        A trial whose first decisions were given (``enqueue_trial``) may need others: these are drawn.
        """
        assert isinstance(param_distribution, optuna.distributions.CategoricalDistribution)
        wanted = self._proposed[trial.number].get(decision_of(param_name))
        if wanted in param_distribution.choices:
            return wanted
        return self.generator(trial.number, param_name).choice(param_distribution.choices)

    def after_trial(self, study: Study, trial: FrozenTrial, state: TrialState, values: Sequence[float] | None) -> None:
        """Forgets what was proposed for the trial."""
        self._proposed.pop(trial.number, None)


def _is_decided(trial: FrozenTrial, space: SearchSpace) -> bool:
    taken = {decision_of(name): value for name, value in trial.params.items()}
    return all(decision in taken for decision in space.decisions if space.options(decision, taken))
