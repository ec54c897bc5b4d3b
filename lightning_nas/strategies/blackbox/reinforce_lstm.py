"""REINFORCE with a recurrent controller."""

from __future__ import annotations

from lightning_nas.spaces import SearchSpace
from lightning_nas.strategies.blackbox.reinforce import Reinforce
from lightning_nas.strategies.policies.build import PolicyName


class ReinforceLstm(Reinforce):
    """:class:`Reinforce` as Zoph and Le have it, with an LSTM that knows what it has chosen before.

    Sources: Zoph, Le 2017, "Neural Architecture Search with Reinforcement Learning", arXiv 1611.01578, section 3.2; entropy,
    temperature and tanh constant are those of ENAS (Pham et al. 2018, arXiv 1802.03268). The learning rate is for some
    hundred children; Zoph and Le have 6e-4 for 12,800.

    Its arguments are those of :class:`PolicyGradient`.

    Example:
        >>> from lightning_nas.spaces import Darts
        >>> ReinforceLstm(Darts()).entropy_weight
        0.0001
    """

    def __init__(
        self,
        space: SearchSpace,
        *,
        policy: PolicyName = "lstm",
        lr: float = 3e-3,
        batch: int = 1,
        baseline_decay: float = 0.9,
        entropy_weight: float = 1e-4,
        temperature: float | None = 5.0,
        tanh_constant: float | None = 2.5,
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
