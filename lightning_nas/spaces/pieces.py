"""Computations that the networks of a space are put together of where no mixed operation stands."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

from torch import Tensor, nn


class Piece(NamedTuple):
    """A computation that a network of the space holds as often as its choices say.

    Args:
        build: Makes the module that computes it; it is given one map per index of ``reads``.
        place: A module of the supernet that gives a list of maps.
        reads: Indices of those of them that are as large as what the piece is given.
    """

    build: Callable[[], nn.Module]
    place: nn.Module
    reads: tuple[int, ...]


class Pieces(NamedTuple):
    """All of them, and how often a network holds each.

    Args:
        pieces: The computations.
        counts: Probabilities of all groups -> the expected number of each in a network, ``(pieces,)``, differentiable.
    """

    pieces: tuple[Piece, ...]
    counts: Callable[[Mapping[str, Tensor]], Tensor]
