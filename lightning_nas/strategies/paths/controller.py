"""The controller of ENAS: a policy, its optimizer and its baseline. It knows no training of a network.

Source: Pham et al. 2018, "Efficient Neural Architecture Search via Parameter Sharing", arXiv 1802.03268, sections 2.2, 2.3.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from lightning_nas.architecture import Choices, Option
from lightning_nas.errors import ArgumentError
from lightning_nas.spaces import SearchSpace
from lightning_nas.strategies.policies.base import Encoded, Policy
from lightning_nas.strategies.policies.build import PolicyName, build_policy
from lightning_nas.strategies.policies.loss import reinforce_loss

SKIP = ("no", "yes")
"""The options of a decision on a skip connection."""


@dataclass(frozen=True)
class Learnt:
    """What one step of a controller saw.

    Args:
        score: Mean score of the architectures.
        reward: Mean reward: score plus weighted entropy.
        entropy: Mean entropy of the policy, in nats.
        baseline: The baseline after the last architecture.
        skip_divergence: See :func:`skip_divergence`.
    """

    score: float
    reward: float
    entropy: float
    baseline: float
    skip_divergence: float


class Controller:
    """Draws architectures and learns from their scores.

    Every draw follows from the seed, some labels and the weights of the policy alone, so that all ranks draw the same and a
    resumed search repeats its draws.

    Args:
        space: The search space.
        policy: ``"enas"``, ``"lstm"`` or ``"independent"``, see :func:`build_policy`.
        lr: Of Adam, whose betas are (0, 0.999) and whose epsilon is 1e-3.
        entropy_weight: Of the entropy of the policy, in the reward.
        baseline_decay: Of the moving average of rewards.
        baseline_correction: Whether the average is corrected for its start at 0. If not, as published, everything counts as
            good for the first ``1 / (1 - baseline_decay)`` architectures.
        skip_weight: Of :func:`skip_divergence`, in the loss.
        skip_target: The probability of a skip connection that it pulls to.
        temperature: T of ``c * tanh(logits / T)``; None: 1.
        tanh_constant: c; None: the logits have no bound.
        seed: Of the initial weights and of all draws.
    """

    def __init__(
        self,
        space: SearchSpace,
        *,
        policy: PolicyName,
        lr: float,
        entropy_weight: float,
        baseline_decay: float,
        baseline_correction: bool,
        skip_weight: float,
        skip_target: float,
        temperature: float | None,
        tanh_constant: float | None,
        seed: int,
    ) -> None:
        self.space, self.seed = space, seed
        self.entropy_weight, self.skip_weight, self.skip_target = entropy_weight, skip_weight, skip_target
        self.baseline_decay, self.baseline_correction = baseline_decay, baseline_correction
        self.policy: Policy = build_policy(
            policy, space, self._generator(0), temperature=temperature, tanh_constant=tanh_constant
        )
        self.optimizer = torch.optim.Adam(self.policy.parameters(), lr, betas=(0.0, 0.999), eps=1e-3)
        self._average = self._share = 0.0

    def sample(self, *labels: int) -> dict[str, Option]:
        """The architecture that belongs to some labels and the present policy."""
        return self.policy.sample(self._generator(1, *labels))[0]

    @property
    def baseline(self) -> float:
        """The moving average of rewards; 0 before the first."""
        return self._average / self._share if self.baseline_correction and self._share else self._average

    def learn(self, architectures: Sequence[Choices], scores: Sequence[float]) -> Learnt:
        """One step of REINFORCE on architectures that were drawn from the present policy.

        ``R = score + entropy_weight * H``, without a gradient through H; for each architecture in turn
        ``b <- b - (1 - decay) * (b - R)``, then ``loss = mean(-log pi * (R - b)) + skip_weight * KL``. H is the entropy of
        the decisions on the way to the architecture; the released code estimates it from the option that was drawn.

        Raises:
            ValueError: If a score is not finite.
        """
        for choices, score in zip(architectures, scores, strict=True):
            if not np.isfinite(score):
                raise ArgumentError(f"scores must be finite, got {score} for {dict(choices)}")
        with torch.enable_grad():
            batch = self.policy.encode(architectures)
            log_prob, entropy = self.policy.evaluate(batch)
            rewards = [s + self.entropy_weight * float(h) for s, h in zip(scores, entropy.detach(), strict=True)]
            advantages = torch.tensor([self._advantage(reward) for reward in rewards], dtype=torch.float32)
            divergence = skip_divergence(self.policy, batch, self.skip_target)
            loss = reinforce_loss(log_prob, advantages) + self.skip_weight * divergence
            self.optimizer.zero_grad()
            loss.backward()
            self.optimizer.step()
        return Learnt(
            float(np.mean(scores)),
            float(np.mean(rewards)),
            float(entropy.detach().mean()),
            self.baseline,
            float(divergence.detach()),
        )

    def _advantage(self, reward: float) -> float:
        """The reward less the baseline, which has taken it in."""
        self._average -= (1 - self.baseline_decay) * (self._average - reward)
        self._share -= (1 - self.baseline_decay) * (self._share - 1)
        return reward - self.baseline

    def state_dict(self) -> dict[str, Any]:
        """What a checkpoint has to hold."""
        return {
            "space": repr(self.space),
            "policy": self.policy.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "baseline": [self._average, self._share],
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Takes :meth:`state_dict` back.

        Raises:
            ValueError: If it is of a controller of another space or another policy.
        """
        if state["space"] != repr(self.space) or set(state["policy"]) != set(self.policy.state_dict()):
            raise ArgumentError(
                f"the checkpoint is of a controller of {state['space']} or of another policy than "
                f"{type(self.policy).__name__} over {self.space!r}"
            )
        self.policy.load_state_dict(state["policy"])
        self.optimizer.load_state_dict(state["optimizer"])
        self._average, self._share = state["baseline"]

    def _generator(self, *labels: int) -> torch.Generator:
        entropy = np.random.SeedSequence([self.seed, *labels]).generate_state(1, np.uint64)
        return torch.Generator().manual_seed(int(entropy[0] >> np.uint64(1)))


def skip_divergence(policy: Policy, batch: Encoded, target: float) -> Tensor:
    """How far the probabilities of skip connections are from a target, mean over the architectures.

    ``KL(p || target) = p log(p / target) + (1 - p) log((1 - p) / (1 - target))`` for every decision between ``no`` and
    ``yes``, summed over those of a layer, which follow each other, mean over the layers that have some (Pham et al. 2018, arXiv
    1802.03268, section 2.3; the layers' mean is that of the released code, which takes for p not the probability that it draws
    with but the sigmoid of half of its logit). 0 if there is no such decision.

    Args:
        policy: The policy.
        batch: Architectures; the probabilities are those on the way to them.
        target: The wanted probability of ``yes``.
    """
    skips = {position for position, options in enumerate(policy.vocabulary) if options == SKIP}
    if not skips:
        return torch.zeros(())
    layers = sum(position - 1 not in skips for position in skips)
    divergences = []
    for position, log_p in policy.distributions(batch):
        if position in skips:
            against = torch.tensor([1 - target, target]).log()
            divergence = (log_p.exp() * (log_p - against)).sum(dim=-1)
            active = batch.active[position]
            divergences.append(divergence if active is None else divergence * active)
    return torch.stack(divergences).sum(dim=0).mean() / layers
