"""What small networks of the tasks learn from the largest one."""

import pytest
import torch
from torch.nn import functional as F

from lightning_nas.errors import ArgumentError
from lightning_nas.strategies.paths.divergence import alpha_divergence, kl_divergence
from lightning_nas.tasks.classification.distillation import ClassDistillation
from lightning_nas.tasks.detection.distillation import BoxDistillation, detection_distance
from lightning_nas.tasks.segmentation.distillation import pixel_distance


def test_classes_by_their_probabilities():
    teacher, student = torch.randn(2, 5, 3, generator=torch.Generator().manual_seed(0))
    expected = F.kl_div(student.log_softmax(-1), teacher.softmax(-1), reduction="batchmean")
    torch.testing.assert_close(ClassDistillation().distillation_loss(student, teacher, None, kl_divergence), expected)
    assert ClassDistillation().distillation_loss(student, teacher, None, alpha_divergence) > expected


def test_pixels_without_those_that_do_not_count():
    teacher, student = torch.randn(2, 2, 3, 4, 4, generator=torch.Generator().manual_seed(0))
    labels = torch.full((2, 4, 4), 255)
    assert pixel_distance(student, teacher, labels, kl_divergence) == 0
    labels[0, 1, 2] = labels[1, 3, 0] = 1
    kept = [(0, 1, 2), (1, 3, 0)]
    expected = torch.stack(
        [kl_divergence(teacher[b, :, y, x].log_softmax(0), student[b, :, y, x].log_softmax(0)) for b, y, x in kept]
    ).mean()
    torch.testing.assert_close(pixel_distance(student, teacher, labels, kl_divergence), expected)


def heads(centred, seed=0):
    generator = torch.Generator().manual_seed(seed)
    outputs = {"cls_logits": torch.randn(2, 6, 3, generator=generator) - 2}
    outputs["bbox_regression"] = torch.rand(2, 6, 4, generator=generator) * 3 + 0.5
    if centred:
        outputs["bbox_ctrness"] = torch.randn(2, 6, 1, generator=generator)
    return outputs


@pytest.mark.parametrize("centred", [True, False])
def test_a_detector_that_is_equal_is_no_distance_away(centred):
    same = heads(centred)
    torch.testing.assert_close(detection_distance(same, same, kl_divergence), torch.tensor(0.0), atol=1e-6, rtol=0)
    assert detection_distance(heads(centred, 1), same, kl_divergence) > 0


def test_boxes_of_retinanet_count_by_the_score_of_the_teacher():
    teacher, student = heads(False), heads(False)
    student["bbox_regression"] = teacher["bbox_regression"].clone()
    student["bbox_regression"][0, 3] += torch.tensor([1.0, -2.0, 0.0, 0.5])
    score = teacher["cls_logits"].sigmoid().amax(-1)
    expected = 3.5 * score[0, 3] / score.sum()
    torch.testing.assert_close(detection_distance(student, teacher, kl_divergence), expected, atol=1e-6, rtol=1e-5)


def test_boxes_of_fcos_count_by_their_overlap():
    teacher, student = heads(True), heads(True)
    teacher["bbox_regression"][0, 3] = torch.tensor([1.0, 1.0, 1.0, 1.0])
    student["bbox_regression"] = teacher["bbox_regression"].clone()
    student["bbox_regression"][0, 3] = torch.tensor([1.0, 1.0, 3.0, 1.0])  # twice as wide: GIoU = 0.5
    score = (teacher["cls_logits"].sigmoid().amax(-1) * teacher["bbox_ctrness"].sigmoid()[..., 0]).sqrt()
    expected = 0.5 * score[0, 3] / score.sum().clamp(min=1)
    torch.testing.assert_close(detection_distance(student, teacher, kl_divergence), expected, atol=1e-6, rtol=1e-5)


def test_classes_of_a_detector_are_there_or_not():
    teacher, student = heads(False), heads(False)
    student["cls_logits"] = teacher["cls_logits"].clone()
    student["cls_logits"][1, 2, 0] = 0.0
    p = teacher["cls_logits"][1, 2, 0].sigmoid()
    expected = p * (p / 0.5).log() + (1 - p) * ((1 - p) / 0.5).log()
    total = teacher["cls_logits"].sigmoid().amax(-1).sum()
    torch.testing.assert_close(
        detection_distance(student, teacher, kl_divergence), expected / total, atol=1e-6, rtol=1e-5
    )


def test_networks_of_a_step_have_to_see_images_of_one_size():
    small = {name: value[:, :4] for name, value in heads(True).items()}
    with pytest.raises(ArgumentError, match="images of one size"):
        detection_distance(small, heads(True), kl_divergence)


def test_two_stages_are_refused_by_name():
    task = BoxDistillation()
    task.detector = type("FasterRCNN", (), {})()
    with pytest.raises(ArgumentError, match=r"FasterRCNN has two stages.*retinanet"):
        task.distilled_module()
