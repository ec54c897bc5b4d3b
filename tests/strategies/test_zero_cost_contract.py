"""What every training-free score promises: no trace, the same value again, and to be found by its name."""

import math
import random

import numpy as np
import pytest
import torch
from torch import nn
from zero_cost_networks import Bumpy, bumpy_probe

from lightning_nas.spaces import NasBench201
from lightning_nas.strategies.zero_cost import (
    Probe,
    ZeroCostScore,
    build_score,
    probe_classifier,
    score_names,
    undisturbed,
)

NAMES = ["fisher", "grad_norm", "grasp", "jacob_cov", "macs", "naswot", "params", "snip", "synflow", "zen"]


def test_the_scores_find_themselves():
    assert score_names() == NAMES


def state_of(probe):
    """Everything about a model and the random numbers that a score could change; tensors by place, version and value."""
    tensors = {**dict(probe.model.named_parameters()), **dict(probe.model.named_buffers())}
    return {
        "values": {name: (id(t), t.data_ptr(), t.dtype, t.detach().clone()) for name, t in tensors.items()},
        "gradients": {
            name: None if p.grad is None else (id(p.grad), p.grad.clone()) for name, p in probe.model.named_parameters()
        },
        "requires_grad": [p.requires_grad for p in probe.model.parameters()],
        "training": [module.training for module in probe.model.modules()],
        "hooks": [len(module._forward_hooks) for module in probe.model.modules()],
        "images": (probe.images.clone(), probe.images.requires_grad, probe.images.grad),
        "random": (torch.get_rng_state(), random.getstate(), np.random.get_state()[1].tolist()),  # noqa: NPY002
        "grad_enabled": torch.is_grad_enabled(),
    }


def same(one, other):
    if isinstance(one, torch.Tensor):
        return isinstance(other, torch.Tensor) and torch.equal(one, other)
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    if isinstance(one, list | tuple):
        return len(one) == len(other) and all(same(a, b) for a, b in zip(one, other, strict=True))
    return one == other


def lived_in():
    """A probe whose model has gradients, a frozen layer, and one part in evaluation mode."""
    probe = bumpy_probe()
    probe.loss().backward()
    probe.model.body[0].weight.requires_grad_(False)
    probe.model.body[4].weight.grad = None
    probe.model.body[1].eval()
    return probe


@pytest.mark.parametrize("name", NAMES)
def test_a_score_leaves_no_trace(name):
    probe = lived_in()
    before = state_of(probe)
    with torch.no_grad():
        build_score(name)(probe)
    build_score(name)(probe)
    after = state_of(probe)
    assert [key for key in before if not same(before[key], after[key])] == []


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("name", NAMES)
def test_a_gpu_gives_the_same_score(name):
    x, labels = torch.randn(4, 3, 8, 8), torch.arange(4)
    space = NasBench201(channels=4, cells=1)
    torch.manual_seed(0)
    backbone = space.network(dict.fromkeys(space.decisions, "nor_conv_3x3"))
    there = build_score(name)(probe_classifier(backbone, x, labels, 4))
    probe = probe_classifier(backbone, x.cuda(), labels.cuda(), 4)
    before = torch.cuda.get_rng_state()
    assert build_score(name)(probe) == pytest.approx(there, rel=2e-2)
    assert torch.equal(torch.cuda.get_rng_state(), before)


def test_a_trace_would_be_seen():
    probe = lived_in()
    before = state_of(probe)
    probe.loss()
    after = state_of(probe)
    assert [key for key in before if not same(before[key], after[key])] == ["values", "random"]
    probe.model.eval()
    probe.model.head.weight.grad.add_(1)
    assert not same(before["training"], state_of(probe)["training"])
    assert not same(before["gradients"], state_of(probe)["gradients"])


def test_an_error_leaves_no_trace_either():
    probe = lived_in()
    before = state_of(probe)

    def fail():
        probe.model.double().eval()
        probe.model.requires_grad_(False)
        random.random()
        np.random.rand()  # noqa: NPY002
        raise KeyError

    with pytest.raises(KeyError), undisturbed(probe.model):
        fail()
    after = state_of(probe)
    assert [key for key in before if not same(before[key], after[key])] == []


@pytest.mark.parametrize("name", NAMES)
def test_equal_weights_have_equal_scores_and_others_other_ones(name):
    first = build_score(name)(bumpy_probe(seed=1))
    torch.manual_seed(99)  # dropout draws from its own numbers
    assert build_score(name)(bumpy_probe(seed=1)) == first
    assert math.isfinite(first)
    assert (build_score(name)(bumpy_probe(seed=2)) == first) == (name in ("macs", "params", "zen"))


@pytest.mark.parametrize("name", NAMES)
def test_only_the_data_free_scores_ignore_the_images(name):
    score = build_score(name)
    assert (score(bumpy_probe(images=1)) == score(bumpy_probe(images=2))) == score.data_free


@pytest.mark.parametrize("name", NAMES)
def test_every_score_takes_every_network_of_the_benchmark(name):
    """Also the cells without a path, whose outputs do not depend on the image."""
    space = NasBench201(channels=4, cells=1)
    x, labels = torch.randn(4, 3, 8, 8), torch.arange(4)
    cells = [dict.fromkeys(space.decisions, op) for op in ("none", "nor_conv_3x3")]
    empty, full = (build_score(name)(probe_classifier(space.network(cell), x, labels, 4)) for cell in cells)
    assert not math.isnan(empty)
    assert math.isfinite(full)
    assert name in ("fisher", "grasp") or full > empty


# ---- names and probes ----------------------------------------------------------------------------------------------------


def test_names_and_arguments_are_checked():
    with pytest.raises(ValueError, match=r"unknown score 'zem'; known are \['fisher', .*'zen'\]"):
        build_score("zem")
    with pytest.raises(ValueError, match=r"score 'zen' has no argument 'repeat'; it has \['repeats', "):
        build_score("zen", repeat=3)
    with pytest.raises(ValueError, match="score 'snip' has no argument 'x'"):
        build_score("snip", x=1)


def test_a_name_is_given_once():
    with pytest.raises(ValueError, match=r"score 'snip' is already defined by .*snip.Snip"):
        type("Other", (ZeroCostScore,), {"name": "snip"})


def test_a_probe_of_a_classifier():
    space = NasBench201(channels=4, cells=1)
    backbone = space.network(space.sample(random.Random(0)))
    x, labels = torch.randn(4, 3, 8, 8), torch.tensor([0, 1, 2, 2])
    torch.manual_seed(5)
    before = torch.get_rng_state()
    one, again, other = (probe_classifier(backbone, x, labels, 3, seed=seed) for seed in (1, 1, 2))
    assert torch.equal(torch.get_rng_state(), before)
    assert torch.equal(one.model.linear.weight, again.model.linear.weight)
    assert not torch.equal(one.model.linear.weight, other.model.linear.weight)
    assert one.features(x).shape == (4, 16, 2, 2)
    expected = one.model.linear(backbone(x)[-1].mean((2, 3)))
    assert torch.equal(one.outputs(x), expected)
    assert torch.equal(one.loss(), nn.functional.cross_entropy(expected, labels))
    with pytest.raises(ValueError, match=r"labels must be from 0 to num_classes - 1 = 1, got 0 to 2"):
        probe_classifier(backbone, x, labels, 2)
    with pytest.raises(ValueError, match=r"labels must be one per image, \(4,\), got shape \(3,\)"):
        probe_classifier(backbone, x, labels[:3], 3)


def test_images_have_four_dimensions():
    for wrong in (torch.zeros(3, 8, 8), torch.zeros(0, 3, 8, 8)):
        with pytest.raises(ValueError, match="images must be"):
            Probe(Bumpy(), wrong, lambda: None, lambda x: x)
