"""What is exported of every kind of network computes what PyTorch does: on the CPU, in ONNX Runtime and elsewhere."""

import numpy as np
import pytest
import torch
from narrow_heads import narrow
from torch import nn

from lightning_nas.cost.exported import session_of
from lightning_nas.errors import ExportError
from lightning_nas.models import ModelRecord
from lightning_nas.models.formats import write_formats
from lightning_nas.networks import ResidualBackbone
from lightning_nas.spaces.published import published
from lightning_nas.tasks.classification import ClassificationTask
from lightning_nas.tasks.detection import DetectionTask
from lightning_nas.tasks.detection.deployment import filling, framed
from lightning_nas.tasks.segmentation import SegmentationTask

IMAGES = 20
PREPARATION = {"channels": 3, "resize": 32, "crop": 32, "mean": [0.4, 0.5, 0.6], "std": [0.2, 0.25, 0.3]}
DETECTORS = ("retinanet", "fcos", "faster_rcnn")


def lively(task):
    """Statistics and weights as after a training: answers differ from image to image and from place to place."""
    generator = torch.Generator().manual_seed(3)
    for module in task.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean.normal_(0, 0.1, generator=generator)
            module.running_var.uniform_(0.5, 1.5, generator=generator)
    return task.eval()


def detector(name, **arguments):
    task = narrow(DetectionTask(
        ResidualBackbone(4, (2, 4, 8, 16), blocks=1), 4, detector=name, channels=16, head_convs=1,
        **{"min_size": 64, "max_size": 128, **arguments},
    ))  # fmt: skip
    generator = torch.Generator().manual_seed(1)
    if name == "faster_rcnn":
        last, spread = task.detector.roi_heads.box_predictor.cls_score, 0.1
    else:  # the nine anchors of a place have scores that are far apart: nothing hangs on the last digit
        last, spread = task.detector.head.classification_head.cls_logits, 3.0 if name == "retinanet" else 0.1
    with torch.no_grad():
        last.weight.normal_(0, spread, generator=generator)
        if name == "retinanet":  # nor do boxes overlap by just so much as neighbouring anchors do
            task.detector.head.regression_head.bbox_reg.weight.normal_(0, 1.0, generator=generator)
        last.bias.normal_(-3.0 if name == "retinanet" else -1.0, 0.3, generator=generator)
    return lively(task)


def segmenter(head, **arguments):
    return lively(
        SegmentationTask(ResidualBackbone(4, (2, 4, 8, 16), blocks=1), 3, head=head, channels=16, **arguments)
    )


def record(**known):
    return ModelRecord({"name": "mine", "target": "mine", "arguments": {}}, published("darts_v2"), **known)


def pixels(*shape, seed=0):
    return np.random.default_rng(seed).integers(0, 256, shape, np.uint8)


def of_pytorch(task, known, size, image):
    with torch.no_grad():
        return [value.numpy() for value in task.deployment(known, size).module(torch.from_numpy(image))]


def same_boxes(found, expected):
    """Every box has one of the same class within 1e-3 pixels and a score within 1e-4; equal scores may change places."""
    (boxes, labels, scores), (wanted, wanted_labels, wanted_scores) = found, expected
    assert len(scores) == len(wanted_scores)
    np.testing.assert_allclose(np.sort(scores), np.sort(wanted_scores), atol=1e-4)
    cut = scores.min() + 1e-4 if len(scores) else 0  # those at the limit of 100 or 300 may be others of the same score
    for box, label, score in zip(boxes, labels, scores, strict=True):
        if score > cut:
            alike = (wanted_labels == label) & (np.abs(wanted_scores - score) < 1e-4)
            assert (np.abs(wanted[alike] - box).max(axis=1) < 1e-3).any()


@pytest.mark.parametrize("name", DETECTORS)
def test_a_detector_finds_the_same_boxes_in_onnx_runtime(name, tmp_path):
    task = detector(name)
    write_formats(task, record(), {"onnx": tmp_path / "a.onnx"}, (48, 64))
    session = session_of(tmp_path / "a.onnx")
    counts = []
    for seed in range(IMAGES):
        image = pixels(1, 48, 64, 3, seed=seed)
        found = session.run(None, {"pixels": image})
        same_boxes(found, of_pytorch(task, record(), (48, 64), image))
        counts.append(len(found[0]))
    assert max(counts) > 10
    assert all(parameter.requires_grad for parameter in task.parameters())


def test_an_image_without_objects_has_no_boxes(tmp_path):
    task = detector("fcos")
    nn.init.constant_(task.detector.head.classification_head.cls_logits.bias, -20.0)
    write_formats(task, record(), {"onnx": tmp_path / "a.onnx"}, (32, 32))
    shapes = [value.shape for value in session_of(tmp_path / "a.onnx").run(None, {"pixels": pixels(1, 32, 32, 3)})]
    assert shapes == [(0, 4), (0,), (0,)]


@pytest.mark.parametrize("head", ["deeplab", "per_level", "light"])
def test_a_segmentation_takes_any_size_and_number_of_images(head, tmp_path):
    task = segmenter(head)
    known = write_formats(task, record(), {"onnx": tmp_path / "a.onnx"}, (32, 48))["onnx"]
    assert known["inputs"] == {"pixels": ["batch", "height", "width", 3]}
    session = session_of(tmp_path / "a.onnx")
    for seed in range(IMAGES):
        image = pixels(1 + seed % 3, 33 + seed % 7, 40 + 5 * seed // 2, 3, seed=seed)
        labels, probabilities = session.run(None, {"pixels": image})
        wanted, exact = of_pytorch(task, record(), None, image)
        np.testing.assert_allclose(probabilities, exact, atol=1e-4)
        assert (labels == wanted).mean() > 0.999
        assert labels.dtype == np.uint8
        assert np.array_equal(labels, probabilities.argmax(1))


def test_the_views_of_a_test_are_in_the_file(tmp_path):
    task = segmenter("light", eval_scales=(0.5, 1.0), eval_flip=True)
    known = write_formats(task, record(), {"onnx": tmp_path / "a.onnx"}, (32, 48))["onnx"]
    assert known["inputs"] == {"pixels": ["batch", 32, 48, 3]}
    image = pixels(2, 32, 48, 3)
    _, probabilities = session_of(tmp_path / "a.onnx").run(None, {"pixels": image})
    tensor = torch.from_numpy(image).permute(0, 3, 1, 2) / 255
    with torch.no_grad():
        np.testing.assert_allclose(probabilities, task.testing.probabilities(task, tensor), atol=1e-4)
        assert np.abs(probabilities - task(tensor).softmax(1).numpy()).max() > 1e-3


def test_a_classifier_knows_its_normalisation(tmp_path):
    task = lively(ClassificationTask(ResidualBackbone(4, (2, 4, 8, 16), blocks=1), 5))
    known = record(preparation=PREPARATION)
    write_formats(task, known, {"onnx": tmp_path / "a.onnx"})
    session = session_of(tmp_path / "a.onnx")
    for seed in range(IMAGES):
        image = pixels(1 + seed % 3, 32, 32, 3, seed=seed)
        answers = [
            answer.probabilities
            for answer in task.predict_any(list(image), [{"name": "x"}] * 5, preparation=PREPARATION)
        ]
        np.testing.assert_allclose(session.run(None, {"pixels": image})[0], answers, atol=1e-4)


SLOW = pytest.mark.slow


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        *(("torchscript", name) for name in (*DETECTORS, "deeplab")),
        ("torch", "faster_rcnn"), *(pytest.param("torch", name, marks=SLOW) for name in ("retinanet", "fcos")),
        ("torch", "light"), *(pytest.param("torch", name, marks=SLOW) for name in ("deeplab", "per_level")),
    ],
)  # fmt: skip
def test_pytorchs_own_formats_compute_the_same(kind, name, tmp_path):
    task, size = (detector(name), (48, 64)) if name in DETECTORS else (segmenter(name), (32, 48))
    file = tmp_path / ("a.pt2" if kind == "torch" else "a.torchscript")
    write_formats(task, record(), {kind: file}, size)
    module = torch.export.load(str(file)).module() if kind == "torch" else torch.jit.load(str(file))
    for seed in range(3):
        image = (
            pixels(1, *size, 3, seed=seed) if name in DETECTORS else pixels(1 + seed % 2, 40 + seed, 57, 3, seed=seed)
        )
        found = [value.numpy() for value in module(torch.from_numpy(image))]
        expected = of_pytorch(task, record(), size, image)
        if name in DETECTORS:
            same_boxes(found, expected)
        else:
            np.testing.assert_allclose(found[1], expected[1], atol=1e-5)


def test_the_file_of_a_detector_can_stand_for_it():
    """An image is scaled into the frame of the file, and its boxes are scaled back."""
    asked, forward = [], detector("fcos").deployment(record(), (64, 64)).forward

    def run(image):
        asked.append(image)
        return torch.tensor([[1.0, 2.0, 3.0, 4.0]]), torch.tensor([2]), torch.tensor([0.5])

    same, twice = forward(run, [torch.rand(3, 64, 64), torch.rand(3, 128, 64)])
    assert [tuple(image.shape) for image in asked] == [(1, 64, 64, 3)] * 2
    assert same["boxes"].tolist() == [[1, 2, 3, 4]]
    assert twice["boxes"].tolist() == [[2, 4, 6, 8]]
    assert (same["labels"].tolist(), same["scores"].tolist()) == ([3], [0.5])


def test_a_frame_holds_the_whole_image_at_the_top_left():
    frame, scales = framed(torch.ones(3, 20, 40), (16, 16))
    assert scales == (0.4, 0.4)
    assert (frame[:8] == 255).all()
    assert (frame[8:] == 0).all()


@pytest.mark.parametrize("shape", [(90, 61), (40, 200), (30, 20)])
def test_what_the_file_sees_of_an_image_is_what_the_test_saw(shape):
    """Also around it: the colour of the frame is the padding of a batch."""
    generator, task = torch.Generator().manual_seed(0), detector("fcos", max_size=64)
    image = nn.functional.interpolate(torch.rand(1, 3, 9, 9, generator=generator), shape, mode="bicubic")[0].clamp(0, 1)
    fill = filling(task.detector.transform.image_mean)
    frame, _ = framed(image, (64, 64), fill)
    seen = task.detector.transform([frame.permute(2, 0, 1) / 255])[0].tensors
    in_test = task.detector.transform([image])[0].tensors
    height, width = in_test.shape[-2:]
    assert (seen[..., :height, :width] - in_test).abs().max() < 0.02
    assert (seen[..., height:, :].abs().max() if height < seen.shape[-2] else 0) < 0.02


class Odd(nn.Module):
    """Somebody's task: of it only ``forward`` is known."""

    def __init__(self, works=True):
        super().__init__()
        self.layer, self.works = nn.Conv2d(3, 2, 1), works

    def forward(self, x):
        if not self.works:
            return torch.linalg.eigvals(x[..., :2, :2]).real
        return {"a": self.layer(x), "b": x.mean()}


def test_a_task_that_says_nothing_is_exported_as_its_forward_is(tmp_path):
    known = write_formats(Odd(), record(input_size=(3, 8, 8)), {"onnx": tmp_path / "a.onnx"})["onnx"]
    assert known["inputs"] == {"input_0": [1, 3, 8, 8]}
    assert len(session_of(tmp_path / "a.onnx").run(None, {"input_0": np.zeros((1, 3, 8, 8), np.float32)})) == 2


def test_an_operator_that_the_exporter_lacks_is_named_and_nothing_is_written(tmp_path):
    with pytest.raises(ExportError, match="linalg_eig"):
        write_formats(Odd(works=False), record(input_size=(3, 8, 8)), {"onnx": tmp_path / "a.onnx"})
    assert not list(tmp_path.iterdir())
