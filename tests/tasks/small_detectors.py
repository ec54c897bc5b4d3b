"""Detectors small enough to be trained within a test."""

import pytorch_lightning as pl
import torch
from narrow_heads import narrow

from lightning_nas.spaces import Chain
from lightning_nas.tasks.detection import DetectionTask

BODY = Chain(stem_channels=8, first_channels=8, widths=(8, 12, 16, 16), depths=(1,) * 4, strides=(2,) * 4)
SMALL = {"min_size": 64, "max_size": 64, "channels": 32, "head_convs": 1, "warmup_steps": 2, "anchor_scale": 2.0}


def body(seed=0):
    torch.manual_seed(seed)
    return BODY.network(dict.fromkeys(BODY.decisions, "mbconv_k3_e3"))


def task(seed=0, network=None, **arguments):
    network = body(seed) if network is None else network
    torch.manual_seed(seed)
    return narrow(DetectionTask(network, 4, **{**SMALL, **arguments}))


def trainer(folder, **arguments):
    return pl.Trainer(
        accelerator="cpu", default_root_dir=folder, logger=False, enable_progress_bar=False,
        enable_model_summary=False, enable_checkpointing=False, num_sanity_val_steps=0,
        **{"max_epochs": 1, **arguments},
    )  # fmt: skip


def batch(data, count=8):
    data.setup()
    return data.collate([data.train_set[i] for i in range(count)])
