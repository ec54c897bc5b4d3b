"""Found backbones as encoders of segmentation_models_pytorch."""

from __future__ import annotations

import os
import warnings
from functools import partial

from torch import Tensor, nn

from lightning_nas.errors import ArgumentError
from lightning_nas.networks.buildable import Buildable, Source, checked_name, optional_package
from lightning_nas.ops.layers.resize import resize

STRIDES = (2, 4, 8, 16, 32)
"""Of the levels of an encoder."""


class SmpEncoder(nn.Module):
    """An encoder: the image, then one map per level; level ``l`` has stride ``2 ** l``.

    A level that the backbone does not return is the next finer one, averaged down: that of stride 2, of a backbone that
    begins with stride 4, is the image in half size. With an ``output_stride``, deeper levels have that stride. A space that
    can dilate is built with it; of another one, the maps of the deeper levels are enlarged, and a warning says so.

    Args:
        buildable: The backbone.
        depth: Number of levels.
        output_stride: Largest stride.

    Attributes:
        out_channels: Channels of the image and of every level.
        output_stride: Stride of the last level.

    Raises:
        ValueError: If ``depth`` or ``output_stride`` is out of range, or the backbone's maps are not as coarse.
    """

    _is_torch_scriptable = False
    _is_torch_exportable = True
    _is_torch_compilable = True

    def __init__(self, buildable: Buildable, depth: int = len(STRIDES), output_stride: int = 32) -> None:
        super().__init__()
        if not 1 <= depth <= len(STRIDES):
            raise ArgumentError(f"depth must be from 1 to {len(STRIDES)}, got {depth}")
        if output_stride not in (8, 16, 32):
            raise ArgumentError(f"output_stride must be 8, 16 or 32, got {output_stride}")
        self._buildable, self._depth, self._output_stride = buildable, depth, output_stride
        self._build(buildable.in_channels)

    def _build(self, in_channels: int) -> None:
        """The network for images of so many channels, and where its levels are."""
        dilated = self._buildable.dilates and self.output_stride < 2**self._depth
        self.network = self._buildable.build(
            in_channels=in_channels, output_stride=self.output_stride if dilated else None
        )
        levels = self.network.feature_info.levels
        by_stride = {level.reduction: index for index, level in enumerate(levels)}
        coarsest = max((stride for stride in by_stride if stride in STRIDES[: self._depth]), default=1)
        if coarsest < self.output_stride:
            raise ArgumentError(
                f"depth = {self._depth}: a level of stride {self.output_stride} is needed, and the backbone's maps have the "
                f"strides {list(by_stride)}: take encoder_depth={STRIDES.index(coarsest) + 1 if coarsest > 1 else 0}"
            )
        if coarsest > self.output_stride:
            warnings.warn(
                f"output_stride = {self._output_stride}: the space of the backbone cannot dilate, so its coarser maps are "
                "enlarged to that stride",
                stacklevel=3,
            )
        self._in_channels, self.out_channels = in_channels, [in_channels]
        self._sources: list[int | None] = []  # the map of every level; None: the level before, averaged down
        for stride in STRIDES[: self._depth]:
            deeper = self._sources[-1] if stride > self.output_stride else None
            source = by_stride.get(stride, deeper)
            self._sources.append(source)
            self.out_channels.append(self.out_channels[-1] if source is None else levels[source].channels)

    @property
    def output_stride(self) -> int:
        """Stride of the last level."""
        return int(min(self._output_stride, 2**self._depth))

    def set_in_channels(self, in_channels: int, pretrained: bool = True) -> None:
        """Builds the network for images of so many channels.

        Raises:
            WeightsError: If its weights have another number.
        """
        if in_channels != self._in_channels:
            self._build(in_channels)

    def make_dilated(self, output_stride: int) -> None:
        """Nothing: it was built with this stride."""

    def forward(self, x: Tensor) -> list[Tensor]:
        """``(B, in_channels, H, W) ->`` the image, then ``(B, out_channels[l], H/2**l, W/2**l)`` for every level ``l``."""
        maps = self.network(x)
        features = [x]
        for stride, source in zip(STRIDES, self._sources, strict=False):
            size = (features[-1].shape[-2], features[-1].shape[-1])
            if stride <= self.output_stride and source is None:
                features.append(nn.functional.avg_pool2d(features[-1], 2, ceil_mode=True, count_include_pad=False))
            elif stride <= self.output_stride:
                features.append(maps[source])
            else:
                features.append(features[-1] if source is None else resize(maps[source], size))
        return features


def register_encoder(
    name: str,
    source: Source,
    weights: str | os.PathLike[str] | bool | None = None,
    *,
    prefix: str | None = None,
) -> None:
    """Makes a found backbone, or the supernet of a space, an encoder of segmentation_models_pytorch.

    ``smp.Unet(name, encoder_weights=None, classes=...)`` then builds it, as do the other models, with ``encoder_depth``,
    ``encoder_output_stride`` and ``in_channels``. Its weights are loaded whenever it is built; ``encoder_weights`` and
    ``get_preprocessing_params``, which download what they give, are of the library's own encoders.

    Args:
        name: Letters, digits, underscores. A name that was registered before gets the new backbone.
        source: What :func:`lightning_nas.load_backbone` takes as architecture; a search space for its supernet.
        weights: As of :func:`lightning_nas.load_backbone`; there are none of a supernet.
        prefix: The same: of the backbone's names in the weights.

    Raises:
        ImportError: If segmentation_models_pytorch is not installed.
        ValueError: If the name is that of one of its own encoders or has other characters, or weights are given for a
            supernet.
        FileNotFoundError, ArchitectureError: If there is no such architecture.
    """
    encoders = optional_package("segmentation_models_pytorch", "segmentation-models-pytorch").encoders.encoders
    known = encoders.get(checked_name(name))
    if known is not None and getattr(known["encoder"], "func", None) is not SmpEncoder:
        raise ArgumentError(
            f"name = {name!r}: segmentation_models_pytorch has an encoder of that name, choose another one"
        )
    build = partial(SmpEncoder, Buildable(source, weights, prefix))
    encoders[name] = {"encoder": build, "pretrained_settings": {}, "params": {}}
