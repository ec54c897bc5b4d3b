"""The supernet of the Auto-DeepLab space: a mixed cell at every place of the trellis.

Source: Liu et al. 2019, arXiv 1901.02985, equations 1 to 8. With ``H(l, s)`` the map of layer ``l`` and level ``s``::

    H(l, s) = sum over s' in {s - 1, s, s + 1} of beta(l, s' -> s) * Cell(H(l - 1, s') brought to s, H(l - 2, s))

The logits of the cell are shared by all places, its weights by the (up to three) inputs of a place. What reads only
``H(l - 2, s)`` is therefore computed once for all inputs, and the rest in one batch of all of them, over which BatchNorm
takes its statistics.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from lightning_nas.architecture import Choices
from lightning_nas.ops import ReLUConvBN
from lightning_nas.ops.checkpointing import Recomputable
from lightning_nas.ops.fused import FusedNode
from lightning_nas.ops.fused_state import SharedState
from lightning_nas.ops.mixed import MixedOp
from lightning_nas.ops.resize import resize
from lightning_nas.ops.running_statistics import RunningStatistics
from lightning_nas.spaces.auto_deeplab_network import Stem, level_sizes
from lightning_nas.spaces.cell_decisions import active_options, candidate_of
from lightning_nas.spaces.features import FeatureInfo, FeatureLevel
from lightning_nas.spaces.supernet import Form, OptionWeights, Paths, Supernet
from lightning_nas.spaces.trellis import LEVELS, Place, Trellis

if TYPE_CHECKING:
    from lightning_nas.spaces.auto_deeplab import AutoDeepLab


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


class MixedCell(Recomputable):
    """The mixed cell at one place of the trellis.

    Attributes:
        form: As of :class:`~lightning_nas.spaces.darts_cells.SearchCell`.

    Args:
        names: Candidate operations.
        blocks: Number of nodes.
        older_channels: Channels of ``H(l - 2, s)``.
        newer_channels: Level -> channels of ``H(l - 1, level)``, for all levels that lead here.
        channels: Channels of a node.
        level: The level of the place.
    """

    form: Form = "fused"

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
        """  # fmt: skip
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
        nodes = self._nodes(first, arrived, len(newer), mix)
        parts = torch.cat(nodes, dim=1).chunk(len(newer))
        total = shares[next(iter(newer))] * parts[0]
        for level, part in list(zip(newer, parts, strict=True))[1:]:
            total = total + shares[level] * part
        return total

    def _nodes(self, older: Tensor | None, arrived: Tensor, copies: int, mix: OptionWeights) -> list[Tensor]:
        """The nodes, each ``(copies * B, channels, H, W)``."""
        options = mix.values.shape[1]
        statistics = RunningStatistics()
        fused = self.form == "fused"
        states = [SharedState(arrived) if fused else arrived]  # what differs between the copies
        shared = SharedState(older) if fused and older is not None else older
        start = 0
        for _ in range(self.blocks):
            stop = start + len(states) + 1
            active = [None] * (stop - start) if mix.active is None else list(mix.active[start:stop])
            edges, values = list(self.edges[start:stop]), mix.values[start:stop]
            terms: list[Tensor | None] = []
            if fused:
                once, each = FusedNode(values[0], statistics), FusedNode(values[1:].flatten(), statistics)
                if shared is not None:
                    once.add_edge(edges[0], shared, 0, active[0])  # type: ignore[arg-type]
                for source, state in enumerate(states):
                    each.add_edge(edges[source + 1], state, source * options, active[source + 1])  # type: ignore[arg-type]
                terms += [_repeated(once.total(), copies), each.total()]
            else:
                if older is not None:
                    terms.append(_repeated(edges[0](older, values[0], active[0]), copies))
                terms += [
                    edges[source + 1](state, values[source + 1], active[source + 1])
                    for source, state in enumerate(states)
                ]
            there = [term for term in terms if term is not None]
            node = functools.reduce(torch.add, there) if there else torch.zeros_like(arrived)
            states.append(SharedState(node) if fused else node)
            start = stop
        statistics.apply()
        return [state.x if isinstance(state, SharedState) else state for state in states[1:]]


def _repeated(x: Tensor | None, copies: int) -> Tensor | None:
    return x if x is None or copies == 1 else x.repeat(copies, 1, 1, 1)


class AutoDeepLabSupernet(Supernet):
    """The supernet; logits ``cell``, ``(edges, operations)``, and those of the trellis, ``beta_rim`` and ``beta_inner``.

    Returns the last map of every level. Where a path is active, or options are sampled, only places that it passes are
    computed, and a cell whose level the path did not have two layers earlier has one input less.
    """

    def __init__(self, space: AutoDeepLab, generator: torch.Generator | None = None) -> None:
        trellis = space.trellis
        groups = {"cell": (sum(range(2, space.blocks + 2)), len(space.ops))}
        groups |= {name: (len(places), len(Trellis.targets(places[0].level))) for name, places in trellis.rows.items()}
        super().__init__(groups, generator)
        self.space, self.trellis = space, trellis
        self.stem = Stem(space.in_channels, space.stem_channels)
        self.cells = nn.ModuleDict()
        for layer in range(space.layers):
            for level in trellis.levels(layer):
                place = Place(layer, level)
                self.cells[_key(place)] = MixedCell(
                    space.ops,
                    space.blocks,
                    self._channels(self._older(place)),
                    {source.level: self._channels(source) for source in self._newer(place)},
                    space.channels * 2**level,
                    level,
                )
        last = space.layers - 1
        self.feature_info = FeatureInfo(
            tuple(
                FeatureLevel(
                    space.blocks * space.channels * 2**level, 4 * 2**level, f"cells.{_key(Place(last, level))}"
                )
                for level in trellis.levels(last)
            )
        )
        self.set_form("fused")

    def _older(self, place: Place) -> Place:
        """Where the older input of a place comes from: its level two layers before, or the nearest one that there is.

        Layer -2 is the stem's map of stride 2.
        """
        layer = place.layer - 2
        return Place(layer, min(place.level, self.trellis.levels(layer)[-1]) if layer >= 0 else 0)

    def _newer(self, place: Place) -> list[Place]:
        """The places of the layer before from which a place is reached; the stem is layer -1."""
        levels = self.trellis.levels(place.layer - 1) if place.layer else range(1)
        return [Place(place.layer - 1, level) for level in levels if abs(level - place.level) <= 1]

    def _channels(self, place: Place) -> int:
        if place.layer < 0:
            return self.space.stem_channels * (2 if place.layer == -1 else 1)
        return self.space.blocks * self.space.channels * 2**place.level

    def set_form(self, form: Form) -> None:
        """Chooses how the edges of a cell are computed, see :class:`~lightning_nas.spaces.darts.DartsSupernet`.

        Raises:
            ValueError: If there is no such form.
        """
        if form not in ("fused", "textbook"):
            raise ValueError(f"form must be 'fused' or 'textbook', got {form!r}")
        self.form = form
        for cell in self.cells.values():
            cell.form = form  # type: ignore[assignment]

    def forward_auxiliary(self, x: Tensor) -> tuple[list[Tensor], Tensor | None]:
        """``(B, in_channels, H, W) ->`` one map per level, None."""
        if self.form == "fused":
            x = x.contiguous(memory_format=torch.channels_last)
        weights = self.option_weights()
        half, quarter = self.stem(x)
        sizes = level_sizes(quarter, LEVELS)
        maps: dict[Place, Tensor] = {Place(-2, 0): half, Place(-1, 0): quarter}
        for layer in range(self.space.layers):
            for level in self.trellis.levels(layer):
                place = Place(layer, level)
                shares = self._shares(place, weights, maps)
                if shares:
                    newer = {source: maps[Place(layer - 1, source)] for source in shares}
                    cell = self.cells[_key(place)]
                    maps[place] = cell(maps.get(self._older(place)), newer, shares, weights["cell"], sizes[level])
        last = self.space.layers - 1
        features = []
        for level, info in zip(self.trellis.levels(last), self.feature_info, strict=True):
            there = maps.get(Place(last, level))
            size = (len(x), info.channels, *sizes[level])
            features.append(x.new_zeros(size) if there is None else nn.functional.relu(there))
        return features, None

    def _shares(
        self, place: Place, weights: Mapping[str, OptionWeights], maps: Mapping[Place, Tensor]
    ) -> dict[int, Tensor]:
        """Level of the layer before -> weight of its transition to a place, of all that are computed."""
        shares = {}
        for source in self._newer(place):
            if source not in maps:
                continue
            if source not in self.trellis.row_of:  # the stem, where the first layer has no choice
                shares[source.level] = weights["cell"].values.new_ones(())
                continue
            group, row = self.trellis.row_of[source]
            option = Trellis.targets(source.level).index(place.level)
            active = weights[group].active
            if active is None or option in active[row]:
                shares[source.level] = weights[group].values[row, option]
        return shares

    def path(self, choices: Choices) -> dict[str, Paths]:
        """The operations of the cell on every edge, and the transitions of the path."""
        self.space.validate(choices)
        cell = active_options(self.space.genes(choices), self.space.ops)
        return {"cell": cell, **self.trellis.path_rows(self.space.path(choices))}

    def module_sources(self, choices: Choices) -> dict[str, str]:
        """A found layer is the place of the path. Inputs that go down, or come from another level, have no counterpart."""
        self.space.validate(choices)
        path = self.space.path(choices)
        candidates = candidate_of(self.space.genes(choices), self.space.ops)
        sources = {}
        for layer, level in enumerate(path):
            place = Place(layer, level)
            here = f"cells.{_key(place)}"
            before = path[layer - 1] if layer else 0
            if before >= level:
                sources[f"cells.{layer}.newer"] = f"{here}.newer.{before}"
            two_before = path[layer - 2] if layer >= 2 else 0
            if self._older(place).level == two_before:
                sources[f"cells.{layer}.older"] = f"{here}.older"
            for position, (edge, option) in enumerate(candidates):
                sources[f"cells.{layer}.ops.{position}"] = f"{here}.edges.{edge}.candidates.{option}"
        return sources


def _key(place: Place) -> str:
    return f"layer{place.layer}_level{place.level}"
