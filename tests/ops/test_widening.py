"""Candidates that see more channels: what is a copy of what, against loops, by what copies compute, for every operation."""

import pytest
import torch
from torch import nn

from lightning_nas.errors import ArgumentError
from lightning_nas.ops import build_op, op_names
from lightning_nas.ops.mixed import MixedOp
from lightning_nas.ops.widening import Copy, copied, widened

BEFORE, AFTER = 4, 6


def drawing(seed=0):
    """Draws copies as a search does, and notes them."""
    generator, drawn = torch.Generator().manual_seed(seed), []

    def draw(before, after):
        copies = torch.randint(before, (after - before,), generator=generator)
        drawn.append(torch.cat([torch.arange(before), copies]))
        return drawn[-1]

    return draw, drawn


def grown(name, stride=1, before=BEFORE, after=AFTER, **arguments):
    """A candidate with numbers everywhere, the same with more channels, filled from it, and what has been drawn."""
    torch.manual_seed(0)
    old, new = (build_op(name, width, width, stride=stride, **arguments).double() for width in (before, after))
    with torch.no_grad():
        for tensor in [*old.parameters(), *old.buffers()]:
            if tensor.is_floating_point():
                tensor.copy_(torch.rand_like(tensor) + 0.1)
    draw, drawn = drawing()
    indices, leaving = copied(new, old, None, draw)
    given = old.state_dict()
    new.load_state_dict({key: Copy(key, indices.get(key, ())).of(given[key]) for key in new.state_dict()})
    return old, new, drawn, leaving


def test_a_convolution_and_its_norm_are_copied_as_by_hand():
    old, new, (read, written), _ = grown("nor_conv_3x3", affine=False)
    assert read.tolist()[:4] == written.tolist()[:4] == [0, 1, 2, 3]
    assert not torch.equal(read, written), "a test that tells both dimensions apart"
    for o in range(AFTER):
        source = int(written[o])
        for i in range(AFTER):
            assert torch.equal(new.conv.weight[o, i], old.conv.weight[source, int(read[i])])
        assert new.conv.bias[o] == old.conv.bias[source]
        assert new.norm.running_mean[o] == old.norm.running_mean[source]
        assert new.norm.running_var[o] == old.norm.running_var[source]


def test_a_separable_convolution_reads_the_channels_that_it_has_written():
    old, new, (read, between, written), _ = grown("sep_conv_3x3")
    for c in range(AFTER):
        assert torch.equal(new[0].depthwise.weight[c], old[0].depthwise.weight[read[c]])
        assert torch.equal(new[1].depthwise.weight[c], old[1].depthwise.weight[between[c]])
        assert new[0].norm.running_var[c] == old[0].norm.running_var[between[c]]
        assert new[1].norm.weight[c] == old[1].norm.weight[written[c]]
        for i in range(AFTER):
            assert torch.equal(new[0].pointwise.weight[c, i], old[0].pointwise.weight[between[c], read[i]])
            assert torch.equal(new[1].pointwise.weight[c, i], old[1].pointwise.weight[written[c], between[i]])


def test_a_strided_skip_normalises_the_channels_that_it_has():
    old, new, (read, upper, second_read, lower), leaving = grown("skip_connect", stride=2)
    sources = [*upper.tolist(), *(BEFORE // 2 + lower).tolist()]
    assert leaving.tolist() == sources
    assert [new.norm.running_mean[c] for c in range(AFTER)] == [old.norm.running_mean[c] for c in sources]
    for o in range(AFTER // 2):
        for i in range(AFTER):
            assert new.conv1.weight[o, i] == old.conv1.weight[upper[o], read[i]]
            assert new.conv2.weight[o, i] == old.conv2.weight[lower[o], second_read[i]]


WHOLE = (  # whose every output channel sees every input channel, and nothing passes by
    "sep_conv_5x5", "dil_conv_3x3", "nor_conv_1x1", "conv_7x1_1x7", "bottleneck_1x7_7x1", "enas_sep_conv_3x3",
    "enas_avg_pool_3x3", "atrous_conv_3x3", "mbconv_k5_e3", "skip_connect",
)  # fmt: skip


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("name", WHOLE)
def test_a_copy_computes_what_its_original_does(name, training):
    _, new, _, leaving = grown(name, stride=2)
    out = new.train(training)(torch.randn(2, AFTER, 8, 8, dtype=torch.float64))
    same = [(c, d) for c in range(AFTER) for d in range(c) if leaving[c] == leaving[d]]
    assert len(same) >= AFTER - BEFORE
    for c, d in same:
        torch.testing.assert_close(out[:, c], out[:, d], rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("name", op_names())
@pytest.mark.parametrize(("before", "after"), [(4, 4), (4, 6), (8, 16)])
def test_every_operation_is_widened(name, before, after):
    old, new, _, _ = grown(name, before=before, after=after)
    first = {key: value[tuple(slice(n) for n in value.shape)] for key, value in old.state_dict().items()}
    for key, value in new.state_dict().items():
        corner = value[tuple(slice(n) for n in first[key].shape)]
        halves = "projection" in key or "shuffle" in name or "conv2" in key
        assert halves or torch.equal(corner, first[key]), f"{key}: the first channels are themselves"


class Grouped(nn.Module):
    """An operation of somebody else."""

    def __init__(self, channels):
        super().__init__()
        self.scale = nn.Parameter(torch.ones(channels))


def mixed(channels, candidate):
    edge = MixedOp(("none", "nor_conv_1x1"), channels, 1)
    edge.candidates[1] = candidate
    return nn.Sequential(edge)


def test_what_cannot_be_widened_is_refused():
    generator = torch.Generator()
    with pytest.raises(
        ArgumentError, match=r"the candidate Grouped cannot be widened: say how with .*copied\.register"
    ):
        widened(mixed(2, Grouped(2)), mixed(4, Grouped(4)), generator)
    grouped = [nn.Conv2d(c, c, 1, groups=2) for c in (4, 8)]
    with pytest.raises(ArgumentError, match="a convolution of 2 groups cannot be widened"):
        widened(mixed(4, grouped[0]), mixed(8, grouped[1]), generator)
    other = [build_op("bottleneck_3x3", c, c, stride=1) for c in (2, 4)]
    with pytest.raises(ArgumentError, match="the candidate BottleneckConv has other layers with more channels"):
        widened(mixed(2, other[0]), mixed(4, other[1]), generator)
    with pytest.raises(ArgumentError, match="4 channels cannot become 2"):
        widened(mixed(4, nn.Conv2d(4, 4, 1)), mixed(2, nn.Conv2d(2, 2, 1)), generator)
    with pytest.raises(ArgumentError, match=r"1\.weight: a tensor of the shape \(3, 3\) does not follow"):
        widened(nn.Sequential(mixed(2, nn.Identity()), nn.Linear(2, 3)),
                nn.Sequential(mixed(2, nn.Identity()), nn.Linear(3, 3)), generator)  # fmt: skip


def test_an_operation_of_somebody_else_says_how():
    class Own(Grouped):
        """Known from here on."""

    @copied.register
    def _(new: Own, old: Own, entering, draw):
        index = draw(len(old.scale), len(new.scale))
        return {"scale": (index,)}, index

    found = widened(mixed(2, Own(2)), mixed(4, Own(4)), torch.Generator().manual_seed(0))
    assert found["0.candidates.1.scale"].indices[0].tolist() == [0, 1, 0, 1]


def test_the_same_seed_draws_the_same():
    edges = [mixed(c, build_op("sep_conv_3x3", c, c, stride=1)) for c in (4, 16)]
    seen = [
        [index.tolist() for made in widened(*edges, torch.Generator().manual_seed(seed)).values()
         for index in made.indices if index is not None]
        for seed in (1, 1, 2)
    ]  # fmt: skip
    assert seen[0] == seen[1] != seen[2]
