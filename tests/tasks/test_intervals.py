"""Intervals of the metrics that decide: what is drawn anew is weighted, which has to equal images that are there more often."""

import numpy as np
import pytest
import torch

from lightning_nas.evaluation.bootstrap import interval
from lightning_nas.tasks.detection.metrics import AveragePrecision
from lightning_nas.tasks.detection.resampling import matched_classes, mean_average_precision
from lightning_nas.tasks.segmentation.metrics import MatricesOfImages, summarize


def boxes(rng, count):
    corner = rng.uniform(0, 60, (count, 2))
    return torch.from_numpy(np.concatenate([corner, corner + rng.uniform(5, 40, (count, 2))], axis=1)).float()


def image(rng, crowds):
    truth = boxes(rng, rng.integers(0, 6))
    labels = torch.from_numpy(rng.integers(1, 4, len(truth)))
    crowd = torch.from_numpy(rng.random(len(truth)) < (0.3 if crowds else 0.0)).long()
    near = rng.integers(0, len(truth), 8) if len(truth) else np.zeros(0, int)
    moved = truth[near] + torch.from_numpy(rng.uniform(-2, 2, (len(near), 4))).float()
    found = torch.cat([moved, boxes(rng, 4)])
    guess = torch.cat([labels[near], torch.from_numpy(rng.integers(1, 4, 4))])
    scores = torch.from_numpy(rng.permutation(len(found)) + rng.random(len(found))).float() / 20
    areas = (truth[:, 2] - truth[:, 0]) * (truth[:, 3] - truth[:, 1])
    return (
        {"boxes": found, "labels": guess, "scores": scores},
        {"boxes": truth, "labels": labels, "iscrowd": crowd, "area": areas},
    )


def official(images):
    metric = AveragePrecision()
    metric.update([found for found, _ in images], [truth for _, truth in images])
    return float(metric.compute()["map"])


@pytest.mark.parametrize("crowds", [False, True])
@pytest.mark.parametrize("seed", range(3))
def test_weighted_average_precision_is_pycocotools_on_images_that_are_repeated(seed, crowds):
    rng = np.random.default_rng(seed)
    images = [image(rng, crowds) for _ in range(12)]
    classes = matched_classes(images)
    assert mean_average_precision(classes, np.ones(12)) == pytest.approx(official(images), abs=1e-6)
    weights = rng.integers(0, 4, 12)
    repeated = [one for one, count in zip(images, weights, strict=True) for _ in range(count)]
    # Equal scores of repeated images are ordered otherwise, which moves precision within a tie alone.
    assert mean_average_precision(classes, weights) == pytest.approx(official(repeated), abs=0.02)


def test_the_interval_of_an_accuracy_is_that_of_the_binomial():
    right = np.repeat([1.0, 0.0], [300, 100])
    low, high = interval(lambda counts: float(counts @ right / counts.sum()), 400, draws=2000)
    width = 1.96 * (0.75 * 0.25 / 400) ** 0.5
    assert low == pytest.approx(0.75 - width, abs=0.006)
    assert high == pytest.approx(0.75 + width, abs=0.006)


def test_nothing_is_said_of_one_image_or_where_nothing_is_defined():
    assert interval(lambda counts: 1.0, 1) is None
    assert interval(lambda counts: float("nan"), 50) is None
    assert AveragePrecision().interval() is None


def test_the_interval_of_miou_holds_its_value_and_images_that_agree_have_none_to_speak_of():
    generator = torch.Generator().manual_seed(0)
    target = torch.randint(0, 3, (20, 8, 8), generator=generator)
    wrong = torch.rand(target.shape, generator=generator) < torch.linspace(0, 0.6, 20)[:, None, None]
    predicted = torch.where(wrong, (target + 1) % 3, target)
    matrices = MatricesOfImages(3, 255)
    matrices.add(predicted, target)
    low, high = matrices.interval()
    cells = torch.bincount((target * 3 + predicted).flatten(), minlength=9).view(3, 3)
    assert low < float(summarize(cells)["miou"]) < high
    matrices.reset()
    matrices.add(target, target)
    assert matrices.interval() == (1.0, 1.0)
