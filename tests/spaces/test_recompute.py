"""Networks whose activations are recomputed in the backward pass."""

import copy
import random

import pytest
import torch

from lightning_nas.ops.layers.checkpointing import set_recompute
from lightning_nas.spaces import AutoDeepLab, Chain, Darts, Gas

SPACES = [
    AutoDeepLab(channels=2, layers=4, blocks=2, stem_channels=2),
    Darts(channels=4, cells=4),
    Gas(channels=4, cells=4),
    Chain(stem_channels=4, first_channels=4, widths=(6, 8), depths=(2, 2), strides=(2, 2)),
]


@pytest.mark.parametrize("space", SPACES, ids=lambda space: space.name)
@pytest.mark.parametrize("kind", ["network", "supernet"])
def test_recomputed_activations_change_nothing_but_memory(space, kind):
    x = torch.randn(2, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    found = []
    torch.manual_seed(0)
    network = space.supernet() if kind == "supernet" else space.network(space.sample(random.Random(0)))
    before = copy.deepcopy(network.state_dict())
    for recompute in (False, True):
        network.load_state_dict(before)
        network.zero_grad()
        assert set_recompute(network, recompute) > 3
        kept = []
        with torch.autograd.graph.saved_tensors_hooks(lambda t, kept=kept: kept.append(t.nbytes) or t, lambda t: t):
            loss = torch.stack([f.square().mean() for f in network(x)]).sum()
        forward = sum(kept)
        loss.backward()
        gradients = {name: p.grad for name, p in network.named_parameters() if p.grad is not None}
        found.append((gradients, {name: b.clone() for name, b in network.named_buffers()}, forward))
    (plain, statistics, much), (saving, again, little) = found
    assert little < 0.7 * much
    assert gradients
    torch.testing.assert_close(saving, plain)
    torch.testing.assert_close(again, statistics)
