"""Two sampled paths for a step of the logits, one for a step of the weights.

Source: Cai, Zhu, Han 2019, "ProxylessNAS: Direct Neural Architecture Search on Target Task and Hardware", arXiv 1812.00332,
section 3.2.
"""

from __future__ import annotations

import torch
from torch import Tensor

from lightning_nas.spaces import OptionWeights
from lightning_nas.strategies.gradient.samplers.base import Sampler


class TwoPaths(Sampler):
    """One option per edge runs in a weight step; two compete in an architecture step, and the others stay as likely.

    For a step of the logits two options per edge are drawn by their probabilities, without replacement; one of the two gates
    is open, drawn by the two's probabilities ``q``. Both options are computed, as the gradient of a logit is
    ``sum_j dL/dg_j q_j ([i = j] - q_i)`` over the two gates (equation 4 on two paths). After the step both logits are shifted
    by what keeps ``sum exp`` of the two, and so the probabilities of all other options.

    Example:
        >>> sampler = TwoPaths()
        >>> sampler.begin_step("architecture")
        >>> weights = sampler.sample(torch.zeros(1, 4), torch.Generator().manual_seed(0))
        >>> len(weights.active[0]), float(weights.values.sum())
        (2, 1.0)
    """

    hard = True
    two_halves = True
    memoryless = True

    def __init__(self) -> None:
        self._half = "weights"

    def begin_step(self, half: str) -> None:
        """Decides how many options are drawn."""
        self._half = half

    def sample(self, logits: Tensor, generator: torch.Generator) -> OptionWeights:
        """Gates of the drawn options, 0 or 1, with the gradient of their probabilities."""
        p = logits.detach().softmax(dim=-1).cpu().double()
        if self._half != "architecture":
            drawn = torch.multinomial(p, 1, generator=generator)
            values = torch.nn.functional.one_hot(drawn[:, 0], p.shape[1]).to(logits)
            return OptionWeights(values, tuple((option,) for option in drawn[:, 0].tolist()))
        possible = int((p > 0).sum(dim=-1).min())
        drawn = torch.multinomial(p, min(2, possible), generator=generator).sort(dim=-1).values
        gate = torch.multinomial(p.gather(1, drawn), 1, generator=generator)
        where = drawn.to(logits.device)
        q = logits.gather(1, where).softmax(dim=-1)
        hard = torch.zeros_like(q).scatter(1, gate.to(logits.device), 1.0)
        values = torch.zeros_like(logits).scatter(1, where, hard - q.detach() + q)
        return OptionWeights(values, tuple(tuple(options) for options in drawn.tolist()))

    def stepped(self, name: str, logits: Tensor, before: Tensor) -> None:
        """Shifts the logits that have moved, so that those of the other options keep their probabilities."""
        moved = logits != before
        lowest = torch.full_like(logits, -torch.inf)
        old = torch.where(moved, before, lowest).logsumexp(dim=-1, keepdim=True)
        new = torch.where(moved, logits, lowest).logsumexp(dim=-1, keepdim=True)
        shift = torch.where(moved.any(dim=-1, keepdim=True), old - new, torch.zeros_like(old))
        logits.add_(torch.where(moved, shift, torch.zeros_like(logits)))
