"""A backbone whose parameters and multiply-adds are counted by hand."""

import itertools

from torch import nn

from lightning_nas.spaces import Backbone, FeatureInfo, FeatureLevel

WIDTH = 32


class Tower(Backbone):
    """A convolution of 3x3 per map, without biases: the first one ``(strides[0], strides[0])``, each other one strided."""

    def __init__(self, strides, role="backbone"):
        super().__init__()
        self.role = role
        first, steps = strides[0], [b // a for a, b in itertools.pairwise(strides)]
        self.layers = nn.ModuleList([nn.Conv2d(3, WIDTH, first, first, bias=False)])
        self.layers.extend(nn.Conv2d(WIDTH, WIDTH, 3, step, 1, bias=False) for step in steps)
        self.feature_info = FeatureInfo(tuple(FeatureLevel(WIDTH, stride) for stride in strides))
        self.spare = nn.Linear(1, 7)  # read by nobody

    def forward_auxiliary(self, x):
        maps = []
        for layer in self.layers:
            x = layer(x)
            maps.append(x)
        return maps, None


class Sized:
    in_channels, image_size = 3, (32, 64)


def tower_macs(height, width, strides):
    places = [(height // stride) * (width // stride) for stride in strides]
    return places[0] * WIDTH * 3 * strides[0] ** 2 + sum(places[1:]) * WIDTH * WIDTH * 9


def tower_parameters(strides):
    return WIDTH * 3 * strides[0] ** 2 + (len(strides) - 1) * WIDTH * WIDTH * 9
