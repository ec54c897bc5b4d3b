"""REINFORCE: the policy gradient on the rewards of sampled architectures."""

from __future__ import annotations

from torch import Tensor

from lightning_nas.spaces import SearchSpace
from lightning_nas.strategies.blackbox.build_policy import PolicyName
from lightning_nas.strategies.blackbox.policy import Encoded
from lightning_nas.strategies.blackbox.policy_gradient import PolicyGradient


def reinforce_loss(log_prob: Tensor, advantage: Tensor) -> Tensor:
    """``-mean(log pi * (R - b))``, whose gradient is the policy gradient (Williams 1992).

    Args:
        log_prob: Log-probabilities of the children.
        advantage: Their rewards less the baseline.
    """
    return -(log_prob * advantage).mean()


class Reinforce(PolicyGradient):
    """The controller that started neural architecture search.

    Source: Zoph, Le 2017, "Neural Architecture Search with Reinforcement Learning", arXiv 1611.01578, section 3.2. With
    ``policy="enas"``, temperature 5 and tanh constant 2.5 the controller is that of ENAS (Pham et al. 2018, arXiv
    1802.03268), with ``policy="independent"``, ``batch=1`` and ``baseline_decay=0.9`` the baseline of NAS-Bench-201 (Dong,
    Yang 2020, arXiv 2001.00326). ENAS adds the entropy to the reward; here its own gradient is taken.

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
        reward_scale: The reward is the value times this; 0.01 turns percent into accuracies from 0 to 1.
        repeat: Whether an architecture that was evaluated before may be proposed again.
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

    def update(self, children: Encoded, advantage: Tensor) -> None:
        """One step."""
        log_prob, entropy = self.policy.evaluate(children)
        self.descend(reinforce_loss(log_prob, advantage) - self.entropy_weight * entropy.mean())
