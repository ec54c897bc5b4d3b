"""The hand-made network is of the size that it stands beside."""

import pytest
import torch

from lightning_nas.networks.hand_made import residual_of_size


@pytest.mark.parametrize(("parameters", "blocks"), [(6_584, 4), (18_000, 1), (100_000, 2), (3_000_000, 2)])
def test_its_size_is_near_the_wanted_one(parameters, blocks):
    network = residual_of_size(parameters, (2, 4, 8, 16))
    assert abs(sum(p.numel() for p in network.parameters()) - parameters) < 0.1 * parameters
    assert [len(stage) for stage in network.stages] == [blocks] * 4


def test_its_maps_are_as_described():
    network = residual_of_size(20_000, (1, 2, 4), in_channels=1)
    maps = network(torch.randn(2, 1, 16, 16))
    assert [tuple(m.shape[1:]) for m in maps] == [
        (channels, 16 // stride, 16 // stride)
        for channels, stride in zip(network.feature_info.channels(), (1, 2, 4), strict=True)
    ]
