"""ENAS: a supernet trained on paths that a controller draws, and a controller trained on how good paths are.

Source: Pham et al. 2018, "Efficient Neural Architecture Search via Parameter Sharing", arXiv 1802.03268.
"""

from __future__ import annotations

import math

from lightning_nas.errors import ArgumentError
from lightning_nas.spaces import SearchSpace
from lightning_nas.strategies.paths.base import PathStrategy
from lightning_nas.strategies.paths.controller import Controller
from lightning_nas.strategies.policies.build import PolicyName, check_policy


class Enas(PathStrategy):
    """The settings of ENAS; the defaults are those of the paper's macro search, but for a controller that knows every space.

    An epoch of the shared weights, each batch on a path from the controller, takes turns with a phase of the controller, whose
    reward is the score of a path on one minibatch that no weight is trained on. At the end the best of some draws is kept.

    Args:
        policy: The controller. ``"enas"``: those of the paper, for the macro and the micro space. For every space:
            ``"lstm"``, the same LSTM with an embedding and logits of its own for each decision, or ``"independent"``: logits
            per decision, which learn much faster.
        lr: Of the controller's Adam; 1e-3 for the macro space, 3.5e-3 for the micro space.
        controller_steps: Steps of the controller after each epoch; 50 macro, 30 micro.
        controller_batch: Architectures per step; 20 macro, 10 micro.
        entropy_weight: Of the entropy of the policy, in the reward.
        baseline_decay: Of the moving average of rewards.
        baseline_correction: Whether the average is corrected for its start at 0; worth it in short searches.
        skip_weight: Of the divergence of skip probabilities from ``skip_target``; only spaces with decisions between ``no``
            and ``yes`` have one.
        skip_target: See ``skip_weight``.
        temperature: T of ``c * tanh(logits / T)``; None: 1.
        tanh_constant: c; None: the logits have no bound.
        derive: Architectures drawn at the end, of which the best on one minibatch is kept.
        batch_statistics: Whether BatchNorm takes the statistics of the minibatch to score a path, as in the released code. If
            not, the running ones, which are a mix of all paths.
        metric: Logged by the task in validation, e.g. ``"val/f1"``: the score. It is maximised, or minimised with a minus in
            front. If None the task's headline, or minus the loss of a task that names none.
        seed: Of the controller's initial weights and of all draws.

    Raises:
        ValueError: If an argument is out of range.

    Example:
        >>> from lightning_nas.spaces import NasBench201
        >>> controller = Enas(policy="independent").controller(NasBench201(nodes=3))
        >>> list(controller.sample(0))
        ['cell.1.0', 'cell.2.0', 'cell.2.1']
    """

    trains = "a controller"
    usage = "Trainer(callbacks=[lightning_nas.search.ControllerPhase(strategy)]) and WeightsHalf(your data module)"

    def __init__(
        self,
        *,
        policy: PolicyName = "lstm",
        lr: float = 1e-3,
        controller_steps: int = 50,
        controller_batch: int = 20,
        entropy_weight: float = 1e-4,
        baseline_decay: float = 0.99,
        baseline_correction: bool = False,
        skip_weight: float = 0.8,
        skip_target: float = 0.4,
        temperature: float | None = 5.0,
        tanh_constant: float | None = 2.5,
        derive: int = 10,
        batch_statistics: bool = True,
        metric: str | None = None,
        seed: int = 0,
    ) -> None:
        super().__init__(metric=metric, seed=seed)
        check_policy(policy)
        for name, whole, low in (
            ("controller_steps", controller_steps, 1),
            ("controller_batch", controller_batch, 1),
            ("derive", derive, 1),
        ):
            if whole < low:
                raise ArgumentError(f"{name} must be at least {low}, got {whole}")
        for name, bound in (("lr", lr), ("temperature", temperature), ("tanh_constant", tanh_constant)):
            if bound is not None and not (bound > 0 and math.isfinite(bound)):
                raise ArgumentError(f"{name} must be above 0 and finite, got {bound}")
        for name, weight in (("entropy_weight", entropy_weight), ("skip_weight", skip_weight)):
            if not weight >= 0:
                raise ArgumentError(f"{name} must not be negative, got {weight}")
        if not 0 <= baseline_decay < 1:
            raise ArgumentError(f"baseline_decay must be at least 0 and below 1, got {baseline_decay}")
        if not 0 < skip_target < 1:
            raise ArgumentError(f"skip_target must be above 0 and below 1, got {skip_target}")
        self.policy: PolicyName = policy
        self.lr, self.controller_steps, self.controller_batch = lr, controller_steps, controller_batch
        self.entropy_weight, self.baseline_decay = entropy_weight, baseline_decay
        self.baseline_correction, self.skip_weight, self.skip_target = baseline_correction, skip_weight, skip_target
        self.temperature, self.tanh_constant = temperature, tanh_constant
        self.derive, self.batch_statistics = derive, batch_statistics

    def controller(self, space: SearchSpace) -> Controller:
        """A new controller for a space."""
        return Controller(
            space,
            policy=self.policy,
            lr=self.lr,
            entropy_weight=self.entropy_weight,
            baseline_decay=self.baseline_decay,
            baseline_correction=self.baseline_correction,
            skip_weight=self.skip_weight,
            skip_target=self.skip_target,
            temperature=self.temperature,
            tanh_constant=self.tanh_constant,
            seed=self.seed,
        )
