"""The benchmark of training-free scores: its table, its images, its correlations, and a small run."""

import csv
import gzip
import json
import os
import random
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from lightning_nas.benchmark.images import class_images
from lightning_nas.benchmark.ranks import spearman
from lightning_nas.benchmark.zero_cost import ZeroCostBenchmark
from lightning_nas.errors import TableError
from lightning_nas.search.trials.evaluators import ResultTable
from lightning_nas.spaces import NasBench201
from lightning_nas.strategies.zero_cost import build_score, probe_classifier, score_names

REAL = Path(os.environ.get("NAS_DATA", Path(__file__).resolve().parents[3] / "shared" / "data")) / "nasbench201.csv.gz"


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """Seven cells with accuracies that grow with their parameters, and ten classes of images."""
    root = tmp_path_factory.mktemp("zero_cost")
    space = NasBench201()
    ops = ["none"] * 6
    with gzip.open(root / "table.csv.gz", "wt", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["arch", "n_seeds", "cifar10_test", "imagenet16_test"])
        for count in range(7):
            ops[:count] = ["nor_conv_1x1"] * count
            cell = dict(zip(space.decisions, ops, strict=True))
            writer.writerow([space.to_text(cell), 3, 50 + count, 50 - count])
    for label in range(10):
        folder = root / "images" / "train" / f"class{label}"
        folder.mkdir(parents=True)
        for number in range(2):
            pixels = np.random.default_rng(2 * label + number).integers(0, 256, (32, 32, 3), np.uint8)
            pixels[..., 0] = 10 * label
            Image.fromarray(pixels).save(folder / f"{number}.png")
    return {"table": str(root / "table.csv.gz"), "images": str(root / "images")}


# ---- a run ---------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def result(files):
    names = ["params", "macs", "synflow", "jacob_cov", "snip"]
    return ZeroCostBenchmark(**files, networks=5, batch_size=4, scores=names, device="cpu").run()


def test_parameters_rank_by_parameters(result):
    rows = {row["name"]: row for row in result["scores"]}
    assert list(rows) == ["params", "macs", "synflow", "jacob_cov", "snip", "vote"]
    assert rows["params"]["spearman"]["cifar10_test"]["value"] == pytest.approx(1)
    assert rows["params"]["spearman"]["imagenet16_test"]["value"] == pytest.approx(-1)
    assert set(rows["params"]["spearman"]) == {"cifar10_test", "imagenet16_test"}
    assert rows["snip"]["published"] == {"cifar10_test": 0.58, "imagenet16_test": 0.58}
    assert rows["vote"]["published"]["cifar10_test"] == 0.82
    assert rows["params"]["published"] == {}
    assert rows["snip"]["seconds"] > 0
    assert rows["vote"]["seconds"] is None


def test_every_network_is_drawn_once_and_its_scores_are_kept(result, files):
    texts = [row["arch"] for row in result["networks"]]
    assert len(set(texts)) == 5
    space = NasBench201()
    assert all(tuple(space.from_text(text).items()) in ResultTable(files["table"], space).rows for text in texts)
    row = result["networks"][2]
    images, labels = class_images(files["images"], 4, 10, 0)
    torch.manual_seed(2)  # the seed of the run and the place of the network
    network = space.network(space.from_text(row["arch"])).to(memory_format=torch.channels_last)
    probe = probe_classifier(network, images.to(memory_format=torch.channels_last), labels, 10, seed=2)
    for name in ("params", "synflow", "snip"):
        assert row[name] == build_score(name)(probe)


def test_the_result_is_json_and_has_a_table(result):
    assert json.loads(json.dumps(result, allow_nan=False)) == result
    assert ZeroCostBenchmark.render([result]).row_count == 6


def test_seeds_choose_networks_and_settings_are_kept(files):
    runs = [
        ZeroCostBenchmark(**files, networks=3, batch_size=2, scores=["params"], device="cpu", seed=seed).run()
        for seed in (0, 0, 1)
    ]
    chosen = [[row["arch"] for row in run["networks"]] for run in runs]
    assert chosen[0] == chosen[1] != chosen[2]
    assert runs[2]["settings"]["seed"] == 1
    whole = ZeroCostBenchmark(**files, networks=500, batch_size=2, scores=["macs"], device="cpu").run()
    assert len(whole["networks"]) == 7


def test_all_scores_are_the_default(files):
    assert sorted(ZeroCostBenchmark(**files)._build()) == score_names()


# ---- its parts -----------------------------------------------------------------------------------------------------------


def test_spearman_by_hand():
    r = spearman([1, 2, 3, 4, 5], [10, 30, 20, 40, 50])  # 1 - 6 * (1 + 1) / (5 * 24)
    assert r["value"] == pytest.approx(0.9)
    half = 1.96 * ((1 + 0.405) / 2) ** 0.5
    assert (r["low"], r["high"]) == pytest.approx((np.tanh(np.arctanh(0.9) - half), np.tanh(np.arctanh(0.9) + half)))
    assert spearman([-np.inf, 0.0, np.nan, 3.0], [1, 3, 1, 4])["value"] == pytest.approx(1)
    assert spearman([1, 1, 1, 1], [1, 2, 3, 4]) == {"value": None, "low": None, "high": None}
    assert spearman([1, 2], [1, 2]) == {"value": pytest.approx(1), "low": -1, "high": 1}


def test_images_are_read_as_they_are(files):
    images, labels = class_images(files["images"], 20, 10, seed=0)
    assert images.shape == (20, 3, 32, 32)
    assert sorted(labels.tolist()) == sorted([*range(10)] * 2)
    red = images[:, 0].mean((1, 2)) * 0.2471 + 0.4914
    torch.testing.assert_close(red, labels * 10 / 255)
    assert not torch.equal(class_images(files["images"], 20, 10, seed=1)[1], labels)
    assert torch.equal(class_images(files["images"] + "/train", 20, 10, seed=0)[0], images)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"table": None}, "table = None"),
        ({"images": None}, "images = None"),
        ({"networks": 1}, "networks must be at least 2, got 1"),
        ({"batch_size": 0}, "batch_size must be at least 2, got 0"),
        ({"scores": ["zem"]}, "unknown score 'zem'"),
        ({"scores": "zen"}, "scores must be a list"),
        ({"scores": []}, "scores must be a list"),
        ({"device": "tpu"}, "device must be"),
    ],
    ids=str,
)
def test_settings_out_of_range_are_refused(files, wrong, message):
    with pytest.raises(ValueError, match=message):
        ZeroCostBenchmark(**{**files, **wrong})


def test_files_that_do_not_fit_are_refused(files, tmp_path):
    other_column = "arch,accuracy\n|none~0|+|none~0|none~1|+|none~0|none~1|none~2|,3\n"
    for text, message in ((other_column, "one of the columns"), ("arch,cifar10_test\n", "no row")):
        (tmp_path / "table.csv").write_text(text)
        with pytest.raises(TableError, match=message):
            ZeroCostBenchmark(table=str(tmp_path / "table.csv"), images=files["images"]).run()
    with pytest.raises(FileNotFoundError, match="images = 'nowhere'"):
        class_images("nowhere", 2, 10, 0)
    with pytest.raises(ValueError, match="expected 10 class folders, got 0"):
        class_images(str(tmp_path), 2, 10, 0)
    with pytest.raises(ValueError, match="batch_size = 21 images or more, got 20"):
        class_images(files["images"], 21, 10, 0)


@pytest.mark.skipif(not REAL.is_file(), reason="needs the table of NAS-Bench-201 under NAS_DATA")
def test_the_real_table_knows_the_size_of_the_networks():
    space = NasBench201()
    rows = ResultTable(REAL, space).rows
    assert len(rows) == 15625
    for key in random.Random(0).sample(sorted(rows), 5):
        probe = probe_classifier(space.network(dict(key)), torch.zeros(1, 3, 32, 32), torch.tensor([0]), 10)
        assert build_score("params")(probe) / 1e6 == pytest.approx(rows[key]["params_m"], abs=1e-6)
        assert (build_score("macs")(probe) + 10) / 1e6 == pytest.approx(rows[key]["flops_m"], abs=1e-5)
