"""The metric that decides, and numbers as JSON knows them."""

import json

import pytest
import torch

from lightning_nas.evaluation.contender import plain_metrics
from lightning_nas.search.headline import headline, validation_metric


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
    assert headline(metrics) == "map"


def test_a_validation_without_anything_to_measure_is_named():
    for logged in ({}, {"train/loss": 0.3}):
        with pytest.raises(ValueError, match="nothing was logged in validation"):
            validation_metric(logged)
    with pytest.raises(ValueError, match="'val/map_large' is not logged"):
        validation_metric({"val/map": 0.3}, "val/map_large")
