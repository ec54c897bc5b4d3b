"""The maths of gradient strategies, as functions of tensors."""

from __future__ import annotations

import torch
from torch import Tensor

from lightning_nas.spaces import OptionWeights


def gumbel_soft(logits: Tensor, tau: float, generator: torch.Generator) -> OptionWeights:
    """A draw of the concrete distribution per edge: ``softmax((log p + g) / tau)`` with ``g = -log(-log u)``.

    Source: Xie et al. 2019, SNAS, arXiv 1812.09926, equation 4.

    Args:
        logits: ``(edges, options)``; ``p`` is their softmax.
        tau: Temperature.
        generator: Draws the noise, on the CPU, so that all devices and ranks see the same.
    """
    return OptionWeights(_gumbel_softmax(logits, tau, generator))


def gumbel_hard(logits: Tensor, tau: float, generator: torch.Generator) -> OptionWeights:
    """One option per edge, drawn from softmax(logits), with the gradient of the Gumbel-softmax.

    Source: Dong, Yang 2019, arXiv 1910.04465, equations 3 to 5: ``h = onehot - stopgrad(p) + p``.

    Args:
        logits: ``(edges, options)``.
        tau: Temperature of the softmax.
        generator: Draws the noise, on the CPU, so that all devices and ranks see the same.
    """
    soft = _gumbel_softmax(logits, tau, generator)
    index = soft.argmax(dim=-1)
    onehot = torch.nn.functional.one_hot(index, logits.shape[-1]).to(soft.dtype)
    return OptionWeights(onehot - soft.detach() + soft, tuple((option,) for option in index.tolist()))


def _gumbel_softmax(logits: Tensor, tau: float, generator: torch.Generator) -> Tensor:
    while True:
        noise = -torch.empty(logits.shape, dtype=logits.dtype).exponential_(generator=generator).log()
        soft = ((logits.log_softmax(dim=-1) + noise.to(logits.device)) / tau).softmax(dim=-1)
        if torch.isfinite(noise).all() and torch.isfinite(soft).all():
            return soft
