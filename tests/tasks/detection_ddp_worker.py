"""One rank (or the only process) of a detection search and a test; run by test_detection_ddp.py."""

import os

import pytorch_lightning as pl
import torch

from lightning_nas.search import BilevelDataModule, SearchModule
from lightning_nas.spaces import Chain, NasFpn, Product
from lightning_nas.strategies import Darts
from lightning_nas.tasks.detection import DetectionTask, ShapesDataModule

BODY = Chain(
    stem_channels=4, first_channels=4, widths=(4, 6, 8, 8), depths=(1,) * 4, strides=(2,) * 4,
    ops=("mbconv_k3_e3", "mbconv_k5_e3"),
)  # fmt: skip
NECK = NasFpn(channels=8, cells=3, repeats=1, min_level=3, max_level=5)


def main(out: str, data: str, batch_size: int) -> None:
    ranks, rank = int(os.environ.get("WORLD_SIZE", "1")), int(os.environ.get("RANK", "0"))
    shapes = ShapesDataModule(
        data, image_size=64, train=8, val=7, test=7, batch_size=batch_size, augmentation="none", seed=0
    )
    torch.manual_seed(0)
    task = DetectionTask(
        Product({"backbone": BODY, "neck": NECK}).supernet(), 4, detector="retinanet", min_size=64, max_size=64,
        anchor_scale=2.0, head_convs=1, norm="group", lr=0.01, warmup_steps=3,
    )  # fmt: skip
    trainer = pl.Trainer(
        accelerator="cpu", devices=ranks, strategy="ddp" if ranks > 1 else "auto", precision="64-true", max_epochs=2,
        logger=False, enable_progress_bar=False, enable_checkpointing=False, enable_model_summary=False,
        default_root_dir=os.path.dirname(out), num_sanity_val_steps=0,
    )  # fmt: skip
    module = SearchModule(task, Darts(lr=0.05))
    trainer.fit(module, BilevelDataModule(shapes))
    validated = {name: float(value) for name, value in trainer.callback_metrics.items() if name.startswith("val/")}
    # A detector that finds something: boxes straight from the untrained head, many and poor.
    task.detector.score_thresh = 0.0
    (tested,) = trainer.test(task, datamodule=shapes, verbose=False)
    torch.save({"state": module.model.state_dict(), "validated": validated, "tested": tested}, f"{out}.{rank}")
