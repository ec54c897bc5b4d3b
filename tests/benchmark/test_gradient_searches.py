"""The benchmark of gradient searches: what is found is looked up; its table, its refusals."""

import csv
import gzip
import json
import random
from functools import partial

import numpy as np
import pytest
from omegaconf import OmegaConf
from PIL import Image

from lightning_nas.benchmark import GradientSearchBenchmark
from lightning_nas.commands.components import make_seeded
from lightning_nas.errors import ArgumentError, TableError
from lightning_nas.spaces import NasBench201
from lightning_nas.strategies import Darts, RandomSearch
from lightning_nas.strategies.gradient.selection import Removal

SPACE = NasBench201()


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """All cells, with accuracies that say where they stand in the table; ten classes of four images."""
    root = tmp_path_factory.mktemp("gradient")
    texts = [f"|{a}~0|+|{b}~0|{c}~1|+|{d}~0|{e}~1|{f}~2|" for a in SPACE.ops for b in SPACE.ops for c in SPACE.ops
             for d in SPACE.ops for e in SPACE.ops for f in SPACE.ops]  # fmt: skip
    with gzip.open(root / "table.csv.gz", "wt", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["arch", "cifar10_test"])
        writer.writerows([text, index] for index, text in enumerate(texts))
    for label in range(10):
        folder = root / "images" / "train" / f"class{label}"
        folder.mkdir(parents=True)
        for number in range(4):
            pixels = np.random.default_rng(4 * label + number).integers(0, 256, (8, 8, 3), np.uint8)
            Image.fromarray(pixels).save(folder / f"{number}.png")
    return {"table": str(root / "table.csv.gz"), "images": str(root / "images")}, texts


def small(files, make=lambda space, seed: Darts(lr=0.1, guard="watch", seed=seed), **arguments):
    sizes = {"train_images": 40, "batch_size": 4, "image_size": 8, "channels": 2, "cells": 1}
    sizes |= {"steps": 2, "epochs": 2, "warmup_epochs": 0, "seeds": 2}
    return GradientSearchBenchmark(make_strategy=make, strategy="darts", **files[0], **{**sizes, **arguments})


def test_the_found_cells_are_looked_up_and_a_run_gives_the_same_numbers_again(files):
    first, second = (small(files).run() for _ in range(2))
    assert [search["seed"] for search in first["searches"]] == [0, 1]
    for search, again in zip(first["searches"], second["searches"], strict=True):
        assert search["cifar10_test"] == files[1].index(search["arch"])
        assert [epoch["arch"] for epoch in search["epochs"]][-1] == search["arch"]
        assert "eigenvalue" in search["epochs"][0]
        assert ":" in search["doctor"]
        assert {**search, "seconds": 0} == {**again, "seconds": 0}
    assert json.loads(json.dumps(first))["settings"]["epochs"] == 2
    mean, deviation, count = first["random"]["cifar10_test"]
    assert (mean, count) == (7812, 15625)
    assert deviation == pytest.approx(((15625**2 - 1) / 12) ** 0.5)


def test_a_random_strategy_draws(files):
    result = small(files, lambda space, seed: RandomSearch(space, seed=seed), seeds=3).run()
    found = [search["arch"] for search in result["searches"]]
    assert len(set(found)) == 3
    assert [search["cifar10_test"] for search in result["searches"]] == [files[1].index(text) for text in found]
    assert {search["doctor"] for search in result["searches"]} == {None}


def test_the_table_has_a_row_per_strategy_and_one_for_all_cells():
    search = {"seconds": 10.0, "cifar10_test": 90.0, "doctor": "collapsing since epoch 3: ..."}
    result = {"strategy": "darts", "columns": ["cifar10_test"], "searches": [search, {**search, "cifar10_test": 92.0}],
              "random": {"cifar10_test": [87.0, 12.0, 15625]}}  # fmt: skip
    table = GradientSearchBenchmark.render([result])
    rows = list(zip(*(column.cells for column in table.columns), strict=True))
    assert rows == [
        ("darts", "2", "91.00 ± 1.41", "2 collapsing", "10 ± 0"),
        ("all cells of the table", "15625", "87.00 ± 12.00", "", ""),
    ]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"seeds": 0}, "seeds must be at least 1"),
        ({"epochs": 0}, "epochs must be at least 1"),
        ({"train_images": 15}, "train_images must be at least 16, got 15"),
        ({"learning_rate": 0.0}, "learning_rate must be positive"),
        ({"warmup_epochs": 2}, "warmup_epochs must be at least 0 and less than epochs = 2, got 2"),
    ],
)
def test_bad_arguments_are_refused_before_any_work(files, arguments, said):
    with pytest.raises(ArgumentError, match=said):
        small(files, **arguments)


@pytest.mark.parametrize(("name", "expected"), [("table", "a CSV file"), ("images", "a folder of class folders")])
def test_what_is_not_given_is_asked_for(files, name, expected):
    with pytest.raises(ArgumentError, match=f"{name} = None: expected {expected}"):
        GradientSearchBenchmark(make_strategy=Darts, strategy="darts", **{**files[0], name: None})


def test_a_table_without_accuracies_is_refused(files, tmp_path):
    (tmp_path / "table.csv").write_text("arch,valid\n" + f"{files[1][0]},1\n")
    with pytest.raises(TableError, match="no column 'cifar10_test'"):
        small(({**files[0], "table": str(tmp_path / "table.csv")}, files[1])).run()


def test_every_seed_of_a_config_is_that_of_the_search():
    target = "lightning_nas.strategies"
    removal = {"_target_": f"{target}.gradient.selection.Removal", "seed": "${seed}"}
    config = OmegaConf.create({"seed": 0, "strategy": {"_target_": f"{target}.Darts", "seed": 0, "select": removal}})
    make = partial(make_seeded, config.strategy)
    strategy = make(SPACE, 5)
    assert isinstance(strategy.select, Removal)
    assert (strategy.select.seed, strategy._seed) == (5, 5)
    sampler = OmegaConf.create({"_target_": f"{target}.RandomSearch", "_partial_": True, "seed": 0})
    drawn = make_seeded(sampler, SPACE, random.Random(0).randint(1, 9))
    assert isinstance(drawn, RandomSearch)
