"""The supernet of the Auto-DeepLab space: a mixed cell at every place of the trellis.

Source: Liu et al. 2019, arXiv 1901.02985, equations 1 to 8. With ``H(l, s)`` the map of layer ``l`` and level ``s``::

    H(l, s) = sum over s' in {s - 1, s, s + 1} of beta(l, s' -> s) * Cell(H(l - 1, s') brought to s, H(l - 2, s))

The logits of the cell are shared by all places, its weights by the (up to three) inputs of a place. What reads only
``H(l - 2, s)`` is therefore computed once for all inputs, and the rest in one batch of all of them, over which BatchNorm
takes its statistics.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

import torch
from torch import Tensor, nn

from lightning_nas.architecture import Choices, Option
from lightning_nas.spaces.auto_deeplab.cell import Stem, level_sizes
from lightning_nas.spaces.auto_deeplab.search_cell import MixedCell
from lightning_nas.spaces.auto_deeplab.space import CELL, AutoDeepLab
from lightning_nas.spaces.auto_deeplab.trellis import LEVELS, Place, Trellis
from lightning_nas.spaces.cells.decisions import active_options, candidate_of, entering_edges, strongest_genes
from lightning_nas.spaces.features import FeatureInfo, FeatureLevel, Outlets
from lightning_nas.spaces.option_weights import Mixed, OptionWeights, Paths
from lightning_nas.spaces.supernet import Supernet


class AutoDeepLabSupernet(Supernet, space=AutoDeepLab):
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
        self.outlets = Outlets(len(trellis.levels(last)), nn.ReLU)
        self.feature_info = FeatureInfo(
            tuple(
                FeatureLevel(space.blocks * space.channels * 2**level, 4 * 2**level, f"outlets.{index}")
                for index, level in enumerate(trellis.levels(last))
            )
        )

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

    def all_maps(self, x: Tensor) -> tuple[list[Tensor], Tensor | None]:
        """``(B, in_channels, H, W) ->`` one map per level, None."""
        weights = self.option_weights()
        half, quarter = self.stem(self.laid_out(x))
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
        for level in self.trellis.levels(last):
            place = Place(last, level)
            size = (len(x), self._channels(place), *sizes[level])
            features.append(maps[place] if place in maps else x.new_zeros(size))
        return self.outlets(features), None

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

    @staticmethod
    def decode(space: AutoDeepLab, logits: Mapping[str, Tensor]) -> dict[str, Option]:
        """The strongest path, by Viterbi; the cell by the rule of DARTS."""
        path = space.trellis.strongest_path(logits)
        return space.from_genes(path, strongest_genes(logits[CELL], space.ops, space.blocks))

    @classmethod
    def decode_strengths(cls, space: AutoDeepLab, strengths: Mapping[str, Tensor]) -> dict[str, Option]:
        """The same of strengths: those of the cell as they are, those of the path as probabilities."""
        path = space.trellis.strongest_path(
            {name: strengths[name].clamp_min(1e-30).log() for name in space.trellis.rows}
        )
        return space.from_genes(path, strongest_genes(strengths[CELL], space.ops, space.blocks, relaxed=True))

    def edges_kept(self) -> dict[str, int]:
        """Two per node."""
        return {CELL: 2}

    def nodes(self) -> dict[str, tuple[range, ...]]:
        """The edges into every node of the cell."""
        return {CELL: entering_edges(self.space.blocks)}

    def mixed(self) -> list[Mixed]:
        """The edges of the cell at every place of the trellis, which a path need not pass."""
        found = []
        for layer in range(self.space.layers):
            for level in self.trellis.levels(layer):
                cell = self.cells[_key(Place(layer, level))]
                assert isinstance(cell, MixedCell)
                reach = partial(self._reached, place=Place(layer, level))
                found += [Mixed(edge, CELL, row, reach) for row, edge in enumerate(cell.edges)]
        return found

    def _reached(self, probabilities: Mapping[str, Tensor], place: Place) -> Tensor:
        """The probability that a path drawn transition by transition passes through a place."""
        first = -1 if self.trellis.free_start else 0
        passed = {Place(first, 0): probabilities[CELL].new_ones(())}
        for source in self.trellis.sources:
            group, row = self.trellis.row_of[source]
            for option, target in enumerate(Trellis.targets(source.level)):
                following = Place(source.layer + 1, target)
                share = passed[source] * probabilities[group][row, option]
                passed[following] = passed[following] + share if following in passed else share
        return passed[place]

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
