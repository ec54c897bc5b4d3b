"""Found networks in torchvision's models: a feature pyramid for detectors, a backbone that has its neck, named maps."""

from __future__ import annotations

import itertools
from collections import OrderedDict
from collections.abc import Callable, Mapping

from torch import Tensor, nn
from torchvision.ops import FeaturePyramidNetwork
from torchvision.ops.feature_pyramid_network import ExtraFPNBlock

from lightning_nas.errors import ArgumentError
from lightning_nas.spaces import Backbone
from lightning_nas.spaces.necks.fixed.network import PooledLevels

DETECTOR_MAPS = 5
"""Maps for which torchvision's detectors have default anchors."""


class PyramidBackbone(nn.Module):
    """A backbone and a feature pyramid (Lin et al. 2017, arXiv 1612.03144), as torchvision's detectors expect it.

    The counterpart of torchvision's ``BackboneWithFPN`` for networks that return a list of maps.

    Attributes:
        out_channels: Channels of every map of the pyramid.

    Example:
        >>> import torch
        >>> from lightning_nas.networks import ResidualBackbone
        >>> network = PyramidBackbone(ResidualBackbone(4, (2, 4)), out_channels=8)
        >>> [tuple(x.shape[1:]) for x in network(torch.zeros(1, 3, 16, 16)).values()][:2]
        [(8, 8, 8), (8, 4, 4)]
    """

    def __init__(
        self,
        backbone: Backbone,
        out_channels: int,
        extra_blocks: ExtraFPNBlock | None = None,
        norm_layer: Callable[..., nn.Module] | None = None,
    ) -> None:
        super().__init__()
        reductions = backbone.feature_info.reduction()
        if any(deeper <= shallower for shallower, deeper in itertools.pairwise(reductions)):
            raise ArgumentError(f"backbone must return ever coarser maps for a pyramid, got reductions {reductions}")
        self.body = backbone
        if extra_blocks is None and len(reductions) < DETECTOR_MAPS:
            extra_blocks = PooledLevels(DETECTOR_MAPS - len(reductions))
        self.fpn = FeaturePyramidNetwork(backbone.feature_info.channels(), out_channels, extra_blocks, norm_layer)
        self.out_channels = out_channels

    def forward(self, x: Tensor) -> OrderedDict[str, Tensor]:
        """``(B, C, H, W) ->`` maps ``"0"``, ``"1"``, ... from fine to coarse, then those of the extra block."""
        named = OrderedDict((str(index), feature) for index, feature in enumerate(self.body(x)))
        pyramid: OrderedDict[str, Tensor] = self.fpn(named)
        return pyramid


def with_fpn(
    backbone: Backbone,
    out_channels: int = 256,
    *,
    extra_blocks: ExtraFPNBlock | None = None,
    norm_layer: Callable[..., nn.Module] | None = None,
) -> PyramidBackbone:
    """Puts a feature pyramid on a backbone, for ``torchvision.models.detection``.

    Detectors have default anchors for five maps. A backbone that returns fewer gets coarser ones by pooling, so that e.g.
    ``RetinaNet(with_fpn(load_backbone(file, out_indices=(1, 2, 3, 4))), num_classes=91)`` works; one that returns more needs
    anchors of your own.

    Args:
        backbone: Any backbone whose ``feature_info`` has growing reductions.
        out_channels: Channels of the pyramid.
        extra_blocks: Makes coarser maps, e.g. torchvision's ``LastLevelP6P7``; by default pooling, up to five maps.
        norm_layer: Normalisation in the pyramid; none by default.

    Raises:
        ValueError: If the backbone's maps do not become coarser from one to the next.
    """
    return PyramidBackbone(backbone, out_channels, extra_blocks, norm_layer)


class NamedMaps(nn.Module):
    """A network whose maps have one width, as torchvision's detectors expect it.

    Attributes:
        out_channels: Channels of every map.

    Example:
        >>> import torch
        >>> from lightning_nas.networks import ResidualBackbone
        >>> NamedMaps(ResidualBackbone(4, (2,))).out_channels
        4
    """

    def __init__(self, network: Backbone) -> None:
        super().__init__()
        channels = network.feature_info.channels()
        if len(set(channels)) != 1:
            raise ArgumentError(f"network must return maps of one width, got channels {channels}; use with_fpn")
        self.network, self.out_channels = network, channels[0]

    def forward(self, x: Tensor) -> OrderedDict[str, Tensor]:
        """``(B, C, H, W) ->`` maps ``"0"``, ``"1"``, ... from fine to coarse."""
        return OrderedDict((str(index), feature) for index, feature in enumerate(self.network(x)))


def as_pyramid(network: Backbone) -> NamedMaps:
    """A found backbone with its neck, for ``torchvision.models.detection``.

    The default anchors of RetinaNet and FCOS are for the five levels 3 to 7, those of the necks here.

    Args:
        network: Any network whose maps have one width.

    Raises:
        ValueError: If they have not.

    Example:
        >>> from lightning_nas.spaces import Chain, Fpn, Product
        >>> body = Chain(widths=(8, 8, 8, 8), depths=(1,) * 4, strides=(2,) * 4)
        >>> space = Product({"backbone": body, "neck": Fpn(channels=16)})
        >>> as_pyramid(space.network({f"backbone/{name}": "mbconv_k3_e3" for name in body.decisions})).out_channels
        16
    """
    return NamedMaps(network)


class NamedLevels(nn.Module):
    """A network that returns some of its maps under names.

    Attributes:
        out_channels: Name -> channels of the map.

    Example:
        >>> import torch
        >>> from lightning_nas.networks import ResidualBackbone
        >>> network = NamedLevels(ResidualBackbone(4, (1, 2, 4)), {"low": 0, "out": -1})
        >>> {name: tuple(x.shape[1:]) for name, x in network(torch.zeros(1, 3, 8, 8)).items()}
        {'low': (4, 8, 8), 'out': (16, 2, 2)}
    """

    def __init__(self, network: Backbone, levels: Mapping[str, int]) -> None:
        super().__init__()
        info = network.feature_info
        self.network = network
        self.levels = dict(zip(levels, info.positions(list(levels.values())), strict=True))
        self.out_channels = {name: info.levels[index].channels for name, index in self.levels.items()}

    def forward(self, x: Tensor) -> OrderedDict[str, Tensor]:
        """``(B, C, H, W) ->`` the maps, in the order of the names."""
        maps = self.network(x)
        return OrderedDict((name, maps[index]) for name, index in self.levels.items())


def as_named(network: Backbone, **levels: int) -> NamedLevels:
    """A found backbone for ``torchvision.models.segmentation``, whose models ask for maps by name.

    ``DeepLabV3`` and ``FCN`` read ``out``, and ``aux`` for an auxiliary classifier; ``LRASPP`` reads ``low`` and ``high``. The
    stride of the maps is up to the backbone: DeepLab is meant for 8 or 16 (``output_stride`` of a chain).

    Args:
        network: Any backbone.
        **levels: Name -> which of the maps that it returns; negative ones count from the end.

    Raises:
        ValueError: If a map does not exist.

    Example:
        >>> from torchvision.models.segmentation.deeplabv3 import DeepLabHead, DeepLabV3
        >>> from lightning_nas.spaces import Chain
        >>> space = Chain(widths=(8, 8, 16), depths=(1,) * 3, strides=(2,) * 3, output_stride=8)
        >>> body = as_named(space.network(dict.fromkeys(space.decisions, "mbconv_k3_e3")), out=-1, aux=-2)
        >>> body.out_channels
        {'out': 16, 'aux': 8}
        >>> model = DeepLabV3(body, DeepLabHead(body.out_channels["out"], num_classes=21))
    """
    return NamedLevels(network, levels)
