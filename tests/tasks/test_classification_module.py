"""The classification task: losses, metrics, schedules, pictures, the same numbers again after a resume."""

import warnings

import numpy as np
import pytest
import pytorch_lightning as pl
import sklearn.metrics
import torch
from matplotlib.image import imread
from pytorch_lightning.callbacks import ModelCheckpoint
from pytorch_lightning.loggers import CSVLogger, TensorBoardLogger
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from lightning_nas.search import SeedBatches
from lightning_nas.spaces import Backbone, Darts, FeatureInfo, FeatureLevel
from lightning_nas.spaces.published import published
from lightning_nas.tasks.classification import ClassificationTask, DigitsDataModule
from lightning_nas.tasks.classification import module as task_module
from lightning_nas.tasks.classification.confusion import draw_confusion
from lightning_nas.tasks.classification.heads import AuxiliaryHead


class Tiny(Backbone):
    def __init__(self, channels: int = 4) -> None:
        super().__init__()
        self.conv = nn.Conv2d(1, channels, 3)
        self.feature_info = FeatureInfo((FeatureLevel(channels, 1),))
        self.auxiliary_info = None

    def forward_auxiliary(self, x):
        return [self.conv(x).relu()], None


def make_task(**arguments) -> ClassificationTask:
    torch.manual_seed(0)
    task = ClassificationTask(Tiny(), 10, **arguments)
    task.log = lambda *args, **kwargs: None
    return task.double()


def a_batch():
    generator = torch.Generator().manual_seed(1)
    images = torch.randn(6, 1, 8, 8, generator=generator, dtype=torch.float64)
    return images, torch.tensor([3, 1, 4, 1, 5, 9])


def trainer(folder, **arguments) -> pl.Trainer:
    plain = {"enable_progress_bar": False, "enable_model_summary": False, "accelerator": "cpu", "logger": False}
    return pl.Trainer(default_root_dir=folder, **{**plain, **arguments})


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
    backbone = Darts(**arguments).network(published(name).components["backbone"].choices)
    for weight, expected in ((0.0, plain), (0.4, with_auxiliary)):
        task = ClassificationTask(backbone, num_classes, auxiliary_weight=weight)
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


# ---- metrics ---------------------------------------------------------------------------------------------------------


def table_task(scores) -> ClassificationTask:
    """Class scores that depend on the brightness of the image alone."""
    task = ClassificationTask(Tiny(), scores.shape[1])
    object.__setattr__(task, "forward", lambda x: scores[x[:, 0, 0, 0].long()])
    return task


def sorted_images(count: int, labels) -> DataLoader:
    images = torch.arange(count).float()[:, None, None, None].expand(-1, 1, 8, 8)
    return DataLoader(TensorDataset(images, torch.as_tensor(labels)), batch_size=count // 5)


@pytest.mark.parametrize("constant", [True, False], ids=["constant", "random"])
def test_metrics_are_those_of_sklearn_also_when_images_come_sorted(tmp_path, constant):
    """Sorted classes made torchmetrics join top-5 accuracy with macro recall after the first batch."""
    labels = np.repeat(np.arange(10), 10)
    scores = torch.randn(100, 10, generator=torch.Generator().manual_seed(0))
    if constant:
        scores = scores[:1].expand(100, 10).contiguous()
    (result,) = trainer(tmp_path).test(table_task(scores), sorted_images(100, labels), verbose=False)
    predicted = scores.argmax(dim=1).numpy()
    macro = sklearn.metrics.precision_recall_fscore_support(labels, predicted, average="macro", zero_division=0)
    assert result["test/accuracy"] == pytest.approx(sklearn.metrics.accuracy_score(labels, predicted))
    assert result["test/accuracy_top5"] == pytest.approx(
        sklearn.metrics.top_k_accuracy_score(labels, scores.numpy(), k=5)
    )
    for name, value in zip(("precision", "recall", "f1"), macro, strict=False):
        assert result[f"test/{name}"] == pytest.approx(value, abs=1e-6)


# ---- confusion -------------------------------------------------------------------------------------------------------


def test_a_class_without_images_does_not_count_in_the_mean_recall(tmp_path):
    """Six classes, of the last there are no images, but two are said to be of it."""
    labels = torch.tensor([0, 0, 1, 2, 3, 4, 4, 4])
    predicted = [0, 5, 1, 2, 3, 4, 4, 5]
    scores = torch.nn.functional.one_hot(torch.tensor(predicted), 6).float()
    (values,) = trainer(tmp_path).test(table_task(scores), sorted_images(8, labels), verbose=False)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of sklearn, of the class without images
        expected = sklearn.metrics.balanced_accuracy_score(labels, predicted)
    assert values["test/recall"] == pytest.approx(expected)
    assert values["test/f1"] == pytest.approx(sklearn.metrics.f1_score(labels, predicted, average="macro"))


def test_the_confusion_picture_of_a_test_holds_the_right_counts(tmp_path, monkeypatch):
    drawn = []

    def spy(matrix, class_names):
        drawn.append((matrix, class_names, draw_confusion(matrix, class_names)))
        return drawn[-1][-1]

    monkeypatch.setattr(task_module, "draw_confusion", spy)
    data = DigitsDataModule()
    task = ClassificationTask(Tiny(), 10)
    trainer(tmp_path, logger=CSVLogger(tmp_path, name=None, version="")).test(task, datamodule=data, verbose=False)
    predicted = torch.cat([task(images).argmax(dim=1) for images, _ in data.test_dataloader()])
    ((matrix, names, figure),) = drawn
    assert np.array_equal(matrix, sklearn.metrics.confusion_matrix(data.test_set.targets, predicted))
    assert names == data.class_names
    shown = np.zeros((10, 10), int)
    for text in figure.axes[0].texts:
        column, row = text.get_position()
        shown[row, column] = int(text.get_text())
    assert np.array_equal(shown, matrix)
    picture = imread(tmp_path / "confusion.png")
    assert picture.shape[0] > 300
    assert picture.std() > 0


def test_validation_starts_a_new_matrix_every_epoch_and_tensorboard_gets_it(tmp_path, monkeypatch):
    totals = []
    monkeypatch.setattr(
        task_module, "draw_confusion", lambda m, names: totals.append(int(m.sum())) or draw_confusion(m, names)
    )
    board = TensorBoardLogger(tmp_path, name=None, version="")
    figures = []
    monkeypatch.setattr(board.experiment, "add_figure", lambda name, *rest, **more: figures.append((name, rest[1])))
    fit = trainer(tmp_path, max_epochs=2, limit_train_batches=1, num_sanity_val_steps=1, logger=board)
    fit.fit(ClassificationTask(Tiny(), 10), datamodule=DigitsDataModule())
    assert totals == [360, 360]
    assert figures == [("val/confusion", 0), ("val/confusion", 1)]
    assert not (tmp_path / "confusion.png").exists()


def test_names_and_counts_are_drawn_for_few_classes_only():
    few, many = draw_confusion(np.eye(3, dtype=int), ["a", "b", "c"]), draw_confusion(np.eye(200, dtype=int))
    assert [label.get_text() for label in few.axes[0].get_yticklabels()] == ["a", "b", "c"]
    assert few.axes[0].get_title() == "3 of 3 right (100.0%)"
    assert not many.axes[0].texts
    with pytest.raises(ValueError, match="class_names must be 3, got 2"):
        draw_confusion(np.eye(3, dtype=int), ["a", "b"])
    with pytest.raises(ValueError, match="square"):
        draw_confusion(np.ones((2, 3), int))


def test_two_ranks_draw_one_matrix_of_all_images(tmp_path, monkeypatch):
    def spy(matrix, class_names):
        np.save(tmp_path / f"{torch.distributed.get_rank()}.npy", matrix)
        return draw_confusion(matrix, class_names)

    monkeypatch.setattr(task_module, "draw_confusion", spy)  # forked ranks inherit it
    labels = np.repeat(np.arange(10), 10)
    scores = torch.randn(100, 10, generator=torch.Generator().manual_seed(0))
    ranks = trainer(tmp_path, devices=2, strategy="ddp_fork")
    ranks.test(table_task(scores), sorted_images(100, labels), verbose=False)
    assert sorted(path.name for path in tmp_path.glob("*.npy")) == ["0.npy"]
    expected = sklearn.metrics.confusion_matrix(labels, scores.argmax(dim=1).numpy())
    assert np.array_equal(np.load(tmp_path / "0.npy"), expected)
    assert (tmp_path / "confusion.png").is_file()


# ---- resume ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("num_workers", [0, 2])
@pytest.mark.parametrize("epoch", [0, 1])
def test_a_resumed_run_sees_the_same_augmented_images(tmp_path, monkeypatch, num_workers, epoch):
    monkeypatch.delenv("PL_SEED_WORKERS", raising=False)  # the first fit of a process finds it unset, later ones set

    def fit(folder, checkpoint=None):
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
        run.fit(task, datamodule=data, ckpt_path=checkpoint)
        return task.state_dict()

    whole = fit(tmp_path / "whole")
    resumed = fit(tmp_path / "resumed", tmp_path / "whole" / f"epoch={epoch}.ckpt")
    assert all(torch.equal(whole[name], resumed[name]) for name in whole)
