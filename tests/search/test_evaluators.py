"""Evaluators: training with reports to a pruner, shared weights, scores without training, a table, costs."""

import dataclasses
import random
from pathlib import Path

import optuna
import pytest
import torch
from optuna.trial import TrialState
from pytorch_lightning import Callback

from lightning_nas.cost import count_macs, count_parameters
from lightning_nas.errors import UncountableError
from lightning_nas.search import (
    Job,
    OneShotEvaluator,
    Prefilter,
    SampledPaths,
    TableEvaluator,
    Trainers,
    TrainEvaluator,
    ZeroCostEvaluator,
)
from lightning_nas.search.costs import cost_of_task
from lightning_nas.search.evaluators import WithCosts, cost_objective
from lightning_nas.search.evaluators.zero_cost import Probes
from lightning_nas.search.study import Objective, Trials, open_study
from lightning_nas.spaces import Chain, NasBench201
from lightning_nas.strategies import RandomSearch
from lightning_nas.strategies.blackbox import parameters_of
from lightning_nas.tasks.classification import ClassificationTask, DigitsDataModule
from lightning_nas.tasks.detection import DetectionTask

SPACE = NasBench201(channels=4, cells=1, in_channels=1, nodes=3)


@pytest.fixture
def job(tmp_path):
    return Job(
        SPACE,
        DigitsDataModule(seed=0),
        make_task=lambda backbone: ClassificationTask(backbone=backbone, num_classes=10),
        folder=tmp_path,
        trainers=Trainers({"accelerator": "cpu", "limit_train_batches": 3}),
    )


def run(evaluator, count, pruner=None, sampler=None):
    objectives = [Objective(evaluator.metric)]
    study = open_study(None, "s", SPACE, objectives, sampler or RandomSearch(SPACE), pruner)
    Trials(SPACE, evaluator, objectives, count).run(study)
    return study


CHOICES = {"cell.1.0": "nor_conv_3x3", "cell.2.0": "skip_connect", "cell.2.1": "nor_conv_1x1"}


# ---- train ----------------------------------------------------------------------------------------------------------


def test_a_trained_architecture_has_validation_metrics(job):
    study = run(TrainEvaluator(job, epochs=2), 2)
    for trial in study.trials:
        metrics = trial.user_attrs["metrics"]
        assert trial.value == metrics["metric"] == metrics["val/accuracy"] == trial.intermediate_values[1]
        assert set(trial.intermediate_values) == {0, 1}
        assert "val/loss" in metrics
    assert not list(Path(job.folder).rglob("*.ckpt"))


def test_the_metric_may_be_named(job):
    (trial,) = run(TrainEvaluator(job, epochs=1, metric="val/loss"), 1).trials
    assert trial.value == trial.user_attrs["metrics"]["val/loss"]
    with pytest.raises(ValueError, match="val/none"):
        run(TrainEvaluator(job, epochs=1, metric="val/none"), 1)


class FromTheSecond(optuna.pruners.BasePruner):
    """Ends every trial but the first after its first epoch."""

    def prune(self, study, trial):
        return trial.number > 0


def test_a_pruner_ends_trainings(job):
    study = run(TrainEvaluator(job, epochs=3), 3, FromTheSecond())
    assert [trial.state for trial in study.trials] == [TrialState.COMPLETE, TrialState.PRUNED, TrialState.PRUNED]
    assert [len(trial.intermediate_values) for trial in study.trials] == [3, 1, 1]


def test_equal_seeds_train_equally_and_a_killed_trial_goes_on(job):
    whole = run(TrainEvaluator(job, epochs=2), 1).trials[0].user_attrs["metrics"]

    class Dying(Trainers):
        def training(self, folder, epochs, callbacks, **arguments):
            return super().training(folder, epochs, [*callbacks, PowerCut()], **arguments)

    dying = dataclasses.replace(job, trainers=Dying(job.trainers.arguments))
    with pytest.raises(RuntimeError, match="power cut"):
        run(TrainEvaluator(dying, epochs=2), 1)
    assert len(list(Path(job.folder).rglob("last.ckpt"))) >= 1
    again = run(TrainEvaluator(job, epochs=2), 1).trials[0]
    assert again.user_attrs["metrics"] == whole
    assert set(again.intermediate_values) == {1}  # the first epoch is not trained again


class PowerCut(Callback):
    def on_train_epoch_start(self, trainer, module):
        if trainer.current_epoch == 1:
            raise RuntimeError("power cut")


# ---- shared weights -------------------------------------------------------------------------------------------------


@pytest.fixture
def searched(job):
    """A run folder with a supernet that was trained on paths."""
    task = job.supernet_task(SPACE.supernet())
    trainer = job.trainers.training(job.folder / "single_path", 2, [SampledPaths(0)])
    trainer.fit(task, datamodule=job.datamodule)
    return job.folder / "single_path"


def test_paths_of_a_supernet_are_validated(job, searched):
    evaluator = OneShotEvaluator(job, supernet=str(searched), recalibration_batches=2)
    study = run(evaluator, 3)
    values = [trial.value for trial in study.trials]
    assert len(set(values)) > 1
    again = OneShotEvaluator(job, supernet=str(searched), recalibration_batches=2)
    assert [again({**trial.params}, None)["metric"] for trial in study.trials] == values
    other = OneShotEvaluator(job, supernet=str(searched), recalibration_batches=1, metric="val/loss")
    assert other({**study.trials[0].params}, None) == {
        "val/loss": pytest.approx(other.shared.measure(study.trials[0].params)[1])
    }


def test_a_supernet_of_another_space_is_refused(job, searched):
    foreign = dataclasses.replace(job, space=NasBench201(channels=8, cells=1, in_channels=1, nodes=3))
    with pytest.raises(ValueError, match="another space"):
        OneShotEvaluator(foreign, supernet=str(searched))


# ---- without training -----------------------------------------------------------------------------------------------


def test_scores_are_those_of_the_untrained_network(job):
    evaluator = ZeroCostEvaluator(job, score="params")
    assert evaluator.metric == "params"
    task = job.make_task(SPACE.network(CHOICES))
    assert evaluator(CHOICES, None) == {"params": count_parameters(task)}
    synflow = ZeroCostEvaluator(job)
    torch.manual_seed(5)
    assert synflow(CHOICES, None) == synflow(CHOICES, None)
    zen = [ZeroCostEvaluator(job, score="zen", args={"repeats": n})(CHOICES, None)["zen"] for n in (1, 4)]
    assert zen[0] != zen[1]


def test_the_best_of_many_are_kept(job):
    kept = Prefilter(job, scores=["params"], samples=60, keep=0.1).best()
    rng = random.Random(0)
    drawn = {tuple(choices.items()) for choices in (SPACE.sample(rng) for _ in range(60))}
    assert len(kept) == round(0.1 * len(drawn))
    sizes = [count_parameters(SPACE.network(choices)) for choices in kept]
    rest = [count_parameters(SPACE.network(dict(key))) for key in drawn if dict(key) not in kept]
    assert sizes == sorted(sizes, reverse=True)
    assert min(sizes) >= max(rest)


def test_several_scores_vote(job, monkeypatch):
    """Two of three scores prefer 3x3 convolutions, one their absence."""
    sign = {"params": 1, "macs": 1, "synflow": -1}
    count = lambda self, choices, score: sign[score.name] * list(choices.values()).count("nor_conv_3x3")  # noqa: E731
    monkeypatch.setattr(Probes, "measure", count)
    kept = {names: Prefilter(job, scores=names, samples=60, keep=0.05).best() for names in (("synflow",), tuple(sign))}
    convolutions = {names: [list(c.values()).count("nor_conv_3x3") for c in best] for names, best in kept.items()}
    assert max(convolutions["synflow",]) == 0
    assert min(convolutions[tuple(sign)]) >= 2


# ---- costs and tables -----------------------------------------------------------------------------------------------


def test_costs_are_those_of_the_whole_network(job, monkeypatch):
    monkeypatch.setattr("lightning_nas.search.costs.SECONDS", 0.1)
    backbone = SPACE.network(CHOICES)
    width = backbone.feature_info.channels()[-1]
    evaluator = WithCosts(lambda c, t: {"metric": 1.0}, ["macs", "parameters", "latency_ms"], job)
    measured = evaluator(CHOICES, None)
    assert measured.pop("network/latency_ms") > 0
    assert measured == {
        "metric": 1.0,
        "network/macs": count_macs(backbone, (1, 8, 8)) + width * 10,
        "backbone/macs": count_macs(backbone, (1, 8, 8)),
        "network/parameters": count_parameters(backbone) + width * 10 + 10,
        "backbone/parameters": count_parameters(backbone),
    }


def test_a_cost_that_the_evaluator_measures_is_its_own(job):
    def evaluate(choices, trial):
        return {"metric": 1.0, "macs": 3.0, "energy": 2.0}

    evaluate.measures = ("macs",)
    assert [cost_objective(cost, evaluate) for cost in ("macs", "energy", "parameters")] == [
        "macs",
        "energy",
        "network/parameters",
    ]
    assert WithCosts(evaluate, ["macs", "energy"], job)(CHOICES, None) == evaluate(CHOICES, None)
    with pytest.raises(ValueError, match="luck"):
        WithCosts(evaluate, ["luck"], job)(CHOICES, None)


def test_a_task_that_cannot_be_counted_is_refused_before_it_is_trained(job):
    def make_task(backbone):
        task = ClassificationTask(backbone=backbone, num_classes=10)
        task.forward = lambda image, labels: None
        return task

    trained = []
    place = dataclasses.replace(job, make_task=make_task)
    evaluator = WithCosts(lambda c, t: trained.append(c), ["macs"], place)
    for attempt in (evaluator.check, lambda choices: evaluator(choices, None)):
        with pytest.raises(UncountableError, match="ClassificationTask"):
            attempt(CHOICES)
    assert not trained
    WithCosts(lambda c, t: {}, ["energy"], place).check(CHOICES)


def test_a_front_weighs_the_whole_network(job):
    """The smaller backbone has the larger head: it is not on the front."""
    few, many = dict.fromkeys(SPACE.decisions, "none"), dict.fromkeys(SPACE.decisions, "nor_conv_3x3")

    def make_task(backbone):
        task = ClassificationTask(backbone=backbone, num_classes=10)
        if count_parameters(backbone) == count_parameters(SPACE.network(few)):
            task.head = torch.nn.Sequential(task.head, torch.nn.Linear(10, 20_000))
        return task

    place = dataclasses.replace(job, make_task=make_task)
    evaluator = WithCosts(lambda c, t: {"metric": 1.0}, ["macs"], place)
    objectives = [Objective("metric"), Objective(cost_objective("macs", evaluator), larger_is_better=False)]
    study = open_study(None, "s", SPACE, objectives, optuna.samplers.RandomSampler(seed=0))
    for choices in (few, many):
        study.enqueue_trial(parameters_of(choices, SPACE))
    Trials(SPACE, evaluator, objectives, 2).run(study)
    first, second = (trial.user_attrs["metrics"] for trial in study.trials)
    assert first["backbone/macs"] < second["backbone/macs"]
    assert first["network/macs"] > second["network/macs"]
    assert [trial.number for trial in study.best_trials] == [1]


def test_the_work_of_a_detector_is_scored_with_its_head(job):
    class Pictures:
        def prepare_data(self):
            pass

        def setup(self, stage):
            pass

        def train_dataloader(self):
            return [([torch.rand(3, 64, 64) for _ in range(2)], None)]

    def make_task(backbone):
        return DetectionTask(backbone, 3, detector="retinanet", min_size=64, max_size=64, channels=16, head_convs=1)

    body = Chain(stem_channels=8, first_channels=8, widths=(8, 12, 16, 16), depths=(1,) * 4, strides=(2,) * 4)
    place = dataclasses.replace(job, space=body, datamodule=Pictures(), make_task=make_task)
    choices = body.sample(random.Random(0))
    cost = cost_of_task(make_task(body.network(choices)), Pictures())
    assert ZeroCostEvaluator(place, score="macs")(choices, None) == {"macs": cost.network.macs}


def test_a_table_is_searched(job, tmp_path):
    known = [SPACE.sample(random.Random(seed)) for seed in range(200)]
    lines = {SPACE.to_text(choices): count_parameters(SPACE.network(choices)) for choices in known}
    (tmp_path / "table.csv").write_text("arch,size\n" + "".join(f"{text},{size}\n" for text, size in lines.items()))
    evaluator = TableEvaluator(job, file=str(tmp_path / "table.csv"), metric="size")
    assert evaluator(known[0], None) == {"size": lines[SPACE.to_text(known[0])]}
    assert cost_objective("macs", evaluator) == "network/macs"
    assert evaluator.measures == ("size",)
    study = run(evaluator, 20)
    assert all(trial.user_attrs["error"].startswith("TableError") for trial in study.trials if trial.value is None)


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda w: TrainEvaluator(w, epochs=0), "epochs must be at least 1, got 0"),
        (lambda w: OneShotEvaluator(w), "supernet = null"),
        (lambda w: OneShotEvaluator(w, supernet="nowhere"), "nowhere"),
        (lambda w: OneShotEvaluator(w, supernet=".", recalibration_batches=0), "recalibration_batches"),
        (lambda w: ZeroCostEvaluator(w, score="luck"), "luck"),
        (lambda w: ZeroCostEvaluator(w, args={"repeats": 3}), "repeats"),
        (lambda w: Prefilter(w, scores=["synflow"], samples=0), "samples"),
        (lambda w: Prefilter(w, scores=["synflow"], keep=0.0), "keep"),
        (lambda w: Prefilter(w, scores=[]), "scores"),
        (lambda w: Prefilter(w, scores=["luck"]), "luck"),
        (lambda w: TableEvaluator(w, file="nowhere.csv", metric="size"), "nowhere.csv"),
    ],
)
def test_bad_arguments_are_named(job, make, said):
    with pytest.raises(ValueError, match=said):
        make(job)


def test_data_without_validation_images_cannot_judge(job):
    job.datamodule.val_dataloader = lambda: []
    with pytest.raises(ValueError, match="validation"):
        TrainEvaluator(job)
