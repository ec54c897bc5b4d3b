"""Architectures as vectors, many at once, for strategies that predict values."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, get_args

import numpy as np
import numpy.typing as npt

from lightning_nas.architecture import Choices
from lightning_nas.errors import ArgumentError
from lightning_nas.spaces import SearchSpace

Encoding = Literal["path", "one_hot"]
Array = npt.NDArray[np.float64]


class Encoder:
    """Encodes architectures of one space: ``space.encode`` or ``space.path_encode``, row by row.

    Args:
        space: The search space.
        encoding: ``"one_hot"`` or ``"path"``; of a space without paths both are the same.
        bits: Keep so many of the shortest paths; None: all.

    Raises:
        ValueError: If there is no such encoding, or ``bits`` is below 1.
    """

    def __init__(self, space: SearchSpace, encoding: Encoding = "one_hot", *, bits: int | None = None) -> None:
        if encoding not in get_args(Encoding):
            raise ArgumentError(f"encoding must be one of {list(get_args(Encoding))}, got {encoding!r}")
        if bits is not None and bits < 1:
            raise ArgumentError(f"bits must be at least 1, got {bits}")
        self.space, self.encoding, self.bits = space, encoding, bits
        self._columns: dict[tuple[str, object], int] = {}
        for name in space.decisions:
            for option in space.all_options(name):
                self._columns[name, option] = len(self._columns)

    def __call__(self, batch: Sequence[Choices]) -> Array:
        """``(architectures, bits)``, zeros and ones."""
        if self.encoding == "path":
            return np.stack([self.space.path_encode(choices, bits=self.bits).double().numpy() for choices in batch])
        code = np.zeros((len(batch), len(self._columns)))
        rows = [row for row, choices in enumerate(batch) for _ in choices]
        code[rows, [self._columns[item] for choices in batch for item in choices.items()]] = 1.0
        return code
