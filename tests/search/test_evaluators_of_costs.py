"""Costs beside the metric of an evaluator."""

import dataclasses

import optuna
import pytest
import torch
from evaluator_job import CHOICES, SPACE

from lightning_nas.cost import count_macs, count_parameters
from lightning_nas.errors import UncountableError
from lightning_nas.search.trials.evaluators import WithCosts, cost_objective
from lightning_nas.search.trials.loop import Trials
from lightning_nas.search.trials.study import Objective, open_study
from lightning_nas.strategies.blackbox import parameters_of
from lightning_nas.tasks.classification import ClassificationTask


def test_costs_are_those_of_the_whole_network(job, monkeypatch):
    monkeypatch.setattr("lightning_nas.search.costs.SECONDS", 0.01)
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
