"""The contract of search spaces, for every file in conf/space."""

import copy
import functools
import random
from pathlib import Path

import pytest
from config_files import composed_files
from hydra.utils import instantiate
from omegaconf import DictConfig, OmegaConf

from lightning_nas.spaces import Chain, ElasticNeck, Product, SearchSpace
from lightning_nas.testing import SpaceContract
from lightning_nas.testing.space_fixtures import forget

FILES = sorted((Path(__file__).resolve().parents[2] / "conf" / "space").glob("*.yaml"))
TINY = Chain(stem_channels=4, first_channels=4, widths=(4, 6, 6, 8), depths=(1, 1, 1, 1), strides=(2, 2, 2, 2))
SMALL = {  # networks are built and run dozens of times
    "Darts": {"channels": 4, "cells": 3, "steps": 2},
    "NasBench201": {"channels": 4, "cells": 1},
    "NasBenchMacro": {"stem_channels": 4, "widths": [4, 6, 8], "head_channels": 8},
    "ShuffleNetV2": {"stem_channels": 4, "widths": [8, 12], "depths": [2, 1], "head_channels": 8},
    "ShuffleNetV2Large": {"stem_channels": 4, "widths": [8, 12], "depths": [2, 1], "head_channels": 8},
    "NasFpn": {"channels": 4, "cells": 4, "repeats": 1, "min_level": 3, "max_level": 5},
    "Fpn": {"channels": 4, "max_level": 5},
    "Panet": {"channels": 4, "max_level": 5},
    "BiFpn": {"channels": 4, "max_level": 5, "repeats": 1},
    "AutoDeepLab": {"channels": 2, "layers": 3, "blocks": 2, "stem_channels": 2},
    "Gas": {"channels": 4, "cells": 3, "steps": 2},
    "NasNet": {"channels": 2, "cells": 3, "blocks": 2, "ops": ["skip_connect", "max_pool_5x5", "sep_conv_3x3"]},
    "AmoebaNet": {"channels": 2, "cells": 3, "blocks": 2, "ops": ["skip_connect", "max_pool_3x3", "sep_conv_3x3"]},
    "EnasMicro": {"channels": 4, "cells": 3, "blocks": 2},
    "EnasMacro": {"channels": 4, "layers": 4},
    "Chain": {"stem_channels": 4, "first_channels": 4, "widths": [4, 6], "depths": [3, 2], "strides": [2, 2]},
    "Elastic": {"seed": "mobilenetv2_050", "kernels": [3, 5]},
    "ElasticNeck": {"channels": 32, "max_level": 5},
    "ImageSize": {"scales": [100, 200, 400]},
    "MetaQnn": {"filters": [2, 4], "features": [8, 4], "depth": 6, "image_size": 32},
    "MultiBranch": {
        "stem_channels": 4,
        "widths": [6, 8],
        "branch_channels": [4, 4],
        "depths": [1, 2],
        "strides": [1, 2],
        "branches": [1, 2, 3],
        "cardinalities": [1, 2],
    },
}
SMALLER = {  # files that build on another one, which would be the same in small
    "auto_deeplab_small": {"blocks": 1},
    "darts_small": {"steps": 1},
    "detection_small": {"parts": {"neck": {"cells": 3}}},
    "metaqnn_small": {"depth": 5},
    "multi_branch_small": {"depths": [1, 1], "branches": [1, 2]},
    "nas_fpn_small": {"cells": 3},
    "shufflenetv2_large": {"depths": [1, 1]},
}


def composed(path: Path) -> DictConfig:
    """The config as a user gets it: a file may build on another one."""
    return composed_files("space")[path.stem]


def kind(node) -> str:
    return node["_target_"].rsplit(".", 1)[-1]


def load(path: Path) -> SearchSpace:
    return instantiate(composed(path), _convert_="all")


@functools.cache
def small(path: Path) -> SearchSpace:
    """The space in small. A neck stands on a backbone: one to search, if the neck leaves nothing to search."""
    config = copy.deepcopy(composed(path))
    for node in config.parts.values() if "parts" in config else (config,):
        node.merge_with(SMALL.get(kind(node), {}))
    config.merge_with(SMALLER.get(path.stem, {}))
    if "parts" in config:
        config.parts.backbone = {"_target_": "lightning_nas.spaces.Chain", **TINY.args}
    space = instantiate(config, _convert_="all")
    if space.role == "head":  # passes on what it reads
        neck = ElasticNeck(channels=32, max_level=5)
        chosen = {"backbone": TINY.sample(random.Random(0))}
        return Product({"backbone": TINY, "neck": neck, "head": space}, fixed=chosen)
    if space.role != "neck":
        return space
    fixed = {"backbone": TINY.sample(random.Random(0))} if space.decisions else {}
    return Product({"backbone": TINY, "neck": space}, fixed=fixed)


@pytest.fixture(autouse=True, scope="module")
def _networks_are_let_go():
    yield
    forget()


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
class TestSpacesOfTheConfigs(SpaceContract):
    @pytest.fixture
    def space(self, path):
        return small(path)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_config_names_every_argument(path):
    space = load(path)
    assert isinstance(space, SearchSpace)
    assert set(composed(path)) - {"_target_"} == set(space.args)
    assert "in_channels" in space.args or space.role in ("neck", "head") or isinstance(space, Product)


@pytest.mark.parametrize(
    "path", [path for path in FILES if "defaults" not in OmegaConf.load(path)], ids=lambda path: path.stem
)
def test_config_that_builds_on_no_other_has_the_defaults_of_the_code(path):
    space = load(path)
    assert space == type(space)()


def test_the_spaces_have_configs():
    assert {"darts", "nasbench201", "chain", "shufflenetv2", "nas_fpn"} <= {path.stem for path in FILES}
    assert isinstance(load(next(path for path in FILES if path.stem == "chain")), Chain)
