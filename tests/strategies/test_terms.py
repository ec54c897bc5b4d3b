"""Terms of the logits' loss against their closed forms; expected costs against those of real networks."""

import functools
import random

import pytest
import torch
from scipy.stats import spearmanr
from torch import nn

from lightning_nas.cost import Call, cost_of_call
from lightning_nas.errors import ArgumentError
from lightning_nas.spaces import (
    AutoDeepLab,
    Chain,
    Darts,
    EnasMacro,
    Fpn,
    Gas,
    NasBench201,
    NasNet,
    Product,
    ShuffleNetV2,
)
from lightning_nas.strategies import Darts as Strategy
from lightning_nas.strategies.gradient.terms import BetaDecay, Cost, Distance, Latency, Macs, ZeroOne

LOGITS = {
    "a": torch.randn(3, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(0)).requires_grad_(),
    "b": torch.randn(2, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(1)).requires_grad_(),
}


def gradients(value):
    return torch.autograd.grad(value, list(LOGITS.values()), allow_unused=True)


def test_the_gradient_of_beta_decay_is_the_softmax_over_the_number_of_edges():
    for found, logits in zip(gradients(BetaDecay().value(LOGITS, {})), LOGITS.values(), strict=True):
        torch.testing.assert_close(found, logits.softmax(-1) / 5)


def test_beta_decay_grows_linearly_over_the_epochs():
    term = BetaDecay(weight=50.0)
    weights = []
    for epoch in range(5):
        term.begin_epoch(epoch, 5)
        weights.append(term.now)
    assert weights == [0.0, 12.5, 25.0, 37.5, 50.0]


def test_zero_one_is_nothing_when_undecided_and_lowest_when_decided():
    halves = {name: torch.full_like(group, 0.5) for name, group in LOGITS.items()}
    assert ZeroOne().value(LOGITS, halves) == 0
    assert ZeroOne().value(LOGITS, {"a": torch.tensor([[0.0, 1.0]])}) == -0.25
    mean = {name: group.sigmoid() for name, group in LOGITS.items()}
    w = torch.cat([group.flatten() for group in mean.values()])
    expected = -2 * (w - 0.5) * w * (1 - w) / len(w)
    found = torch.cat([g.flatten() for g in gradients(ZeroOne().value(LOGITS, mean))])
    torch.testing.assert_close(found, expected)


def test_the_distance_is_euclidean_and_smooth_at_the_start():
    term = Distance()
    term.start(LOGITS)
    assert all((g == 0).all() for g in gradients(term.value(LOGITS, {})))
    term.start({name: torch.zeros_like(group) for name, group in LOGITS.items()})
    value = term.value(LOGITS, {})
    flat = torch.cat([group.flatten() for group in LOGITS.values()])
    torch.testing.assert_close(value, flat.norm())
    torch.testing.assert_close(gradients(value)[0], LOGITS["a"] / flat.norm())


# ---- costs ------------------------------------------------------------------------------------------------------


class Model(nn.Module):
    def __init__(self, backbone):
        super().__init__()
        self.backbone = backbone
        self.head = nn.Conv2d(backbone.feature_info.channels()[-1], 7, 3, padding=1)

    def forward(self, x):
        return self.head(self.backbone(x)[-1])


OPS = ("none", "skip_connect", "sep_conv_3x3", "max_pool_3x3")
MB = ("mbconv_k3_e3", "mbconv_k5_e6", "skip_connect")
CHAIN = Chain(stem_channels=4, first_channels=4, widths=(4, 8), depths=(3, 2), strides=(2, 2), min_depth=1, ops=MB)
SPACES = {
    "darts": Darts(channels=4, cells=3, steps=2, ops=OPS),
    "nasbench201": NasBench201(channels=4, cells=1),
    "gas": Gas(channels=4, cells=3, ops=OPS),
    "chain": CHAIN,
    "auto_deeplab": AutoDeepLab(channels=4, layers=3, blocks=2, ops=OPS),
    "nasnet": NasNet(channels=4, cells=3, blocks=2, ops=("skip_connect", "sep_conv_3x3")),
    "shufflenetv2": ShuffleNetV2(stem_channels=4, widths=(8, 12), depths=(2, 1), head_channels=16),
    "product": Product({"backbone": CHAIN, "neck": Fpn(channels=8)}),
}


def onehot(supernet, choices):
    path = supernet.path(choices)
    found = {}
    for name, group in supernet.logits.items():
        found[name] = torch.zeros(group.shape, dtype=torch.float64)
        for row, options in enumerate(path[name]):
            found[name][row, list(options)] = 1
    return found


APPROXIMATE = ("nasnet", "auto_deeplab")  # layers that no option is depend on the choices, too
CALL = Call((torch.zeros(1, 3, 32, 32),))


@functools.cache
def counted(name):
    """A supernet of a space, and architectures with what their whole networks cost."""
    space = SPACES[name]
    drawn = [space.sample(random.Random(seed + 5)) for seed in range(12 if name in APPROXIMATE else 3)]
    return space.supernet(), [(choices, cost_of_call(Model(space.network(choices)), CALL)) for choices in drawn]


@pytest.mark.parametrize("kind", ["macs", "params"])
@pytest.mark.parametrize("name", SPACES)
def test_the_expected_cost_of_one_architecture_is_that_of_its_whole_network(name, kind):
    supernet, costs = counted(name)
    term, first = Cost(kind=kind, weight=1.0), SPACES[name].sample(random.Random(0))
    term.prepare(supernet, Model(supernet), lambda: CALL, first)
    pairs = []
    for choices, whole in costs:
        true = whole.macs if kind == "macs" else whole.parameters
        pairs.append((float(term.expected(onehot(supernet, choices))), true))
    if name in APPROXIMATE:
        assert spearmanr(*zip(*pairs, strict=True)).statistic > 0.7
    else:
        assert all(ours == pytest.approx(true, rel=1e-6) for ours, true in pairs)
    mean = {n: g.detach().double().softmax(-1).requires_grad_() for n, g in supernet.logits.items()}
    expected = term.expected(mean)
    grads = torch.autograd.grad(expected, list(mean.values()), allow_unused=True)
    assert any(g is not None and g.abs().max() > 0 for g in grads)


def test_a_target_is_approached_from_both_sides():
    space = SPACES["nasbench201"]
    supernet, call = space.supernet(), Call((torch.zeros(1, 3, 32, 32),))
    mean = {"cell": torch.full((6, 5), 0.2)}
    free, aimed = Macs(weight=1.0), Macs(weight=1.0, target=1e6)
    for term in (free, aimed):
        term.prepare(supernet, Model(supernet), lambda: call, space.decode(supernet.logits))
    expected = float(free.expected(mean))
    assert float(free.value({}, mean)) == pytest.approx(torch.tensor(expected).log().item())
    assert float(aimed.value({}, mean)) == pytest.approx(abs(expected / 1e6 - 1))
    aimed.target = 2 * expected
    assert float(aimed.value({}, mean)) == pytest.approx(0.5)
    state = aimed.state_dict()
    other = Macs(weight=1.0, target=2 * expected)
    other.load_state_dict(state)
    other._supernet = [supernet]
    assert float(other.expected(mean)) == expected


def test_latency_is_measured_for_the_whole_network():
    space = NasBench201(channels=4, cells=1, ops=("none", "skip_connect", "nor_conv_3x3"))
    supernet, term = space.supernet(), Latency(weight=1.0)
    call = Call((torch.zeros(1, 3, 8, 8),))
    term.prepare(supernet, Model(supernet), lambda: call, space.decode(supernet.logits))
    assert term.rest > 0
    assert all(price[0] == 0 and price[2] > 0 for price in term.prices)


def test_a_space_that_does_not_say_where_its_options_stand_is_refused():
    with pytest.raises(ArgumentError, match=r"terms.macs = 1.0: the space 'enas_macro'"):
        Macs(weight=1.0).check(EnasMacro(channels=4, layers=3).supernet())


def test_a_term_counts_in_the_penalty_with_its_weight():
    supernet = SPACES["nasbench201"].supernet()
    strategy = Strategy(terms={"zero_one": 3.0})
    strategy.attach(supernet)
    mean = {"cell": supernet.logits["cell"].softmax(-1)}
    torch.testing.assert_close(strategy.penalty(supernet), 3 * ZeroOne().value({}, mean))
    assert Strategy().penalty(supernet) is None
