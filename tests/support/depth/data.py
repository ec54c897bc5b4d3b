"""Generated images of boxes: the farther away, the darker."""

import pytorch_lightning as pl
import torch
from torch.utils.data import DataLoader, TensorDataset


class BoxesDataModule(pl.LightningDataModule):
    """Images ``(3, size, size)`` and distances ``(size, size)``, up to ``max_depth``."""

    in_channels = 3
    generated = True

    def __init__(self, size=16, count=32, max_depth=10.0, batch_size=8, seed=0):
        super().__init__()
        self.size, self.count, self.max_depth, self.batch_size, self.seed = size, count, max_depth, batch_size, seed
        self.image_size = (size, size)

    def task_arguments(self):
        return {"max_depth": self.max_depth}

    def _loader(self, seed, **arguments):
        generator = torch.Generator().manual_seed(seed)
        depths = torch.full((self.count, self.size, self.size), float(self.max_depth))
        for depth in depths:
            top, left = torch.randint(self.size // 2, (2,), generator=generator).tolist()
            depth[top : top + self.size // 2, left : left + self.size // 2] *= torch.rand((), generator=generator)
        images = (1 - depths / self.max_depth)[:, None].repeat(1, 3, 1, 1)
        return DataLoader(TensorDataset(images, depths), self.batch_size, **arguments)

    def train_dataloader(self):
        return self._loader(self.seed, shuffle=True)

    def val_dataloader(self):
        return self._loader(self.seed + 1)

    def test_dataloader(self):
        return self._loader(self.seed + 2)
