"""An ordinary LightningModule. What it says of itself are class attributes and two methods."""

import json
from pathlib import Path

import numpy as np
import pytorch_lightning as pl
import torch
from PIL import Image
from torch import nn
from torchmetrics import MeanSquaredError

from lightning_nas.search.presentation import MetricTable


class DepthTask(pl.LightningModule):
    headline, headline_mode = "rmse", "min"
    report_pictures = {"depths.png": "From left to right: the true distances, the estimated ones."}  # noqa: RUF012

    def __init__(self, backbone, max_depth, *, lr=0.01):
        super().__init__()
        self.backbone, self.max_depth, self.lr = backbone, max_depth, lr
        self.head = nn.Conv2d(backbone.feature_info.channels()[-1], 1, 1)
        self.errors = nn.ModuleDict({stage: MeanSquaredError(squared=False) for stage in ("val", "test", "near")})
        self.drawn = None

    def report_tables(self, datamodule):
        return [
            MetricTable("Errors by distance", {"rmse_near": f"below {datamodule.max_depth / 2:.0f} m", "rmse": "all"})
        ]

    def forward(self, images):
        depths = self.head(self.backbone(images)[-1]).sigmoid() * self.max_depth
        return nn.functional.interpolate(depths, images.shape[-2:], mode="bilinear")[:, 0]

    def training_step(self, batch, batch_idx):
        images, depths = batch
        loss = nn.functional.l1_loss(self(images), depths)
        self.log("train/loss", loss, on_epoch=True, on_step=False)
        return loss

    def _evaluate(self, batch, stage):
        images, depths = batch
        found = self(images)
        self.errors[stage].update(found, depths)
        self.log(f"{stage}/rmse", self.errors[stage], on_epoch=True)
        self.log(f"{stage}/bias", (found - depths).mean())
        return depths, found

    def validation_step(self, batch, batch_idx):
        self._evaluate(batch, "val")

    def test_step(self, batch, batch_idx):
        depths, found = self._evaluate(batch, "test")
        near = depths < self.max_depth / 2
        self.errors["near"].update(found[near], depths[near])
        self.log("test/rmse_near", self.errors["near"], on_epoch=True)
        self.drawn = torch.cat([depths[0], found[0]], dim=1)

    def on_test_epoch_end(self):
        self._picture(self.drawn).save(Path(self.trainer.log_dir) / "depths.png")

    def predict_folder(self, images, out, classes, *, batch_size, preparation, skip_invalid):
        assert (classes, preparation) == ([], {})
        out.mkdir(parents=True, exist_ok=True)
        means = {}
        for path in sorted(images.glob("*.png")):
            pixels = torch.from_numpy(np.asarray(Image.open(path).convert("RGB")).copy()).permute(2, 0, 1).float() / 255
            with torch.inference_mode():
                depth = self(pixels[None].to(self.device))[0]
            self._picture(depth).save(out / path.name)
            means[path.name] = float(depth.mean())
        (out / "depths.json").write_text(json.dumps(means))

    def configure_optimizers(self):
        return torch.optim.AdamW(self.parameters(), self.lr)

    def _picture(self, depth):
        return Image.fromarray((depth / self.max_depth * 255).byte().cpu().numpy())
