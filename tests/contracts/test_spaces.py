"""The contract of search spaces, for every file in conf/space."""

from pathlib import Path

import pytest
from hydra.utils import instantiate
from omegaconf import OmegaConf

from lightning_nas.spaces import Chain, SearchSpace
from lightning_nas.testing import SpaceContract

FILES = sorted((Path(__file__).resolve().parents[2] / "conf" / "space").glob("*.yaml"))
SMALL = {  # networks are built and run dozens of times
    "Darts": {"channels": 4, "cells": 3},
    "NasBench201": {"channels": 4, "cells": 1},
    "Chain": {"stem_channels": 4, "first_channels": 4, "widths": [4, 6], "depths": [3, 2], "strides": [2, 2]},
}


def load(path: Path) -> SearchSpace:
    return instantiate(OmegaConf.load(path))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
class TestSpacesOfTheConfigs(SpaceContract):
    @pytest.fixture
    def space(self, path):
        config = OmegaConf.load(path)
        config.merge_with(SMALL.get(config["_target_"].rsplit(".", 1)[-1], {}))
        return instantiate(config)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_config_names_every_argument_with_its_default(path):
    space = load(path)
    assert isinstance(space, SearchSpace)
    assert set(OmegaConf.load(path)) - {"_target_"} == set(space.args)
    assert space == type(space)()
    assert "in_channels" in space.args


def test_the_three_spaces_have_configs():
    assert {"darts", "nasbench201", "chain"} <= {path.stem for path in FILES}
    assert isinstance(load(next(path for path in FILES if path.stem == "chain")), Chain)
