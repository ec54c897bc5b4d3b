"""torchvision's detectors around any network that returns a feature pyramid."""

from __future__ import annotations

import contextlib
from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import Any, Literal, get_args

import torch
from torch import Tensor, nn
from torchvision.models.detection import FCOS, FasterRCNN, RetinaNet
from torchvision.models.detection.anchor_utils import AnchorGenerator
from torchvision.models.detection.retinanet import RetinaNetHead
from torchvision.ops import MultiScaleRoIAlign

from lightning_nas.errors import ArgumentError
from lightning_nas.networks.normalization import accept_single_values
from lightning_nas.spaces import Backbone
from lightning_nas.spaces.heads.network import head_part
from lightning_nas.spaces.image_size.network import ImagePart, image_part
from lightning_nas.tasks.detection.elastic_heads import head_groups, is_sliced, make_head_elastic
from lightning_nas.tasks.detection.fcos import FcosHead
from lightning_nas.tasks.detection.resizing import Resizing
from lightning_nas.tasks.images import IMAGENET_MEAN, IMAGENET_STD

Detector = Literal["retinanet", "fcos", "faster_rcnn"]
HeadNorm = Literal["none", "group"]

ASPECTS = (0.5, 1.0, 2.0)
OCTAVES = (1.0, 2 ** (1 / 3), 2 ** (2 / 3))

COARSEST_REGIONS = 32
"""Stride up to which Faster R-CNN pools regions; coarser levels are for proposals alone."""


class Pyramid(nn.Module):
    """A network's maps by name, as torchvision's detectors expect them, in single precision at least.

    The network is not a submodule of this one: its owner is the task, under the name that other tasks use as well.

    Args:
        parts: Backbone and maybe neck, in a row; the last returns maps of equal width.

    Attributes:
        out_channels: Width of every map.
        strides: Of every map.
        merged_stride: Of the coarsest one that is merged with finer ones; the coarsest of all if the network says nothing.

    Raises:
        ValueError: If the maps differ in width.
    """

    def __init__(self, parts: Sequence[Backbone]) -> None:
        super().__init__()
        info = parts[-1].feature_info
        if len(set(info.channels())) != 1:
            raise ArgumentError(f"backbone must return maps of equal width to be detected on, got {info.channels()}")
        self._parts = tuple(parts)
        self._given: Sequence[Tensor] | None = None
        self.out_channels, self.strides = info.channels()[0], info.reduction()
        self.merged_stride: int = getattr(parts[-1], "merged_stride", max(self.strides))
        self._image = next(((found,) for part in parts if (found := image_part(part)) is not None), ())

    @property
    def network(self) -> nn.Module:
        """The parts."""
        return nn.ModuleList(self._parts)

    @property
    def image(self) -> ImagePart | None:
        """The part of the network that resizes images, if there is one."""
        return next(iter(self._image), None)

    def forward(self, x: Any) -> OrderedDict[str, Tensor]:
        """``(B, C, H, W) ->`` maps ``"0"``, ``"1"``, ..., fine to coarse."""
        if self._given is not None:
            x = self._given
        else:
            for part in self._parts:
                x = part(x)
        # Anchors and boxes take the type of the maps: coordinates in bfloat16 would be off by pixels.
        return OrderedDict((str(index), _at_least_single(feature)) for index, feature in enumerate(x))

    @contextlib.contextmanager
    def giving(self, maps: Sequence[Tensor]) -> Iterator[None]:
        """Inside, these maps are returned instead of those of the network."""
        self._given = maps
        try:
            yield
        finally:
            self._given = None


def build_detector(
    name: Detector,
    pyramid: Pyramid,
    num_classes: int,
    *,
    min_size: int,
    max_size: int,
    anchor_scale: float = 4.0,
    head_convs: int = 4,
    head_norm: HeadNorm = "none",
    mean: Sequence[float] = IMAGENET_MEAN,
    std: Sequence[float] = IMAGENET_STD,
) -> Any:
    """A detector: with targets a dictionary of losses in training, without them detections in evaluation.

    ``"retinanet"``: Lin et al. 2017, arXiv 1708.02002; ``"fcos"``: Tian et al. 2019, arXiv 1904.01355; ``"faster_rcnn"``:
    Ren et al. 2015, arXiv 1506.01497, on a pyramid as Lin et al. 2017, arXiv 1612.03144: proposals come from all levels,
    the regions are pooled from those of stride 32 at most (levels 2 to 5).

    Args:
        name: Which one.
        pyramid: Image -> maps of equal width.
        num_classes: Classes of objects; the background is added here, as class 0.
        min_size: The shorter side of an image is resized to this ...
        max_size: ... as long as the longer one stays below that.
        anchor_scale: Smallest anchor of a level in multiples of its stride; FCOS has no anchors.
        head_convs: Convolutions in the towers of a one-stage head, if the network has no part that says so.
        head_norm: Whether RetinaNet's towers are normalised (``"group"``); those of FCOS always are.
        mean: Of each channel of images.
        std: Of each channel of images.

    Raises:
        ValueError: If there is no such detector, or an argument is out of range.
    """
    if name not in get_args(Detector):
        raise ArgumentError(f"detector must be one of {list(get_args(Detector))}, got {name!r}")
    if not 1 <= min_size <= max_size:
        raise ArgumentError(f"min_size must be at least 1 and at most max_size = {max_size}, got {min_size}")
    if anchor_scale <= 0:
        raise ArgumentError(f"anchor_scale must be positive, got {anchor_scale}")
    if not 1 <= head_convs <= 4:
        raise ArgumentError(f"head_convs must be from 1 to 4, got {head_convs}")
    if head_norm not in get_args(HeadNorm):
        raise ArgumentError(f"head_norm must be one of {list(get_args(HeadNorm))}, got {head_norm!r}")
    towers = head_part(pyramid.network, knows="" if name == "faster_rcnn" else "tower_head", of=f"the head of {name}")
    head_convs = head_convs if towers is None else towers.numbers["convs"]
    channels, strides = pyramid.out_channels, pyramid.strides
    groups = head_groups(pyramid.network, channels)
    # Sides that the strides of all merged maps divide: their sizes are exact multiples then. Where the size is searched, more
    # than 32 would make many sizes one.
    divisible, least = (32, 32) if pyramid.image is not None else (max(32, pyramid.merged_stride), max(strides))
    shared = {
        "min_size": min_size,
        "max_size": max_size,
        "image_mean": list(mean),
        "image_std": list(std),
    }
    classes = num_classes + 1
    detector: Any
    head: Any
    if name == "fcos":
        anchors = AnchorGenerator(tuple((stride,) for stride in strides), ((1.0,),) * len(strides))
        head = FcosHead(channels, classes, head_convs, groups)
        detector = FCOS(pyramid, classes, anchor_generator=anchors, head=head, score_thresh=0.05, **shared)
        in_single_precision(detector.head)
    elif name == "retinanet":
        sizes = tuple(tuple(anchor_scale * stride * octave for octave in OCTAVES) for stride in strides)
        anchors = AnchorGenerator(sizes, (ASPECTS,) * len(strides))
        norm = partial(nn.GroupNorm, groups) if head_norm == "group" else None
        head = RetinaNetHead(channels, len(ASPECTS) * len(OCTAVES), classes, norm)
        for part in (head.classification_head, head.regression_head):
            part.conv = part.conv[:head_convs]
        detector = RetinaNet(pyramid, classes, anchor_generator=anchors, head=head, **shared)
        in_single_precision(detector.head)
    else:
        names = [str(index) for index, stride in enumerate(strides) if stride <= COARSEST_REGIONS] or ["0"]
        anchors = AnchorGenerator(tuple((anchor_scale * stride,) for stride in strides), (ASPECTS,) * len(strides))
        pool = MultiScaleRoIAlign(names, output_size=7, sampling_ratio=2)
        detector = FasterRCNN(pyramid, classes, rpn_anchor_generator=anchors, box_roi_pool=pool, **shared)
        in_single_precision(detector.rpn.head, detector.roi_heads.box_predictor)
    if is_sliced(pyramid.network, towers):
        for sliced in (detector.rpn.head, detector.roi_heads) if name == "faster_rcnn" else (detector.head,):
            make_head_elastic(sliced, towers)
    detector.transform = Resizing(min_size, max_size, mean, std, divisible, least, pyramid.image)
    accept_single_values(detector)  # one small image is a map of 1x1 on the coarsest level
    return detector


def in_single_precision(*modules: nn.Module) -> None:
    """Makes modules return at least single precision, for the arithmetic of boxes that follows."""

    def convert(module: nn.Module, args: Any, output: Any) -> Any:
        return _at_least_single(output)

    for module in modules:
        module.register_forward_hook(convert)


def _at_least_single(value: Any) -> Any:
    if isinstance(value, Tensor):
        return value.float() if value.dtype in (torch.float16, torch.bfloat16) else value
    if isinstance(value, Mapping):
        return {key: _at_least_single(item) for key, item in value.items()}
    return type(value)(_at_least_single(item) for item in value)
