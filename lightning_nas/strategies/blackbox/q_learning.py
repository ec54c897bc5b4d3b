"""Q-learning: a table of the accuracy that can still be reached from a state by an option.

Source: Baker, Gupta, Naik, Raskar 2017, "Designing Neural Network Architectures using Reinforcement Learning" (MetaQNN),
arXiv 1611.02167.
"""

from __future__ import annotations

import math
import random
import warnings
from collections.abc import Hashable, Sequence
from typing import NamedTuple

from lightning_nas.architecture import Choices, Option
from lightning_nas.errors import ArgumentError
from lightning_nas.spaces import SearchSpace
from lightning_nas.strategies.blackbox.base import TRIES, ArchitectureSampler, Told

PUBLISHED_SCHEDULE: tuple[tuple[float, int], ...] = (
    (1.0, 1500),
    (0.9, 100),
    (0.8, 100),
    (0.7, 100),
    (0.6, 150),
    (0.5, 150),
    (0.4, 150),
    (0.3, 150),
    (0.2, 150),
    (0.1, 150),
)
"""Epsilon, and for how many models: 2,700 in all (table 2 of the paper)."""


class Step(NamedTuple):
    """One decision of an evaluated architecture.

    Args:
        values: The state's row of the table.
        option: The option that was taken.
        options: The options there were.
    """

    values: dict[Option, float]
    option: Option
    options: tuple[Option, ...]


class QLearning(ArchitectureSampler):
    """MetaQNN: epsilon-greedy trajectories, learnt from again and again.

    A state is the next decision and what the space says of the choices before it (``space.state``). After every trial
    ``replay`` trajectories of all trials so far are drawn with replacement. Each is gone through backwards with
    ``Q <- Q + alpha * (target - Q)``: the target of the last decision is the reward, that of the others the largest Q of the
    state that they lead to (discount 1).

    The largest Q of the next state forgets how one came there: what a state does not show of the earlier choices gets no
    credit in the long run. A space whose states show more therefore learns more, and slower.

    The paper trains no architecture twice; ``repeat=False`` makes up to 50 draws to find a new one.

    Args:
        space: The search space.
        alpha: Learning rate; the paper's is 0.01.
        replay: Trajectories that are learnt from after every trial.
        initial: Q at the start, which options that were never taken keep: the greedy choice prefers known options with
            rewards above it, and new options where the known ones stay below it.
        epsilon: Pairs of a probability of a random option and the number of models for which it holds; the last one
            holds on after that.
        models: Number of models over which the schedule is stretched or shrunk; None: as many as it says (the paper's
            2,700).
        reward_scale: The reward is the value times this; 0.01 turns percent into accuracies from 0 to 1. A reward
            outside 0 to 1 raises a warning, because ``initial`` is meant for such.
        repeat: Whether an architecture that was evaluated before may be proposed again.
        seed: Of all draws.

    Raises:
        ValueError: If an argument is out of range.

    Example:
        >>> import optuna
        >>> from lightning_nas.spaces import NasBench201
        >>> from lightning_nas.strategies.blackbox import suggest
        >>> space = NasBench201(nodes=3)
        >>> trial = optuna.create_study(sampler=QLearning(space)).ask()
        >>> list(suggest(trial, space))
        ['cell.1.0', 'cell.2.0', 'cell.2.1']
    """

    def __init__(
        self,
        space: SearchSpace,
        *,
        alpha: float = 0.1,
        replay: int = 128,
        initial: float = 0.5,
        epsilon: Sequence[Sequence[float]] = PUBLISHED_SCHEDULE,
        models: int | None = 60,
        reward_scale: float = 1.0,
        repeat: bool = False,
        seed: int = 0,
    ) -> None:
        super().__init__(space, seed=seed)
        if not 0 < alpha <= 1:
            raise ArgumentError(f"alpha must be above 0 and at most 1, got {alpha}")
        if replay < 1:
            raise ArgumentError(f"replay must be at least 1, got {replay}")
        if not math.isfinite(initial):
            raise ArgumentError(f"initial must be finite, got {initial}")
        if not (reward_scale > 0 and math.isfinite(reward_scale)):
            raise ArgumentError(f"reward_scale must be above 0 and finite, got {reward_scale}")
        if models is not None and models < 1:
            raise ArgumentError(f"models must be at least 1 or None, got {models}")
        self.schedule = _checked(epsilon)
        self.alpha, self.replay, self.initial = alpha, replay, initial
        self.models, self.reward_scale, self.repeat = models, reward_scale, repeat
        self.table: dict[Hashable, dict[Option, float]] = {}
        self._memory: list[tuple[list[Step], float]] = []

    def epsilon(self, model: int) -> float:
        """The probability of a random option after so many models."""
        length = sum(count for _, count in self.schedule)
        place = model if self.models is None else model * length // self.models
        for epsilon, count in self.schedule:
            if place < count:
                return epsilon
            place -= count
        return self.schedule[-1][0]

    def values(self, decision: str, choices: Choices) -> dict[Option, float]:
        """The row of the table for a decision after some choices; options that were never taken have ``initial``."""
        row = self.table.setdefault((decision, self.space.state(choices)), {})
        for option in self.space.options(decision, choices):
            row.setdefault(option, self.initial)
        return row

    def observe(self, told: Told) -> None:
        """Remembers the trajectory, then replays some of all."""
        if not math.isfinite(told.value):
            return
        reward = self.reward_scale * told.value
        if not 0 <= reward <= 1:
            warnings.warn(
                f"QLearning: a reward of {reward:g} lies outside 0 to 1, but Q starts at {self.initial:g}: set reward_scale "
                f"(now {self.reward_scale:g}; 0.01 for percent) or initial",
                stacklevel=2,
            )
        self._memory.append((self._trajectory(told.choices), reward))
        for steps, reward in self.generator("replay", len(self.history)).choices(self._memory, k=self.replay):
            self._learn(steps, reward)

    def propose(self, rng: random.Random) -> dict[str, Option]:
        """An epsilon-greedy trajectory."""
        epsilon = self.epsilon(len(self.history))
        for _ in range(1 if self.repeat else TRIES):
            choices = self._walk(epsilon, rng)
            if self.is_new(choices):
                break
        return choices

    def _walk(self, epsilon: float, rng: random.Random) -> dict[str, Option]:
        choices: dict[str, Option] = {}
        for decision in self.space.decisions:
            options = list(self.space.options(decision, choices))
            if not options:
                continue
            if rng.random() >= epsilon:
                row = self.values(decision, choices)
                best = max(row[option] for option in options)
                options = [option for option in options if row[option] == best]
            choices[decision] = rng.choice(options)
        return choices

    def _trajectory(self, choices: Choices) -> list[Step]:
        steps, before = [], dict[str, Option]()
        for decision in self.space.decisions:
            options = tuple(self.space.options(decision, before))
            if options:
                steps.append(Step(self.values(decision, before), choices[decision], options))
                before[decision] = choices[decision]
        return steps

    def _learn(self, steps: Sequence[Step], target: float) -> None:
        for values, option, options in reversed(steps):
            values[option] += self.alpha * (target - values[option])
            target = max([values[other] for other in options])  # what the decision before can reach


def _checked(schedule: Sequence[Sequence[float]]) -> list[tuple[float, int]]:
    pairs = []
    for pair in schedule:
        if len(pair) != 2 or not 0 <= pair[0] <= 1 or pair[1] < 1 or pair[1] != int(pair[1]):
            raise ArgumentError(f"epsilon must be pairs of a probability and a number of models, got {list(pair)}")
        pairs.append((float(pair[0]), int(pair[1])))
    if not pairs:
        raise ArgumentError("epsilon must have at least one pair of a probability and a number of models, got none")
    return pairs
