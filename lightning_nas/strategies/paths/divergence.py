"""How far the outputs of one network are from those of another: what a small network learns from the largest one.

Sources: Hinton, Vinyals, Dean 2015, arXiv 1503.02531 (soft outputs); Wang et al. 2021, "AlphaNet", arXiv 2102.07954 (the
alpha-divergence, equations 2 to 5).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional as F

Divergence = Callable[[Tensor, Tensor], Tensor]
"""Logarithms of the teacher's and of the student's probabilities ``(..., K)`` -> ``(...)``, one value per distribution."""

DivergenceName = Literal["kl", "alpha"]

ALPHAS = (-1.0, 1.0)
LARGEST_RATIO = 5.0


def kl_divergence(teacher: Tensor, student: Tensor) -> Tensor:
    """``Σ p log(p / q)`` over the last dimension.

    Args:
        teacher: ``log p``, ``(..., K)``.
        student: ``log q``, ``(..., K)``.

    Example:
        >>> p = torch.tensor([0.5, 0.5]).log()
        >>> round(float(kl_divergence(p, torch.tensor([0.25, 0.75]).log())), 4)
        0.1438
    """
    return F.kl_div(student, teacher, reduction="none", log_target=True).sum(-1)


def alpha_divergence(teacher: Tensor, student: Tensor) -> Tensor:
    """The larger one of ``D_a(p || q) = Σ q f_a(p / q)`` for a in {-1, 1}, per distribution.

    ``f_a(r) = (r^a - 1) / (a (a - 1))``, whose limit for ``a = 1`` gives ``Σ p log(p / q)``: that one punishes a student that
    misses what the teacher holds likely, ``a = -1`` one that is sure of what the teacher holds unlikely. The gradient,
    ``-(1 / a) Σ q (p / q)^a ∇ log q``, takes the ratio ``(p / q)^a`` as 5 where it is larger: so single outputs of a student
    that is far away do not decide a step.

    Args:
        teacher: ``log p``, ``(..., K)``.
        student: ``log q``, ``(..., K)``.

    Example:
        >>> p, q = torch.tensor([0.5, 0.5]).log(), torch.tensor([0.25, 0.75]).log()
        >>> round(float(alpha_divergence(p, q)), 4), round(float(alpha_divergence(q, p)), 4)
        (0.1438, 0.1667)
    """
    values = torch.stack([_divergence_of(alpha, teacher, student) for alpha in ALPHAS])
    return values.max(dim=0).values


def _divergence_of(alpha: float, teacher: Tensor, student: Tensor) -> Tensor:
    log_ratio = teacher - student
    with torch.no_grad():
        if alpha == 1.0:
            value = (teacher.exp() * log_ratio).sum(-1)
        else:
            ratios = (alpha * log_ratio + student).exp()  # q (p / q)^a
            value = (ratios.sum(-1) - 1.0) / (alpha * (alpha - 1.0))
        weights = student.exp() * (alpha * log_ratio).exp().clamp(max=LARGEST_RATIO)
    slope = -(weights * student).sum(-1) / alpha
    return value + (slope - slope.detach())


DIVERGENCES: dict[str, Divergence] = {"kl": kl_divergence, "alpha": alpha_divergence}
"""By the name that a config has for them."""
