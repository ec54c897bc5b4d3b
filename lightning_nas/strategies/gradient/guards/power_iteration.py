"""The dominant eigenvalue of a symmetric matrix of which only products with vectors are known."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from lightning_nas.strategies.gradient.guards.base import Product


def dominant_eigenvalue(
    product: Product, like: Sequence[Tensor], *, iterations: int = 100, tolerance: float = 1e-3, seed: int = 0
) -> float:
    """The eigenvalue of largest magnitude, with its sign, by power iteration; the estimate is the Rayleigh quotient.

    The quotient's error is the square of that of the vector. Where two eigenvalues have nearly the same magnitude, it is one of
    the two, or lies between them.

    Args:
        product: Multiplies a vector with the matrix.
        like: Tensors of the shapes of a vector.
        iterations: Products, at most.
        tolerance: Ends when ``||A v - lambda v||`` is at most so much of ``|lambda|``: then an eigenvalue lies that near.
        seed: Of the first vector.

    Example:
        >>> matrix = torch.diag(torch.tensor([1.0, -3.0, 2.0], dtype=torch.float64))
        >>> value = dominant_eigenvalue(lambda v: [matrix @ v[0]], [matrix[0]], tolerance=1e-6)
        >>> abs(value + 3) < 1e-9
        True
    """
    generator = torch.Generator().manual_seed(seed)
    vector = [torch.randn(t.shape, generator=generator, dtype=torch.float64).to(t.device, t.dtype) for t in like]
    norm = _norm(vector)
    value = 0.0
    for _ in range(iterations):
        vector = [part / norm for part in vector]
        image = [part.detach() for part in product(vector)]
        value = sum(float((a.double() * b.double()).sum()) for a, b in zip(vector, image, strict=True))
        residual = _norm([b - value * a for a, b in zip(vector, image, strict=True)])
        norm = _norm(image)
        if norm == 0.0 or residual <= tolerance * abs(value):
            break
        vector = image
    return value


def _norm(parts: Sequence[Tensor]) -> float:
    return float(torch.stack([part.double().norm() for part in parts]).norm())
