"""Loss, metrics and windows of segmentation, each against a count by hand."""

import itertools

import numpy as np
import pytest
import torch
import torchmetrics
from torch import nn

from lightning_nas.ops.layers.resize import resize
from lightning_nas.tasks.segmentation.data.labels import IGNORE
from lightning_nas.tasks.segmentation.evaluation import Evaluation, window_starts
from lightning_nas.tasks.segmentation.losses import pixel_cross_entropy
from lightning_nas.tasks.segmentation.metrics import ConfusionMatrix, summarize

# ---- loss -------------------------------------------------------------------------------------------------------


def random_pixels(seed=0):
    generator = torch.Generator().manual_seed(seed)
    logits = torch.randn(2, 4, 5, 6, generator=generator, dtype=torch.float64)
    target = torch.randint(4, (2, 5, 6), generator=generator)
    target[torch.rand(target.shape, generator=generator) < 0.3] = IGNORE
    return logits, target


@pytest.mark.parametrize("weights", [None, torch.tensor([1.0, 0.0, 2.5, 0.3], dtype=torch.float64)])
def test_plain_loss_is_that_of_pytorch(weights):
    logits, target = random_pixels()
    ours = pixel_cross_entropy(logits, target, ignore=IGNORE, class_weights=weights)
    torch.testing.assert_close(ours, nn.functional.cross_entropy(logits, target, weights, ignore_index=IGNORE))


def test_without_pixels_that_count_the_loss_is_zero_and_has_a_gradient():
    logits = torch.randn(1, 3, 2, 2, requires_grad=True)
    loss = pixel_cross_entropy(logits, torch.full((1, 2, 2), IGNORE), ignore=IGNORE, hard_below=0.7)
    loss.backward()
    assert float(loss) == 0.0
    assert not logits.grad.any()


@pytest.mark.parametrize(("hard_below", "least"), [(0.3, 0.0), (0.7, 0.1), (1e-6, 0.25), (1.0, 0.0)])
def test_hard_examples_are_those_of_a_loop_over_pixels(hard_below, least):
    logits, target = random_pixels(1)
    probabilities = logits.softmax(dim=1)
    pixels = [
        float(probabilities[b, target[b, y, x], y, x])
        for b in range(2) for y in range(5) for x in range(6) if target[b, y, x] != IGNORE
    ]  # fmt: skip
    least_count = max(1, round(least * len(pixels)))
    limit = max(hard_below, sorted(pixels)[least_count - 1])
    kept = [p for p in pixels if p <= limit]
    ours = pixel_cross_entropy(logits, target, ignore=IGNORE, hard_below=hard_below, least_kept=least)
    assert float(ours) == pytest.approx(-np.mean(np.log(kept)))


# ---- metrics ----------------------------------------------------------------------------------------------------


def test_metrics_equal_a_count_by_hand_and_torchmetrics():
    generator = torch.Generator().manual_seed(0)
    matrix = ConfusionMatrix(5, IGNORE)
    predicted, target = [], []
    for _ in range(3):
        p, t = torch.randint(4, (2, 9, 7), generator=generator), torch.randint(3, (2, 9, 7), generator=generator)
        t[:, 0] = IGNORE
        matrix.update(p, t)
        predicted.append(p)
        target.append(t)
    names = ["road", "wall", "sky", "traffic light", "car"]
    values = summarize(matrix.compute(), names)
    p, t = torch.cat(predicted).numpy().ravel(), torch.cat(target).numpy().ravel()
    p, t = p[t != IGNORE], t[t != IGNORE]
    iou = {}
    f1 = []
    for label in range(5):
        both, either = np.sum((p == label) & (t == label)), np.sum((p == label) | (t == label))
        if either:
            iou[label] = both / either
            f1.append(2 * both / (np.sum(p == label) + np.sum(t == label)))
    assert sorted(iou) == [0, 1, 2, 3]  # 3 is predicted only, 4 is nowhere
    assert float(values["miou"]) == pytest.approx(np.mean(list(iou.values())))
    assert float(values["pixel_accuracy"]) == pytest.approx(np.mean(p == t))
    assert float(values["f1"]) == pytest.approx(np.mean(f1))
    assert float(values["iou/wall"]) == pytest.approx(iou[1])
    assert float(values["iou/traffic_light"]) == 0.0
    assert "iou/car" not in values
    theirs = torchmetrics.JaccardIndex("multiclass", num_classes=5, ignore_index=IGNORE)
    theirs.update(torch.cat(predicted), torch.cat(target))
    assert float(values["miou"]) == pytest.approx(float(theirs.compute()))
    confusion = torchmetrics.ConfusionMatrix("multiclass", num_classes=5, ignore_index=IGNORE)
    confusion.update(torch.cat(predicted), torch.cat(target))
    assert torch.equal(matrix.compute(), confusion.compute())


def test_without_pixels_there_is_nothing_to_measure():
    assert summarize(torch.zeros(3, 3), ["road", "wall", "sky"]) == {}


# ---- evaluation -------------------------------------------------------------------------------------------------


def local(x):
    """A network of pixels: sees no context, so that windows change nothing."""
    return torch.cat([x, x.square(), x.sin()], dim=1)


def test_windows_cover_everything_and_share_the_overlap():
    for size, window, overlap in ((100, 40, 0.5), (41, 40, 0.3), (40, 40, 0.9), (1000, 769, 1 / 3)):
        starts = window_starts(size, window, overlap)
        assert (starts[0], starts[-1]) == (0, size - window)
        assert all(0 < b - a <= window * (1 - overlap) for a, b in itertools.pairwise(starts))


def test_sliding_windows_of_a_local_network_change_nothing():
    images = torch.rand(2, 3, 37, 53)
    whole = Evaluation().probabilities(local, images)
    torch.testing.assert_close(Evaluation(window=(16, 20)).probabilities(local, images), whole)
    torch.testing.assert_close(whole.sum(dim=1), torch.ones(2, 37, 53))


def test_windows_are_averaged_where_they_overlap():
    images = torch.zeros(1, 1, 4, 6)
    calls = iter([0.0, 1.0])

    def network(x):
        value = next(calls)
        return torch.stack([torch.full(x.shape[-2:], value), torch.zeros(x.shape[-2:])])[None]

    found = Evaluation(window=(4, 4), overlap=0.5).probabilities(network, images)[0, 0, 0]
    second = float(torch.tensor(1.0).sigmoid())
    assert found.tolist() == pytest.approx([0.5, 0.5, (0.5 + second) / 2, (0.5 + second) / 2, second, second])


def test_scales_and_mirrors_are_averaged():
    images = torch.rand(1, 3, 20, 30)
    model = nn.Conv2d(3, 4, 5, padding=2)
    views = []
    for scale in (0.5, 1.0, 1.5):
        seen = resize(images, (round(20 * scale), round(30 * scale)))
        views += [model(seen).softmax(1), model(seen.flip(-1)).softmax(1).flip(-1)]
    expected = torch.stack([resize(view, (20, 30)) for view in views]).mean(dim=0)
    ours = Evaluation(scales=(0.5, 1.0, 1.5), flip=True).probabilities(model, images)
    torch.testing.assert_close(ours, expected)
