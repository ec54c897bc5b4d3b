"""Partial channels, edge weights and auxiliary skips: the fused form is the textbook's, and counts are published."""

import pytest
import torch
from torch import nn

from lightning_nas.errors import ArgumentError
from lightning_nas.ops.beside import SkipBeside
from lightning_nas.ops.mixed import MixedOp
from lightning_nas.ops.partial import PartialEdge
from lightning_nas.spaces import AutoDeepLab, Chain, Darts, NasBench201, OptionWeights
from lightning_nas.strategies import Darts as Strategy
from lightning_nas.strategies.gradient.adapters import AuxiliarySkip, EdgeWeights, PartialChannels

OPS = ("none", "skip_connect", "sep_conv_3x3", "dil_conv_3x3", "max_pool_3x3")
SPACE = Darts(channels=4, cells=3, steps=2, ops=OPS)


def adapted(space=SPACE, **arguments):
    torch.manual_seed(0)
    supernet, strategy = space.supernet(), Strategy(**arguments)
    strategy.adapt(supernet)
    strategy.attach(supernet)
    strategy.begin_epoch(1, 4)
    supernet.relaxation = strategy.relax
    with torch.no_grad():
        for group in [*supernet.logits.values(), *supernet.edge_logits.values()]:
            group.normal_(generator=torch.Generator().manual_seed(1))
    return supernet.double(), strategy


@pytest.mark.parametrize(
    "arguments",
    [
        {"partial_channels": 2},
        {"partial_channels": 4, "edge_weights": True},
        {"edge_weights": True},
        {"auxiliary_skip": 0.8},
        {"partial_channels": 2, "edge_weights": True, "auxiliary_skip": 0.8},
    ],
    ids=str,
)
@pytest.mark.parametrize("size", [16, 11])
def test_the_fused_form_is_the_textbooks(arguments, size):
    x = torch.randn(2, 3, size, size, dtype=torch.float64, generator=torch.Generator().manual_seed(2))
    seen = []
    for form in ("textbook", "fused"):
        supernet, _ = adapted(**arguments)
        supernet.set_form(form)
        maps = supernet(x)
        loss = sum((m * torch.linspace(-1, 1, m.numel(), dtype=m.dtype).view_as(m)).sum() for m in maps)
        parameters = dict(supernet.named_parameters())
        found = torch.autograd.grad(loss, list(parameters.values()), allow_unused=True)
        statistics = [b for name, b in supernet.named_buffers() if "running" in name]
        seen.append((maps, dict(zip(parameters, found, strict=True)), statistics))
    (maps, gradients, statistics), (others, other_gradients, other_statistics) = seen
    torch.testing.assert_close(maps, others)
    torch.testing.assert_close(statistics, other_statistics)
    for name, gradient in gradients.items():
        other = other_gradients[name]
        assert (gradient is None or not gradient.any()) == (other is None or not other.any()), name
        if gradient is not None and other is not None:
            torch.testing.assert_close(gradient, other)


def test_an_edge_of_partial_channels_is_its_definition():
    edge = PartialEdge(MixedOp(OPS, 8, 2), 4)
    x, values = torch.randn(2, 8, 7, 7), torch.rand(5)
    out = edge(x, values)
    assert out.shape == (2, 8, 4, 4)
    back = out.view(2, 2, 4, 4, 4).transpose(1, 2).reshape(out.shape)  # the shuffle undone
    torch.testing.assert_close(back[:, :2], edge.mixed(x[:, :2], values))
    assert torch.equal(back[:, 2:], nn.functional.max_pool2d(x[:, 2:], 2, 2, ceil_mode=True))
    assert edge(x, values, ()) is None, "an absent edge lets nothing pass"


def test_edge_weights_of_a_node_sum_to_one_and_take_part_in_decoding():
    supernet, strategy = adapted(edge_weights=True)
    shares = EdgeWeights.shares(supernet)["normal"]
    sums = [float(shares[node.start : node.stop].sum()) for node in supernet.nodes()["normal"]]
    assert sums == pytest.approx([1.0, 1.0])
    with torch.no_grad():
        for group in supernet.logits.values():
            group.zero_()
            group[:, 2] = 1.0  # all edges equally strong
        supernet.edge_logits["normal"].copy_(torch.tensor([0.0, 0.0, 5.0, 0.0, 4.0]))
    choices = strategy.decode(SPACE, supernet.decision_logits())
    assert choices["normal.3.inputs"] == "0+2"
    with torch.no_grad():
        supernet.edge_logits["normal"].copy_(torch.tensor([0.0, 0.0, 0.0, 5.0, 4.0]))
    assert strategy.decode(SPACE, supernet.decision_logits())["normal.3.inputs"] == "1+2"


@pytest.mark.parametrize(
    "space",
    [
        NasBench201(channels=4, cells=1),
        AutoDeepLab(channels=4, layers=2, blocks=2, ops=OPS),
        Chain(stem_channels=4, first_channels=4, widths=(4, 8), depths=(2, 2), strides=(2, 2)),
    ],
    ids=lambda space: space.name,
)
def test_other_spaces_are_adapted_where_channels_can_pass_by(space):
    supernet, _ = adapted(space, partial_channels=2, auxiliary_skip=1.0)
    assert any(isinstance(module, PartialEdge) for module in supernet.modules())
    skips = [module for module in supernet.modules() if isinstance(module, SkipBeside)]
    assert skips
    assert {skip.share for skip in skips} == {0.75}
    maps = supernet(torch.randn(2, 3, 32, 32, dtype=torch.float64))
    assert all(torch.isfinite(m).all() for m in maps)


def test_what_cannot_be_adapted_is_refused():
    with pytest.raises(ArgumentError, match="partial_channels = 3: an edge has 4 channels, expected a multiple of 3"):
        PartialChannels(parts=3).adapt(SPACE.supernet())
    flat = Chain(stem_channels=4, first_channels=4, widths=(8,), depths=(1,), strides=(2,))
    with pytest.raises(ArgumentError, match="partial_channels = 2: the space 'chain' has no mixed operations"):
        PartialChannels(parts=2).adapt(flat.supernet())
    alone = flat.supernet()
    EdgeWeights().adapt(alone)
    assert not alone.edge_logits, "one edge per node has the weight 1"
    with pytest.raises(ArgumentError, match=r"auxiliary_skip = 1\.0: the space 'chain'"):
        AuxiliarySkip().adapt(flat.supernet())


def test_rows_carry_the_share_of_their_edge():
    weights = OptionWeights(torch.ones(2, 3), shares=torch.tensor([0.25, 0.75]))
    assert [float(row.share) for row in weights.rows()] == [0.25, 0.75]
    assert [row.share for row in OptionWeights(torch.ones(2, 3)).rows()] == [None, None]
