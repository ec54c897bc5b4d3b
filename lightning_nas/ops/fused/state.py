"""One state of a cell, and what all edges that leave it share."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from lightning_nas.ops.fused.depthwise import to_phases
from lightning_nas.ops.mixer import State


class SharedState(State):
    """Computes every shared thing once, when an edge first asks for it.

    Args:
        x: The state, ``(B, C, H, W)``.
    """

    def __init__(self, x: Tensor) -> None:
        super().__init__(x.contiguous(memory_format=torch.channels_last))
        self._rectified: Tensor | None = None
        self._phases: Tensor | None = None
        self._every_second: Tensor | None = None
        self._two_halves: Tensor | None = None
        self._pooled: dict[object, Tensor] = {}
        self._normalised: dict[object, tuple[Tensor, Tensor, Tensor]] = {}
        self._parted: dict[int, tuple[SharedState, SharedState]] = {}

    @property
    def rectified(self) -> Tensor:
        """``relu(x)``, in the type that autocast gives to convolutions."""
        if self._rectified is None:
            device = self.x.device.type
            out = self.x.relu()
            if torch.is_autocast_enabled(device) and out.dtype == torch.float32:
                out = out.to(torch.get_autocast_dtype(device))
            self._rectified = out
        return self._rectified

    @property
    def has_phases(self) -> bool:
        """Whether height and width are even."""
        return self.x.shape[-2] % 2 == 0 and self.x.shape[-1] % 2 == 0

    @property
    def phases(self) -> Tensor:
        """:func:`to_phases` of ``relu(x)``: dilated convolutions of stride 1 read it."""
        if self._phases is None:
            self._phases = to_phases(self.rectified)
        return self._phases

    @property
    def every_second(self) -> Tensor:
        """Every second row and column of ``relu(x)``: dilated convolutions of stride 2 see nothing else."""
        if self._every_second is None:
            self._every_second = self.rectified[:, :, ::2, ::2].contiguous(memory_format=torch.channels_last)
        return self._every_second

    @property
    def two_halves(self) -> Tensor:
        """What the two convolutions of a factorized reduction read, ``(B, 2C, ceil(H/2), ceil(W/2))``."""
        if self._two_halves is None:
            height, width = self.x.shape[-2:]
            padded = nn.functional.pad(self.rectified, (0, width % 2, 0, height % 2))
            self._two_halves = torch.cat([self.every_second, padded[:, :, 1::2, 1::2]], dim=1)
        return self._two_halves

    def parted(self, parts: int) -> tuple[SharedState, SharedState]:
        """The first of so many parts of the channels, and the others."""
        if parts not in self._parted:
            taken = self.x.shape[1] // parts
            self._parted[parts] = SharedState(self.x[:, :taken]), SharedState(self.x[:, taken:])
        return self._parted[parts]

    def pooled(self, key: object, pool: Callable[[Tensor], Tensor]) -> Tensor:
        """``pool(x)``; pools of equal ``key`` are equal."""
        if key not in self._pooled:
            self._pooled[key] = pool(self.x)
        return self._pooled[key]

    def normalised(self, key: object, pool: Callable[[Tensor], Tensor], eps: float) -> tuple[Tensor, Tensor, Tensor]:
        """BatchNorm without scale and shift of ``pool(x)``, with the mean and unbiased variance of the batch."""
        if (key, eps) not in self._normalised:
            pooled = self.pooled(key, pool)
            mean, variance = (
                torch.zeros(pooled.shape[1], device=pooled.device, dtype=_statistics_type(pooled)) for _ in range(2)
            )
            out = nn.functional.batch_norm(pooled, mean, variance, training=True, momentum=1.0, eps=eps)
            self._normalised[key, eps] = out, mean, variance
        return self._normalised[key, eps]


def _statistics_type(x: Tensor) -> torch.dtype:
    return torch.float32 if x.dtype in (torch.float16, torch.bfloat16) else x.dtype
