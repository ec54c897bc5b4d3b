"""GDAS: one sampled option per edge, gradients through the Gumbel-softmax.

Source: Dong, Yang 2019, "Searching for a Robust Neural Architecture in Four GPU Hours", arXiv 1910.04465, section 3.

An edge is ``y = h_k f_k(x)`` with the drawn option ``k`` alone: ``h`` has the value of the one-hot choice and the gradient
of ``p = softmax((log softmax(a) + g) / tau)``, where ``g`` is Gumbel noise. So the logits of one edge get::

    dL/da_j = <dL/dy, f_k(x)> * p_k * ([j = k] - p_j) / tau

That is the paper's rule, which runs forwards and backwards through the drawn option only, and that of the authors' code for
cells of the DARTS kind (``NASNetSearchCell`` of github.com/D-X-Y/AutoDL-Projects, used by ``search_model_gdas_nasnet.py`` and
``search_model_gdas_frc_nasnet.py``). Their code for NAS-Bench-201 (``NAS201SearchCell.forward_gdas``, used by
``search_model_gdas.py`` and ``generic_model.py``) computes another gradient: to ``h_k f_k(x)`` it adds the plain numbers
``h_o`` of the options that were not drawn. Their value is 0, but all ``h`` sum to 1, so that the first factor becomes
``<dL/dy, f_k(x) - 1>``, as if every other option were a map of ones. No option is; so the rule here is the paper's in
every space. The results of GDAS that the paper on NAS-Bench-201 reports (arXiv 2001.00326) come from that code.
Their version for TensorFlow (``exps-tf/GDAS.py``, removed later) is a third one: soft samples, all options run.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import torch
from torch import Tensor

from lightning_nas.errors import ArgumentError
from lightning_nas.spaces import OptionWeights
from lightning_nas.strategies.gradient.base import GradientStrategy
from lightning_nas.strategies.gradient.functional import gumbel_hard


class Gdas(GradientStrategy):
    """Samples one option per edge and forward pass; the temperature falls linearly over the epochs.

    Args:
        tau_start: First temperature.
        tau_end: Last temperature.
        seed: Of the sampling.
        level: ``"bi"`` trains logits and weights on separate halves of the data, ``"single"`` both on all of it.
        lr: Learning rate of the logits' Adam.
        betas: Decay of Adam's averages of the gradient and of its square.
        weight_decay: Weight decay of the logits.

    Attributes:
        tau: The current temperature; a callback lowers it.

    Example:
        >>> from lightning_nas.spaces import NasBench201
        >>> supernet = NasBench201(channels=4, cells=1).supernet()
        >>> strategy = Gdas()
        >>> weights = strategy.relax(supernet.logits)["cell"]
        >>> weights.values.shape
        torch.Size([6, 5])
        >>> [len(options) for options in weights.active]  # one option per edge
        [1, 1, 1, 1, 1, 1]
    """

    needs_unused_parameters = True

    def __init__(
        self,
        *,
        tau_start: float = 10.0,
        tau_end: float = 0.1,
        seed: int = 0,
        level: Literal["bi", "single"] = "bi",
        lr: float = 3e-4,
        betas: tuple[float, float] = (0.5, 0.999),
        weight_decay: float = 1e-3,
    ) -> None:
        super().__init__(level=level, lr=lr, betas=betas, weight_decay=weight_decay)
        if not 0 < tau_end <= tau_start:
            raise ArgumentError(f"tau_end must be positive and at most tau_start = {tau_start}, got {tau_end}")
        self.tau_start, self.tau_end, self.tau = tau_start, tau_end, tau_start
        self._seed, self.generator = seed, torch.Generator().manual_seed(seed)

    def seed_batch(self, number: int) -> None:
        """Draws anew from here on."""
        self.generator.manual_seed(number + self._seed)

    def relax(self, logits: Mapping[str, Tensor]) -> dict[str, OptionWeights]:
        """Hard samples with soft gradients, one per edge."""
        return {name: gumbel_hard(group, self.tau, self.generator) for name, group in logits.items()}

    def state_dict(self) -> dict[str, Any]:
        """Temperature and generator."""
        return {"tau": self.tau, "generator": self.generator.get_state()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Takes temperature and generator back."""
        self.tau = state["tau"]
        self.generator.set_state(state["generator"])
