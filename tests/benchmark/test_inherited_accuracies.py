"""The benchmark of inherited accuracies: a small run, its table, its refusals."""

import csv
import gzip
import json

import numpy as np
import pytest
from PIL import Image

from lightning_nas.benchmark import NasBenchMacroBenchmark
from lightning_nas.benchmark.shared_classifier import augmented
from lightning_nas.errors import TableError

TEXTS = ("00000000", "11111111", "22222222", "01201201", "10210210")


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """Five networks, and ten classes of two images."""
    root = tmp_path_factory.mktemp("macro")
    with gzip.open(root / "table.csv.gz", "wt", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["arch", "test"])
        writer.writerows([text, 40 + index] for index, text in enumerate(TEXTS))
    for label in range(10):
        folder = root / "images" / "train" / f"class{label}"
        folder.mkdir(parents=True)
        for number in range(2):
            pixels = np.random.default_rng(2 * label + number).integers(0, 256, (32, 32, 3), np.uint8)
            Image.fromarray(pixels).save(folder / f"{number}.png")
    return {"table": str(root / "table.csv.gz"), "images": str(root / "images")}


def small(files, **arguments):
    sizes = {"train_images": 12, "validation_images": 8, "batch_size": 4, "epochs": 1, "width": 0.1, "image_size": 8}
    return NasBenchMacroBenchmark(**files, **{**sizes, **arguments})


def test_a_run_gives_the_same_numbers_again(files):
    first, second = (small(files, rule="sandwich", distillation=0.5).run() for _ in range(2))
    assert sorted(entry["arch"] for entry in first["networks"]) == sorted(TEXTS)
    assert first["networks"] == second["networks"]
    assert all(0 <= entry["inherited"] <= 1 for entry in first["networks"])
    assert json.loads(json.dumps(first))["settings"]["rule"] == "sandwich"


def test_the_table_shows_a_run_per_row(files):
    result = {
        "settings": {"rule": "uniform", "distillation": 0.0, "seed": 0}, "networks": [{}] * 5, "mean_accuracy": 0.5,
        "training_seconds": 12.0, "spearman": {"value": 0.9, "low": 0.1, "high": 1.0},
        "spearman_of_macs": {"value": None, "low": None, "high": None},
    }  # fmt: skip
    table = NasBenchMacroBenchmark.render([result, result])
    assert table.row_count == 2
    assert [next(iter(column.cells)) for column in table.columns][4:6] == ["0.90 (0.10 … 1.00)", "none"]


def test_augmented_images_are_moved_or_mirrored():
    import torch

    torch.manual_seed(0)
    images = torch.rand(64, 3, 8, 8)
    moved = augmented(images)
    assert moved.shape == images.shape
    assert not torch.equal(moved, images)
    assert moved.max() <= images.max()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"table": None}, "table = None: expected a CSV file"),
        ({"images": None}, "images = None: expected a folder"),
        ({"networks": 3}, "networks must be at least 4"),
        ({"image_size": 4}, "image_size must be at least 8"),
        ({"epochs": 0}, "epochs must be at least 1"),
        ({"width": 0.0}, "width must be positive"),
        ({"rule": "none_such"}, "rule must be one of"),
        ({"distillation": 2.0}, "distillation must be from 0 to 1"),
    ],
)
def test_bad_arguments_are_refused_before_any_work(files, arguments, said):
    with pytest.raises(ValueError, match=said):
        small({**files, **arguments} if arguments.keys() & files else files, **{
            name: value for name, value in arguments.items() if name not in files
        })  # fmt: skip


def test_a_table_without_accuracies_is_refused(files, tmp_path):
    (tmp_path / "table.csv").write_text("arch,valid\n00000000,1\n")
    with pytest.raises(TableError, match="expected rows and the column 'test'"):
        small({**files, "table": str(tmp_path / "table.csv")}).run()
