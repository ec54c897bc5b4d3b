import random

import pytest
import torch
from torch import nn

from lightning_nas.errors import ArchitectureError
from lightning_nas.networks import inherit_from_run, inherit_weights
from lightning_nas.spaces import Darts
from lightning_nas.spaces.chain.space import Chain
from lightning_nas.spaces.nasbench201.space import NasBench201

OPS = ("none", "skip_connect", "sep_conv_3x3", "dil_conv_5x5")  # no pooling: those are normalised in the supernet only
SPACE = Darts(channels=4, cells=4, ops=OPS)
CHAIN = Chain(stem_channels=4, first_channels=4, widths=(4, 8), depths=(2, 2), strides=(2, 2), min_depth=1)


def as_if_trained(net):
    """Statistics that are not those of a fresh network."""
    for name, value in net.state_dict().items():
        if name.endswith("running_mean"):
            value.normal_(std=0.1)
        elif name.endswith("running_var"):
            value.uniform_(0.5, 2.0)
    return net


@pytest.fixture
def supernet():
    torch.manual_seed(0)
    return as_if_trained(SPACE.supernet())


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("space", [SPACE, NasBench201(channels=4, cells=2), CHAIN], ids=lambda space: space.name)
def test_a_found_network_starts_as_its_path_in_the_supernet(seed, space):
    torch.manual_seed(seed)
    supernet = as_if_trained(space.supernet())
    choices = space.sample(random.Random(seed))
    network = space.network(choices)
    report = inherit_weights(network, supernet, choices)
    supernet.activate(choices)
    supernet.eval()
    network.eval()
    x = torch.randn(2, 3, 16, 16)
    with torch.no_grad():
        for ours, theirs in zip(network(x), supernet(x), strict=True):
            torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-5)
    assert set(report.copied) | set(report.skipped) == set(network.state_dict())
    assert not set(report.copied) & set(report.skipped)
    # What the supernet does not have is the scale and shift of BatchNorm, nothing else.
    assert all(name.endswith((".weight", ".bias")) for name in report.skipped)
    convolutions = {f"{n}.weight" for n, m in network.named_modules() if isinstance(m, nn.Conv2d)}
    assert convolutions <= set(report.copied)


def test_two_operations_on_one_input_are_both_taken(supernet):
    both = Darts(channels=4, cells=4, ops=OPS, same_input=True)
    pair = (("sep_conv_3x3", 1), ("dil_conv_5x5", 1))
    choices = both.from_genes({cell: [pair] * 4 for cell in ("normal", "reduce")})
    network = both.network(choices)
    inherit_weights(network, supernet, choices)
    candidates = supernet.macro.cells[2].edges[1].candidates  # node 2, input 1
    ours = network.macro.cells[2].ops
    assert torch.equal(ours[0][0].depthwise.weight, candidates[2][0].depthwise.weight)
    assert torch.equal(ours[1].depthwise.weight, candidates[3].depthwise.weight)


def test_copies_do_not_share_memory(supernet):
    choices = SPACE.sample(random.Random(0))
    network = SPACE.network(choices)
    inherit_weights(network, supernet, choices)
    before = supernet.macro.stem[0].weight.detach().clone()
    with torch.no_grad():
        network.macro.stem[0].weight.add_(1.0)
    assert torch.equal(supernet.macro.stem[0].weight, before)


def test_a_deeper_network_takes_what_exists_and_a_wider_one_what_fits(supernet):
    choices = SPACE.sample(random.Random(1))
    deeper = Darts(channels=4, cells=5, ops=OPS).network(choices)
    report = inherit_weights(deeper, supernet, choices)
    assert {name for name in deeper.state_dict() if name.startswith("macro.cells.4.")} <= set(report.skipped)
    assert report.skipped["macro.cells.4.preprocess.newer.conv.weight"] == "not in the supernet"
    assert "macro.stem.0.weight" in report.copied

    wider = Darts(channels=8, cells=4, ops=OPS).network(choices)
    initial = wider.macro.stem[0].weight.detach().clone()
    report = inherit_weights(wider, supernet, choices)
    assert report.skipped["macro.stem.0.weight"] == "shape (24, 3, 3, 3), in the supernet (12, 3, 3, 3)"
    assert torch.equal(wider.macro.stem[0].weight, initial)


def test_foreign_networks_and_choices_are_refused(supernet):
    choices = SPACE.sample(random.Random(0))
    with pytest.raises(ValueError, match="no tensor of Linear fits one of DartsSupernet"):
        inherit_weights(nn.Linear(2, 2), supernet, choices)
    with pytest.raises(ArchitectureError, match=r"inputs = '0\+9'"):
        inherit_weights(SPACE.network(choices), supernet, {**choices, "normal.2.inputs": "0+9"})


def finished_search(folder, supernet):
    choices = SPACE.sample(random.Random(0))
    SPACE.architecture(choices).save(folder / "architecture.json")
    (folder / "checkpoints").mkdir()
    state = {f"model.backbone.{name}": value for name, value in supernet.state_dict().items()}
    torch.save({"state_dict": state}, folder / "checkpoints" / "last.ckpt")
    return choices


def test_a_run_folder_is_inherited_from_and_the_network_may_be_of_another_size(tmp_path, supernet):
    choices = finished_search(tmp_path, supernet)
    small, large = SPACE.network(choices), Darts(channels=4, cells=7, ops=OPS).network(choices)
    architecture = SPACE.architecture(choices)
    expected = SPACE.network(choices)
    assert inherit_from_run(small, architecture, tmp_path) == inherit_weights(expected, supernet, choices)
    for name, value in expected.state_dict().items():
        torch.testing.assert_close(small.state_dict()[name], value)
    inherited = inherit_from_run(large, architecture.with_args("backbone", cells=7), tmp_path)
    assert inherited.copied
    assert inherited.skipped


def test_an_unfinished_search_and_foreign_weights_are_refused(tmp_path, supernet):
    network, folder = SPACE.network(SPACE.sample(random.Random(0))), tmp_path / "run"
    folder.mkdir()
    architecture = SPACE.architecture(SPACE.sample(random.Random(0)))
    with pytest.raises(FileNotFoundError, match=r"architecture\.json"):
        inherit_from_run(network, architecture, folder)
    finished_search(folder, Darts(channels=8, cells=4, ops=OPS).supernet())
    with pytest.raises(ValueError, match="mis-shaped"):
        inherit_from_run(network, architecture, folder)
