"""Multiply-adds of all products of matrices, whichever function computes them, beside values counted by hand."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F
from torch.utils.flop_counter import FlopCounterMode

from lightning_nas.cost import Call, count_macs, macs_of_call
from lightning_nas.cost.macs import MORE

TOKENS, WIDTH, HEADS, HIDDEN = 10, 32, 4, 64
PROJECTIONS = 4 * TOKENS * WIDTH * WIDTH  # of queries, keys, values and of the result
PRODUCTS = 2 * TOKENS * TOKENS * WIDTH  # queries by keys, weights by values, over all heads


class Function(nn.Module):
    """A function of a matrix ``(6, 6)`` that is a parameter and of a vector ``(6,)``."""

    def __init__(self, function):
        super().__init__()
        self.function, self.w = function, nn.Parameter(torch.zeros(6, 6))

    def forward(self, x):
        return self.function(self.w, x)


class SelfAttention(nn.Module):
    def __init__(self, **arguments):
        super().__init__()
        self.attention, self.arguments = nn.MultiheadAttention(WIDTH, HEADS, batch_first=True), arguments

    def forward(self, x):
        return self.attention(x, x, x, **self.arguments)


TOKENS_IN = torch.zeros(1, TOKENS, WIDTH)
LAYER = nn.TransformerEncoderLayer(WIDTH, HEADS, HIDDEN, batch_first=True)


@pytest.mark.parametrize(
    ("module", "expected"),
    [
        (SelfAttention(), PROJECTIONS + PRODUCTS),
        (SelfAttention(need_weights=False), PROJECTIONS + PRODUCTS),
        (SelfAttention(need_weights=False, attn_mask=torch.zeros(TOKENS, TOKENS)), PROJECTIONS + PRODUCTS),
        (nn.TransformerEncoder(LAYER, 2), 2 * (PROJECTIONS + PRODUCTS + 2 * TOKENS * WIDTH * HIDDEN)),
    ],
    ids=["weights", "no weights", "mask", "encoder"],
)
def test_attention_counts_on_the_fast_path_too(module, expected):
    assert torch.backends.mha.get_fastpath_enabled()
    assert macs_of_call(module, Call((TOKENS_IN,))) == expected
    assert torch.backends.mha.get_fastpath_enabled()


def heads(count, width=8):
    return torch.zeros(1, count, TOKENS, width)


@pytest.mark.parametrize(
    ("function", "expected"),
    [
        (lambda w, x: w @ w, 216),
        (lambda w, x: w @ x, 36),
        (lambda w, x: x @ w, 36),
        (lambda w, x: x @ x, 6),
        (lambda w, x: torch.inner(x, x), 6),
        (lambda w, x: torch.vdot(x, x), 6),
        (lambda w, x: torch.addmv(x, w, x), 36),
        (lambda w, x: torch.addmm(w, w, w), 216),
        (lambda w, x: torch.bmm(w[None], w[None]), 216),
        (lambda w, x: torch.baddbmm(w[None], w[None], w[None]), 216),
        (lambda w, x: torch.addbmm(w, w.expand(2, 6, 6), w.expand(2, 6, 6)), 2 * 216),
        (lambda w, x: torch.einsum("ij,jk->ki", w, w), 216),
        (lambda w, x: torch.einsum("bij,bjk->bik", w.expand(3, 6, 6), w.expand(3, 6, 6)), 3 * 216),
        (lambda w, x: torch.tensordot(w, w, 1), 216),
        (lambda w, x: F.linear(x, w), 36),
        (lambda w, x: F.scaled_dot_product_attention(heads(2), heads(2), heads(2)), 2 * 2 * TOKENS**2 * 8),
        (
            lambda w, x: F.scaled_dot_product_attention(heads(4), heads(2), heads(2), enable_gqa=True),
            2 * 4 * TOKENS**2 * 8,
        ),
        (lambda w, x: torch.outer(x, x) * w + w, 0),
    ],
)
def test_products_of_matrices(function, expected):
    assert macs_of_call(Function(function), Call((torch.zeros(6),))) == expected


@pytest.mark.parametrize(("layer", "gates"), [(nn.LSTM, 4), (nn.GRU, 3), (nn.RNN, 1)])
def test_recurrent_layers(layer, gates):
    first, second = 5 * gates * 16 * (8 + 16), 5 * gates * 16 * (32 + 16)  # of each direction
    module = layer(8, 16, num_layers=2, bidirectional=True)
    assert macs_of_call(module, Call((torch.zeros(5, 1, 8),))) == 2 * (first + second)


def test_recurrent_layers_on_a_gpu_are_one_operator():
    shapes = [(64, 8), (64, 16), (64,), (64,)]
    assert MORE[torch.ops.aten._cudnn_rnn]((5, 1, 8), shapes, 4) == 2 * 5 * 64 * (8 + 16)


@pytest.mark.parametrize(
    ("module", "expected"),
    [
        (nn.ConvTranspose2d(4, 6, 3, stride=2, groups=2), 4 * 8 * 8 * 3 * 9),
        (nn.Conv2d(4, 6, 3, padding="same", dilation=2), 6 * 8 * 8 * 4 * 9),
        (nn.Sequential(nn.Upsample(scale_factor=2, mode="bilinear"), nn.Conv2d(4, 8, 1, groups=4)), 8 * 16 * 16),
    ],
)
def test_convolutions_of_other_kinds(module, expected):
    assert count_macs(module, (4, 8, 8)) == expected


class Mixed(nn.Module):
    """A convolution, attention over its places, a classifier: nothing of it counted by hand."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, WIDTH, 3, stride=2, groups=1)
        self.attention = nn.MultiheadAttention(WIDTH, HEADS, batch_first=True)
        self.norm, self.linear = nn.BatchNorm2d(WIDTH), nn.Linear(WIDTH, 5)

    def forward(self, x):
        tokens = self.norm(self.conv(x)).flatten(2).transpose(1, 2)
        return self.linear(self.attention(tokens, tokens, tokens)[0].mean(1))


def half_of_the_flops(module, x):
    with FlopCounterMode(display=False) as counter:  # with gradients, so that attention does not take its fast path
        module.eval()(x)
    return counter.get_total_flops() // 2


def test_it_is_half_of_what_pytorch_counts():
    module = Mixed()
    places = 7 * 7
    by_hand = places * WIDTH * 27 + places * 4 * WIDTH**2 + 2 * places**2 * WIDTH + WIDTH * 5
    assert count_macs(module, (3, 15, 15)) == half_of_the_flops(module, torch.zeros(1, 3, 15, 15)) == by_hand


@pytest.mark.parametrize("compiled_before", [False, True])
def test_compiled_modules_count_as_they_were_written(compiled_before):
    module = Mixed().eval()
    expected = count_macs(module, (3, 15, 15))
    compiled = torch.compile(module, backend="eager")
    in_place = nn.Sequential(Mixed())
    in_place[0].compile(backend="eager")
    for own in (compiled, in_place):
        if compiled_before:
            with torch.no_grad():
                own.eval()(torch.zeros(1, 3, 15, 15))
        assert count_macs(own, (3, 15, 15)) == expected


def test_inference_mode_around_it_changes_nothing():
    module = Mixed()
    expected = count_macs(module, (3, 15, 15))
    with torch.inference_mode():
        assert count_macs(module, (3, 15, 15)) == expected


def test_hooks_modes_and_random_numbers_are_left_alone():
    import random

    import numpy as np

    class Restless(Mixed):
        def forward(self, x):
            random.random(), np.random.rand(), torch.rand(1)  # noqa: NPY002
            return super().forward(x)

    module = Restless().train()
    module.norm.eval()
    seen = []
    module.conv.register_forward_hook(lambda *_: seen.append("own"))
    everywhere = dict(nn.modules.module._global_forward_hooks), dict(nn.modules.module._global_forward_pre_hooks)
    before = {name: value.clone() for name, value in module.state_dict().items()}
    states = random.getstate(), np.random.get_state()[1].tolist(), torch.get_rng_state()  # noqa: NPY002
    count_macs(module, (3, 15, 15))
    assert (random.getstate(), np.random.get_state()[1].tolist()) == states[:2]  # noqa: NPY002
    assert torch.equal(torch.get_rng_state(), states[2])
    assert seen == ["own"]
    assert len(module.conv._forward_hooks) == 1
    assert (nn.modules.module._global_forward_hooks, nn.modules.module._global_forward_pre_hooks) == everywhere
    assert (module.training, module.conv.training, module.norm.training) == (True, True, False)
    assert all(torch.equal(value, before[name]) for name, value in module.state_dict().items())


def test_everything_is_restored_after_an_error():
    with pytest.raises(RuntimeError):
        count_macs(Mixed(), (4, 15, 15))
    assert torch.backends.mha.get_fastpath_enabled()
    assert not nn.modules.module._global_forward_hooks
    assert torch.is_grad_enabled()


def test_torchscript_within_a_module_is_refused_too():
    class Outer(nn.Module):
        def __init__(self):
            super().__init__()
            self.part = torch.jit.trace(nn.Conv2d(3, 4, 3), torch.zeros(1, 3, 8, 8))

        def forward(self, x):
            return self.part(x)

    with pytest.raises(ValueError, match="'part'"):
        count_macs(Outer(), (3, 8, 8))
