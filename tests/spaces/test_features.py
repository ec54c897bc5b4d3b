"""``feature_info`` has timm's interface."""

import copy
import pickle
import random
from functools import partial

import pytest
import torch

from lightning_nas.networks import ResidualBackbone, SelectedFeatures, load_backbone
from lightning_nas.spaces import Chain, Darts, FeatureInfo, FeatureLevel, Fpn, Product

LEVELS = (FeatureLevel(16, 4, "stem"), FeatureLevel(32, 8, "stages.0"), FeatureLevel(64, 16, "stages.1"))
CHAIN = Chain(stem_channels=4, first_channels=4, widths=(4, 6, 6, 8), depths=(1,) * 4, strides=(2,) * 4)
DARTS = Darts(channels=4, cells=3, stem="imagenet")


def timm_info(out_indices):
    features = pytest.importorskip("timm.models._features")
    entries = [{"num_chs": level.channels, "reduction": level.reduction, "module": level.module} for level in LEVELS]
    return features.FeatureInfo(entries, out_indices)


ASKED = {
    "channels": lambda info: [info.channels(), info.channels(0), info.channels(-1), info.channels([0, 2])],
    "reduction": lambda info: [info.reduction(), info.reduction(1), info.reduction((1, 2))],
    "module_name": lambda info: [info.module_name(), info.module_name(2), info.module_name([0])],
    "get": lambda info: [info.get("num_chs"), info.get("module", 0), info.get("index", [1]), info.get("reduction", 1)],
    "get_dicts": lambda info: [info.get_dicts(), info.get_dicts(["num_chs", "reduction"]), info.get_dicts(keys=None)],
    "get_dicts of some": lambda info: [
        info.get_dicts(["module"], 0),
        info.get_dicts(None, [0, 1]),
        info.get_dicts(idx=2),
    ],
    "item": lambda info: [info[0], info[-1], info[1]["num_chs"], [level["reduction"] for level in info]],
    "info": lambda info: [info.info, len(info.info)],
    "len": len,
    "from_other": lambda info: [
        info.from_other((0, 1)).channels(),
        info.from_other(2).module_name(),
        len(info.from_other(1)),
    ],
}


@pytest.mark.parametrize("out_indices", [(0, 1, 2), (1, 2), (2, 0), (1,), 2])
@pytest.mark.parametrize("asked", ASKED)
def test_it_answers_as_timm_does(asked, out_indices):
    assert ASKED[asked](FeatureInfo(LEVELS, out_indices)) == ASKED[asked](timm_info(out_indices))


def test_out_indices_are_those_of_timm_without_negative_ones():
    assert FeatureInfo(LEVELS, (1, 2)).out_indices == timm_info((1, 2)).out_indices
    assert FeatureInfo(LEVELS).out_indices == (0, 1, 2)
    assert FeatureInfo(LEVELS, (-1, 0)).out_indices == (2, 0)
    assert FeatureInfo(LEVELS, 2).out_indices == (1, 2)
    with pytest.raises(KeyError, match="width"):
        FeatureInfo(LEVELS).get("width")
    with pytest.raises(IndexError):
        FeatureInfo(LEVELS).channels(3)


@pytest.mark.parametrize("wrong", [0, 4, True, "0", (3,), (-4,), (), (0.0,), (True,)])
def test_levels_that_do_not_exist_are_refused(wrong):
    with pytest.raises(ValueError, match="out_indices"):
        FeatureInfo(LEVELS, wrong)


def test_it_is_a_value():
    info = FeatureInfo(LEVELS, (2, 1))
    for twin in (
        copy.copy(info),
        copy.deepcopy(info),
        pickle.loads(pickle.dumps(info)),
        FeatureInfo(info.info, (2, 1)),
    ):
        assert twin == info
        assert hash(twin) == hash(info)
        assert twin.channels() == [64, 32]
        assert twin.levels[0].module == "stages.1"
    assert info != FeatureInfo(LEVELS)
    assert info != FeatureInfo(LEVELS[:2])
    assert "index" not in LEVELS[0]


def test_selected_maps_keep_the_numbers_of_all():
    choices = DARTS.sample(random.Random(0))
    backbone = load_backbone(DARTS.architecture(choices), out_indices=(-1, 1, 2))
    info = backbone.feature_info
    assert info.out_indices == (4, 1, 2)
    assert len(info) == 5
    assert info.channels() == [64, 4, 16]
    assert (info.channels(0), info[0]["num_chs"]) == (2, 2)
    again = SelectedFeatures(backbone, (2, 0))
    assert again.feature_info.out_indices == (2, 4)
    assert again.feature_info.channels() == [16, 64]
    last_two = load_backbone(DARTS.architecture(choices), out_indices=2)
    assert [m.shape[1] for m in last_two(torch.zeros(1, 3, 64, 64))] == last_two.feature_info.channels() == [32, 64]


def test_modules_are_named_from_outside():
    product = Product({"backbone": CHAIN, "neck": Fpn(channels=4, min_level=3, max_level=5)})
    network = product.network(product.sample(random.Random(0)))
    darts = load_backbone(DARTS.architecture(DARTS.sample(random.Random(0))), out_indices=(0, 4))
    for outer in (
        network,
        SelectedFeatures(network, (2, 0)),
        darts,
        SelectedFeatures(darts, (1,)),
        ResidualBackbone(4, (1, 2)),
    ):
        info, seen = outer.feature_info, {}
        for name in info.module_name(range(len(info))):
            outer.get_submodule(name).register_forward_hook(partial(keep, seen, name))
        maps = outer(torch.randn(1, 3, 64, 64))
        assert all(seen[name] is x for name, x in zip(info.module_name(), maps, strict=True))
        assert [seen[level["module"]].shape[1] for level in info] == info.channels(range(len(info)))


def keep(seen, name, module, inputs, output):
    seen[name] = output


def test_hooks_of_timm_find_the_maps():
    features = pytest.importorskip("timm.models._features")
    network = DARTS.network(DARTS.sample(random.Random(0))).eval()
    x = torch.randn(1, 3, 64, 64)
    chosen = network.feature_info.from_other((0, 3))
    hooks = features.FeatureHooks(chosen.get_dicts(), network.named_modules())
    expected = network(x)
    seen = hooks.get_output(x.device)
    assert list(seen) == chosen.module_name()
    for ours, theirs in zip(seen.values(), (expected[0], expected[3]), strict=True):
        assert torch.equal(ours, theirs)
