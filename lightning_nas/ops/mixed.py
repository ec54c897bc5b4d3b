"""The mixed operation in its textbook form: the reference with which the fast one is compared."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from lightning_nas.ops.candidates.parameter_free import Zero
from lightning_nas.ops.registry import build_op


class Candidates(nn.Module):
    """The candidates of one edge or layer, weighed against each other: what :class:`MixedOp` and its like have in common.

    Attributes:
        names: Registered names of the candidates.
        in_channels: Channels of the input.
        channels: Channels of the output.
        stride: Stride of every candidate.
        candidates: The modules, in the order of the names.
    """

    names: tuple[str, ...]
    in_channels: int
    channels: int
    stride: int
    candidates: nn.ModuleList

    @property
    def can_narrow(self) -> bool:
        """Whether what the candidates do not see can pass by: input and output have equal channels."""
        return False

    def narrowed(self, parts: int) -> Candidates:
        """Candidates of the same kind for one of so many parts of the channels."""
        raise NotImplementedError

    def found(self, option: int) -> nn.Module:
        """A candidate as found networks have it, untrained."""
        raise NotImplementedError


class MixedOp(Candidates):
    """All candidates of one edge, side by side: ``sum_o weight_o * candidate_o(x)``.

    Source: Liu, Simonyan, Yang 2019, arXiv 1806.09055, equation 2. BatchNorm inside candidates has no scale and shift,
    which would absorb the weight of the option.

    Args:
        names: Registered names of the candidates.
        channels: Channels of input and output.
        stride: Stride of the edge.
        pool_norm: Whether poolings are followed by a BatchNorm, as in DARTS (and not in NAS-Bench-201).
        affine: Whether BatchNorm in the candidates is learnable.
    """

    def __init__(
        self, names: Sequence[str], channels: int, stride: int, *, pool_norm: bool = True, affine: bool = False
    ) -> None:
        super().__init__()
        self.names, self.channels, self.stride = tuple(names), channels, stride
        self.in_channels = channels
        self.pool_norm, self.affine = pool_norm, affine
        candidates = []
        for name in names:
            candidate = build_op(name, channels, channels, stride=stride, affine=affine)
            if pool_norm and "pool" in name:
                candidate = nn.Sequential(candidate, nn.BatchNorm2d(channels, affine=affine))
            candidates.append(candidate)
        self.candidates = nn.ModuleList(candidates)

    @property
    def can_narrow(self) -> bool:
        """Not of a class that computes something else."""
        return type(self) is MixedOp

    def narrowed(self, parts: int) -> MixedOp:
        """The same on one of so many parts of the channels."""
        return MixedOp(self.names, self.channels // parts, self.stride, pool_norm=self.pool_norm, affine=self.affine)

    def found(self, option: int) -> nn.Module:
        """A candidate as found cells have it: poolings without BatchNorm, BatchNorm with scale and shift."""
        return build_op(self.names[option], self.channels, self.channels, stride=self.stride)

    def forward(self, x: Tensor, weights: Tensor, active: Sequence[int] | None = None) -> Tensor | None:
        """``(B, C, H, W) -> (B, C, H/stride, W/stride)``.

        Args:
            x: The source state.
            weights: ``(options,)``.
            active: Indices of the candidates to compute; all if None.

        Returns:
            The weighted sum, or None if nothing but zeros contributes.
        """
        total: Tensor | None = None
        for index in range(len(self.candidates)) if active is None else active:
            candidate = self.candidates[index]
            if isinstance(candidate, Zero):
                continue
            term = weights[index] * candidate(x)
            total = term if total is None else total + term
        return total
