"""One rank (or the only process) of a segmentation search and a test; run by test_segmentation_ddp.py."""

import os

import pytorch_lightning as pl
import torch

from lightning_nas.search import BilevelDataModule, SearchModule
from lightning_nas.spaces import AutoDeepLab
from lightning_nas.strategies import Darts
from lightning_nas.tasks.segmentation import SegmentationTask, StreetsDataModule

OPS = ("none", "skip_connect", "sep_conv_3x3", "dil_conv_3x3")


def main(out: str, data: str, batch_size: int) -> None:
    ranks, rank = int(os.environ.get("WORLD_SIZE", "1")), int(os.environ.get("RANK", "0"))
    streets = StreetsDataModule(
        data, height=32, width=64, train=8, val=7, test=7, crop=[32, 32], batch_size=batch_size, augmentation="none"
    )
    torch.manual_seed(0)
    supernet = AutoDeepLab(channels=2, layers=4, blocks=2, stem_channels=2, ops=OPS).supernet()
    task = SegmentationTask(
        supernet, streets.num_classes, head="per_level", dropout=0.0, norm="group", optimizer="sgd", lr=0.05,
        warmup_steps=2, eval_flip=True,
    )  # fmt: skip
    trainer = pl.Trainer(
        accelerator="cpu", devices=ranks, strategy="ddp" if ranks > 1 else "auto", precision="64-true", max_epochs=2,
        logger=False, enable_progress_bar=False, enable_checkpointing=False, enable_model_summary=False,
        default_root_dir=os.path.dirname(out), num_sanity_val_steps=0,
    )  # fmt: skip
    module = SearchModule(task, Darts(lr=0.05))
    trainer.fit(module, BilevelDataModule(streets))
    validated = {name: float(value) for name, value in trainer.callback_metrics.items() if name.startswith("val/")}
    (tested,) = trainer.test(task, datamodule=streets, verbose=False)
    torch.save({"state": module.model.state_dict(), "validated": validated, "tested": tested}, f"{out}.{rank}")
