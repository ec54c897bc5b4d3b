"""What a task's network costs: small ones of every task beside values counted by hand."""

import random

import pytest
import torch
from counted_tower import WIDTH, Sized, Tower, tower_macs, tower_parameters

from lightning_nas.cost import count_macs, count_parameters
from lightning_nas.search.costs import backbone_of, cost_of_task, input_size, macs_of_choice
from lightning_nas.spaces import Chain, Fpn, Product
from lightning_nas.tasks.classification import ClassificationTask
from lightning_nas.tasks.detection import DetectionTask
from lightning_nas.tasks.segmentation import SegmentationTask

# ---- detection -------------------------------------------------------------------------------------------------------


LEVELS = (8, 16, 32, 64, 128)
SMALL = {"min_size": 128, "max_size": 128, "head_convs": 1}


def detector(**arguments):
    return DetectionTask(Tower(LEVELS, role="neck"), 4, **{**SMALL, **arguments})


def test_a_small_detector():
    cost = cost_of_task(detector(detector="retinanet"), None)
    places, anchors, classes = 16**2 + 8**2 + 4**2 + 2**2 + 1, 9, 5
    outputs = anchors * (classes + 4)
    head = places * (2 * WIDTH * WIDTH + WIDTH * outputs) * 9
    assert cost.input_size == (3, 128, 128)
    assert cost.backbone.macs == tower_macs(128, 128, LEVELS)
    assert cost.backbone.parameters == tower_parameters(LEVELS)
    assert cost.network.macs == tower_macs(128, 128, LEVELS) + head
    weights = (2 * WIDTH * WIDTH + WIDTH * outputs) * 9 + 2 * WIDTH + outputs
    assert cost.network.parameters == tower_parameters(LEVELS) + weights
    assert cost.backbone.latency is cost.network.latency is None


def test_the_box_head_counts_for_the_proposals_that_there_are():
    task = detector(detector="faster_rcnn")
    proposals = []
    task.detector.roi_heads.box_head.register_forward_hook(lambda m, args, out: proposals.append(len(args[0])))
    cost = cost_of_task(task, None)
    places, anchors, classes = 16**2 + 8**2 + 4**2 + 2**2 + 1, 3, 5
    rpn = places * (WIDTH * WIDTH * 9 + WIDTH * anchors * 5)
    box = WIDTH * 7 * 7 * 1024 + 1024 * 1024 + 1024 * classes * 5
    assert 0 < proposals[0] <= 1000
    assert cost.network.macs == tower_macs(128, 128, LEVELS) + rpn + proposals[0] * box
    assert cost.network.parameters == count_parameters(task) - 14


@pytest.mark.parametrize(("min_size", "seen"), [(100, 128), (128, 128), (130, 256)])
def test_the_image_of_a_detector_is_what_its_backbone_sees(min_size, seen):
    task = detector(min_size=min_size, max_size=200)
    task.backbone.register_forward_hook(lambda m, args, out: shapes.append(tuple(args[0].shape[1:])))
    shapes = []
    task.eval()([torch.zeros(3, min_size, min_size)])
    assert shapes == [(3, seen, seen)] == [input_size(task, None)]
    assert cost_of_task(task, None).input_size == shapes.pop()
    assert set(shapes) == {(3, seen, seen)}


def test_the_backbone_of_a_product_is_the_part_before_its_neck():
    body = Chain(stem_channels=8, first_channels=8, widths=(8, 12, 16, 16), depths=(1,) * 4, strides=(2,) * 4)
    space = Product({"backbone": body, "neck": Fpn(channels=WIDTH)})
    network = space.network(space.sample(random.Random(0)))
    task = DetectionTask(network, 4, **SMALL, detector="retinanet")
    cost = cost_of_task(task, None)
    assert backbone_of(task) is network.parts["backbone"]
    assert cost.backbone.macs == count_macs(network.parts["backbone"], (3, 128, 128))
    assert cost.backbone.macs < count_macs(network, (3, 128, 128)) < cost.network.macs
    assert cost.network.parameters == count_parameters(task)


# ---- segmentation, classification ---------------------------------------------------------------------------------------


def test_a_small_segmenter():
    strides, classes, width = (4, 8), 5, 16
    cost = cost_of_task(SegmentationTask(Tower(strides), classes, head="light", channels=width), Sized())
    low, high = 8 * 16, 4 * 8
    head = high * WIDTH * width + WIDTH * width + low * (WIDTH + width) * classes  # the gate sees one place
    assert cost.input_size == (3, 32, 64)
    assert cost.backbone.macs == tower_macs(32, 64, strides)
    assert cost.network.macs == tower_macs(32, 64, strides) + head
    weights = 2 * WIDTH * width + 2 * width + (WIDTH + width + 2) * classes
    assert cost.network.parameters == tower_parameters(strides) + weights


def test_windows_scales_and_mirrors_of_a_test_do_not_count():
    arguments = {"head": "light", "channels": 16, "eval_window": [16, 16], "eval_scales": [1.0, 2.0], "eval_flip": True}
    plain = cost_of_task(SegmentationTask(Tower((4, 8)), 5, head="light", channels=16), Sized())
    assert cost_of_task(SegmentationTask(Tower((4, 8)), 5, **arguments), Sized()) == plain


def test_a_classifier_without_what_only_training_needs():
    from lightning_nas.spaces import Darts

    space = Darts(channels=4, cells=3)
    network = space.network(space.sample(random.Random(0)))
    task = ClassificationTask(network, 10, auxiliary_weight=0.4)
    cost = cost_of_task(task, Sized())
    head = network.feature_info.channels()[-1] * 10
    assert cost.network.macs == count_macs(network, (3, 32, 64)) + head
    assert cost.network.parameters == count_parameters(network) + head + 10
    assert cost.network.parameters < count_parameters(task)


# ---- all tasks -----------------------------------------------------------------------------------------------------------


def test_latency_of_both_is_measured_and_the_task_is_left_as_it_was(monkeypatch):
    monkeypatch.setattr("lightning_nas.search.costs.SECONDS", 0.1)
    task = SegmentationTask(Tower((4, 8)), 5, head="light", channels=16)
    task.head.eval()
    state = torch.get_rng_state()
    before = {name: value.clone() for name, value in task.state_dict().items()}
    cost = cost_of_task(task, Sized(), timed=("backbone", "network"))
    assert 0 < cost.backbone.latency.median_ms < cost.network.latency.p90_ms
    assert cost.network.latency.batch_size == 1
    assert torch.equal(torch.get_rng_state(), state)
    assert (task.training, task.backbone.training, task.head.training) == (True, True, False)
    assert all(torch.equal(value, before[name]) for name, value in task.state_dict().items())


def test_counting_choices_leaves_random_numbers_alone():
    body = Chain(stem_channels=8, first_channels=8, widths=(8, 12, 16, 16), depths=(1,) * 4, strides=(2,) * 4)
    choices = body.sample(random.Random(0))
    state = torch.get_rng_state()
    macs = macs_of_choice(
        lambda backbone: DetectionTask(backbone, 4, **SMALL, detector="retinanet", channels=WIDTH),
        None,
        lambda: body.network(choices),
    )
    assert torch.equal(torch.get_rng_state(), state)
    assert macs > count_macs(body.network(choices), (3, 128, 128))
