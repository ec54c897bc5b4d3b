"""Found backbones and supernets as encoders of segmentation_models_pytorch."""

import copy
import random
import sys
import warnings

import pytest
import torch
from torch import nn

from lightning_nas.errors import WeightsError
from lightning_nas.networks import load_backbone
from lightning_nas.networks.smp import register_encoder
from lightning_nas.spaces import AutoDeepLab, Chain, Darts, NasBench201, ShuffleNetV2, find_supernets

smp = pytest.importorskip("segmentation_models_pytorch")
CHAIN = Chain(stem_channels=4, first_channels=4, widths=(8, 8, 12, 16), depths=(1,) * 4, strides=(2,) * 4)
OPS = ("none", "skip_connect", "sep_conv_3x3", "max_pool_3x3")
DARTS = Darts(channels=4, cells=3, steps=2, stem="imagenet", ops=OPS)
DEEPLAB = AutoDeepLab(channels=2, layers=4, blocks=1, stem_channels=4, ops=OPS)
SHUFFLE = ShuffleNetV2(stem_channels=4, widths=(8, 12, 16, 16), depths=(1,) * 4, head_channels=0)
NASBENCH = NasBench201(channels=4, cells=1, stem="imagenet")


def found(space, seed=0):
    return space.architecture(space.sample(random.Random(seed)))


def build(model, source, **arguments):
    register_encoder("found", source)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*cannot dilate")
        return model("found", encoder_weights=None, classes=5, **arguments)


SOURCES = ("found chain", "found darts", "chain", "darts", "auto_deeplab")


NARROW = {
    smp.Unet: {"decoder_channels": (16, 8, 8, 4, 4)},
    smp.FPN: {"decoder_pyramid_channels": 32, "decoder_segmentation_channels": 32},
    smp.DeepLabV3Plus: {"decoder_channels": 16},
    smp.UnetPlusPlus: {"decoder_channels": (16, 8, 8, 4, 4)},
    smp.UPerNet: {"decoder_channels": 16},
}


@pytest.mark.parametrize("model", NARROW, ids=lambda model: model.__name__)
@pytest.mark.parametrize("source", [found(CHAIN), found(DARTS), CHAIN, DARTS, DEEPLAB], ids=SOURCES)
def test_models_train_on_it(source, model):
    built = build(model, source, **NARROW[model])
    x = torch.randn(2, 3, 64, 64)
    masks = built(x)
    assert masks.shape == (2, 5, 64, 64)
    masks.square().mean().backward()
    first = next(module for module in built.encoder.modules() if isinstance(module, nn.Conv2d))
    assert first.weight.grad.abs().sum() > 0
    for supernet in find_supernets(built):
        assert all(group.grad is not None for group in supernet.logits.values())
    assert len(find_supernets(built)) == (source in (CHAIN, DARTS, DEEPLAB))


@pytest.mark.parametrize(
    ("depth", "stride", "size"), [(5, 32, (64, 64)), (5, 16, (65, 97)), (4, 8, (64, 96)), (3, 32, (33, 64))]
)
@pytest.mark.parametrize("space", [CHAIN, DARTS, DEEPLAB, SHUFFLE, NASBENCH], ids=lambda space: space.name)
def test_the_encoder_gives_what_it_says(space, depth, stride, size):
    register_encoder("found", space if space is DEEPLAB else found(space))
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*cannot dilate")
        encoder = smp.encoders.get_encoder("found", in_channels=2, depth=depth, output_stride=stride).eval()
    x = torch.randn(1, 2, *size)
    with torch.no_grad():
        features = encoder(x)
        maps = encoder.network(x)
    assert features[0] is x
    assert len(features) == depth + 1
    assert encoder.out_channels == [feature.shape[1] for feature in features]
    assert encoder.output_stride == min(stride, 2**depth)
    strides = [min(2**level, stride) for level in range(depth + 1)]
    expected = [tuple(-(-pixels // s) for pixels in size) for s in strides]
    assert [tuple(feature.shape[-2:]) for feature in features] == expected
    by_stride = dict(zip(encoder.network.feature_info.reduction(), maps, strict=True))
    for feature, own in zip(features[1:], [2**level for level in range(1, depth + 1)], strict=True):
        if own in by_stride and own <= stride:
            assert torch.equal(feature, by_stride[own])


def test_missing_levels_are_averaged_from_the_finer_one():
    encoder = build(smp.Unet, found(NASBENCH)).encoder.eval()
    x = torch.randn(1, 3, 64, 64)
    features = encoder(x)
    assert encoder.out_channels[:3] == [3, 3, 3]
    torch.testing.assert_close(features[2], nn.functional.avg_pool2d(x, 4))


def test_a_space_that_dilates_does_and_another_one_says_that_it_does_not():
    register_encoder("found", found(CHAIN))
    with warnings.catch_warnings():
        warnings.filterwarnings("error", message=".*cannot dilate")
        encoder = smp.DeepLabV3Plus("found", encoder_weights=None).encoder
    assert encoder.network.feature_info.reduction() == [2, 4, 8, 16]
    assert encoder.out_channels[-1] == 16
    register_encoder("found", found(DARTS))
    with pytest.warns(UserWarning, match="output_stride = 16: the space of the backbone cannot dilate"):
        smp.DeepLabV3Plus("found", encoder_weights=None)


def test_a_backbone_that_is_not_as_coarse_names_the_depth_that_it_has():
    register_encoder("shallow", found(Darts(channels=4, cells=3)))
    with pytest.raises(ValueError, match=r"strides \[1, 2, 4\]: take encoder_depth=2"):
        smp.Unet("shallow", encoder_weights=None)
    model = smp.Unet("shallow", encoder_weights=None, encoder_depth=2, decoder_channels=(8, 4))
    assert model(torch.randn(1, 3, 32, 32)).shape == (1, 1, 32, 32)


def test_weights_go_in_and_come_out(tmp_path):
    network = load_backbone(found(CHAIN))
    torch.save({"state_dict": network.state_dict()}, tmp_path / "weights.ckpt")
    register_encoder("trained", found(CHAIN), weights=tmp_path / "weights.ckpt")
    model = smp.Unet("trained", encoder_weights=None)
    for name, value in network.state_dict().items():
        assert torch.equal(model.encoder.network.state_dict()[name], value)
    assert torch.equal(copy.deepcopy(model).encoder.network.body.stem[0].conv.weight, network.body.stem[0].conv.weight)
    nn.init.zeros_(model.encoder.network.body.stem[0].conv.weight)
    torch.save(
        {"state_dict": {f"model.{name}": value for name, value in model.state_dict().items()}}, tmp_path / "unet.ckpt"
    )
    assert load_backbone(found(CHAIN), weights=tmp_path / "unet.ckpt").body.stem[0].conv.weight.abs().sum() == 0
    with pytest.raises(WeightsError, match="mis-shaped"):
        smp.Unet("trained", encoder_weights=None, in_channels=1)


def test_the_universal_encoder_of_timm_takes_it_too():
    pytest.importorskip("timm")
    from lightning_nas.networks.timm import register_backbone

    register_backbone("universal", found(DARTS))
    model = smp.Unet("tu-universal", encoder_weights=None, classes=2)
    assert model.encoder.out_channels == [3, *DARTS.supernet().feature_info.channels()]
    assert model(torch.randn(1, 3, 64, 64)).shape == (1, 2, 64, 64)


def test_names_and_arguments_are_checked(monkeypatch):
    for name, said in (("resnet18", "has an encoder of that name"), ("tu-x", "letters")):
        with pytest.raises(ValueError, match=said):
            register_encoder(name, CHAIN)
    register_encoder("found", CHAIN)
    register_encoder("found", DARTS)
    with pytest.raises(KeyError, match="imagenet"):
        smp.Unet("found")
    with pytest.raises(ValueError, match="depth must be from 1 to 5, got 6"):
        smp.encoders.get_encoder("found", depth=6)
    with pytest.raises(ValueError, match="output_stride must be 8, 16 or 32, got 4"):
        smp.encoders.get_encoder("found", output_stride=4)
    monkeypatch.setitem(sys.modules, "segmentation_models_pytorch", None)
    with pytest.raises(ImportError, match="pip install segmentation-models-pytorch"):
        register_encoder("found", CHAIN)
