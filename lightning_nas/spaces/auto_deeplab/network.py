"""A found network of the Auto-DeepLab space: stem, and one cell per layer at the resolution of the path.

Source: Liu et al. 2019, arXiv 1901.02985, sections 3.1 and 5.2, and the released network of its authors.
"""

from __future__ import annotations

from torch import Tensor, nn

from lightning_nas.architecture import Choices
from lightning_nas.spaces.auto_deeplab.cell import Stem, TrellisCell, level_sizes
from lightning_nas.spaces.auto_deeplab.space import AutoDeepLab
from lightning_nas.spaces.features import FeatureInfo, FeatureLevel
from lightning_nas.spaces.found import FoundNetwork

DECODER_LAYERS = 3
"""A decoder reads the last map of stride 4 of the stem and so many layers."""


class AutoDeepLabNetwork(FoundNetwork, space=AutoDeepLab):
    """A found network; returns a map of stride 4 for a decoder, and the last map.

    Args:
        space: The space.
        choices: The architecture.
    """

    def __init__(self, space: AutoDeepLab, choices: Choices) -> None:
        super().__init__()
        path, genes = space.path(choices), space.genes(choices)
        self.path = tuple(path)
        self.stem = Stem(space.in_channels, space.stem_channels)
        channels = [space.stem_channels, 2 * space.stem_channels]  # of the states, stem first
        self.cells = nn.ModuleList()
        for layer, level in enumerate(path):
            width = space.channels * 2**level
            step = level - (path[layer - 1] if layer else 0)
            self.cells.append(TrellisCell(genes, channels[-2], channels[-1], width, step, (layer + 1, space.layers)))
            channels.append(space.blocks * width)
        early = [layer for layer in range(min(DECODER_LAYERS, space.layers - 1)) if path[layer] == 0]
        self.decoder_layer = early[-1] if early else -1
        low = FeatureLevel(
            channels[self.decoder_layer + 2], 4, f"cells.{self.decoder_layer}" if early else "stem.second"
        )
        self.last = nn.ReLU()
        last = FeatureLevel(channels[-1], 4 * 2 ** path[-1], "last")
        self.feature_info = FeatureInfo((low, last))

    def forward_auxiliary(self, x: Tensor) -> tuple[list[Tensor], Tensor | None]:
        """``(B, in_channels, H, W) ->`` the maps of :attr:`feature_info`, None."""
        older, newer = self.stem(x)
        sizes = level_sizes(newer, max(self.path) + 1)
        low = newer
        for layer, (cell, level) in enumerate(zip(self.cells, self.path, strict=True)):
            older, newer = newer, cell(older, newer, sizes[level])
            if layer == self.decoder_layer:
                low = newer
        return [low, self.last(newer)], None
