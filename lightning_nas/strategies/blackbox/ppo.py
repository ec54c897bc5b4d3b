"""PPO: several clipped steps on every batch of sampled architectures."""

from __future__ import annotations

import torch
from torch import Tensor

from lightning_nas.errors import ArgumentError
from lightning_nas.spaces import SearchSpace
from lightning_nas.strategies.blackbox.policy_gradient import PolicyGradient
from lightning_nas.strategies.policies.base import Encoded
from lightning_nas.strategies.policies.build import PolicyName


def clipped_loss(log_prob: Tensor, old_log_prob: Tensor, advantage: Tensor, clip: float) -> Tensor:
    """``-mean(min(r A, clamp(r, 1 - clip, 1 + clip) A))`` with ``r = pi / pi_old``.

    Source: Schulman et al. 2017, arXiv 1707.06347, equation 7.

    Args:
        log_prob: Log-probabilities of the children.
        old_log_prob: The same under the policy that proposed them; no gradient.
        advantage: Their rewards less the baseline.
        clip: How far the ratio is followed, epsilon.
    """
    ratio = (log_prob - old_log_prob).exp()
    return -torch.minimum(ratio * advantage, ratio.clamp(1 - clip, 1 + clip) * advantage).mean()


class Ppo(PolicyGradient):
    """Proximal policy optimisation of the controller.

    Source: Zoph, Vasudevan, Shlens, Le 2018, "Learning Transferable Architectures for Scalable Image Recognition", arXiv
    1707.07012 (NASNet): an LSTM of 100 units, batches of 20 children, learning rate 3.5e-4, entropy weight 1e-5, baseline
    decay 0.95. They evaluate 20,000 children; with some hundred the policy hardly moves at that learning rate.

    The old policy of an update is the policy before it. That one has proposed the whole batch if one worker asks and
    tells in turn; with several workers some children may be of the policy before.

    The other arguments are those of :class:`PolicyGradient`, with defaults that learn something in some hundred trials.

    Args:
        epochs: Steps per batch.
        clip: How far the ratio of new and old probability is followed from 1, epsilon.

    Raises:
        ValueError: If an argument is out of range.

    Example:
        >>> import optuna
        >>> from lightning_nas.spaces import NasBench201
        >>> from lightning_nas.strategies.blackbox import suggest
        >>> space = NasBench201(nodes=3)
        >>> trial = optuna.create_study(sampler=Ppo(space)).ask()
        >>> list(suggest(trial, space))
        ['cell.1.0', 'cell.2.0', 'cell.2.1']
    """

    def __init__(
        self,
        space: SearchSpace,
        *,
        policy: PolicyName = "lstm",
        lr: float = 0.01,
        batch: int = 20,
        epochs: int = 4,
        clip: float = 0.2,
        baseline_decay: float = 0.95,
        entropy_weight: float = 1e-5,
        temperature: float | None = None,
        tanh_constant: float | None = None,
        reward_scale: float = 1.0,
        repeat: bool = True,
        seed: int = 0,
    ) -> None:
        super().__init__(
            space,
            policy=policy,
            lr=lr,
            batch=batch,
            baseline_decay=baseline_decay,
            entropy_weight=entropy_weight,
            temperature=temperature,
            tanh_constant=tanh_constant,
            reward_scale=reward_scale,
            repeat=repeat,
            seed=seed,
        )
        if epochs < 1:
            raise ArgumentError(f"epochs must be at least 1, got {epochs}")
        if not clip > 0:
            raise ArgumentError(f"clip must be above 0, got {clip}")
        self.epochs, self.clip = epochs, clip

    def update(self, children: Encoded, advantage: Tensor) -> None:
        """``epochs`` steps on the same children."""
        old_log_prob: Tensor | None = None
        for _ in range(self.epochs):
            log_prob, entropy = self.policy.evaluate(children)
            if old_log_prob is None:
                old_log_prob = log_prob.detach()
            loss = clipped_loss(log_prob, old_log_prob, advantage, self.clip)
            self.descend(loss - self.entropy_weight * entropy.mean())
