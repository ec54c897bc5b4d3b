"""A search whose stages go on with widened weights: what is kept, what is copied, and that a killed one goes on."""

import json
import shutil

import pytest
import torch
from toy_widening import SPACE, KilledError, checkpoint, job, widening

from lightning_nas.errors import ArgumentError
from lightning_nas.ops import Zero
from lightning_nas.ops.partial import PartialEdge
from lightning_nas.search import SupernetSettings, run
from lightning_nas.spaces import AutoDeepLab, Chain, NasNet
from lightning_nas.spaces import Darts as Space
from lightning_nas.strategies import Darts

OPS = ("none", "skip_connect", "sep_conv_3x3", "dil_conv_3x3", "max_pool_3x3")
SPACES = (
    SPACE,
    Space(channels=8, cells=3, in_channels=1, ops=OPS, steps=1),
    AutoDeepLab(in_channels=1, channels=8, layers=2, blocks=2, ops=OPS),
    Chain(in_channels=1, stem_channels=8, first_channels=8, widths=(8, 16), depths=(2, 2), strides=(2, 2)),
    NasNet(in_channels=1, channels=32, cells=3, blocks=1, ops=(*OPS[1:], "bottleneck_1x7_7x1")),
)


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A search that nobody has disturbed: what it has found, its folder, what was seen of its epochs."""
    folder, seen = tmp_path_factory.mktemp("whole"), []
    found = run(widening(), job(folder, seen=seen))
    return found, job(folder).run, seen


@pytest.fixture(scope="module")
def between(tmp_path_factory):
    """The checkpoints of a search that was killed in the first batch of its second stage: of the first one, and handed over."""
    folder = tmp_path_factory.mktemp("between")
    with pytest.raises(KilledError):
        run(widening(), job(folder, seen=[], killed_at=(2, 0)))
    return checkpoint(job(folder).run.stage(0)), checkpoint(job(folder).run), job(folder).run


def test_rates_fall_over_all_stages_and_logits_rest_at_the_start_of_each(whole):
    _, place, seen = whole
    cosine = [
        0.025 * (1 + float(torch.cos(torch.tensor(epoch / 4 * torch.pi, dtype=torch.float64)))) for epoch in range(4)
    ]
    assert [epoch for epoch, _, _ in seen] == [0, 1, 2, 3]
    assert [rest for _, _, rest in seen] == [True, False, True, False]
    for (_, rates, _), rate in zip(seen, cosine, strict=True):
        assert rates == pytest.approx([rate] * 2)
    assert checkpoint(place)["lightning_nas"]["counts"] == {"batch": 8, "arch_step": 4}
    lines = [json.loads(line) for line in place.history.read_text().splitlines()]
    assert [line["epoch"] for line in lines] == [0, 1, 2, 3]
    rows = [[sum(p > 0 for p in row) for row in line["probabilities"]["cell"]] for line in lines]
    assert rows == [[5] * 3, [5] * 3, [3] * 3, [3] * 3]


def test_the_strongest_options_are_kept(between):
    first, _, place = between
    left = torch.tensor(json.loads(place.stage(0).options.read_text())["cell"])
    strongest = first["state_dict"]["backbone.logits.cell"].argsort(dim=1, descending=True)[:, :3]
    assert [sorted(row) for row in strongest.tolist()] == [row.nonzero().flatten().tolist() for row in left]


def momentum(saved, names):
    """Name of a weight -> its momentum; the optimizer has the head first, see ``OnBackbone``."""
    (optimizer,) = saved["optimizer_states"]
    order = [number for group in optimizer["param_groups"] for number in group["params"]]
    assert order == list(range(len(names)))
    return {name: optimizer["state"][number]["momentum_buffer"] for number, name in enumerate(names)}


def weights_of(saved):
    buffers = ("running_mean", "running_var", "num_batches_tracked", "logits.cell")
    names = [name for name in saved["state_dict"] if not name.endswith(buffers)]
    return sorted(names, key=lambda name: not name.startswith("head."))


def test_what_is_handed_over_is_what_there_was_and_copies_of_it(between):
    first, later, _ = between
    old, new = first["state_dict"], later["state_dict"]
    old_speed, new_speed = (momentum(saved, weights_of(saved)) for saved in between[:2])
    edges = {name.rpartition(".candidates.")[0] for name in new if ".candidates." in name}
    assert edges, "something is widened"
    widened = 0
    for name, tensor in new.items():
        if ".candidates." not in name:
            assert torch.equal(tensor, old[name]), name
            assert name not in new_speed or torch.equal(new_speed[name], old_speed[name]), name
        elif name.endswith("conv.weight"):
            widened += 1
            norm, bias = name.replace("conv.weight", "norm.running_mean"), name.replace("weight", "bias")
            n = len(old[norm])
            assert tensor.shape[:2] == (2 * n, 2 * n)
            for o in range(2 * n):
                (source,) = (
                    (old[norm] == new[norm][o]).nonzero().flatten().tolist()
                )  # no two channels have the same mean
                assert source == o or o >= n
                assert torch.equal(tensor[o, :n], old[name][source])
                assert torch.equal(new_speed[name][o, :n], old_speed[name][source])
                assert new[bias][o] == old[bias][source]
                assert new_speed[bias][o] == old_speed[bias][source]
            for i in range(n, 2 * n):
                (read,) = [k for k in range(n) if torch.equal(tensor[:n, i], old[name][:, k])]
                assert torch.equal(new_speed[name][:n, i], old_speed[name][:, read])
    assert widened == sum(name.endswith("conv.weight") and ".candidates." in name for name in new)
    ours, theirs = first["lightning_nas"], later["lightning_nas"]
    assert str(ours["optimizer"]) == str(theirs["optimizer"]), "Adam of the logits"
    assert ours["counts"] == theirs["counts"]
    assert (first["epoch"], first["global_step"]) == (later["epoch"], later["global_step"])
    assert first["lr_schedulers"] == later["lr_schedulers"]


def test_modules_of_options_that_are_out_are_gone(between):
    _, later, place = between
    left = torch.tensor(json.loads(place.stage(0).options.read_text())["cell"])
    strategy, supernet = widening(), SPACE.supernet()
    strategy.enter_stage(1, {"cell": left})
    strategy.adapt(supernet)
    edges = [module for module in supernet.modules() if isinstance(module, PartialEdge)]
    assert {edge.parts for edge in edges} == {2}
    for row, edge in zip(left.tolist() * 3, edges, strict=True):
        assert [isinstance(one, Zero) for one in edge.mixed.candidates][1:] == [not there for there in row][1:]
    assert {f"backbone.{name}" for name in supernet.state_dict()} <= set(later["state_dict"])
    assert not {name for name in later["state_dict"] if name.startswith("backbone.")} - {
        f"backbone.{name}" for name in supernet.state_dict()
    }


@pytest.mark.parametrize("space", SPACES, ids=lambda space: space.name)
def test_both_forms_compute_the_same_afterwards(tmp_path, space):
    with pytest.raises(KilledError):
        run(widening(), job(tmp_path, seen=[], killed_at=(1, 0), space=space, epochs=1, warmup=0))
    place = job(tmp_path).run
    masks = {name: torch.tensor(rows) for name, rows in json.loads(place.stage(0).options.read_text()).items()}
    state = {
        n.removeprefix("backbone."): t for n, t in checkpoint(place)["state_dict"].items() if n.startswith("backbone.")
    }
    x, seen = torch.randn(2, 1, 32, 32, generator=torch.Generator().manual_seed(1), dtype=torch.float64), []
    for form in ("textbook", "fused") if space.name != "chain" else ("textbook",) * 2:
        strategy, supernet = widening(sampler="softmax"), space.supernet()
        strategy.enter_stage(1, masks)
        strategy.adapt(supernet)
        supernet.load_state_dict(state)
        supernet.relaxation = strategy.relax
        supernet.double().set_form(form)
        seen.append(supernet(x))
    assert any(float(m.detach().abs().sum()) > 0 for m in seen[0])
    torch.testing.assert_close(*seen)


def test_stages_that_change_nothing_are_one_search(tmp_path):
    """Nothing is lost or counted twice where one stage ends and the next begins."""
    same = widening(options=[5, 5], partial_channels=[4, 4])
    run(same, job(tmp_path / "stages", epochs=2, warmup=0))
    run(Darts(lr=0.1, sampler="dirichlet", partial_channels=4), job(tmp_path / "one", epochs=6, warmup=0))
    stages, one = (job(tmp_path / name).run for name in ("stages", "one"))
    assert_same(checkpoint(stages), checkpoint(one))
    assert stages.history.read_text() == one.history.read_text()


def assert_same(first, second):
    """Weights, momentum, schedules, logits and their optimizer, bit for bit."""
    for name in ("state_dict", "optimizer_states", "lr_schedulers", "epoch", "global_step"):
        assert plain(first[name]) == plain(second[name]), name
    for name in ("optimizer", "counts", "architecture"):
        assert plain(first["lightning_nas"][name]) == plain(second["lightning_nas"][name]), name


def plain(value):
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    return value.tolist() if isinstance(value, torch.Tensor) else value


@pytest.mark.parametrize("moment", [(1, 1), (2, 0), (3, 1)])
def test_a_search_that_was_killed_in_a_stage_ends_the_same(tmp_path, whole, moment):
    with pytest.raises(KilledError):
        run(widening(), job(tmp_path, seen=[], killed_at=moment))
    assert run(widening(), job(tmp_path)) == whole[0]
    assert_same(checkpoint(job(tmp_path).run), checkpoint(whole[1]))
    assert job(tmp_path).run.history.read_text() == whole[1].history.read_text()


def test_a_search_that_was_killed_between_two_stages_ends_the_same(tmp_path, whole):
    found, before, _ = whole
    for left in ([], ["checkpoints"]):  # after the first stage, and with a checkpoint handed over
        folder = tmp_path / str(len(left))
        shutil.copytree(before.path / "stages", folder / "stages")
        for name in left:
            shutil.copytree(before.path / name, folder / name)
        place = job(folder).run
        place.stage(0).options.unlink()
        seen = []
        assert run(widening(), job(folder, seen=seen)) == found
        assert [epoch for epoch, _, _ in seen] == [2, 3], "the first stage is not gone on with"
        assert_same(checkpoint(place), checkpoint(before))


def test_all_channels_in_the_last_of_three_stages(tmp_path):
    found = run(widening(options=[4, 2], partial_channels=[2, 1]), job(tmp_path, epochs=1, warmup=0))
    state = checkpoint(job(tmp_path).run)["state_dict"]
    kernels = [tensor for name, tensor in state.items() if name.endswith("conv.weight") and ".candidates." in name]
    assert {len(kernel) for kernel in kernels} == {8, 16, 32}
    assert not any(".mixed." in name for name in state)
    assert set(found.components["backbone"].choices) == set(SPACE.decode(SPACE.supernet().logits))


@pytest.mark.parametrize(("argument", "value"), [("options", [2]), ("partial_channels", [4])])
def test_every_argument_changes_a_search_that_widens(tmp_path, whole, argument, value):
    run(widening(**{argument: value}), job(tmp_path))
    changed, usual = (checkpoint(place)["state_dict"] for place in (job(tmp_path).run, whole[1]))
    assert plain(changed) != plain(usual)
    assert SupernetSettings().epochs == 12
    with pytest.raises(ArgumentError):
        widening(**{argument: [0]})
