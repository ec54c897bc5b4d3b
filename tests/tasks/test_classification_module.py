"""The classification task: losses, parameters, schedules, the same numbers again after a resume."""

import numpy as np
import pytest
import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import ModelCheckpoint
from tiny_classifier import Tiny, trainer
from torch import nn

from lightning_nas.networks.weightless import without_weights
from lightning_nas.search import SeedBatches
from lightning_nas.spaces import Darts
from lightning_nas.spaces.published import published
from lightning_nas.tasks.classification import ClassificationTask, DigitsDataModule
from lightning_nas.tasks.classification.heads import AuxiliaryHead


def make_task(**arguments) -> ClassificationTask:
    torch.manual_seed(0)
    task = ClassificationTask(Tiny(), 10, **arguments)
    task.log = lambda *args, **kwargs: None
    return task.double()


def a_batch():
    generator = torch.Generator().manual_seed(1)
    images = torch.randn(6, 1, 8, 8, generator=generator, dtype=torch.float64)
    return images, torch.tensor([3, 1, 4, 1, 5, 9])


# ---- losses ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_mixup_loss_is_the_weighted_sum_of_the_two_losses(smoothing):
    images, labels = a_batch()
    task = make_task(mixup_alpha=1.0, label_smoothing=smoothing)
    torch.manual_seed(5)
    share = float(task.mix(images, labels)[1][0, 3])
    assert 0.05 < share < 0.95
    torch.manual_seed(5)
    loss = task.training_step((images, labels), 0)

    log_p = task(share * images + (1 - share) * images.roll(1, 0)).log_softmax(dim=1)

    def cross_entropy(target):
        hard = -log_p[torch.arange(6), target].mean()
        return (1 - smoothing) * hard - smoothing * log_p.mean()

    expected = share * cross_entropy(labels) + (1 - share) * cross_entropy(labels.roll(1, 0))
    torch.testing.assert_close(loss, expected, rtol=1e-6, atol=0)


def test_cutmix_shares_are_the_areas():
    images, labels = a_batch()
    task = make_task(cutmix_alpha=1.0)
    torch.manual_seed(2)
    mixed, shares = task.mix(images, labels)
    kept = (mixed == images).double().mean(dim=(1, 2, 3))
    assert 0 < kept[0] < 1
    torch.testing.assert_close(shares[0, 3].double(), kept[0], rtol=1e-6, atol=0)
    torch.testing.assert_close(shares.sum(dim=1), torch.ones(6))


def test_mixup_and_cutmix_take_turns():
    images, labels = a_batch()
    task = make_task(mixup_alpha=1.0, cutmix_alpha=1.0)
    torch.manual_seed(0)
    pasted = [
        bool(((m := task.mix(images, labels)[0]) == images).any() or (m == images.roll(1, 0)).any()) for _ in range(40)
    ]
    assert 10 < sum(pasted) < 30


def test_what_cannot_be_learnt_from_one_image_is_explained():
    task = ClassificationTask(Tiny(), 3)
    task.backbone.conv = nn.Sequential(nn.Conv2d(1, 4, 3), nn.AdaptiveAvgPool2d(1), nn.BatchNorm2d(4))
    with pytest.raises(ValueError, match=r"batch of one image.*data\.batch_size=2.*or larger images"):
        task.training_step((torch.rand(1, 1, 8, 8), torch.tensor([0])), 0)


def test_evaluation_never_mixes(tmp_path):
    task = make_task(mixup_alpha=1.0).float()
    del task.log
    results = [trainer(tmp_path).test(task, datamodule=DigitsDataModule(), verbose=False) for _ in range(2)]
    assert results[0] == results[1]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"mixup_alpha": -1.0}, "mixup_alpha.*-1"),
        ({"cutmix_alpha": -0.5}, "cutmix_alpha.*-0.5"),
        ({"schedule": "step"}, "schedule.*'step'"),
        ({"schedule": "exponential", "lr_min": 0.1}, "lr_min.*0.1"),
        ({"lr_decay": 0.0}, "lr_decay.*0.0"),
        ({"auxiliary_weight": 0.4}, "auxiliary_weight = 0.4"),
    ],
)
def test_impossible_arguments_are_named(arguments, said):
    with pytest.raises(ValueError, match=said):
        make_task(**arguments)


# ---- parameters ------------------------------------------------------------------------------------------------------


CIFAR = {"channels": 36, "cells": 20}
IMAGENET = {"channels": 48, "cells": 14, "stem": "imagenet"}


@pytest.mark.parametrize(
    ("name", "num_classes", "arguments", "plain", "with_auxiliary"),
    [
        ("darts_v1", 10, CIFAR, 3_169_414, 3_645_840),
        ("darts_v2", 10, CIFAR, 3_349_342, 3_825_768),
        ("pc_darts_cifar", 10, CIFAR, 3_634_678, 4_111_104),
        ("pc_darts_imagenet", 10, CIFAR, 3_721_510, 4_197_936),
        ("p_darts", 10, CIFAR, 3_433_798, 3_910_224),
        ("drnas_cifar", 10, CIFAR, 4_099_294, 4_575_720),
        ("drnas_imagenet", 10, CIFAR, 4_048_750, 4_525_176),
        ("darts_v2", 100, CIFAR, 3_401_272, 3_946_908),
        ("darts_v1", 1000, IMAGENET, 4_510_432, 5_771_208),
        ("darts_v2", 1000, IMAGENET, 4_718_752, 5_979_528),
        ("pc_darts_cifar", 1000, IMAGENET, 5_270_560, 6_531_336),
        ("pc_darts_imagenet", 1000, IMAGENET, 5_342_464, 6_603_240),
        ("p_darts", 1000, IMAGENET, 4_944_352, 6_205_128),
        ("drnas_cifar", 1000, IMAGENET, 5_738_464, 6_999_240),
        ("drnas_imagenet", 1000, IMAGENET, 5_726_368, 6_987_144),
    ],
)
def test_the_retrained_networks_have_the_published_sizes(name, num_classes, arguments, plain, with_auxiliary):
    with without_weights():
        backbone = Darts(**arguments).network(published(name).components["backbone"].choices)
        tasks = [ClassificationTask(backbone, num_classes, auxiliary_weight=weight) for weight in (0.0, 0.4)]
    for task, expected in zip(tasks, (plain, with_auxiliary), strict=True):
        assert sum(p.numel() for p in task.parameters()) == expected


@pytest.mark.parametrize(("imagenet", "smallest"), [(False, 8), (True, 7)])
def test_the_auxiliary_head_says_which_maps_are_too_small(imagenet, smallest):
    head = AuxiliaryHead(4, 10, imagenet=imagenet).eval()
    assert head(torch.zeros(2, 4, smallest, smallest)).shape == (2, 10)
    with pytest.raises(ValueError, match=f"{smallest}x{smallest} or more, got 6x6"):
        head(torch.zeros(2, 4, 6, 6))


# ---- schedules -------------------------------------------------------------------------------------------------------


class Rates(pl.Callback):
    def __init__(self) -> None:
        self.seen = []

    def on_train_epoch_start(self, trainer, pl_module):
        self.seen.append(trainer.optimizers[0].param_groups[0]["lr"])


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ({"lr": 0.1}, [0.1, 0.1 * (1 + np.cos(np.pi / 4)) / 2, 0.05, 0.1 * (1 + np.cos(3 * np.pi / 4)) / 2]),
        ({"lr": 0.1, "lr_min": 0.02}, [0.1, 0.02 + 0.08 * (1 + np.cos(np.pi / 4)) / 2, 0.06, None]),
        ({"lr": 0.1, "schedule": "exponential"}, [0.1, 0.097, 0.1 * 0.97**2, 0.1 * 0.97**3]),
        ({"lr": 0.1, "schedule": "exponential", "lr_decay": 0.5}, [0.1, 0.05, 0.025, 0.0125]),
    ],
)
def test_learning_rates_of_the_schedules(tmp_path, arguments, expected):
    rates = Rates()
    task = ClassificationTask(Tiny(), 10, **arguments)
    fit = trainer(tmp_path, max_epochs=4, limit_train_batches=1, limit_val_batches=0, callbacks=[rates])
    fit.fit(task, datamodule=DigitsDataModule())
    for rate, wanted in zip(rates.seen, expected, strict=True):
        assert wanted is None or rate == pytest.approx(wanted)


# ---- resume ----------------------------------------------------------------------------------------------------------


def augmented(folder, num_workers, checkpoint=None):
    torch.manual_seed(0)
    task = ClassificationTask(Tiny(), 10, mixup_alpha=0.2)
    data = DigitsDataModule(augmentation="light", num_workers=num_workers)
    every = ModelCheckpoint(folder, filename="{epoch}", save_top_k=-1)
    run = trainer(
        folder,
        max_epochs=3,
        limit_train_batches=3,
        limit_val_batches=1,
        num_sanity_val_steps=0,
        callbacks=[SeedBatches(0), every],
    )
    with pytest.MonkeyPatch.context() as patch:  # the first fit of a process finds it unset, later ones set
        patch.delenv("PL_SEED_WORKERS", raising=False)
        run.fit(task, datamodule=data, ckpt_path=checkpoint)
    return task.state_dict()


@pytest.fixture(scope="module", params=[0, 2])
def uninterrupted(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp("whole")
    return request.param, folder, augmented(folder, request.param)


@pytest.mark.parametrize("epoch", [0, 1])
def test_a_resumed_run_sees_the_same_augmented_images(tmp_path, uninterrupted, epoch):
    num_workers, folder, whole = uninterrupted
    resumed = augmented(tmp_path, num_workers, folder / f"epoch={epoch}.ckpt")
    assert all(torch.equal(whole[name], resumed[name]) for name in whole)
