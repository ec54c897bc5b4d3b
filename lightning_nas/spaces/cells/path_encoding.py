"""Numbers for the paths of operations through a cell, as bits of an encoding that ends after the shortest ones.

Source: White, Neiswanger, Savani 2021, "BANANAS: Bayesian Optimization with Neural Architectures for Neural Architecture
Search", arXiv 1910.11858, section 4.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import torch
from torch import Tensor

from lightning_nas.errors import ArgumentError


def path_number(path: Sequence[int], options: int, *, start: int = 0, starts: int = 1) -> int:
    """The number of a path among all: shorter ones first, then by their start, then by their operations.

    Args:
        path: Operations along the path, at least one, each below ``options``.
        options: Number of operations.
        start: Where it starts, if a cell has several inputs.
        starts: Number of these.

    Example:
        >>> [path_number(path, 5) for path in ([0], [4], [0, 0], [4, 4], [0, 0, 0], [4, 4, 4])]
        [0, 4, 5, 29, 30, 154]
    """
    number = start
    for op in path:
        number = number * options + op
    return path_count(len(path) - 1, options, starts=starts) + number


def path_count(longest: int, options: int, *, starts: int = 1) -> int:
    """Number of possible paths of up to so many operations.

    Example:
        >>> path_count(3, 5), path_count(3, 4)
        (155, 84)
    """
    return starts * sum(options**length for length in range(1, longest + 1))


def path_bits(numbers: Iterable[int], count: int, bits: int | None) -> Tensor:
    """One bit per possible path, set where the architecture has it.

    Args:
        numbers: Of its paths.
        count: How many paths are possible.
        bits: Keep so many of the shortest paths; None: all.

    Raises:
        ValueError: If ``bits`` is below 1.
    """
    if bits is not None and bits < 1:
        raise ArgumentError(f"bits must be at least 1, got {bits}")
    size = count if bits is None else min(bits, count)
    code = torch.zeros(size)
    code[[number for number in set(numbers) if number < size]] = 1.0
    return code
