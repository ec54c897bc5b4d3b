"""The mixed cell of the Auto-DeepLab supernet, at one place of the trellis (arXiv 1901.02985, equations 1 to 4)."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from lightning_nas.ops import ReLUConvBN
from lightning_nas.ops.layers.checkpointing import Recomputable
from lightning_nas.ops.layers.resize import resize
from lightning_nas.ops.mixed import MixedOp
from lightning_nas.ops.mixer import Term
from lightning_nas.ops.mixing import Mixing
from lightning_nas.spaces.option_weights import OptionWeights


class Arrival(nn.Module):
    """Brings a map from the level next to it, or from the same: ReLU, convolution, BatchNorm.

    Downwards a 3x3 convolution with stride 2; upwards a 1x1 convolution, computed before the bilinear enlargement, with
    which it commutes.
    """

    def __init__(self, in_channels: int, channels: int, step: int) -> None:
        super().__init__()
        self.step = step
        down = step == 1
        self.relu = nn.ReLU()
        self.conv = nn.Conv2d(in_channels, channels, 3 if down else 1, 2 if down else 1, 1 if down else 0, bias=False)
        self.norm = nn.BatchNorm2d(channels, affine=False)

    def forward(self, x: Tensor, size: tuple[int, int]) -> Tensor:
        """``(B, in_channels, H, W) -> (B, channels, *size)``."""
        out: Tensor = self.norm(resize(self.conv(self.relu(x)), size))
        return out


class MixedCell(Mixing, Recomputable):
    """The mixed cell at one place of the trellis.

    Args:
        names: Candidate operations.
        blocks: Number of nodes.
        older_channels: Channels of ``H(l - 2, s)``.
        newer_channels: Level -> channels of ``H(l - 1, level)``, for all levels that lead here.
        channels: Channels of a node.
        level: The level of the place.
    """

    def __init__(
        self,
        names: Sequence[str],
        blocks: int,
        older_channels: int,
        newer_channels: Mapping[int, int],
        channels: int,
        level: int,
    ) -> None:
        super().__init__()
        self.blocks = blocks
        self.older = ReLUConvBN(older_channels, channels, affine=False)
        self.newer = nn.ModuleDict(
            {str(source): Arrival(count, channels, level - source) for source, count in newer_channels.items()}
        )
        self.edges = nn.ModuleList(MixedOp(names, channels, 1) for node in range(blocks) for _ in range(node + 2))

    def forward(
        self,
        older: Tensor | None,
        newer: Mapping[int, Tensor],
        shares: Mapping[int, Tensor],
        mix: OptionWeights,
        size: tuple[int, int],
    ) -> Tensor:
        """The sum over the inputs, ``(B, blocks * channels, *size)``.

        Args:
            older: ``H(l - 2, s)``; None if it is not there: then nothing comes from it.
            newer: Level -> ``H(l - 1, level)``.
            shares: The same levels -> their ``beta``.
            mix: Weights of the operations.
            size: Of the maps here.
        """
        levels = list(newer)

        def compute(older: Tensor | None, *maps: Tensor) -> Tensor:
            return self._compute(older, dict(zip(levels, maps, strict=True)), shares, mix, size)

        result: Tensor = self.maybe_recomputed(compute, older, *newer.values())
        return result

    def _compute(
        self, older: Tensor | None, newer: Mapping[int, Tensor], shares: Mapping[int, Tensor], mix: OptionWeights,
        size: tuple[int, int],
    ) -> Tensor:  # fmt: skip
        arrived = torch.cat([self.newer[str(level)](x, size) for level, x in newer.items()])
        first = None if older is None else self.older(resize(older, size))
        # What differs between the inputs lies in one batch, what does not is computed once and repeated.
        parts = torch.cat(self._nodes(first, arrived, len(newer), mix), dim=1).chunk(len(newer))
        total = shares[next(iter(newer))] * parts[0]
        for level, part in list(zip(newer, parts, strict=True))[1:]:
            total = total + shares[level] * part
        return total

    def _nodes(self, older: Tensor | None, arrived: Tensor, copies: int, mix: OptionWeights) -> list[Tensor]:
        mixer, rows = self.mixer(), mix.rows()
        shared = None if older is None else mixer.state(older)
        states = [mixer.state(arrived)]
        for first, *rest in self._edges_of_nodes():
            once = None if shared is None else mixer.node([Term(self.edges[first], shared, *rows[first])])
            terms = [Term(self.edges[edge], state, *rows[edge]) for edge, state in zip(rest, states, strict=True)]
            total = mixer.node(terms, start=_repeated(once, copies))
            states.append(mixer.state(torch.zeros_like(arrived) if total is None else total))
        mixer.close()
        return [state.x for state in states[1:]]

    def _edges_of_nodes(self) -> list[range]:
        """For every node the edges that enter it: from the older input, from the newer one, from earlier nodes."""
        starts = [sum(range(2, node)) for node in range(2, self.blocks + 3)]
        return [range(start, stop) for start, stop in itertools.pairwise(starts)]


def _repeated(x: Tensor | None, copies: int) -> Tensor | None:
    return x if x is None or copies == 1 else x.repeat(copies, 1, 1, 1)
