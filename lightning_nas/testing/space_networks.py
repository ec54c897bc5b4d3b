"""What the networks of every search space promise."""

from __future__ import annotations

from functools import partial

import pytest
import torch
from torch import Tensor, nn
from torchvision.models.feature_extraction import create_feature_extractor

from lightning_nas.spaces import SearchSpace
from lightning_nas.spaces.image_size.network import image_part
from lightning_nas.testing.space_fixtures import SpaceFixtures


def _keep(outputs: list[Tensor], module: nn.Module, inputs: object, output: Tensor) -> None:
    """A forward hook that keeps what a module gives."""
    outputs.append(output)


class NetworkContract(SpaceFixtures):
    """Maps of the networks of a space, and the modules that give them."""

    def test_networks_return_what_feature_info_says(self, space: SearchSpace, request: pytest.FixtureRequest) -> None:
        """Fixed networks and the supernet: number of maps, channels, strides; the auxiliary map too."""
        x = self.images(space)
        networks = self.networks(space) + ([request.getfixturevalue("supernet")] if space.has_supernet else [])
        for network in networks:
            with torch.no_grad():
                features, auxiliary = network.forward_auxiliary(x)
            resizing = image_part(network)
            width = (
                x.shape[-1] if resizing is None else resizing(x)[0].shape[-1]
            )  # strides are those of the image it gives
            assert [f.shape[1] for f in features] == network.feature_info.channels()
            assert [width // f.shape[-1] for f in features] == network.feature_info.reduction()
            assert network.feature_info.reduction() == sorted(network.feature_info.reduction())
            assert (auxiliary is None) == (network.auxiliary_info is None)
            if auxiliary is not None and network.auxiliary_info is not None:
                assert auxiliary.shape[1] == network.auxiliary_info.channels
                assert width // auxiliary.shape[-1] == network.auxiliary_info.reduction
        if not space.levels_follow_choices:
            if not space.channels_follow_choices:
                assert networks[0].feature_info.channels() == networks[-1].feature_info.channels()
            assert networks[0].feature_info.reduction() == networks[-1].feature_info.reduction()

    def test_named_modules_give_the_maps(self, space: SearchSpace, request: pytest.FixtureRequest) -> None:
        """A hook on the module that ``feature_info`` names sees the map, in fixed networks and in the supernet."""
        x = self.images(space)
        networks = self.networks(space) + ([request.getfixturevalue("supernet")] if space.has_supernet else [])
        for network in networks:
            names = network.feature_info.module_name()
            assert len(set(names)) == len(names)
            if network.auxiliary_info is not None:
                names = [*names, network.auxiliary_info.module]
            seen: dict[str, list[Tensor]] = {name: [] for name in names}
            hooks = [
                network.get_submodule(name).register_forward_hook(partial(_keep, outputs))
                for name, outputs in seen.items()
            ]
            with torch.no_grad():
                features, auxiliary = network.forward_auxiliary(x)
            for hook in hooks:
                hook.remove()
            maps = features if auxiliary is None else [*features, auxiliary]
            for name, expected in zip(names, maps, strict=True):
                assert len(seen[name]) == 1, name
                assert seen[name][0] is expected or torch.equal(seen[name][0], expected), name

    def test_feature_extractor_of_torchvision_gives_the_maps(self, space: SearchSpace) -> None:
        """Fixed networks can be traced by torch.fx, and the named nodes are their maps."""
        x = self.images(space)
        network = self.networks(space, 1)[0].eval()
        names = network.feature_info.module_name()
        extractor = create_feature_extractor(network, names)
        with torch.no_grad():
            extracted, maps = extractor(x), network(x)
        for name, expected in zip(names, maps, strict=True):
            assert torch.equal(extracted[name], expected), name
