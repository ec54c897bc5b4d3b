"""What a network of the elastic space looks like, as plain numbers: a stem, then stages of blocks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

BlockKind = Literal["inverted", "basic", "bottleneck"]
Activation = Literal["relu", "relu6", "silu", "hardswish"]
Gate = Literal["sigmoid", "hardsigmoid"]

MULTIPLE = 8
"""Channels are rounded to a multiple of this, as in MobileNetV2."""


@dataclass(frozen=True)
class Block:
    """One block.

    Args:
        kind: ``inverted``: 1x1 expansion, depthwise convolution, linear 1x1 projection (Sandler et al. 2018, arXiv 1801.04381);
            ``basic`` and ``bottleneck``: those of ResNet (He et al. 2016, arXiv 1512.03385).
        out: Channels of its output.
        middle: Channels inside.
        kernel: Of the convolution that looks at neighbours (the first of a basic block).
        stride: Of that convolution.
        shortcut: Whether its input is added to its output, as it is or projected by a 1x1 convolution.
        expands: Whether an inverted block has its first convolution; without it ``middle`` is the width of its input.
        squeeze: Channels inside its squeeze-and-excitation (Hu et al. 2018, arXiv 1709.01507); 0 for none.
        activation: Its activation.
    """

    kind: BlockKind
    out: int
    middle: int
    kernel: int = 3
    stride: int = 1
    shortcut: Literal["none", "identity", "projection"] = "none"
    expands: bool = True
    squeeze: int = 0
    activation: Activation = "relu"


@dataclass(frozen=True)
class Trunk:
    """A whole network without its classifier; the stem has stride 2.

    Args:
        stem: Channels of the stem.
        stages: Blocks of every stage.
        stem_kernel: Kernel of the stem.
        stem_activation: Activation of the stem.
        pool: Whether a 3x3 maximum pooling of stride 2 follows, as in ResNet.
        gate: Of squeeze-and-excitation.
        gate_activation: Inside squeeze-and-excitation.
        same: Whether convolutions pad as TensorFlow does.
        epsilon: Of BatchNorm.
    """

    stem: int
    stages: tuple[tuple[Block, ...], ...]
    stem_kernel: int = 3
    stem_activation: Activation = "relu6"
    pool: bool = False
    gate: Gate = "sigmoid"
    gate_activation: Activation = "relu"
    same: bool = False
    epsilon: float = 1e-5

    def inputs(self, stage: int, layer: int) -> int:
        """Channels of the input of a block."""
        if layer:
            return self.stages[stage][layer - 1].out
        return self.stages[stage - 1][-1].out if stage else self.stem

    @property
    def reductions(self) -> list[int]:
        """Stride of the output of every stage."""
        reached, found = 4 if self.pool else 2, []
        for blocks in self.stages:
            reached *= blocks[0].stride
            found.append(reached)
        return found


def share(channels: int, percent: int) -> int:
    """So many percent of some channels, to the nearest multiple of 8, at least 8; all of them stay as they are.

    Example:
        >>> share(96, 75), share(24, 50), share(16, 25), share(20, 100)
        (72, 16, 8, 20)
    """
    if percent == 100:
        return channels
    return max(MULTIPLE, (2 * channels * percent + 100 * MULTIPLE) // (200 * MULTIPLE) * MULTIPLE)
