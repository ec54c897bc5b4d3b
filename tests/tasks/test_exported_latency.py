"""Every task's whole network can be exported as it runs, and is timed so."""

import pytest
from narrow_heads import narrow

from lightning_nas.networks import ResidualBackbone
from lightning_nas.search.costs import exported_latency_of_task
from lightning_nas.spaces import Elastic, ImageSize, Product
from lightning_nas.tasks.classification import ClassificationTask
from lightning_nas.tasks.detection import DetectionTask
from lightning_nas.tasks.segmentation import SegmentationTask

SECONDS = 0.02


class Data:
    in_channels, image_size = 3, (64, 64)


def backbone():
    return ResidualBackbone(4, (4, 8, 16, 32), blocks=1)


@pytest.mark.parametrize("detector", ["fcos", "retinanet", "faster_rcnn"])
def test_a_detector_is_timed_with_its_suppression_of_boxes(detector):
    size = {"min_size": 64, "max_size": 64}
    task = DetectionTask(backbone(), num_classes=2, detector=detector, channels=16, head_convs=1, **size)
    latency = exported_latency_of_task(narrow(task), Data(), seconds=SECONDS)
    assert latency.median_ms > 0
    assert latency.runtime.startswith("onnxruntime")


def test_a_segmenter_and_a_classifier_are_timed():
    for task in (SegmentationTask(backbone(), num_classes=3), ClassificationTask(backbone(), num_classes=3)):
        assert exported_latency_of_task(task, Data(), seconds=SECONDS).median_ms > 0


def test_a_segmenter_that_makes_images_smaller_is_timed_as_a_file():
    space = Product({"image": ImageSize(scales=(50,)), "backbone": Elastic("mobilenet_v2", widths=(50,))})
    task = SegmentationTask(space.network(space.smallest()), num_classes=3, channels=16)
    assert exported_latency_of_task(task, Data(), seconds=SECONDS).runtime.startswith("onnxruntime")
