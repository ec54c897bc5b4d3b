"""The two forms of the DARTS supernet compute the same: outputs, gradients, running statistics."""

import copy
import io
import pickle
import random

import pytest
import torch
from supernet_forms import assert_same, images, pair, step
from torch import nn

from lightning_nas.spaces import Darts
from lightning_nas.spaces.option_weights import OptionWeights

# ---- equality -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize(("stem", "size"), [("cifar", 8), ("cifar", 11), ("cifar", (9, 12)), ("imagenet", 40)])
def test_forms_are_equal(stem, size, training):
    """Normal and reduction cells (three cells hold both), several steps of the running statistics."""
    textbook, fused = pair(stem=stem, steps=4 if size == 8 else 3)
    textbook.train(training)
    fused.train(training)
    assert_same(textbook, fused, images(size), steps=2 if training else 1)  # a step moves statistics in training alone


def test_evaluation_after_training_is_equal():
    textbook, fused = pair(steps=2)
    x = images(8)
    for _ in range(3):
        step(textbook, x)
        step(fused, x)
    textbook.eval()
    fused.eval()
    assert_same(textbook, fused, x)


def test_forms_are_equal_in_single_precision():
    textbook, fused = pair(torch.float32)
    assert_same(textbook, fused, images(16, torch.float32), tolerance=1e-3)


@pytest.mark.parametrize(
    "ops", [("none", "skip_connect"), ("sep_conv_7x7", "conv_7x1_1x7", "bottleneck_1x7_7x1"), ("nor_conv_3x3",)]
)
def test_other_candidates_are_equal(ops):
    textbook, fused = pair(ops=ops)
    assert_same(textbook, fused, images(9))


def test_two_channels_and_one_image():
    textbook, fused = pair(channels=2)
    assert_same(textbook, fused, images(8, batch=1))


def test_a_map_of_one_pixel_is_refused_as_by_batch_norm():
    textbook, fused = pair()
    for net in (textbook, fused):
        with pytest.raises(ValueError, match="more than 1 value per channel"):
            net(images(2, batch=1))


# ---- paths ----------------------------------------------------------------------------------------------------------


def test_one_active_path_is_equal():
    textbook, fused = pair()
    for seed in range(3):
        choices = textbook.space.sample(random.Random(seed))
        textbook.activate(choices)
        fused.activate(choices)
        assert_same(textbook, fused, images(8))


def test_drawn_options_get_their_straight_through_gradient():
    """As GDAS does it: one option per edge, some nodes with nothing but ``none``."""
    textbook, fused = pair()

    seed = 0

    def draw(logits):
        drawn = {}
        for name, group in logits.items():
            index = torch.randint(group.shape[1], (group.shape[0],), generator=torch.Generator().manual_seed(seed))
            index[:2] = 0  # nothing enters the first node
            soft = group.softmax(dim=-1)
            hard = nn.functional.one_hot(index, group.shape[1]).to(group)
            drawn[name] = OptionWeights(hard - soft.detach() + soft, tuple((int(i),) for i in index))
        return drawn

    textbook.relaxation = fused.relaxation = draw
    for seed in range(3):  # noqa: B007 - draw reads it
        assert_same(textbook, fused, images(8))
    assert fused.logits["normal"].grad.abs().sum() > 0


# ---- frozen parts ---------------------------------------------------------------------------------------------------


def test_frozen_weights_leave_the_gradients_of_the_logits():
    textbook, fused = pair()
    for net in (textbook, fused):
        for p in net.weights().values():
            p.requires_grad_(False)
    assert_same(textbook, fused, images(8))
    assert all(p.grad is None for p in fused.weights().values())


def test_frozen_logits_leave_the_gradients_of_the_weights():
    textbook, fused = pair()
    for net in (textbook, fused):
        for p in net.logits.values():
            p.requires_grad_(False)
    assert_same(textbook, fused, images(8))
    assert all(p.grad is None for p in fused.logits.values())


# ---- precision, copies, choice of the form --------------------------------------------------------------------------


def test_autocast_gives_the_same_up_to_its_rounding():
    textbook, fused = pair(torch.float32)
    exact = copy.deepcopy(textbook)
    x = images(16, torch.float32)
    with torch.autocast("cpu", torch.bfloat16):
        rounded, found = step(textbook, x), step(fused, x)
    expected = step(exact, x)
    for one, other, true in zip(found, rounded, expected, strict=True):
        assert one.dtype == other.dtype
        assert (one.float() - true).norm() <= 1.5 * (other.float() - true).norm()
    errors = {"textbook": 0.0, "fused": 0.0}
    for name, p in exact.named_parameters():
        for form, net in (("textbook", textbook), ("fused", fused)):
            grad = net.get_parameter(name).grad
            assert grad.dtype == torch.float32
            errors[form] += float((grad - p.grad).square().sum())
    assert errors["fused"] <= 1.2 * errors["textbook"]


def test_forms_have_one_state_and_survive_copies():
    textbook, fused = pair(steps=2, ops=("none", "max_pool_3x3", "skip_connect", "sep_conv_3x3", "dil_conv_3x3"))
    assert list(textbook.state_dict()) == list(fused.state_dict())
    x = images(8)
    step(fused, x)
    textbook.load_state_dict(fused.state_dict())
    file = io.BytesIO()
    torch.save(fused, file)
    file.seek(0)
    for twin in (copy.deepcopy(fused), pickle.loads(pickle.dumps(fused)), torch.load(file, weights_only=False)):
        assert twin.form == "fused"
        assert_same(textbook, twin, x)
        textbook.load_state_dict(fused.state_dict())


def test_second_derivatives_need_the_textbook_form():
    textbook, fused = pair()
    logits = fused.logits["normal"]
    with pytest.raises(RuntimeError, match=r"set_form\('textbook'\)"):
        torch.autograd.grad(fused(images(8))[-1].square().sum(), logits, create_graph=True)
    logits = textbook.logits["normal"]
    first = torch.autograd.grad(textbook(images(8))[-1].square().sum(), logits, create_graph=True)[0]
    assert torch.autograd.grad(first.square().sum(), logits)[0].abs().sum() > 0


def test_form_is_fused_unless_asked_otherwise():
    net = Darts(channels=4, cells=3).supernet()
    assert net.form == "fused"
    net.set_form("textbook")
    assert net.form == "textbook"
    assert {cell.form for cell in net.macro.cells} == {"textbook"}
    with pytest.raises(ValueError, match=r"form must be 'fused' or 'textbook', got 'fast'"):
        net.set_form("fast")
