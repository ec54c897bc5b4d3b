"""The macro space of ENAS: counts, sizes by hand, networks against a textbook computation, paths."""

import itertools
import random

import pytest
import torch
from torch import nn

from lightning_nas.cost import count_macs, count_parameters
from lightning_nas.networks.inherit import inherit_weights
from lightning_nas.ops import FactorizedReduce
from lightning_nas.report.cells import draw
from lightning_nas.spaces import EnasMacro
from lightning_nas.spaces.enas_macro.space import ENAS_MACRO_OPS

SMALL = {"channels": 4, "layers": 6}


def images(size=16):
    return torch.randn(2, 3, size, size, generator=torch.Generator().manual_seed(1), dtype=torch.float64)


def choices_of(space, op, skips=()):
    """One operation everywhere, and the skips (layer, state)."""
    choices = {name: op if name.endswith("op") else "no" for name in space.decisions}
    return choices | {f"layer.{layer}.skip.{state}": "yes" for layer, state in skips}


def trained(network, seed=0):
    """Statistics and scales as after a training."""
    generator = torch.Generator().manual_seed(seed)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean.copy_(torch.randn(module.running_mean.shape, generator=generator))
            module.running_var.copy_(1 + torch.rand(module.running_var.shape, generator=generator))
            if module.affine:
                nn.init.normal_(module.bias, generator=generator)
    return network.double().eval()


def textbook(space, network, op, skip, x):
    """The last map: ``op(i, x)`` computes layer i, ``skip(i, j)`` is what state j is multiplied with there."""
    body, third = network.body, space.layers // 3
    states = [body.stem(x)]
    for i in range(space.layers):
        out = op(i, states[-1])
        if i > 0:
            out = body.layers[i].norm(out + sum(skip(i, j) * states[j] for j in range(i)))
        states.append(out)
        if i in (third - 1, 2 * third - 1):
            reductions = body.reductions[str(i)]
            zeros = torch.zeros(())  # of a state that nothing reads later
            states = [reductions[str(j)](s) if str(j) in reductions else zeros for j, s in enumerate(states)]
    return states[-1]


# ---- counts and sizes ------------------------------------------------------------------------------------------------


def test_counts():
    space = EnasMacro()
    assert space.size() == 6**12 * 2**66
    assert space.size() == pytest.approx(1.606e29, rel=1e-3)
    assert len(space.decisions) == 12 + 66
    assert ENAS_MACRO_OPS[0] == "enas_conv_3x3"
    assert len(space.ops) == 6


def test_size_counts_what_can_be_listed():
    space = EnasMacro(layers=3, ops=ENAS_MACRO_OPS[:2])
    found = {
        options
        for options in itertools.product(*(space.options(name, {}) for name in space.decisions))
        if space.validate(dict(zip(space.decisions, options, strict=True))) is None
    }
    assert len(found) == space.size() == 2**3 * 2**3


@pytest.mark.parametrize("op", ENAS_MACRO_OPS)
def test_size_of_a_chain_by_hand(op):
    """No skips: stem, 12 layers in three widths, a reduction of the last state twice."""
    size, separable, pool = int(op[-1]), "sep" in op, "pool" in op
    space = EnasMacro()
    expected = 27 * 36 + 2 * 36
    for layer in range(12):
        c = 36 * 2 ** (layer // 4)
        expected += c * c + 2 * c
        if not pool:
            expected += (size * size * c + c * c if separable else size * size * c * c) + 2 * c
        expected += 2 * c if layer else 0
    expected += (36 * 72 + 2 * 72) + (72 * 144 + 2 * 144)
    assert count_parameters(space.network(choices_of(space, op))) == expected


def test_multiply_adds_of_a_chain_of_poolings_by_hand():
    space = EnasMacro()
    macs = 27 * 36 * 32**2 + 4 * (36**2 * 32**2 + 72**2 * 16**2 + 144**2 * 8**2)
    macs += 36 * 72 * 16**2 + 72 * 144 * 8**2
    assert count_macs(space.network(choices_of(space, "enas_max_pool_3x3")), (3, 32, 32)) == macs


def test_reductions_double_the_channels_after_a_third_and_two_thirds():
    space = EnasMacro()
    network = space.network(space.sample(random.Random(0)))
    info = network.feature_info
    assert (info.channels(), info.reduction()) == ([36, 72, 144], [1, 2, 4])
    assert info.module_name() == ["body.layers.3", "body.layers.7", "body.layers.11"]
    assert sorted(network.body.reductions) == ["3", "7"]
    assert EnasMacro(doubling=False).supernet().feature_info.channels() == [36, 36, 36]
    assert EnasMacro(stem="imagenet").supernet().feature_info.reduction() == [8, 16, 32]


def test_only_states_that_are_read_later_are_reduced():
    space = EnasMacro(**SMALL)
    network = space.network(choices_of(space, "enas_conv_3x3", [(1, 0), (4, 0), (5, 4)]))
    # reductions after layers 1 and 3: the stem (for layer 4) and the last state; state 4 is the last one after layer 3
    assert {key: sorted(group) for key, group in network.body.reductions.items()} == {"1": ["0", "2"], "3": ["0", "4"]}
    supernet = space.supernet()
    # layer 5 may read states 0 to 4
    assert {key: len(group) for key, group in supernet.body.reductions.items()} == {"1": 3, "3": 5}


def test_reductions_keep_negative_values():
    space = EnasMacro(**SMALL)
    reductions = [m for m in space.supernet().modules() if isinstance(m, FactorizedReduce)]
    assert len(reductions) == 8
    x = torch.randn(1, 4, 4, 4)
    reduction = reductions[0].eval()
    torch.testing.assert_close(reduction(-x), -reduction(x))


# ---- networks --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(4))
def test_a_network_computes_what_its_decisions_say(seed):
    torch.manual_seed(seed)
    space = EnasMacro(**SMALL)
    choices = space.sample(random.Random(seed))
    network = trained(space.network(choices), seed)
    with torch.no_grad():
        expected = textbook(
            space,
            network,
            lambda i, x: network.body.layers[i].op(x),
            lambda i, j: float(choices[f"layer.{i}.skip.{j}"] == "yes"),
            images(),
        )
        torch.testing.assert_close(network(images())[-1], expected)


def test_the_supernet_mixes_operations_and_skips():
    torch.manual_seed(0)
    space = EnasMacro(**SMALL)
    supernet = trained(space.supernet())
    with torch.no_grad():
        for group in supernet.logits.values():
            group.normal_()
        op_values, skip_values = (supernet.logits[name].softmax(-1) for name in ("ops", "skips"))
        rows = {pair: row for row, pair in enumerate((i, j) for i in range(6) for j in range(i))}
        expected = textbook(
            space,
            supernet,
            lambda i, x: sum(op_values[i, o] * c(x) for o, c in enumerate(supernet.body.layers[i].op.candidates)),
            lambda i, j: skip_values[rows[i, j], 1],
            images(),
        )
        torch.testing.assert_close(supernet(images())[-1], expected)


@pytest.mark.parametrize("seed", range(3))
def test_a_path_is_the_found_network_of_the_same_weights(seed):
    torch.manual_seed(seed)
    space = EnasMacro(**SMALL)
    choices = space.sample(random.Random(seed))
    supernet, network = trained(space.supernet(), seed), space.network(choices).double().eval()
    assert not inherit_weights(network, supernet, choices).skipped
    supernet.activate(choices)
    with torch.no_grad():
        for path, expected in zip(supernet(images()), network(images()), strict=True):
            torch.testing.assert_close(path, expected)


def test_a_path_reduces_and_computes_nothing_that_it_does_not_read():
    space = EnasMacro(**SMALL)
    choices = choices_of(space, "enas_conv_5x5", [(4, 1)])
    supernet = space.supernet()
    supernet.activate(choices)
    sum(f.square().sum() for f in supernet(images().float())).backward()
    network = {name for name, _ in space.network(choices).named_parameters()}
    touched = {n.replace(".candidates.2", "") for n, p in supernet.weights().items() if p.grad is not None}
    assert touched == network


def test_affine_candidates_are_a_choice():
    sizes = [count_parameters(EnasMacro(**SMALL, supernet_affine=affine).supernet()) for affine in (True, False)]
    mixes = [layer.op for layer in EnasMacro(**SMALL).supernet().body.layers]
    norms = [m for mix in mixes for m in mix.modules() if isinstance(m, nn.BatchNorm2d)]
    assert sizes[0] - sizes[1] == sum(2 * norm.num_features for norm in norms) > 0


def test_decode_takes_the_strongest_and_ties_skip_nothing():
    space = EnasMacro(layers=3)
    ops = torch.zeros(3, 6)
    ops[0, 4] = ops[2, 1] = 0.1
    skips = torch.tensor([[0.0, 0.0], [0.2, 0.3], [0.3, 0.2]])  # (1, 0), (2, 0), (2, 1)
    choices = space.decode({"ops": ops, "skips": skips})
    assert space.layer_ops(choices) == ["enas_avg_pool_3x3", "enas_conv_3x3", "enas_sep_conv_3x3"]
    assert space.layer_skips(choices) == [(), (), (0,)]


def test_it_is_drawn():
    space = EnasMacro(layers=3)
    assert draw(space.architecture(space.sample(random.Random(0))))


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ({"channels": 5}, "channels"),
        ({"channels": "36"}, "channels"),
        ({"layers": 2}, "layers"),
        ({"layers": True}, "layers"),
        ({"in_channels": 0}, "in_channels"),
        ({"stem": "mnist"}, "stem"),
        ({"doubling": 1}, "doubling"),
        ({"supernet_affine": None}, "supernet_affine"),
        ({"ops": ("none",)}, "none"),
        ({"ops": ("no_such_op",)}, "no_such_op"),
    ],
)
def test_bad_arguments_are_named(arguments, named):
    with pytest.raises(ValueError, match=named):
        EnasMacro(**arguments)
