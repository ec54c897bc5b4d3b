"""A strategy says what it will do in the numbers that it does it; that every config can be asked is in ``contracts``."""

import copy

import pytest
import torch
from optuna.samplers import RandomSampler

from lightning_nas.errors import JobError
from lightning_nas.evaluation.contenders import contestants
from lightning_nas.evaluation.workload import comparison_work
from lightning_nas.runs.settings import ComparisonSettings, SupernetSettings, TrialsSettings
from lightning_nas.search import Job
from lightning_nas.search.workloads import Representatives, workload
from lightning_nas.search.workloads.networks import nearest_to_mean
from lightning_nas.search.workloads.paths import recalibrating
from lightning_nas.spaces import NasBench201
from lightning_nas.strategies import Darts, Elastic, Enas, Rsps, SinglePath
from lightning_nas.strategies.gradient.guards import Eigenvalue
from lightning_nas.strategies.gradient.selection import Removal

SPACE = NasBench201(channels=4, cells=1)


class Data:
    """Ten batches, of which none may be looked at."""

    in_channels = 3

    def train_dataloader(self):
        return range(10)


def untouched(*arguments):
    raise AssertionError("nothing is built before something is done")


def job_in(folder, **changed):
    return Job(SPACE, Data(), make_task=untouched, folder=folder, **changed)


def works_of(strategy, job):
    return {work.title: work for work in workload(strategy, job, Representatives(job))}


def test_paths_are_scored_as_often_as_their_competition_asks(tmp_path):
    for strategy in (
        SinglePath(population=6, rounds=3, parents=2, mutants=2, crossovers=2),
        Rsps(candidates=7, finalists=3),
    ):
        asked = strategy.competition(SPACE, macs=lambda choices: 0).total
        assert sum(strategy.scored(SPACE)) == asked
    works = works_of(Rsps(candidates=7, finalists=3, recalibration_batches=20), job_in(tmp_path))
    counts = [work.count for work in works.values()]
    assert counts == [1, 7, 3, recalibrating(20, 10)]


def test_a_front_is_measured_as_often_as_its_search_asks(tmp_path):
    for settings in ({"exhaustive": 0, "initial": 5, "rounds": 2, "per_round": 3}, {"exhaustive": 200}):
        strategy, small = Elastic(front_size=4, **settings), NasBench201(nodes=3)
        front = strategy.front(small, lambda choices: {"macs": 1.0, "params": 1.0})
        assert strategy.measured(small) == front.total
        assert strategy.kept(small) == 4


def test_a_controller_learns_after_every_epoch_but_those_of_the_weights_alone(tmp_path):
    job = job_in(tmp_path, supernet=SupernetSettings(epochs=10, warmup_epochs=4))
    works = works_of(Enas(controller_steps=30, controller_batch=5, derive=11), job)
    assert works["steps of the controller"].count == 6 * 30 + 3


def test_trials_are_counted_and_scored_by_their_evaluator(tmp_path):
    job = job_in(tmp_path, trials=TrialsSettings(count=7))
    works = works_of(RandomSampler(seed=0), job)
    assert works["trials"].count == works["proposals"].count == 7
    assert not works["trials"].keeps


def test_a_selection_by_removal_takes_as_many_losses_as_it_says():
    supernet, removal = SPACE.supernet(), Removal()
    removal.attach(supernet)
    taken, own = 0, copy.deepcopy(removal)
    for step in range(own.steps):
        for question in own.questions(step):
            removals = own.removals(question)
            taken += len(removals) if len(removals) > 1 else 0
            own.answer(question, list(torch.rand(len(removals))))
    assert removal.losses == taken > 0


def test_losses_are_of_all_batches_of_the_half_that_judges(tmp_path):
    strategy = Darts(select=Removal())
    works = works_of(strategy, job_in(tmp_path, supernet=SupernetSettings(fraction=0.4)))
    planned = Removal()
    planned.attach(SPACE.supernet())
    assert works["judging options"].count == -(-planned.losses * 6 // 4)


def test_a_guard_looks_when_it_is_due(tmp_path):
    strategy = Darts(guard=Eigenvalue(every=3, delay=3))
    works = works_of(strategy, job_in(tmp_path, supernet=SupernetSettings(epochs=8, warmup_epochs=2)))
    assert works["looks of the guard"].count == 2  # after epochs 3 and 6; in epoch 0 the logits rest
    assert works["training the supernet"].may_end_early
    assert "looks of the guard" not in works_of(Darts(guard="max_skips"), job_in(tmp_path))


@pytest.mark.parametrize(("kept", "trained"), [(0, False), (3, True)])
def test_a_comparison_trains_whom_it_names(kept, trained, tmp_path):
    settings, job = ComparisonSettings(random=2, draws=5, alone=2), job_in(tmp_path)
    works = comparison_work(job, settings, Representatives(job), kept=kept)
    trainings = sum(work.count for work in works if work.title.startswith("training"))
    assert trainings == len(contestants(settings, SPACE, trained=trained))
    assert sum(work.count for work in works if work.title.startswith("testing")) == kept
    assert [work.count for work in works if work.title.startswith("drawing")] == [2]


def test_what_a_search_refuses_its_estimate_refuses(tmp_path):
    resting = job_in(tmp_path, supernet=SupernetSettings(epochs=2, warmup_epochs=2))
    with pytest.raises(JobError, match="nothing would be searched"):
        works_of(Darts(), resting)
    with pytest.raises(TypeError, match="of no known family"):
        workload("darts", resting, Representatives(resting))


def test_the_network_of_mean_cost_comes_first():
    drawn = [{"size": size} for size in (1, 9, 4, 6)]  # their mean is 5
    assert nearest_to_mean(drawn, lambda choices: choices["size"]) == [
        {"size": 4},
        {"size": 6},
        {"size": 1},
        {"size": 9},
    ]
