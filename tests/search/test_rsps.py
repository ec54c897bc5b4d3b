"""Random search with weight sharing: the two rounds, the few batches of the first one, scores by shared weights."""

import json
import random
from types import SimpleNamespace

import pytest
import torch
from torch import nn
from toy_paths import SPACE, Data, Task, make_trainer

from lightning_nas.errors import ArchitectureError
from lightning_nas.runs import RunFolder
from lightning_nas.search import SampledPaths, ScreeningData, SeedBatches
from lightning_nas.search.paths.recalibration import batch_statistics
from lightning_nas.search.paths.scoring import best_of
from lightning_nas.search.paths.shared_weights import SharedWeights
from lightning_nas.strategies import Rsps
from lightning_nas.strategies.paths import Shortlist
from lightning_nas.strategies.paths.evolution import replay
from lightning_nas.strategies.paths.shortlist import distinct

NAMES = [{"x": n} for n in range(6)]
FIRST = [0.1, 0.9, 0.5, 0.8, 0.5, 0.2]
SECOND = {1: 0.3, 3: 0.6, 2: 0.4}


def play(shortlist, first=FIRST, second=SECOND):
    while not shortlist.done:
        number = shortlist.ask()["x"]
        shortlist.tell({"x": number}, first[number] if shortlist.round == 1 else second[number])
    return shortlist


# ---- the two rounds ------------------------------------------------------------------------------------------------------


def test_the_second_round_decides_between_the_best_of_the_first():
    shortlist = play(Shortlist(NAMES, finalists=3))
    assert [choices["x"] for choices, _ in shortlist.history] == [
        0,
        1,
        2,
        3,
        4,
        5,
        1,
        3,
        2,
    ]  # of equals the earlier one
    assert shortlist.best() == ({"x": 3}, 0.6)
    assert play(Shortlist(NAMES)).best() == ({"x": 1}, 0.9)  # without a second round
    assert [Shortlist(NAMES, finalists=n).total for n in (1, 2, 6, 9)] == [6, 8, 12, 12]


def test_the_best_so_far_is_that_of_the_round():
    shortlist = Shortlist(NAMES, finalists=2)
    with pytest.raises(ValueError, match="before the first"):
        shortlist.best()
    for number, value in enumerate(FIRST):
        shortlist.tell({"x": number}, value)
    assert shortlist.best() == ({"x": 1}, 0.9)
    shortlist.tell({"x": 1}, 0.0)
    assert shortlist.best() == ({"x": 1}, 0.0)


def test_a_history_is_replayed_or_refused():
    whole = play(Shortlist(NAMES, finalists=3))
    for count in range(len(whole.history) + 1):
        other = Shortlist(NAMES, finalists=3)
        replay(other, whole.history[:count])
        assert play(other).history == whole.history
    with pytest.raises(ArchitectureError, match="another search"):
        replay(Shortlist(NAMES[::-1]), whole.history)
    with pytest.raises(ArchitectureError, match="another search"):
        replay(Shortlist(NAMES, finalists=2), whole.history)


def test_candidates_differ_and_a_small_space_is_exhausted():
    shortlist = Rsps(candidates=40, finalists=1).competition(SPACE, None)
    assert len({tuple(choices.items()) for choices in shortlist.candidates}) == 40
    rng = random.Random(0)
    assert len(distinct(lambda: {"x": rng.randrange(4)}, 10)) == 4


def test_mistakes_are_named():
    for shortlist, choices, value, said in (
        (Shortlist(NAMES), {"x": 1}, 0.0, "asked last"),
        (Shortlist(NAMES), {"x": 0}, float("nan"), "nan"),
        (play(Shortlist(NAMES)), {"x": 0}, 0.0, "asked last"),
    ):
        with pytest.raises(ValueError, match=said):
            shortlist.tell(choices, value)
    with pytest.raises(ValueError, match="all 6 candidates"):
        play(Shortlist(NAMES)).ask()
    with pytest.raises(ValueError, match="candidates must hold"):
        Shortlist([])
    with pytest.raises(ValueError, match="finalists must be at least 1, got 0"):
        Shortlist(NAMES, finalists=0)
    with pytest.raises(ValueError, match="batches must be at least 1, got 0"):
        ScreeningData(Data(), batches=0)
    for wrong in ("candidates", "finalists", "screening_batches"):
        with pytest.raises(ValueError, match=f"{wrong} must be at least 1, got 0"):
            Rsps(**{wrong: 0})
    with pytest.raises(ValueError, match="recalibration_batches must be at least 0, got -1"):
        Rsps(recalibration_batches=-1)
    with pytest.raises(ValueError, match="finalists must be at most candidates = 5, got 10"):
        Rsps(candidates=5)


# ---- scores by shared weights --------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def trained():
    task = Task()
    make_trainer(8, callbacks=[SeedBatches(0), SampledPaths(0)]).fit(task, datamodule=Data())
    return task


def search(task, **settings):
    """What a search does after the training; gives everything that was told, and the best."""
    strategy = Rsps(**{"candidates": 5, "finalists": 3, "recalibration_batches": 2, **settings})
    whole = SharedWeights(
        task, task.backbone, Data(), make_trainer(), strategy.metric, strategy.recalibration_batches, 0
    )
    few = ScreeningData(Data(), batches=strategy.screening_batches, seed=strategy.seed)
    first = SharedWeights(task, task.backbone, few, make_trainer(), strategy.metric, strategy.recalibration_batches, 0)
    shortlist = strategy.competition(SPACE, None)
    while not shortlist.done:
        choices = shortlist.ask()
        shortlist.tell(choices, (first if shortlist.round == 1 else whole).score(choices))
    return shortlist.history, shortlist.best()


@pytest.fixture(scope="module")
def usual(trained):
    """What is found with the usual arguments, every time."""
    found = search(trained)
    assert search(trained) == found
    return found


@pytest.mark.parametrize(
    "change",
    [
        {"candidates": 6}, {"finalists": 2}, {"screening_batches": 3}, {"recalibration_batches": 0},
        {"recalibration_batches": 1, "metric": "-val/loss"}, {"metric": "-val/loss"}, {"seed": 1},
    ],
    ids=str,
)  # fmt: skip
def test_every_argument_changes_the_search(trained, usual, change):
    assert search(trained, **change) != usual


@pytest.mark.parametrize("batches", [0, 2])
def test_scores_move_no_weight(trained, batches):
    for part in trained.modules():
        if isinstance(part, nn.BatchNorm2d):
            part.running_mean.fill_(7.0)
    before = {name: value.clone() for name, value in trained.state_dict().items()}
    search(trained, recalibration_batches=batches)
    changed = {name for name, value in trained.state_dict().items() if not torch.equal(value, before[name])}
    assert bool(changed) == bool(batches)
    assert all("running" in name or "tracked" in name for name in changed)


def test_statistics_of_the_batch_are_those_of_training_and_leave_no_trace():
    norm = nn.BatchNorm2d(3, affine=False).eval()
    norm.running_mean.fill_(7.0)
    mean, batch = norm.running_mean, torch.randn(8, 3, 4, 4) * 3 + 1
    with batch_statistics(norm):
        inside = norm(batch)
    torch.testing.assert_close(inside, nn.functional.batch_norm(batch, None, None, training=True))
    assert norm.running_mean is mean
    assert (mean == 7).all()
    assert norm.num_batches_tracked == 0
    assert not torch.allclose(norm(batch), inside)
    with pytest.raises(KeyError), batch_statistics(norm):
        raise KeyError
    assert norm.running_mean is mean


def test_the_first_round_sees_few_random_images_always_the_same():
    def seen(**arguments):
        data = ScreeningData(Data(), **arguments)
        batches = list(data.val_dataloader())
        return [len(images) for images, _ in batches], [int(n) for images, _ in batches for n in images[:, 0, 0, 0]]

    sizes, images = seen(batches=2)
    assert sizes == [4, 4]
    assert seen(batches=2) == (sizes, images)
    assert seen(batches=2, seed=1)[1] != images
    assert seen(batches=1)[1] == images[:4]
    assert len({(number - 1000) // 8 for number in images}) == 3  # the whole set is sorted by class
    assert sorted(seen(batches=99)[1]) == list(range(1000, 1024))
    streams = SimpleNamespace(val_dataloader=lambda: ["one", "two"])
    assert ScreeningData(streams).val_dataloader() == ["one", "two"]


# ---- the file ------------------------------------------------------------------------------------------------------------


def test_an_interrupted_scoring_goes_on(tmp_path):
    asked = []

    def measure(stop):
        def fitness(choices):
            if len(asked) == stop:
                raise KeyboardInterrupt
            asked.append(choices["x"])
            return SECOND[choices["x"]] if len(asked) > 6 else FIRST[choices["x"]]

        return fitness

    arguments = {"writer": SimpleNamespace(is_global_zero=True), "total": 9, "title": "paths"}
    run = RunFolder(tmp_path)
    for stop in (4, 7):
        with pytest.raises(KeyboardInterrupt):
            best_of(Shortlist(NAMES, finalists=3), measure(stop), run, **arguments)
        assert len(run.candidates.read_text().splitlines()) == stop
    assert best_of(Shortlist(NAMES, finalists=3), measure(None), run, **arguments) == {"x": 3}
    assert asked == [0, 1, 2, 3, 4, 5, 1, 3, 2]
    lines = [json.loads(line) for line in run.candidates.read_text().splitlines()]
    assert lines[-1] == {"choices": {"x": 2}, "fitness": 0.4}
    other = RunFolder(tmp_path / "other")
    silent = {**arguments, "writer": SimpleNamespace(is_global_zero=False)}
    asked.clear()
    assert best_of(Shortlist(NAMES, finalists=3), measure(None), other, **silent) == {"x": 3}
    assert not other.path.exists()
