"""REINFORCE: the policy gradient on the rewards of sampled architectures."""

from __future__ import annotations

from torch import Tensor

from lightning_nas.strategies.blackbox.policy_gradient import PolicyGradient
from lightning_nas.strategies.policies.base import Encoded
from lightning_nas.strategies.policies.loss import reinforce_loss


class Reinforce(PolicyGradient):
    """The controller that started neural architecture search.

    Source: Zoph, Le 2017, "Neural Architecture Search with Reinforcement Learning", arXiv 1611.01578, section 3.2. With
    ``policy="enas"``, temperature 5 and tanh constant 2.5 the controller is that of ENAS (Pham et al. 2018, arXiv
    1802.03268), with ``policy="independent"``, ``batch=1`` and ``baseline_decay=0.9`` the baseline of NAS-Bench-201 (Dong,
    Yang 2020, arXiv 2001.00326). ENAS adds the entropy to the reward; here its own gradient is taken.

    Its arguments, and the defaults of NAS-Bench-201, are those of :class:`PolicyGradient`.

    Example:
        >>> import optuna
        >>> from lightning_nas.spaces import NasBench201
        >>> from lightning_nas.strategies.blackbox import suggest
        >>> space = NasBench201(nodes=3)
        >>> trial = optuna.create_study(sampler=Reinforce(space)).ask()
        >>> list(suggest(trial, space))
        ['cell.1.0', 'cell.2.0', 'cell.2.1']
    """

    def update(self, children: Encoded, advantage: Tensor) -> None:
        """One step."""
        log_prob, entropy = self.policy.evaluate(children)
        self.descend(reinforce_loss(log_prob, advantage) - self.entropy_weight * entropy.mean())
