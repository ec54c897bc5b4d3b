"""A user's own network, made elastic: what its parts compute, and what is cut out of it."""

import copy
import random
from functools import partial

import pytest
import torch
from own_networks import Tokens, UNet, lively
from torch import nn

import lightning_nas
from lightning_nas.architecture import Architecture
from lightning_nas.errors import ArchitectureError, NasError
from lightning_nas.spaces import from_architecture

X = torch.rand(2, 3, 8, 8, generator=torch.Generator().manual_seed(1))


@pytest.fixture
def unet():
    torch.manual_seed(0)
    return lightning_nas.elastic(lively(UNet()), X[:1])


def samples(net, count=6):
    rng = random.Random(0)
    return [net.space.largest(), net.space.smallest(), *(net.space.sample(rng) for _ in range(count))]


NORMS = {
    "batch": nn.BatchNorm2d,
    "group": lambda channels: nn.GroupNorm(2, channels),
    "instance": lambda channels: nn.InstanceNorm2d(channels, affine=True),
}


def test_its_decisions_are_named_by_its_modules(unet):
    assert unet.space.decisions == (
        "fine.keep", "coarse.0.keep", "coarse.1.keep",
        "stem.0.width", "fine.conv1.width", "fine.conv2.width", "fine.squeeze.down.width",
        "down.width", "coarse.0.conv1.width", "coarse.0.squeeze.down.width",
        "coarse.1.conv1.width", "coarse.1.conv2.width", "coarse.1.squeeze.down.width", "up.width", "merge.0.width",
    )  # fmt: skip
    assert unet.space.options("stem.0.width", {}) == (4, 6, 8)
    assert unet.fixed == {}


@pytest.mark.parametrize("kind", ["batch", "group", "instance"])
def test_the_full_network_stays_as_it_was_bit_for_bit(kind):
    torch.manual_seed(0)
    model = lively(UNet(norm=NORMS[kind]))
    before, state = model(X), copy.deepcopy(model.state_dict())
    net = lightning_nas.elastic(model, X[:1])
    assert torch.equal(net(X), before)
    net.activate(net.space.largest())
    assert torch.equal(net(X), before)
    net.activate(net.space.smallest())
    assert net(X).shape == before.shape
    assert not torch.equal(net(X), before)
    net.activate(None)
    assert torch.equal(net(X), before)
    assert all(torch.equal(tensor, state[name]) for name, tensor in model.state_dict().items())


@pytest.mark.parametrize("kind", ["batch", "group", "instance"])
def test_a_network_that_is_cut_out_computes_what_the_active_part_does(kind):
    torch.manual_seed(0)
    net = lightning_nas.elastic(lively(UNet(norm=NORMS[kind])), X[:1])
    for choices in samples(net):
        net.activate(choices)
        small = net.network(choices)
        assert type(small) is UNet
        torch.testing.assert_close(small(X), net(X), rtol=0, atol=1e-5)
        assert sum(p.numel() for p in small.parameters()) <= sum(p.numel() for p in net.model.parameters())
        assert {name: t.shape for name, t in net.cut(choices).items()} == {
            n: t.shape for n, t in small.state_dict().items()
        }
        assert small.stem[0].out_channels == choices["stem.0.width"] == small.stem[0].weight.shape[0]


def test_layer_norm_positions_and_perceptrons_are_cut_as_well():
    torch.manual_seed(0)
    net = lightning_nas.elastic(lively(Tokens()), X[:1])
    assert {"patches.width", "blocks.0.wide.width", "blocks.1.keep"} <= set(net.space.decisions)
    for choices in samples(net):
        net.activate(choices)
        small = net.network(choices)
        torch.testing.assert_close(small(X), net(X), rtol=0, atol=1e-5)
        assert small.norm.normalized_shape == (choices["patches.width"],)
        assert small.position.shape[-1] == choices["patches.width"]


@pytest.mark.parametrize("make", [partial(UNet, scaled=False), Tokens], ids=["unet", "tokens"])
def test_what_is_cut_out_is_what_torch_pruning_cuts_out(make):
    """An independent reference: the same channels, removed by the library's own physical pruning."""
    import torch_pruning

    torch.manual_seed(0)
    net = lightning_nas.elastic(lively(make()), X[:1], depth=False)
    for choices in samples(net, 3):
        theirs = copy.deepcopy(net.copied().model)
        graph = torch_pruning.DependencyGraph().build_dependency(theirs, X[:1], verbose=False)
        for index, (decision, group) in enumerate(net.groups.items()):
            place = next(place for place in group.places if place.module == group.name and not place.consumes)
            gone = group.gone(net.get_buffer(f"order_{index}"), choices[decision])[group.places.index(place)]
            layer = theirs.get_submodule(group.name)
            prune = graph.get_pruner_of_module(layer).prune_out_channels
            if len(gone):
                graph.get_pruning_group(layer, prune, gone.tolist()).prune()
        ours = net.network(choices).state_dict()
        assert {name: tuple(t.shape) for name, t in theirs.state_dict().items()} == {
            n: tuple(t.shape) for n, t in ours.items()
        }
        assert all(torch.equal(tensor, ours[name]) for name, tensor in theirs.state_dict().items())


def test_a_block_that_is_left_out_passes_its_input_on_and_its_widths_are_no_decisions(unet):
    choices = {**unet.space.largest(), "fine.keep": 0}
    choices = {name: o for name, o in choices.items() if not name.startswith("fine.") or name == "fine.keep"}
    unet.activate(choices)
    expected = unet.copied().model
    expected.fine = nn.Identity()
    assert torch.equal(unet(X), expected(X))
    assert isinstance(unet.network(choices).fine, nn.Identity)
    with pytest.raises(ArchitectureError, match=r"fine\.conv1\.width.*inactive"):
        unet.activate(unet.space.largest() | {"fine.keep": 0})


def test_the_most_important_channels_are_kept(unet):
    weights = unet.model.down.weight
    with torch.no_grad():
        weights[::2] *= 100
    net = lightning_nas.elastic(unet.model, X[:1])
    small = net.network(net.space.largest() | {"down.width": 8})
    assert torch.equal(small.down.weight, weights[::2])


def test_only_what_is_active_learns(unet):
    unet.train()
    unet.activate(unet.space.smallest())
    means = unet.model.stem[1].running_mean.clone()
    unet(X).square().mean().backward()
    rows = unet.model.stem[0].weight.grad.abs().sum((1, 2, 3))
    assert int((rows > 0).sum()) == 4
    moved = (unet.model.stem[1].running_mean != means).nonzero().flatten()
    assert torch.equal(moved, (rows > 0).nonzero().flatten())
    assert unet.model.fine.conv1.weight.grad is None


def test_weights_of_another_run_come_with_their_order(unet):
    torch.manual_seed(5)
    other = lightning_nas.elastic(lively(UNet(), seed=7), X[:1])
    choices = unet.space.smallest()
    other.activate(choices)
    other.load_state_dict(unet.state_dict())
    unet.activate(choices)
    assert torch.equal(other(X), unet(X))
    assert torch.equal(other.network(choices)(X), unet.network(choices)(X))


def test_a_copy_computes_the_same_and_shares_nothing(unet):
    unet.activate(unet.space.smallest())
    twin = copy.deepcopy(unet)
    before = unet(X)
    with torch.no_grad():
        twin.model.stem[0].weight.zero_()
    assert torch.equal(unet(X), before)
    assert not torch.equal(twin(X), before)
    assert twin.space.own is twin


def test_a_record_is_read_anywhere_but_needs_the_network(unet, tmp_path):
    choices = unet.space.sample(random.Random(3))
    record = unet.space.architecture(choices)
    record.save(tmp_path / "architecture.json")
    read = Architecture.load(tmp_path / "architecture.json")
    space, same = from_architecture(read)
    assert (space, same) == (unet.space, choices)
    assert space.mutate(choices, random.Random(0)) != choices
    torch.manual_seed(0)
    again = lightning_nas.elastic(lively(UNet()), X[:1])
    assert torch.equal(again.network(read)(X), unet.network(choices)(X))
    for build in (lambda: space.network(choices), space.supernet, lambda: lightning_nas.load_backbone(read)):
        with pytest.raises(NasError, match=r"own_network.*lightning_nas\.elastic\(model, example_input"):
            build()
    other = lightning_nas.elastic(lively(UNet()), X[:1], widths=(0.25, 1.0))
    with pytest.raises(ArchitectureError, match="its channels are"):
        other.network(read)
