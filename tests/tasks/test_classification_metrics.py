"""What the classification task measures: against scikit-learn, and as a picture of its confusions."""

import itertools
import warnings

import numpy as np
import pytest
import sklearn.metrics
import torch
from matplotlib import colormaps
from matplotlib.image import imread
from pytorch_lightning.loggers import CSVLogger, TensorBoardLogger
from tiny_classifier import Tiny, sorted_images, table_task, trainer

from lightning_nas.tasks.classification import ClassificationTask, DigitsDataModule
from lightning_nas.tasks.classification import module as task_module
from lightning_nas.tasks.classification.confusion import CELL, _cells, draw_confusion

# ---- metrics ---------------------------------------------------------------------------------------------------------


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
    ((matrix, names, picture),) = drawn
    assert np.array_equal(matrix, sklearn.metrics.confusion_matrix(data.test_set.targets, predicted))
    assert names == data.class_names
    assert np.array_equal(imread(tmp_path / "confusion.png")[..., :3], np.asarray(picture) / np.float32(255))


def test_validation_starts_a_new_matrix_every_epoch_and_tensorboard_gets_it(tmp_path, monkeypatch):
    totals = []
    monkeypatch.setattr(
        task_module, "draw_confusion", lambda m, names: totals.append(int(m.sum())) or draw_confusion(m, names)
    )
    board = TensorBoardLogger(tmp_path, name=None, version="")
    figures = []
    monkeypatch.setattr(board.experiment, "add_image", lambda name, *rest, **more: figures.append((name, rest[1])))
    fit = trainer(tmp_path, max_epochs=2, limit_train_batches=1, num_sanity_val_steps=1, logger=board)
    fit.fit(ClassificationTask(Tiny(), 10), datamodule=DigitsDataModule())
    assert totals == [360, 360]
    assert figures == [("val/confusion", 0), ("val/confusion", 1)]
    assert not (tmp_path / "confusion.png").exists()


def cells_of(matrix):
    """The pictures of its cells ``(rows, columns, H, W, 3)``."""
    count = len(matrix)
    cells = np.asarray(_cells(matrix, matrix / matrix.sum(axis=1, keepdims=True)))
    return cells.reshape(count, CELL, count, CELL, 3).transpose(0, 2, 1, 3, 4)


def test_every_cell_has_its_shade_and_its_own_count():
    """All rows and columns have equal sums, so that a transposed matrix has the same shades in transposed places."""
    matrix = np.array([[0, 2, 7], [4, 5, 0], [5, 2, 2]])
    cells, turned = cells_of(matrix), cells_of(matrix.T)
    for row, column in itertools.product(range(3), repeat=2):
        assert np.array_equal(cells[row, column], turned[column, row])
        shade = (np.array(colormaps["Blues"](matrix[row, column] / 9)[:3]) * 255).astype(np.uint8)
        assert np.array_equal(cells[row, column, 0, 0], shade)
        assert (cells[row, column] == shade).all() == (matrix[row, column] == 0)  # nothing is written where nothing is
    assert np.array_equal(cells[0, 1], cells[2, 1])  # 2 of 9
    assert not np.array_equal(cells[0, 1], cells[1, 0])


def test_names_and_counts_are_drawn_for_few_classes_only():
    eye = np.eye(3, dtype=int)
    few, others, many = (
        draw_confusion(eye, ["a", "b", "c"]),
        draw_confusion(eye, ["a", "b", "d"]),
        np.eye(200, dtype=int),
    )
    assert few.size == others.size
    assert not np.array_equal(few, others)
    assert np.array_equal(draw_confusion(many), draw_confusion(many, ["a"] * 200))
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
