"""The worst images of a test: what their scores are, which are kept, and what their pictures show."""

import numpy as np
import pytest
import torch

from lightning_nas.runs import RunFolder
from lightning_nas.runs.gallery import Gallery
from lightning_nas.tasks.classification.records import TestRecord as ClassRecord
from lightning_nas.tasks.classification.records import visible_pixels
from lightning_nas.tasks.detection.gallery import MOST_BOXES, drawn_boxes, f1_of_image
from lightning_nas.tasks.images.gallery import WorstImages, fitted
from lightning_nas.tasks.segmentation.gallery import drawn_labels, miou_of_image

GREY = np.full((40, 80, 3), 100, np.uint8)


def f1_by_hand(found, truth, least=0.3):
    """Greedy matching as a textbook has it, one pair of boxes after the other."""

    def overlap(a, b):
        width, height = (min(a[i + 2], b[i + 2]) - max(a[i], b[i]) for i in (0, 1))
        both = max(width, 0) * max(height, 0)
        areas = [(x[2] - x[0]) * (x[3] - x[1]) for x in (a, b)]
        return both / (sum(areas) - both)

    free, right, wrong = set(range(len(truth["labels"]))), 0, 0
    for place in sorted(range(len(found["scores"])), key=lambda i: -float(found["scores"][i])):
        if found["scores"][place] < least:
            continue
        box, label = found["boxes"][place].tolist(), int(found["labels"][place])
        overlaps = {i: overlap(box, truth["boxes"][i].tolist()) for i in free if int(truth["labels"][i]) == label}
        best = max(overlaps, key=overlaps.get, default=None)
        if best is not None and overlaps[best] >= 0.5:
            free.remove(best)
            right += 1
        else:
            wrong += 1
    return 2 * right / (2 * right + wrong + len(free)) if right + wrong + len(free) else 1.0


def boxes(count, generator, **others):
    corners = torch.rand(count, 2, generator=generator) * 6
    return {
        "boxes": torch.cat([corners, corners + 1 + torch.rand(count, 2, generator=generator) * 5], dim=1),
        "labels": torch.randint(1, 3, (count,), generator=generator),
        **others,
    }


def test_the_score_of_a_detector_is_f1_at_an_overlap_of_one_half():
    generator, scores = torch.Generator().manual_seed(0), []
    for _ in range(200):
        there, seen = torch.randint(0, 6, (2,), generator=generator).tolist()
        truth = boxes(there, generator, iscrowd=torch.zeros(there))
        found = boxes(seen, generator, scores=torch.rand(seen, generator=generator))
        scores.append(f1_of_image(found, truth))
        assert scores[-1] == pytest.approx(f1_by_hand(found, truth))
    assert len({round(score, 6) for score in scores}) > 6


def test_boxes_on_a_crowd_do_not_count_and_those_of_low_scores_are_not_there():
    group = torch.tensor([[0.0, 0, 9, 9]])
    truth = {"boxes": group, "labels": torch.tensor([1]), "iscrowd": torch.tensor([1])}
    found = {"boxes": group[:, [0, 1, 2, 2]] / 2, "labels": torch.tensor([1]), "scores": torch.tensor([0.9])}
    assert f1_of_image(found, truth) == 1.0
    assert f1_of_image(found, {**truth, "iscrowd": torch.tensor([0])}) == 0.0
    assert f1_of_image({**found, "labels": torch.tensor([2])}, truth) == 0.0
    assert f1_of_image({**found, "labels": torch.tensor([2]), "scores": torch.tensor([0.29])}, truth) == 1.0


def test_only_sure_boxes_are_drawn_and_not_too_many():
    truth = {"boxes": np.array([[10.0, 10, 30, 30]]), "labels": np.array([1])}
    many = np.tile(np.array([[40.0, 10, 60, 30]]), (MOST_BOXES + 5, 1))
    found = {"boxes": many, "labels": np.ones(len(many)), "scores": np.full(len(many), 0.2)}
    said, ((first, true), (second, seen)) = drawn_boxes(GREY, found, truth, ["cat"])
    assert (first, second) == ("truth", "prediction")
    assert said == "1 true, 0 found; the surest box has 0.20"
    assert np.array_equal(seen, fitted(GREY))
    assert not np.array_equal(true, fitted(GREY))
    said, (_, (_, seen)) = drawn_boxes(GREY, {**found, "scores": np.full(len(many), 0.4)}, truth, None)
    assert said == f"1 true, {MOST_BOXES + 5} found; 1 of these is drawn"
    changed = np.flatnonzero((seen != fitted(GREY)).any(axis=(0, 2)))
    scale = seen.shape[1] / GREY.shape[1]
    assert changed.min() == pytest.approx(40 * scale, abs=2)
    assert changed.max() < 75 * scale  # the box, and its name
    tiny = np.arange(len(many))[:, None] * 2.0 + np.array([0, 0, 1, 1])
    said, _ = drawn_boxes(GREY, {**found, "boxes": tiny, "scores": np.full(len(many), 0.4)}, truth, None)
    assert said == f"1 true, {MOST_BOXES + 5} found; {MOST_BOXES} of these are drawn"


def test_the_score_of_a_segmentation_is_its_own_miou_and_pixels_that_do_not_count_are_black():
    matrix = torch.tensor([[3, 1, 0], [0, 4, 0], [0, 0, 0]])
    assert miou_of_image(matrix) == pytest.approx((3 / 4 + 4 / 5) / 2)
    assert np.isnan(miou_of_image(torch.zeros(3, 3)))
    truth = np.zeros((40, 80), np.uint8)
    truth[:, 40:] = 255
    said, pictures = drawn_labels(GREY, truth, truth * 0 + 1, matrix, [(255, 0, 0), (0, 255, 0), (0, 0, 255)], "abc")
    shown = dict(pictures)
    assert said == "a 0.75, b 0.80"
    assert list(shown) == ["image", "truth", "prediction"]
    assert shown["truth"][0, 0].tolist() == [193, 40, 40]  # 0.6 of the colour, 0.4 of the grey below
    assert shown["truth"][0, -1].tolist() == [0, 0, 0]
    assert shown["prediction"][0, -1].tolist() == [40, 193, 40]


def test_the_score_of_a_classifier_is_the_probability_of_the_true_class(tmp_path):
    record = ClassRecord()
    logits = torch.tensor([[0.0, 0.0], [2.0, 0.0], [0.0, 3.0]])

    class Data:
        class_names = ("cat", "dog")

    record.add(torch.rand(3, 1, 8, 8), torch.tensor([0, 1, 1]), logits, Data)
    record.write(tmp_path)
    gallery = Gallery.load(RunFolder(tmp_path).gallery)
    expected = torch.sigmoid(torch.tensor([-2.0, 0.0, 3.0])).tolist()
    assert [entry.score for entry in gallery.shown] == pytest.approx(expected)
    assert [entry.name for entry in gallery.shown] == ["test image 2", "test image 1", "test image 3"]
    assert gallery.shown[0].said == "true: dog; predicted: cat 0.88, dog 0.12"
    assert (gallery.images, gallery.median, gallery.best) == (3, pytest.approx(0.5), pytest.approx(expected[-1]))
    record.write(tmp_path / "other")  # it has forgotten everything
    assert not (tmp_path / "other").exists()


def test_normalisation_is_undone_where_it_is_known():
    image = torch.tensor([[[-1.0, 1.0]], [[0.0, 0.0]], [[1.0, 0.0]]])
    known = visible_pixels(image, {"mean": [0.5, 0.5, 0.0], "std": [0.5, 1.0, 0.2]})
    assert known[0].tolist() == [[0, 128, 51], [255, 128, 0]]
    assert visible_pixels(image[:1], {})[0].tolist() == [[0, 0, 0], [255, 255, 255]]


def test_pictures_are_drawn_of_the_worst_alone():
    worst, drawn = WorstImages(most=3), []
    scores = [0.9, 0.8, float("nan"), 0.7, 0.95, 0.1, 0.7, 0.99]

    def draw(score):
        drawn.append(score)
        return "", [("image", GREY)]

    for score in scores:
        worst.add(score, lambda score=score: draw(score))
    gallery = worst.gallery("share", "")
    assert [entry.score for entry in gallery.shown] == [0.1, 0.7, 0.7]
    assert [entry.name for entry in gallery.shown] == ["test image 6", "test image 4", "test image 7"]
    assert drawn == [0.9, 0.8, 0.7, 0.1, 0.7]
    assert gallery.images == 7
    assert gallery.shown[0].pictures[0].jpeg.startswith(b"\xff\xd8\xff")
    assert WorstImages().gallery("share", "") is None
