"""Multiply-adds of Auto-DeepLab S, M and L, component by component, and how the paper's numbers come about."""

import functools
from typing import NamedTuple

import pytest
from torch import nn

from lightning_nas.cost import count_macs
from lightning_nas.networks.backbone import build_network
from lightning_nas.networks.weightless import without_weights
from lightning_nas.spaces import published
from lightning_nas.tasks.segmentation.heads import DeepLabHead

CLASSES = 19
PATH = (0, 0, 0, 1, 2, 1, 2, 2, 3, 3, 2, 1)
CELL = (  # operation and state of both sides of every block; 0 is the output of the layer before, 1 of that before it
    ("atrous 5", 1, "sep 3", 0),
    ("sep 3", 1, "atrous 3", 0),
    ("sep 3", 3, "sep 3", 1),
    ("sep 5", 4, "sep 5", 2),
    ("sep 5", 3, "atrous 5", 5),
)
PUBLISHED = {20: 333.25e9, 32: 460.93e9, 48: 695.03e9}  # Liu et al. 2019, arXiv 1901.02985, table 2


class Convolution(NamedTuple):
    component: str
    size: tuple[int, int]  # of its output
    macs: int  # per pixel of it
    rate: int = 1


def halved(size):
    return tuple((n + 1) // 2 for n in size)


def convolutions(channels, image):
    """All convolutions, from the description in the paper's sections 3.1 and 5.2 alone."""
    half = halved(image)
    levels = [halved(half)]
    for _ in range(3):
        levels.append(halved(levels[-1]))
    yield Convolution("stem", half, 9 * 3 * 64)
    yield Convolution("stem", half, 9 * 64 * 64)
    yield Convolution("stem", levels[0], 9 * 64 * 128)

    before, older, newer = 0, 64, 128
    for layer, level in enumerate(PATH):
        width = channels * 2**level
        inputs = levels[min(level, before)]  # enlarged before the cell, halved in it
        yield Convolution("cells", inputs, newer * width)
        if older != width:
            yield Convolution("cells", inputs, older * width)
        for block in CELL:
            for operation, state in (block[:2], block[2:]):
                kind, kernel = operation.split()
                area = int(kernel) ** 2
                if kind == "sep":
                    yield from [Convolution("cells", levels[level], area * width + width**2)] * 2
                else:  # on the way down the map is halved first, and the rate with it
                    rate = 1 if level > before and state < 2 else 2
                    yield Convolution("cells", levels[level], area * width**2, rate)
        before, older, newer = level, newer, 5 * width
        if layer == 2:
            yield Convolution("low", levels[0], newer * 48)

    yield Convolution("aspp", levels[1], newer * 256)
    yield from (Convolution("aspp", levels[1], 9 * newer * 256, rate) for rate in (12, 24, 36))
    yield Convolution("aspp", (1, 1), newer * 256)  # of the pooled map
    yield Convolution("aspp", levels[1], 5 * 256 * 256)
    yield Convolution("decoder", levels[0], 9 * (256 + 48) * 256 + 9 * 256 * 256 + 256 * CLASSES)


class WholeNetwork(nn.Module):
    def __init__(self, channels):
        super().__init__()
        self.network = build_network(published("auto_deeplab", channels=channels))
        self.head = DeepLabHead(self.network.feature_info, CLASSES, 256)

    def forward(self, x):
        return self.head(self.network(x), tuple(x.shape[-2:]))


@functools.cache
def built(channels):
    with without_weights():
        return WholeNetwork(channels)


@functools.cache
def bare(channels):
    """The same without what multiplies nothing, see below: it is what takes time on images without values."""
    with without_weights():
        whole = WholeNetwork(channels)
    for module in list(whole.modules()):
        for name, part in module.named_children():
            if isinstance(part, nn.BatchNorm2d | nn.ReLU):
                setattr(module, name, nn.Identity())
    return whole


@functools.cache
def ours(channels, image):
    """The same of our modules."""
    network, head = bare(channels).network, bare(channels).head
    quarter = halved(halved(image))
    stem = count_macs(network.stem, (3, *image))
    return {
        "stem": stem,
        "cells": count_macs(network, (3, *image)) - stem,
        "low": count_macs(head.reduce_low, (5 * channels, *quarter)),
        "aspp": count_macs(head.aspp, (10 * channels, *halved(quarter))),
        "decoder": count_macs(head.decoder, (304, *quarter)),
    }


@pytest.mark.parametrize("channels", PUBLISHED)
@pytest.mark.parametrize("image", [(1024, 2048), (1025, 2049), (769, 769)])
def test_components_are_those_of_the_description(channels, image):
    expected = dict.fromkeys(("stem", "cells", "low", "aspp", "decoder"), 0)
    for conv in convolutions(channels, image):
        expected[conv.component] += conv.size[0] * conv.size[1] * conv.macs
    assert ours(channels, image) == expected


@pytest.mark.parametrize(
    ("channels", "image", "components", "total"),
    [
        (20, (1024, 2048), (29.897, 59.550, 0.629, 57.714, 169.752), 317.542),
        (32, (1024, 2048), (29.897, 148.430, 1.007, 85.899, 169.752), 434.985),
        (48, (1024, 2048), (29.897, 328.946, 1.510, 123.480, 169.752), 653.585),
        (20, (1025, 2049), (30.013, 60.665, 0.633, 58.392, 170.748), 320.450),
        (32, (1025, 2049), (30.013, 151.240, 1.013, 86.909, 170.748), 439.922),
        (48, (1025, 2049), (30.013, 335.214, 1.519, 124.931, 170.748), 662.424),
    ],
)
def test_the_table_of_components(channels, image, components, total):
    """In thousand millions; stem, cells, map of stride 4, pyramid pooling, decoder."""
    found = ours(channels, image)
    assert [round(macs / 1e9, 3) for macs in found.values()] == list(components)
    assert round(sum(found.values()) / 1e9, 3) == total


def test_nothing_else_multiplies():
    assert count_macs(built(20), (3, 1024, 2048)) == sum(ours(20, (1024, 2048)).values())


def padded(size, rate):
    """The map on which an atrous convolution runs if every ``rate``-th pixel is gathered into one plain convolution."""
    return tuple(-(-n // rate) * rate for n in size)


@pytest.mark.parametrize("channels", PUBLISHED)
def test_the_paper_counts_operations_of_its_evaluation_graph(channels):
    """Half of TensorFlow's operation count, at the crop size of an evaluation, 1025 x 2049.

    Its atrous convolutions run on padded maps; its image pooling averages windows of the size of a training crop, 769, which
    is 97 pixels at stride 8, at every place where one fits; and additions are operations.
    """
    image, window = (1025, 2049), 97
    plain, atrous = 0, 0
    for conv in convolutions(channels, image):
        height, width = padded(conv.size, conv.rate)
        plain += conv.size[0] * conv.size[1] * conv.macs
        atrous += (height * width - conv.size[0] * conv.size[1]) * conv.macs
    height, width = halved(halved(halved(image)))
    places = (height - window + 1) * (width - window + 1)
    pooling = window**2 * places * 10 * channels / 2 + (places - 1) * 10 * channels * 256
    sizes = [halved(halved(image))]
    for _ in range(3):
        sizes.append(halved(sizes[-1]))
    additions = sum(len(CELL) * sizes[level][0] * sizes[level][1] * channels * 2**level for level in PATH) / 2

    assert plain + atrous + pooling + additions == pytest.approx(PUBLISHED[channels], rel=3e-4)
    for part, share in ((atrous, 0.02), (pooling, 0.015)):  # neither of them is small enough to do without
        assert part > share * PUBLISHED[channels]
