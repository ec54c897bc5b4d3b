"""What REINFORCE and PPO share: a policy that is sampled from, a baseline, and one update per batch of children."""

from __future__ import annotations

import math
import random
from abc import abstractmethod

import torch
from torch import Tensor

from lightning_nas.architecture import Option
from lightning_nas.errors import ArgumentError
from lightning_nas.spaces import SearchSpace
from lightning_nas.strategies.blackbox.base import TRIES, ArchitectureSampler, Told
from lightning_nas.strategies.policies.base import Encoded
from lightning_nas.strategies.policies.build import PolicyName, build_policy


class Baseline:
    """A moving average of rewards, corrected for its start.

    ``n <- decay * n + (1 - decay) * R``, ``d <- decay * d + (1 - decay)``, baseline ``n / d``, as in NAS-Bench-201
    (Dong, Yang 2020, arXiv 2001.00326). ENAS's ``b <- b - (1 - decay) * (b - R)`` is the same without ``d``: it starts at 0
    and for the first ``1 / (1 - decay)`` rewards calls everything good.

    Args:
        decay: Of the average; 0: the baseline is the last reward.

    Raises:
        ValueError: If the decay is not at least 0 and below 1.
    """

    def __init__(self, decay: float) -> None:
        if not 0 <= decay < 1:
            raise ArgumentError(f"baseline_decay must be at least 0 and below 1, got {decay}")
        self.decay = decay
        self._numerator = self._denominator = 0.0

    @property
    def value(self) -> float:
        """The average; 0 before the first reward."""
        return self._numerator / self._denominator if self._denominator else 0.0

    def advantage(self, reward: float) -> float:
        """Takes the reward into the average, then gives the reward less the average (as ENAS and NAS-Bench-201 do)."""
        self._numerator = self.decay * self._numerator + (1 - self.decay) * reward
        self._denominator = self.decay * self._denominator + (1 - self.decay)
        return reward - self.value


class PolicyGradient(ArchitectureSampler):
    """Draws architectures from a policy, and moves the policy after every batch of finished ones.

    All learning happens when trials are told, so the policy follows from the study's trials; trials that were given by
    hand are learnt from like the others. A trial whose value is infinite teaches nothing.

    Args:
        space: The search space.
        policy: ``"lstm"``, ``"enas"`` (for the spaces of ENAS), or ``"independent"``: logits per decision, which learn much
            faster.
        lr: Of Adam.
        batch: Children per update.
        baseline_decay: Of the moving average of rewards.
        entropy_weight: Of the policy's entropy, which is added to the objective.
        temperature: T of ``c * tanh(logits / T)``; None: 1.
        tanh_constant: c; None: the logits have no bound.
        reward_scale: The reward is the value times this. Adam does not see the scale of rewards, but they are weighed
            against the entropy: the published weights are meant for accuracies from 0 to 1, so 0.01 for percent.
        repeat: Whether an architecture that was evaluated before may be proposed again, as the policy draws it; else
            up to 50 draws are made to find a new one, and the gradient is that of the policy as if it had come first.
        seed: Of the initial weights and all draws.

    Raises:
        ValueError: If an argument is out of range.
    """

    def __init__(
        self,
        space: SearchSpace,
        *,
        policy: PolicyName = "independent",
        lr: float = 0.05,
        batch: int = 1,
        baseline_decay: float = 0.9,
        entropy_weight: float = 0.0,
        temperature: float | None = None,
        tanh_constant: float | None = None,
        reward_scale: float = 1.0,
        repeat: bool = True,
        seed: int = 0,
    ) -> None:
        super().__init__(space, seed=seed)
        for name, value in (("lr", lr), ("reward_scale", reward_scale)):
            if not (value > 0 and math.isfinite(value)):
                raise ArgumentError(f"{name} must be above 0 and finite, got {value}")
        if batch < 1:
            raise ArgumentError(f"batch must be at least 1, got {batch}")
        if not (entropy_weight >= 0 and math.isfinite(entropy_weight)):
            raise ArgumentError(f"entropy_weight must be at least 0 and finite, got {entropy_weight}")
        self.batch, self.entropy_weight, self.reward_scale, self.repeat = batch, entropy_weight, reward_scale, repeat
        self.baseline = Baseline(baseline_decay)
        self.policy = build_policy(
            policy,
            space,
            _torch_generator(self.generator("weights")),
            temperature=temperature,
            tanh_constant=tanh_constant,
        )
        self.optimizer = torch.optim.Adam(self.policy.parameters(), lr=lr, fused=True)
        self._children: list[tuple[dict[str, Option], float]] = []  # since the last update, with their advantages

    @abstractmethod
    def update(self, children: Encoded, advantage: Tensor) -> None:
        """Moves the policy by a batch of children and their advantages."""

    def observe(self, told: Told) -> None:
        """Updates the baseline, and after a full batch the policy."""
        if not math.isfinite(told.value):
            return
        self._children.append((told.choices, self.baseline.advantage(self.reward_scale * told.value)))
        if len(self._children) == self.batch:
            choices, advantages = zip(*self._children, strict=True)
            self._children = []
            with torch.enable_grad():  # whoever asks for a trial may be evaluating a network
                self.update(self.policy.encode(choices), torch.tensor(advantages, dtype=torch.float32))

    def propose(self, rng: random.Random) -> dict[str, Option]:
        """A draw from the policy."""
        generator = _torch_generator(rng)
        for _ in range(1 if self.repeat else TRIES):
            choices, _log_prob = self.policy.sample(generator)
            if self.is_new(choices):
                break
        return choices

    def descend(self, loss: Tensor) -> None:
        """One step of the optimizer."""
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()


def _torch_generator(rng: random.Random) -> torch.Generator:
    return torch.Generator().manual_seed(rng.getrandbits(63))
