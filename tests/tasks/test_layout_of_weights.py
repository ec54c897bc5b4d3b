"""On a CPU the tasks compute channel by channel within a pixel, and say the same."""

import pytest
import torch
from tiny_classifier import trainer
from torch import nn

from lightning_nas.networks import ResidualBackbone
from lightning_nas.tasks.classification import ClassificationTask
from lightning_nas.tasks.detection import DetectionTask
from lightning_nas.tasks.segmentation import SegmentationTask


def backbone():
    torch.manual_seed(0)
    return ResidualBackbone(4, (4, 8, 16, 32), blocks=1)


TASKS = {
    "classification": lambda: ClassificationTask(backbone(), 3),
    "segmentation": lambda: SegmentationTask(backbone(), 3, channels=16),
    "detection": lambda: DetectionTask(backbone(), 3, channels=16, min_size=64, max_size=64),
}


@pytest.mark.parametrize("name", TASKS)
def test_weights_change_their_place_in_memory_and_nothing_else(name, tmp_path):
    task = TASKS[name]().eval()
    images = torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    given = list(images) if name == "detection" else images
    with torch.no_grad():
        before = task(given)
    task.trainer = trainer(tmp_path)
    task.setup("validate")
    wide = [part.weight for part in task.modules() if isinstance(part, nn.Conv2d) and part.kernel_size != (1, 1)]
    assert wide
    assert all(weight.is_contiguous(memory_format=torch.channels_last) for weight in wide)
    with torch.no_grad():
        torch.testing.assert_close(task(given), before, atol=1e-4, rtol=1e-4)


def test_a_network_of_others_whose_gradient_would_go_wrong_keeps_its_order(tmp_path):
    task = TASKS["classification"]()
    task.backbone.stages[0][0].shortcut = nn.Conv2d(4, 4, 1, 2)
    task.trainer = trainer(tmp_path)
    task.setup("fit")
    wide = [part.weight for part in task.modules() if isinstance(part, nn.Conv2d) and part.kernel_size != (1, 1)]
    assert wide
    assert all(weight.is_contiguous() for weight in wide)
