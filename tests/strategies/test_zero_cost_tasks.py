"""Through its loss any LightningModule can be scored: a detector and a segmenter, used as they are."""

import math

import pytest
import torch

from lightning_nas.spaces import Chain
from lightning_nas.strategies.zero_cost import Probe, build_score, score_names
from lightning_nas.tasks.detection import DetectionTask
from lightning_nas.tasks.segmentation import SegmentationTask

BODY = Chain(stem_channels=8, first_channels=8, widths=(8, 12, 16, 16), depths=(1,) * 4, strides=(2,) * 4)
IMAGES = torch.rand(4, 3, 64, 64, generator=torch.Generator().manual_seed(0))


def body():
    return BODY.network(dict.fromkeys(BODY.decisions, "mbconv_k3_e3"))


def detector(shift=0.0):
    sizes = {"min_size": 64, "max_size": 64, "channels": 16, "head_convs": 1, "anchor_scale": 2.0}
    task = DetectionTask(body(), 3, **sizes)
    target = {"boxes": torch.tensor([[4.0, 4.0, 40.0, 30.0]]) + shift, "labels": torch.tensor([1])}
    batch = (list(IMAGES), [target] * len(IMAGES))

    def maps(x):
        return torch.cat([level.flatten(1) for level in task.detector.backbone(x).values()], 1)

    return Probe(task, IMAGES, lambda: task.training_step(batch, 0), maps, lambda x: task.backbone(x)[-1])


def segmenter(shift=0.0):
    task = SegmentationTask(body(), 3, channels=16)
    labels = (IMAGES.mean(1) * 3 + shift).long().clamp(0, 2)
    batch = (IMAGES, labels)
    return Probe(task, IMAGES, lambda: task.training_step(batch, 0), task, lambda x: task.backbone(x)[-1])


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("make", [detector, segmenter])
def test_every_score_takes_a_task(make):
    torch.manual_seed(0)
    probe = make()
    before = {name: value.clone() for name, value in probe.model.state_dict().items()}
    arguments = {"zen": {"repeats": 2}}
    values = {name: build_score(name, **arguments.get(name, {}))(probe) for name in score_names()}
    assert {name: value for name, value in values.items() if not math.isfinite(value) or value == 0} == {}
    assert all(torch.equal(value, before[name]) for name, value in probe.model.state_dict().items())
    torch.manual_seed(0)
    moved = make(5.0 if make is detector else 1.0)  # the same network with another task
    changed = {name for name in values if build_score(name, **arguments.get(name, {}))(moved) != values[name]}
    assert changed == {"fisher", "grad_norm", "grasp", "snip"}
