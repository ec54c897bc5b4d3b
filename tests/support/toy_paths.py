"""The toy project on a space of paths; it notes what it has trained on and been judged on."""

import torch
import torchmetrics
from torch.utils.data import DataLoader, TensorDataset
from toy_project import project_of

from lightning_nas.spaces import NasBench201

SPACE = NasBench201(channels=2, cells=1, in_channels=1, nodes=3)
TOY = project_of("pytorch_lightning")
make_trainer = TOY.make_trainer


class Task(TOY.Project):
    """Notes the path of every training batch and which images it has seen; the first pixel of an image is its number."""

    headline = "accuracy"

    def __init__(self, space=SPACE):
        super().__init__(space, dropout=0.2)
        self.accuracy = torchmetrics.classification.MulticlassAccuracy(3, average="micro")
        self.paths, self.batches, self.trained_on, self.judged_on = [], [], set(), set()

    def training_step(self, batch, batch_idx):
        self.paths.append(self.backbone._path)
        self.batches.append(set(batch[0][:, 0, 0, 0].tolist()))
        self.trained_on |= self.batches[-1]
        return super().training_step(batch, batch_idx)

    def validation_step(self, batch, batch_idx):
        self.judged_on |= set(batch[0][:, 0, 0, 0].tolist())
        self.accuracy.update(super().validation_step(batch, batch_idx), batch[1])
        self.log_dict({"val/accuracy": self.accuracy})


class Given:
    """In the place of a space: what was made of one."""

    def __init__(self, backbone):
        self.backbone = backbone

    def supernet(self):
        return self.backbone


class Data(TOY.Data):
    """48 images to train on, 24 to validate on, which are sorted by class."""

    def __init__(self, batch_size=4):
        super().__init__(batch_size)

    def _dataset(self, count, first, labels):
        generator = torch.Generator().manual_seed(first)
        images = torch.randn(count, 1, 8, 8, generator=generator)
        images[:, 0, 4:, 4:] += labels.view(-1, 1, 1).float()
        images[:, 0, 0, 0] = torch.arange(first, first + count)
        return TensorDataset(images, labels)

    def train_dataloader(self):
        labels = torch.randint(3, (48,), generator=torch.Generator().manual_seed(0))
        return DataLoader(self._dataset(48, 0, labels), self.batch_size, shuffle=True)

    def val_dataloader(self):
        dataset = self._dataset(24, 1000, torch.arange(3).repeat_interleave(8))
        own = torch.Generator()  # a resumed Trainer asks for the loader once more
        return DataLoader(dataset, self.batch_size, generator=own)
