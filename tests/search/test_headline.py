"""The metric that decides, and numbers as JSON knows them."""

import json
import re
from dataclasses import asdict

import pytest
import torch

from lightning_nas.errors import NasError
from lightning_nas.evaluation.contender import plain_metrics
from lightning_nas.search.headline import validation_score
from lightning_nas.search.presentation import MetricTable, Presentation


def test_test_metrics_are_numbers_of_json():
    logged = {
        "test/map": torch.tensor(0.5),
        "test/loss": torch.tensor(float("nan")),
        "test/max": float("inf"),
        "val/map": 0.1,
    }
    metrics = plain_metrics(logged)
    assert metrics == {"loss": None, "map": 0.5, "max": None}
    assert json.loads(json.dumps(metrics, allow_nan=False)) == metrics


def test_a_validation_without_anything_to_measure_is_named():
    for logged in ({}, {"train/loss": 0.3}):
        with pytest.raises(ValueError, match="nothing was logged in validation"):
            validation_score(logged)
    with pytest.raises(ValueError, match="'val/map_large' is not logged"):
        validation_score({"val/map": 0.3}, "val/map_large")


class Task:
    """What somebody's module may say of itself."""

    def __init__(self, **says):
        vars(self).update(says)


DEPTH = Task(headline="rmse", headline_mode="min")


def test_the_task_says_which_metric_decides_and_which_way():
    logged = {"val/loss": 0.2, "val/rmse": 0.5, "val/abs_rel": 0.1}
    assert validation_score(logged, task=DEPTH) == ("-val/rmse", -0.5)
    assert validation_score(logged, task=Task(headline="abs_rel")) == ("val/abs_rel", 0.1)
    assert validation_score(logged, "val/loss", DEPTH) == ("val/loss", 0.2)  # a setting wins
    with pytest.raises(ValueError, match=r"'-val/rmse' is not logged in validation; logged are \['val/loss'\]"):
        validation_score({"val/loss": 0.2}, task=DEPTH)


def test_a_module_that_says_nothing_is_judged_by_its_loss():
    assert validation_score({"val/loss": 2.0, "val/accuracy": 0.5}, task=Task()) == ("-val/loss", -2.0)
    assert Presentation().deciding({"pixel_error", "recall"}) == ("pixel_error", "min")
    assert Presentation().deciding({"recall", "psnr"}) == ("psnr", "max")


def test_what_a_task_says_survives_a_file():
    table = MetricTable("By distance", {"rmse_far": "far"}, "In metres.", "metrics", "Distance")
    task = Task(
        headline="rmse", headline_mode="min", report_pictures={"a.png": "A."}, report_tables=lambda data: [table]
    )
    says = Presentation.of(task, object())
    assert says == Presentation("rmse", "min", (table,), {"a.png": "A."})
    assert Presentation.from_dict(json.loads(json.dumps(asdict(says)))) == says


@pytest.mark.parametrize(
    ("says", "said"),
    [
        ({"headline": "val/rmse"}, "headline = 'val/rmse': expected the name of a metric without val/"),
        ({"headline": 1}, "headline = 1"),
        ({"headline": "rmse", "headline_mode": "less"}, "headline_mode = 'less': expected 'max' or 'min'"),
        ({"report_pictures": {"../secret.png": ""}}, "'../secret.png'"),
        ({"report_pictures": {"samples.txt": ""}}, "'samples.txt'"),
    ],
)
def test_what_cannot_be_is_refused(says, said):
    with pytest.raises(NasError, match=re.escape(said)):
        Presentation.of(Task(**says))
