"""Found backbones and supernets in timm's registry, and in effdet on top of it."""

import random
import sys
import warnings

import pytest
import torch

from lightning_nas.errors import WeightsError
from lightning_nas.networks.timm import register_backbone
from lightning_nas.ops import DropPath
from lightning_nas.spaces import Chain, Darts, Fpn, Product, Supernet

timm = pytest.importorskip("timm")
DARTS = Darts(channels=4, cells=3, stem="imagenet")
CHAIN = Chain(stem_channels=4, first_channels=4, widths=(4, 6, 6, 8), depths=(1,) * 4, strides=(2,) * 4)


def found(space, seed=0):
    return space.architecture(space.sample(random.Random(seed)))


@pytest.mark.parametrize("space", [DARTS, CHAIN])
def test_timm_builds_a_found_backbone_by_name(space):
    register_backbone("found", found(space))
    model = timm.create_model("found", features_only=True, in_chans=1, out_indices=(1, 3))
    maps = model(torch.randn(2, 1, 64, 64))
    assert [x.shape[1] for x in maps] == model.feature_info.channels()
    assert [64 // x.shape[-1] for x in maps] == model.feature_info.reduction() == [4, 16]
    assert len(timm.create_model("found", features_only=True).feature_info) == 5
    assert "found" in timm.list_models(module="lightning_nas_backbones")


def test_a_space_stands_for_its_supernet():
    register_backbone("searched", DARTS)
    model = timm.create_model("searched", features_only=True, out_indices=(2, 3, 4), in_chans=2)
    assert isinstance(model, Supernet)
    sum(x.sum() for x in model(torch.randn(2, 2, 64, 64))).backward()
    assert all(group.grad is not None for group in model.logits.values())


def test_weights_are_those_that_pretrained_asks_for(tmp_path):
    network = DARTS.network(DARTS.sample(random.Random(0)))
    torch.save({"backbone": network.state_dict()}, tmp_path / "weights.pt")
    register_backbone("trained", found(DARTS), weights=tmp_path / "weights.pt")
    trained = timm.create_model("trained", features_only=True, pretrained=True)
    for name, value in network.state_dict().items():
        assert torch.equal(trained.state_dict()[name], value)
    fresh = timm.create_model("trained", features_only=True)
    assert not torch.equal(fresh.macro.stem0[0].weight, network.macro.stem0[0].weight)
    with pytest.raises(WeightsError, match="mis-shaped"):
        timm.create_model("trained", features_only=True, pretrained=True, in_chans=1)
    twins = {f"{part}.{name}": value for name, value in network.state_dict().items() for part in ("student", "teacher")}
    zeros = torch.zeros_like(network.macro.stem0[0].weight)
    torch.save(twins | {"teacher.macro.stem0.0.weight": zeros}, tmp_path / "twins.pt")
    register_backbone("teacher", found(DARTS), weights=tmp_path / "twins.pt", prefix="teacher.")
    assert not timm.create_model("teacher", features_only=True, pretrained=True).macro.stem0[0].weight.any()
    assert timm.create_model("teacher", features_only=True).macro.stem0[0].weight.any()
    for source in (found(DARTS), DARTS):
        with pytest.raises(WeightsError, match="there are no weights"):
            register_backbone("teacher", source, prefix="teacher.")
    register_backbone("untrained", found(DARTS))
    with pytest.raises(ValueError, match="pretrained=False"):
        timm.create_model("untrained", features_only=True, pretrained=True)


def test_timms_arguments_reach_the_backbone():
    register_backbone("chain", found(CHAIN))
    assert timm.create_model("chain", features_only=True, output_stride=8).feature_info.reduction() == [2, 4, 8]
    register_backbone("darts_with_drop_path", found(DARTS))
    model = timm.create_model("darts_with_drop_path", features_only=True, drop_path_rate=0.25)
    assert {module.rate for module in model.modules() if isinstance(module, DropPath)} == {0.25}
    with pytest.warns(UserWarning, match="drop_path_rate = 0.1 has no effect"):
        timm.create_model("chain", features_only=True, drop_path_rate=0.1)
    for wrong, said in (
        ({"output_stride": 8}, "cannot dilate"),
        ({"act_layer": "silu"}, "act_layer = 'silu'"),
        ({"drop_rate": 0.1}, "drop_rate = 0.1"),
        ({"features_only": False}, "features_only=True"),
        ({"features_only": False, "num_classes": 0, "drop_rate": 0.0}, "features_only=True"),
    ):
        with pytest.raises(ValueError, match=said):
            timm.create_model("darts_with_drop_path", **{"features_only": True, **wrong})


def test_arguments_that_change_nothing_are_taken_as_timms_own_models_take_them():
    register_backbone("for_projects", found(CHAIN))
    of_the_head = {"num_classes": 7, "global_pool": "avg"}  # which features_only leaves out
    no_rates = {"drop_rate": 0.0, "drop_path_rate": 0.0, "proj_drop_rate": 0}
    for name, given in (("resnet18", of_the_head | {"drop_rate": 0.0}), ("for_projects", of_the_head | no_rates)):
        assert timm.create_model(name, features_only=True, **given).feature_info.channels()


def test_names_are_checked_and_may_be_given_again(tmp_path):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        register_backbone("again", found(CHAIN))
        register_backbone("again", found(DARTS))
    assert timm.create_model("again", features_only=True).feature_info == DARTS.supernet().feature_info
    for name, said in (("resnet18", "timm has a model"), ("a.b", "letters"), ("a/b", "letters"), ("", "letters")):
        with pytest.raises(ValueError, match=said):
            register_backbone(name, found(CHAIN))
    with pytest.raises(FileNotFoundError, match="nowhere"):
        register_backbone("nothing", tmp_path / "nowhere.json")
    with pytest.raises(ValueError, match="in_channels"):
        register_backbone("nothing", Product({"backbone": CHAIN, "neck": Fpn(channels=4)}))
    with pytest.raises(ValueError, match="supernet"):
        register_backbone("nothing", CHAIN, weights=tmp_path / "weights.pt")
    assert not timm.is_model("nothing")


def test_an_absent_library_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "timm", None)
    with pytest.raises(ImportError, match="pip install timm"):
        register_backbone("found", found(CHAIN))


@pytest.mark.parametrize("source", [found(DARTS), found(CHAIN), DARTS])
def test_effdet_trains_on_it(source):
    effdet = pytest.importorskip("effdet")
    register_backbone("for_effdet", source)
    config = effdet.get_efficientdet_config("efficientdet_d0")
    config.backbone_name, config.image_size, config.num_classes = "for_effdet", (64, 64), 3
    config.fpn_channels, config.backbone_args = 8, {}
    model = effdet.DetBenchTrain(effdet.EfficientDet(config, pretrained_backbone=False))
    target = {
        "bbox": torch.tensor([[[4.0, 4.0, 40.0, 50.0]]] * 2),
        "cls": torch.tensor([[1.0]] * 2),
        "img_scale": torch.ones(2),
        "img_size": torch.full((2, 2), 64),
    }
    losses = model(torch.randn(2, 3, 64, 64), target)
    losses["loss"].backward()
    assert torch.isfinite(losses["loss"])
    weights = [p for name, p in model.model.backbone.named_parameters() if "stem" in name]
    assert weights
    assert any(p.grad is not None and p.grad.abs().sum() > 0 for p in weights)
