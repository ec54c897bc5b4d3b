"""The well-known networks that can be a seed, written down as their papers do.

torchvision's and timm's networks of these names have the same tensors in the same order, and compute the same. Sources:
Sandler et al. 2018, "MobileNetV2", arXiv 1801.04381, table 2; Howard et al. 2019, "MobileNetV3", arXiv 1905.02244, tables 1
and 2; Tan, Le 2019, "EfficientNet", arXiv 1905.11946, table 1; the EfficientNet-Lite announcement of TensorFlow (no
squeeze-and-excitation, ReLU6, stem and first and last stage not scaled); He et al. 2016, "ResNet", arXiv 1512.03385, table 1,
with the stride of a bottleneck in its 3x3 convolution.
"""

from __future__ import annotations

import difflib
import functools
import math
from collections.abc import Callable, Sequence
from functools import partial
from typing import NamedTuple

from lightning_nas.errors import ArgumentError
from lightning_nas.spaces.elastic.trunk import MULTIPLE, Activation, Block, BlockKind, Trunk


class Row(NamedTuple):
    """A row of a table of inverted residuals: expansion, kernel, stride of the first, channels, blocks."""

    expansion: int
    kernel: int
    stride: int
    out: int
    blocks: int


MOBILENET_V2 = (
    Row(1, 3, 1, 16, 1),
    Row(6, 3, 2, 24, 2),
    Row(6, 3, 2, 32, 3),
    Row(6, 3, 2, 64, 4),
    Row(6, 3, 1, 96, 3),
    Row(6, 3, 2, 160, 3),
    Row(6, 3, 1, 320, 1),
)
EFFICIENTNET = (
    Row(1, 3, 1, 16, 1),
    Row(6, 3, 2, 24, 2),
    Row(6, 5, 2, 40, 2),
    Row(6, 3, 2, 80, 3),
    Row(6, 5, 1, 112, 3),
    Row(6, 5, 2, 192, 4),
    Row(6, 3, 1, 320, 1),
)
COMPOUND = {  # width, depth of EfficientNet b0 to b7; 0 to 4 are also Lite's
    0: (1.0, 1.0),
    1: (1.0, 1.1),
    2: (1.1, 1.2),
    3: (1.2, 1.4),
    4: (1.4, 1.8),
    5: (1.6, 2.2),
    6: (1.8, 2.6),
    7: (2.0, 3.1),
}
# Per stage and block: kernel, middle, out, whether there is squeeze-and-excitation, activation, stride.
MOBILENET_V3_LARGE: tuple[tuple[tuple[int, int, int, bool, Activation, int], ...], ...] = (
    ((3, 16, 16, False, "relu", 1),),
    ((3, 64, 24, False, "relu", 2), (3, 72, 24, False, "relu", 1)),
    ((5, 72, 40, True, "relu", 2), (5, 120, 40, True, "relu", 1), (5, 120, 40, True, "relu", 1)),
    (
        (3, 240, 80, False, "hardswish", 2),
        (3, 200, 80, False, "hardswish", 1),
        (3, 184, 80, False, "hardswish", 1),
        (3, 184, 80, False, "hardswish", 1),
    ),
    ((3, 480, 112, True, "hardswish", 1), (3, 672, 112, True, "hardswish", 1)),
    (
        (5, 672, 160, True, "hardswish", 2),
        (5, 960, 160, True, "hardswish", 1),
        (5, 960, 160, True, "hardswish", 1),
    ),
)
MOBILENET_V3_SMALL: tuple[tuple[tuple[int, int, int, bool, Activation, int], ...], ...] = (
    ((3, 16, 16, True, "relu", 2),),
    ((3, 72, 24, False, "relu", 2), (3, 88, 24, False, "relu", 1)),
    ((5, 96, 40, True, "hardswish", 2), (5, 240, 40, True, "hardswish", 1), (5, 240, 40, True, "hardswish", 1)),
    ((5, 120, 48, True, "hardswish", 1), (5, 144, 48, True, "hardswish", 1)),
    ((5, 288, 96, True, "hardswish", 2), (5, 576, 96, True, "hardswish", 1), (5, 576, 96, True, "hardswish", 1)),
)


def _inverted(
    rows: Sequence[Row],
    *,
    width: float = 1.0,
    depth: float = 1.0,
    squeeze: bool = False,
    activation: Activation = "relu6",
    same: bool = False,
    epsilon: float = 1e-5,
    lite: bool = False,
) -> Trunk:
    """MobileNetV2 and EfficientNet, scaled in width and depth."""
    stem = 32 if lite else _divisible(32 * width)
    inputs, stages = stem, []
    for index, row in enumerate(rows):
        out = _divisible(row.out * width)
        ends = lite and index in (0, len(rows) - 1)
        blocks = []
        for layer in range(row.blocks if ends else math.ceil(row.blocks * depth)):
            stride = 1 if layer else row.stride
            blocks.append(
                Block(
                    "inverted",
                    out,
                    middle=inputs * row.expansion,
                    kernel=row.kernel,
                    stride=stride,
                    shortcut="identity" if stride == 1 and inputs == out else "none",
                    expands=row.expansion > 1,
                    squeeze=max(1, inputs // 4) if squeeze else 0,
                    activation=activation,
                )
            )
            inputs = out
        stages.append(tuple(blocks))
    return Trunk(
        stem, tuple(stages), stem_activation=activation, gate_activation=activation, same=same, epsilon=epsilon
    )


def _mobilenet_v3(
    table: Sequence[Sequence[tuple[int, int, int, bool, Activation, int]]],
    *,
    same: bool = False,
    epsilon: float = 1e-5,
) -> Trunk:
    inputs, stages = 16, []
    for rows in table:
        blocks = []
        for kernel, middle, out, squeezed, activation, stride in rows:
            blocks.append(
                Block(
                    "inverted",
                    out,
                    middle=middle,
                    kernel=kernel,
                    stride=stride,
                    shortcut="identity" if stride == 1 and inputs == out else "none",
                    expands=middle != inputs,
                    squeeze=_divisible(middle / 4) if squeezed else 0,
                    activation=activation,
                )
            )
            inputs = out
        stages.append(tuple(blocks))
    return Trunk(16, tuple(stages), stem_activation="hardswish", gate="hardsigmoid", same=same, epsilon=epsilon)


def _resnet(depths: Sequence[int], kind: BlockKind, *, middle_factor: int = 1) -> Trunk:
    expansion = 4 if kind == "bottleneck" else 1
    inputs, stages = 64, []
    for stage, depth in enumerate(depths):
        base = 64 * 2**stage
        blocks = []
        for layer in range(depth):
            stride = 2 if stage and not layer else 1
            changes = stride > 1 or inputs != base * expansion
            blocks.append(
                Block(
                    kind,
                    base * expansion,
                    middle=base * middle_factor,
                    stride=stride,
                    shortcut="projection" if changes else "identity",
                )
            )
            inputs = base * expansion
        stages.append(tuple(blocks))
    return Trunk(64, tuple(stages), stem_kernel=7, stem_activation="relu", pool=True)


def _divisible(channels: float) -> int:
    """The rounding of MobileNetV2's reference code: to a multiple of 8, but never down by more than a tenth."""
    rounded = max(MULTIPLE, int(channels + MULTIPLE / 2) // MULTIPLE * MULTIPLE)
    return rounded + MULTIPLE if rounded < 0.9 * channels else rounded


def _efficientnet(scale: int, *, tf: bool = False, timm: bool = False) -> Callable[[], Trunk]:
    width, depth = COMPOUND[scale]
    epsilon = 1e-3 if tf or (scale >= 5 and not timm) else 1e-5
    return partial(
        _inverted, EFFICIENTNET, width=width, depth=depth, squeeze=True, activation="silu", same=tf, epsilon=epsilon
    )


def _lite(scale: int, *, tf: bool) -> Callable[[], Trunk]:
    width, depth = COMPOUND[scale]
    epsilon = 1e-3 if tf else 1e-5
    return partial(_inverted, EFFICIENTNET, width=width, depth=depth, same=tf, epsilon=epsilon, lite=True)


TORCHVISION: dict[str, Callable[[], Trunk]] = {
    "mobilenet_v2": partial(_inverted, MOBILENET_V2),
    "mobilenet_v3_small": partial(_mobilenet_v3, MOBILENET_V3_SMALL, epsilon=1e-3),
    "mobilenet_v3_large": partial(_mobilenet_v3, MOBILENET_V3_LARGE, epsilon=1e-3),
    **{f"efficientnet_b{scale}": _efficientnet(scale) for scale in COMPOUND},
    "resnet18": partial(_resnet, (2, 2, 2, 2), "basic"),
    "resnet34": partial(_resnet, (3, 4, 6, 3), "basic"),
    "resnet50": partial(_resnet, (3, 4, 6, 3), "bottleneck"),
    "resnet101": partial(_resnet, (3, 4, 23, 3), "bottleneck"),
    "resnet152": partial(_resnet, (3, 8, 36, 3), "bottleneck"),
    "wide_resnet50_2": partial(_resnet, (3, 4, 6, 3), "bottleneck", middle_factor=2),
}
"""Seeds under torchvision's names."""

TIMM: dict[str, Callable[[], Trunk]] = {
    "mobilenetv2_050": partial(_inverted, MOBILENET_V2, width=0.5),
    "mobilenetv2_100": partial(_inverted, MOBILENET_V2),
    "mobilenetv2_140": partial(_inverted, MOBILENET_V2, width=1.4),
    "mobilenetv3_small_100": partial(_mobilenet_v3, MOBILENET_V3_SMALL),
    "mobilenetv3_large_100": partial(_mobilenet_v3, MOBILENET_V3_LARGE),
    "tf_mobilenetv3_small_100": partial(_mobilenet_v3, MOBILENET_V3_SMALL, same=True, epsilon=1e-3),
    "tf_mobilenetv3_large_100": partial(_mobilenet_v3, MOBILENET_V3_LARGE, same=True, epsilon=1e-3),
    **{f"tf_efficientnet_b{scale}": _efficientnet(scale, tf=True) for scale in COMPOUND},
    **{f"efficientnet_lite{scale}": _lite(scale, tf=False) for scale in range(5)},
    **{f"tf_efficientnet_lite{scale}": _lite(scale, tf=True) for scale in range(5)},
}
"""Seeds under timm's names. Their structure is known here; only their published weights need timm."""


def seed_names() -> tuple[str, ...]:
    """All seeds: torchvision's names, then timm's."""
    return (*TORCHVISION, *TIMM)


@functools.cache
def trunk_of(seed: str) -> Trunk:
    """The structure of a seed.

    Args:
        seed: One of :func:`seed_names`.

    Raises:
        ArgumentError: If there is no such seed; the text names those that there are.

    Example:
        >>> trunk = trunk_of("mobilenet_v2")
        >>> trunk.stem, [len(stage) for stage in trunk.stages], trunk.stages[-1][0].out
        (32, [1, 2, 3, 4, 3, 3, 1], 320)
    """
    build = TORCHVISION.get(seed) or TIMM.get(seed)
    if build is None:
        near = difflib.get_close_matches(seed, seed_names(), 1)
        hint = f" (did you mean {near[0]}?)" if near else ""
        raise ArgumentError(
            f"space elastic: seed = {seed!r}, expected a network of inverted residuals or a ResNet, one of "
            f"{', '.join(seed_names())}{hint}; any other network becomes elastic by lightning_nas.elastic(model, ...)"
        )
    return build()
