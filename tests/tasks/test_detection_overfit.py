"""A detector can learn real images by heart: COCO's sample, 47 images."""

import pytest
import pytorch_lightning as pl
from coco_files import SAMPLE

from lightning_nas.search import SeedBatches
from lightning_nas.spaces import Chain, NasFpn, Product
from lightning_nas.tasks.detection import CocoDataModule, DetectionTask

STEPS = 1100


@pytest.mark.slow
@pytest.mark.timeout(3000)
@pytest.mark.skipif(not SAMPLE.is_dir(), reason="no real data here")
def test_training_images_are_learnt_by_heart(tmp_path):
    body = Chain(stem_channels=24, first_channels=16, widths=(32, 48, 96, 160), depths=(1, 2, 1, 1), strides=(2,) * 4)
    space = Product({"backbone": body, "neck": NasFpn(channels=64, repeats=1)})
    pl.seed_everything(0)
    import random

    task = DetectionTask(
        space.network(space.sample(random.Random(0))), 80, detector="fcos", min_size=256, max_size=384,
        optimizer="adamw", lr=2e-3, schedule="cosine", warmup_steps=30,
    )  # fmt: skip
    data = CocoDataModule(str(SAMPLE), val_split="train2017", batch_size=4, augmentation="none", num_workers=0)
    trainer = pl.Trainer(
        accelerator="cpu", max_epochs=STEPS // 11, logger=False, enable_checkpointing=False, enable_model_summary=False,
        limit_val_batches=0, callbacks=[SeedBatches(0)], default_root_dir=tmp_path,
    )  # fmt: skip
    trainer.fit(task, datamodule=data)
    assert trainer.global_step == STEPS
    (metrics,) = trainer.test(task, datamodule=data, verbose=False)
    assert metrics["test/map_50"] > 0.5
