"""Found networks in torchvision's detectors: a backbone with a feature pyramid, or a backbone that has its neck."""

from __future__ import annotations

import itertools
from collections import OrderedDict
from collections.abc import Callable

from torch import Tensor, nn
from torchvision.ops import FeaturePyramidNetwork
from torchvision.ops.feature_pyramid_network import ExtraFPNBlock, LastLevelMaxPool

from lightning_nas.spaces import Backbone


class PyramidBackbone(nn.Module):
    """A backbone and a feature pyramid (Lin et al. 2017, arXiv 1612.03144), as torchvision's detectors expect it.

    The counterpart of torchvision's ``BackboneWithFPN`` for networks that return a list of maps.

    Attributes:
        out_channels: Channels of every map of the pyramid.
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
            raise ValueError(f"backbone must return ever coarser maps for a pyramid, got reductions {reductions}")
        self.body = backbone
        self.fpn = FeaturePyramidNetwork(
            backbone.feature_info.channels(), out_channels, extra_blocks or LastLevelMaxPool(), norm_layer
        )
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

    Detectors have default anchors for five maps: four levels and the default extra block, e.g.
    ``with_fpn(load_backbone(file, out_indices=(1, 2, 3, 4)))``, or three and ``LastLevelP6P7``.

    Args:
        backbone: Any backbone whose ``feature_info`` has growing reductions.
        out_channels: Channels of the pyramid.
        extra_blocks: Makes coarser maps; by default one more, by max pooling.
        norm_layer: Normalisation in the pyramid; none by default.

    Raises:
        ValueError: If the backbone's maps do not become coarser from one to the next.
    """
    return PyramidBackbone(backbone, out_channels, extra_blocks, norm_layer)


class NamedMaps(nn.Module):
    """A network whose maps have one width, as torchvision's detectors expect it.

    Attributes:
        out_channels: Channels of every map.
    """

    def __init__(self, network: Backbone) -> None:
        super().__init__()
        channels = network.feature_info.channels()
        if len(set(channels)) != 1:
            raise ValueError(f"network must return maps of one width, got channels {channels}; use with_fpn")
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
