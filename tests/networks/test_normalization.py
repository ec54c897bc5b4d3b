"""GroupNorm of a single value, where PyTorch refuses; otherwise PyTorch's."""

import pytest
import torch
import torch.fx
from torch import nn

from lightning_nas.networks import GroupNorm, accept_single_values, convert_norms


def normalised(x, norm):
    """The definition: every group of every image less its mean, over its deviation."""
    groups = x.double().reshape(x.shape[0], norm.num_groups, -1)
    mean, variance = groups.mean(-1, keepdim=True), groups.var(-1, unbiased=False, keepdim=True)
    out = ((groups - mean) / (variance + norm.eps).sqrt()).reshape(x.shape)
    shape = (1, -1, *(1 for _ in x.shape[2:]))
    return out * norm.weight.double().view(shape) + norm.bias.double().view(shape)


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("groups", [8, 4, 1])
@pytest.mark.parametrize("shape", [(1, 8, 1, 1), (2, 8, 1, 1), (1, 8, 1, 2), (3, 8, 4, 5), (1, 8), (1, 8, 1)], ids=str)
def test_it_is_the_definition_for_every_shape(shape, groups, training):
    norm = GroupNorm(groups, 8).train(training)
    nn.init.normal_(norm.weight)
    nn.init.normal_(norm.bias)
    x = 100 * torch.randn(shape)
    torch.testing.assert_close(norm(x).double(), normalised(x, norm), rtol=1e-4, atol=1e-3)


def test_a_single_value_gives_the_bias_and_learns_it_alone():
    norm = GroupNorm(4, 4)
    nn.init.normal_(norm.bias)
    x = torch.full((1, 4, 1, 1), 1e6, requires_grad=True)
    with pytest.raises(ValueError, match="more than 1 value"):
        nn.functional.group_norm(x, 4)
    out = norm(x)
    assert torch.equal(out.flatten(), norm.bias)
    out.sum().backward()
    assert not x.grad.any()
    assert not norm.weight.grad.any()
    assert torch.equal(norm.bias.grad, torch.ones(4))
    assert torch.equal(GroupNorm(4, 4, affine=False)(x), torch.zeros_like(x))


def test_those_of_a_module_are_replaced_and_keep_their_weights():
    module = nn.Sequential(nn.Conv2d(3, 32, 1), nn.Sequential(nn.GroupNorm(32, 32, eps=1e-3), nn.ReLU())).eval()
    before = module.state_dict()
    x = torch.randn(2, 3, 5, 5)
    expected = module(x)
    accept_single_values(module)
    assert [type(m) for m in module.modules() if isinstance(m, nn.GroupNorm)] == [GroupNorm]
    assert list(module.state_dict()) == list(before)
    assert all(module.state_dict()[name].data_ptr() == tensor.data_ptr() for name, tensor in before.items())
    assert torch.equal(module(x), expected)
    assert not module[1][0].training
    assert module(x[:1, :, :1, :1]).shape == (1, 32, 1, 1)


@pytest.mark.parametrize("channels", [1, 2, 3, 5, 32])
def test_whatever_batch_norm_becomes_takes_one_value(channels):
    module = nn.Sequential(nn.BatchNorm2d(channels))
    convert_norms(module, "group")
    for training in (True, False):
        assert module.train(training)(torch.randn(1, channels, 1, 1)).isfinite().all()


def test_it_is_traced_and_exported():
    norm = GroupNorm(4, 4).eval()
    x = torch.randn(1, 4, 1, 1)
    assert torch.equal(torch.jit.trace(norm, x)(x), norm(x))
    assert torch.equal(torch.export.export(norm, (x,)).module()(x), norm(x))
    graph = torch.fx.symbolic_trace(nn.Sequential(norm))
    for shape in ((1, 4, 1, 1), (2, 4, 3, 3)):
        assert torch.equal(graph(torch.ones(shape)), norm(torch.ones(shape)))
