"""The supernet of the elastic space: slices without copies, and networks that are cut out of it."""

import random

import pytest
import torch
from torch.testing import assert_close

from lightning_nas.errors import ArchitectureError, ArgumentError
from lightning_nas.ops.layers.elastic import ElasticBatchNorm2d, ElasticConv2d
from lightning_nas.spaces import Chain, Elastic, Fpn, NasBench201, Product

SEEDS = ("mobilenet_v2", "mobilenet_v3_small", "efficientnet_b0", "tf_efficientnet_lite0", "resnet18", "resnet50")


def shaken(supernet):
    """The supernet in evaluation mode, with values in everything that starts as 0 or 1."""
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for module in supernet.modules():
            if isinstance(module, torch.nn.BatchNorm2d):
                for tensor in (module.weight, module.running_var):
                    if tensor is not None:
                        tensor.copy_(torch.rand(tensor.shape, generator=generator) + 0.5)
                for tensor in (module.bias, module.running_mean):
                    if tensor is not None:
                        tensor.copy_(torch.randn(tensor.shape, generator=generator) / 5)
            if isinstance(module, ElasticConv2d):
                for matrix in module.transforms.values():
                    matrix.add_(torch.randn(matrix.shape, generator=generator) / 20)
    return supernet.eval()


@pytest.mark.parametrize("seed", SEEDS)
def test_a_network_that_is_cut_out_computes_the_active_path(seed):
    torch.manual_seed(0)
    space = Elastic(seed, kernels=(3, 5), widths=(50,))
    supernet = shaken(space.supernet())
    images = torch.randn(2, 3, 64, 64)
    for choices in (space.largest(), space.smallest(), space.sample(random.Random(1))):
        supernet.activate(choices)
        network = space.network(choices).eval()
        network.load_state_dict(supernet.cut(choices))
        assert not any(isinstance(m, ElasticConv2d | ElasticBatchNorm2d) for m in network.modules())
        with torch.no_grad():
            for path, plain in zip(supernet(images), network(images), strict=True):
                assert_close(path[:, : plain.shape[1]], plain, rtol=1e-5, atol=1e-5)
                assert not path[:, plain.shape[1] :].any()


def test_activation_copies_nothing_and_trains_the_slice():
    space = Elastic("mobilenetv2_050", kernels=(3, 5), depths=(1,), expansions=(50,))
    supernet = space.supernet()
    before = {name: tensor.data_ptr() for name, tensor in supernet.state_dict().items()}
    choices = space.smallest()
    supernet.activate(choices)
    sum(x.square().mean() for x in supernet(torch.randn(2, 3, 32, 32))).backward()
    assert {name: tensor.data_ptr() for name, tensor in supernet.state_dict().items()} == before
    block = supernet.body.stages[3][0]
    middle, largest = space.plan(choices).stages[3][0].middle, space.plan({}).stages[3][0].middle
    assert middle < largest
    assert block.expand.weight.grad[:middle].abs().sum(dim=(1, 2, 3)).all()
    assert not block.expand.weight.grad[middle:].any()
    assert supernet.body.stages[3][1].expand.weight.grad is None  # beyond the depth


def test_activating_nothing_is_the_largest_network():
    space = Elastic("resnet18", widths=(50,))
    supernet = shaken(space.supernet())
    images = torch.randn(1, 3, 32, 32)
    with torch.no_grad():
        before = supernet(images)
        supernet.activate(space.smallest())
        assert not torch.equal(supernet(images)[-1], before[-1])
        supernet.activate(None)
        assert torch.equal(supernet(images)[-1], before[-1])
        supernet.activate(space.largest())
        assert torch.equal(supernet(images)[-1], before[-1])


def test_choices_of_another_space_are_refused():
    with pytest.raises(ArchitectureError, match=r"stage0\.0"):
        Elastic("resnet18").supernet().activate(Chain().sample(random.Random(0)))


def test_a_product_activates_and_cuts_its_parts():
    space = Product({"backbone": Elastic("mobilenetv2_050"), "neck": Fpn(channels=8, max_level=5)})
    supernet = shaken(space.supernet())
    images = torch.randn(1, 3, 64, 64)
    choices = space.sample(random.Random(2))
    supernet.activate(choices)
    network = space.network(choices).eval()
    network.load_state_dict(supernet.cut(choices))
    with torch.no_grad():
        for path, plain in zip(supernet(images), network(images), strict=True):
            assert_close(path, plain, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(
    "space", [Chain(depths=(2, 1), widths=(4, 8), strides=(2, 2)), NasBench201(channels=4, cells=1)]
)
def test_a_supernet_without_slices_is_cut_by_the_sources_of_its_modules(space):
    supernet = shaken(space.supernet())
    choices = space.sample(random.Random(3))
    supernet.activate(choices)
    network = space.network(choices).eval()
    state = torch.random.get_rng_state()
    network.load_state_dict(supernet.cut(choices))
    assert torch.equal(torch.random.get_rng_state(), state)
    images = torch.randn(1, 3, 32, 32)
    with torch.no_grad():
        for path, plain in zip(supernet(images), network(images), strict=True):
            assert_close(path, plain, rtol=1e-5, atol=1e-5)


def test_there_are_no_logits_to_decode():
    space = Elastic()
    assert not space.supernet().logits
    assert space.has_supernet
    assert not space.mixes
    with pytest.raises(ArgumentError, match="'elastic' has no logits"):
        space.decode({})
