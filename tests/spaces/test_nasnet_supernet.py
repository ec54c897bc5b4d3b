"""The supernet of the NASNet space: its paths, its forms, its mix, what it decodes."""

import copy
import itertools
import random

import pytest
import torch
from cell_networks import randomised, take_weights, unread
from nasnet_cells import OPS, SMALL, images

from lightning_nas.ops.mixed import MixedOp
from lightning_nas.spaces import NasNet
from lightning_nas.spaces.nasnet.search_cell import unread_shares
from lightning_nas.spaces.option_weights import OptionWeights


@pytest.mark.parametrize("affine", [False, True])
@pytest.mark.parametrize("form", ["textbook", "fused"])
def test_a_path_is_the_found_network_of_the_same_weights(affine, form):
    for seed in range(2):
        torch.manual_seed(seed)
        space = NasNet(**SMALL, supernet_affine=affine)
        choices = space.sample(random.Random(seed))
        supernet, network = randomised(space.supernet(), seed), space.network(choices).double().eval()
        left = take_weights(network, supernet, space, choices)
        # BatchNorm of a found network has a scale and shift of 1 and 0 where the supernet's has none
        assert affine is not any("norm" in name for name in left)
        assert all(name.endswith(("norm.weight", "norm.bias")) for name in left)
        supernet.set_form(form)
        supernet.activate(choices)
        with torch.no_grad():
            expected, path = network(images()), supernet(images())
        states = unread(space, choices, "normal")
        parts = path[-1].chunk(space.blocks + 2, dim=1)
        torch.testing.assert_close(torch.cat([parts[state] for state in states], dim=1), expected[-1])
        assert all((part == 0).all() for state, part in enumerate(parts) if state not in states)


def test_both_forms_compute_and_learn_the_same():
    torch.manual_seed(0)
    fused = NasNet(channels=4, cells=3, blocks=2, ops=(*OPS, "dil_conv_3x3")).supernet().double()
    with torch.no_grad():
        for group in fused.logits.values():
            group.normal_()
    plain = copy.deepcopy(fused)
    plain.set_form("textbook")
    for network in (fused, plain):
        features = network(images(3))
        sum((f * torch.linspace(-1, 1, f.numel(), dtype=f.dtype).view_as(f)).sum() for f in features).backward()
    torch.testing.assert_close(fused(images(3)), plain(images(3)))
    for (name, p), q in zip(fused.named_parameters(), plain.parameters(), strict=True):
        if p.grad is None or name.endswith("conv.bias"):  # a bias in front of a BatchNorm: zero up to rounding
            continue
        assert (p.grad - q.grad).norm() <= 1e-8 * (1 + q.grad.norm()), name
    for (name, buffer), other in zip(fused.named_buffers(), plain.buffers(), strict=True):
        torch.testing.assert_close(buffer, other, msg=name)
    assert sum(p.grad is not None for p in fused.parameters()) > 100
    with pytest.raises(ValueError, match="form"):
        fused.set_form("fast")


def test_the_mixed_cell_is_the_sum_over_states_and_operations():
    torch.manual_seed(0)
    space = NasNet(channels=4, cells=1, blocks=2, ops=OPS)
    supernet = randomised(space.supernet())
    with torch.no_grad():
        for group in supernet.logits.values():
            group.normal_()
    cell = supernet.macro.cells[0]
    p_op = supernet.logits["reduce"].softmax(-1)  # the only cell is a reduction
    p_in = {n: supernet.logits[f"reduce_inputs{n}"].softmax(-1) for n in (2, 3)}
    stem = supernet.macro.stem(images())
    states, edge = list(cell.inputs(stem, stem)), 0
    for n in (2, 3):
        total = 0
        for side, source in itertools.product((0, 1), range(n)):
            for o, candidate in enumerate(cell.edges[edge].candidates):
                total = total + p_in[n][side, source] * p_op[edge, o] * candidate(states[source])
            edge += 1
        states.append(total)
    assert edge == len(cell.edges) == 10
    states[:2] = [cell.outcome.halve[str(i)](states[i]) for i in (0, 1)]
    shares = [(1 - p_in[2][0, s]) * (1 - p_in[2][1, s]) if s < 2 else 1.0 for s in range(4)]
    shares = [share * ((1 - p_in[3][0, s]) * (1 - p_in[3][1, s]) if s < 3 else 1.0) for s, share in enumerate(shares)]
    expected = torch.cat([share * x for share, x in zip(shares, states, strict=True)], dim=1)
    torch.testing.assert_close(supernet(images())[-1], expected)


def test_shares_of_states_are_probabilities_of_not_being_read():
    generator = torch.Generator().manual_seed(0)
    values = [torch.rand(2, n, generator=generator, dtype=torch.float64) for n in (2, 3)]
    values = [v / v.sum(dim=1, keepdim=True) for v in values]
    expected = torch.zeros(4, dtype=torch.float64)
    for read in itertools.product(range(2), range(2), range(3), range(3)):
        probability = values[0][0, read[0]] * values[0][1, read[1]] * values[1][0, read[2]] * values[1][1, read[3]]
        for state in set(range(4)) - set(read):
            expected[state] += probability
    torch.testing.assert_close(torch.stack(unread_shares([OptionWeights(v) for v in values])), expected)


def test_logits_and_candidates_of_the_supernet():
    supernet = NasNet(channels=2, cells=3, ops=("skip_connect", "max_pool_3x3")).supernet()
    shapes = {name: tuple(group.shape) for name, group in supernet.logits.items()}
    assert shapes == dict.fromkeys(("normal", "reduce"), (40, 2)) | {
        f"{cell}_inputs{n}": (2, n) for cell in ("normal", "reduce") for n in range(2, 7)
    }
    strides = [m.stride for m in supernet.macro.cells[1].modules() if isinstance(m, MixedOp)]
    assert strides == [2 if source < 2 else 1 for n in range(2, 7) for _ in (0, 1) for source in range(n)]
    assert supernet.feature_info.channels() == [14, 28, 56]


def test_decode_takes_the_likeliest_pair_of_state_and_operation():
    space = NasNet(channels=2, cells=3, blocks=1, ops=("skip_connect", "max_pool_3x3"))
    logits = {name: torch.zeros_like(group) for name, group in space.supernet().logits.items()}
    logits["normal_inputs2"] = torch.tensor([[0.6, 0.4], [0.6, 0.4]]).log()
    logits["normal"] = torch.tensor([[0.5, 0.5], [0.01, 0.99], [0.7, 0.3], [0.5, 0.5]]).log()
    choices = space.decode(logits)
    # side 0: 0.4 * 0.99 above 0.6 * 0.5, though state 0 is the likelier one; side 1: 0.6 * 0.7
    assert [choices[f"normal.2.{what}"] for what in ("input0", "op0")] == [1, "max_pool_3x3"]
    assert [choices[f"normal.2.{what}"] for what in ("input1", "op1")] == [0, "skip_connect"]
    assert [choices[f"reduce.2.{what}"] for what in ("input0", "op0")] == [0, "skip_connect"], "ties: lower index"
