"""The contract of search spaces, for every file in conf/space."""

from pathlib import Path

import pytest
from hydra import compose, initialize_config_module
from hydra.utils import instantiate
from omegaconf import DictConfig, OmegaConf

from lightning_nas.config import register_schemas
from lightning_nas.spaces import Chain, SearchSpace
from lightning_nas.testing import SpaceContract

FILES = sorted((Path(__file__).resolve().parents[2] / "conf" / "space").glob("*.yaml"))
SMALL = {  # networks are built and run dozens of times
    "Darts": {"channels": 4, "cells": 3},
    "NasBench201": {"channels": 4, "cells": 1},
    "Chain": {"stem_channels": 4, "first_channels": 4, "widths": [4, 6], "depths": [3, 2], "strides": [2, 2]},
}


def composed(path: Path) -> DictConfig:
    """The config as a user gets it: a file may build on another one."""
    register_schemas()
    with initialize_config_module("lightning_nas.conf", version_base="1.3"):
        return compose("search", [f"space={path.stem}"]).space


def load(path: Path) -> SearchSpace:
    return instantiate(composed(path))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
class TestSpacesOfTheConfigs(SpaceContract):
    @pytest.fixture
    def space(self, path):
        config = composed(path)
        config.merge_with(SMALL.get(config["_target_"].rsplit(".", 1)[-1], {}))
        return instantiate(config)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_config_names_every_argument(path):
    space = load(path)
    assert isinstance(space, SearchSpace)
    assert set(composed(path)) - {"_target_"} == set(space.args)
    assert "in_channels" in space.args


@pytest.mark.parametrize(
    "path", [path for path in FILES if "defaults" not in OmegaConf.load(path)], ids=lambda path: path.stem
)
def test_config_that_builds_on_no_other_has_the_defaults_of_the_code(path):
    space = load(path)
    assert space == type(space)()


def test_the_three_spaces_have_configs():
    assert {"darts", "nasbench201", "chain"} <= {path.stem for path in FILES}
    assert isinstance(load(next(path for path in FILES if path.stem == "chain")), Chain)
