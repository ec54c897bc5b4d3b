"""Segmentation from the command line: search, report, train, predict; other spaces and strategies."""

import csv
import json

import numpy as np
import pytest
import torch
from PIL import Image
from processes import rank_of_command, run_ranks
from test_commands import run_whole_and_broken

from lightning_nas.architecture import Architecture
from lightning_nas.networks import load_backbone, read_state_dict
from lightning_nas.spaces import build_space

DATA = ["data.height=32", "data.width=64", "data.train=8", "data.val=4", "data.test=4", "data.crop=[32,32]"]
TINY = [
    "task=segmentation", *DATA, "trainer.accelerator=cpu", "task.channels=8", "data.batch_size=4",
    "search.epochs=2", "search.warmup_epochs=1",
    "evaluate.epochs=1", "evaluate.random=1", "evaluate.draws=3",
]  # fmt: skip
SMALL_SPACE = ["space.channels=2", "space.layers=4", "space.blocks=2", "space.stem_channels=4"]
FEW_OPS = "space.ops=[none,skip_connect,sep_conv_3x3]"
SINGLE_PATH = [
    "strategy=single_path", "strategy.population=3", "strategy.rounds=1", "strategy.recalibration_batches=1",
    "strategy.mutants=1", "strategy.crossovers=1",
]  # fmt: skip
BRIEF = ["logger=csv", *(f"trainer.limit_{part}_batches=1" for part in ("train", "val", "test"))]


@pytest.fixture(scope="module")
def searched(here):
    here("search", *TINY, *SMALL_SPACE, FEW_OPS, "strategy=darts_small", "hydra.run.dir=searched")
    return here.folder / "searched"


def test_a_search_compares_with_random_paths_and_a_hand_made_encoder(searched):
    summary = json.loads((searched / "summary.json").read_text())
    assert (summary["task"], summary["data"], summary["space"]) == ("segmentation", "streets", "auto_deeplab")
    assert summary["generated"]
    assert [entry["name"] for entry in summary["comparison"]] == ["found", "random 0", "hand-made residual"]
    assert summary["classes"][0] == {"id": 7, "name": "road", "color": [128, 64, 128]}
    assert {"miou", "pixel_accuracy", "f1", "iou/road"} <= set(summary["metrics"])
    part = Architecture.load(searched / "architecture.json").components["backbone"]
    assert (part.space, "level.3" in part.choices) == ("auto_deeplab", True)


def test_its_report_shows_trellis_table_and_pictures(searched):
    page = (searched / "report.html").read_text()
    assert "Path through the strides: 4, " in page
    assert "of the paths</title>" in page
    assert "Intersection over union by class" in page
    assert page.count("data:image/jpeg;base64,") == 3 + 4 * 3  # samples of three networks, and a gallery of four images
    assert "beta_inner" in page
    assert "#804080" in page
    assert "From left to right" in page


def test_cost_is_told_of_backbone_and_whole_network(searched):
    summary = json.loads((searched / "summary.json").read_text())
    cost, page = summary["cost"], (searched / "report.html").read_text()
    assert cost["input_size"] == [3, 32, 64]
    for part in ("backbone", "network"):
        assert cost[part]["latency"]["batch_size"] == 1
        assert f"{cost[part]['macs']:,}</td>" in page
    assert cost["backbone"]["macs"] < cost["network"]["macs"]
    assert cost["backbone"]["parameters"] < cost["network"]["parameters"]
    assert all(entry["network"]["macs"] > entry["backbone"]["macs"] for entry in summary["comparison"])
    assert "Multiply-adds, whole network" in page
    assert "hand-made residual network has about as many parameters" in page


def test_what_was_found_is_trained_and_labels_a_folder_of_images(here, searched):
    here(
        "train", "task=segmentation", *DATA, "trainer.accelerator=cpu", "task.channels=8", "epochs=1",
        f"architecture={searched / 'architecture.json'}", "++network.channels=4", "drop_path=0.1", "hydra.run.dir=trained",
        f"inherit={searched}",
    )  # fmt: skip
    record = Architecture.load(here.folder / "trained" / "architecture.json")
    assert record.components["backbone"].space_args["channels"] == 4
    images = here.folder / "images"
    images.mkdir()
    for number in range(2):
        pixels = np.random.default_rng(number).integers(0, 255, (40, 70 + number, 3), np.uint8)
        Image.fromarray(pixels).save(images / f"photo{number}.jpg")
    for run in ("trained", "searched"):
        here("predict", f"run={run}", "images=images")
        out = here.folder / run / "predictions"
        labels = np.array(Image.open(out / "labels" / "photo1.png"))
        assert labels.shape == (40, 71)
        assert set(np.unique(labels)) <= {7, 8, 11, 12, 13, 17, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 31, 32, 33}
        assert Image.open(out / "overlays" / "photo0.png").size == (70, 40)
        found = json.loads((out / "predictions.json").read_text())
        assert (found["classes"][0]["id"], found["classes"][0]["name"]) == (7, "road")
        assert [entry["file_name"] for entry in found["images"]] == ["photo0.jpg", "photo1.jpg"]
        assert {entry["id"] for entry in found["images"][1]["found"]} == set(np.unique(labels))


def test_the_folders_are_backbones(here, searched):
    """What a search has found, with the weights of its comparison."""
    state = read_state_dict(searched / "evaluation" / "found" / "checkpoints" / "last.ckpt")
    loaded = load_backbone(searched, weights=True).state_dict()
    assert loaded
    assert all(torch.equal(value, state[f"backbone.{name}"]) for name, value in loaded.items())


def test_masks_of_ones_own(here, searched):
    rng = np.random.default_rng(0)
    for split, count in (("train", 8), ("val", 3)):
        for number in range(count):
            labels = rng.integers(0, 3, (4, 5)).repeat(8, 0).repeat(8, 1).astype(np.uint8)
            for kind, picture in (("images", np.stack([80 * labels] * 3, 2)), ("masks", labels)):
                path = here.folder / "own" / kind / split
                path.mkdir(parents=True, exist_ok=True)
                Image.fromarray(picture).save(path / f"{number}.png")
    here(
        "train", "task=segmentation", "data=masks", "data.root=own", "data.num_classes=3", "data.crop=[32,32]",
        "data.num_workers=0", "data.class_names=[a,b,c]", "data.batch_size=4", "task.channels=8", "task.head=light",
        "trainer.accelerator=cpu", "epochs=1", f"architecture={searched / 'architecture.json'}", "hydra.run.dir=masks",
    )  # fmt: skip
    summary = json.loads((here.folder / "masks" / "summary.json").read_text())
    assert [entry["name"] for entry in summary["classes"]] == ["a", "b", "c"]
    assert summary["preparation"] == {"scale": 1.0}


@pytest.mark.parametrize(
    "arguments",
    [
        ["strategy=gdas"],
        SINGLE_PATH,
        ["strategy=darts_small", "strategy.order=2", "task.norm=group", FEW_OPS],
        ["strategy=darts_small", "trainer.precision=bf16-mixed", "task.recompute=true", FEW_OPS],
    ],
    ids=" ".join,
)
def test_every_strategy_searches_the_trellis(here, arguments):
    name = "_".join(arguments[:2]).replace("=", "_")
    here(
        "search", *TINY, *SMALL_SPACE, *BRIEF, "search.epochs=1", "search.warmup_epochs=0", *arguments,
        "evaluate.random=0", "evaluate.hand_made=false", f"hydra.run.dir={name}",
    )  # fmt: skip
    part = Architecture.load(here.folder / name / "architecture.json").components["backbone"]
    build_space(part.space, part.space_args).validate(part.choices)


def test_the_default_compares_the_networks_that_its_trials_have_trained(here):
    here(
        "search", *TINY, *SMALL_SPACE, FEW_OPS, "logger=csv", "trials.count=2", "evaluator.epochs=1", "evaluate.random=0",
        "evaluate.hand_made=false", "hydra.run.dir=default",
    )  # fmt: skip
    run = here.folder / "default"
    architecture = Architecture.load(run / "architecture.json")
    assert architecture.provenance["strategy"] == "random"
    trials = [json.loads(line) for line in (run / "trials.jsonl").read_text().splitlines()]
    # Both train for one epoch with the same seed: equal, as the head is that of the comparison, not that of a supernet.
    with (run / "evaluation" / "found" / "metrics.csv").open() as file:
        (compared,) = [float(row["val/miou"]) for row in csv.DictReader(file) if row["val/miou"]]
    assert max(trial["metrics"]["val/miou"] for trial in trials) == pytest.approx(compared, abs=1e-6)


@pytest.mark.parametrize(
    "arguments",
    [
        ["recipe=gas/small", "space.cells=3", "space.channels=4", FEW_OPS],
        ["space=chain_small", "strategy=darts_small", "space.output_stride=8"],
        [
            "space=darts_small",
            "strategy=darts_small",
            "space.stem=stride2",
            "space.cells=3",
            "space.channels=4",
            FEW_OPS,
        ],
    ],
    ids=["gas", "chain", "darts"],
)
def test_other_backbones_are_searched_for_segmentation(here, arguments):
    name = arguments[0].split("=")[1]
    here(
        "search",
        *TINY, *BRIEF, *arguments, "search.epochs=1", "search.warmup_epochs=0", "evaluate.random=0",
        f"hydra.run.dir={name}",
    )  # fmt: skip
    summary = json.loads((here.folder / name / "summary.json").read_text())
    assert summary["comparison"][1]["name"] == "hand-made residual"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["search", "task=segmentation", "task.head=unet"], "task.head"),
        (["search", *TINY, "evaluate.task.heads=light"], "evaluate.task.heads"),
        (["search", *TINY, "evaluate.draws=0"], "evaluate.draws"),
        (["search", "task=segmentation", "data=cityscapes"], "root = None"),
        (["search", "task=segmentation", "data=cityscapes", "data.root=nowhere", *SMALL_SPACE], "no such folder"),
        (["search", "task=segmentation", "space.layers=many"], "space.layers"),
        (["train", "task=segmentation"], "architecture = null"),
        (
            ["search", *TINY, *SMALL_SPACE, "strategy=darts_small", "task.norm=sync", "hydra.run.dir=synced"],
            "works on GPUs only",
        ),
        (
            ["search", *TINY, *SMALL_SPACE, "strategy=gas", "hydra.run.dir=priced"],
            "does not say where its operations stand",
        ),
    ],
)
def test_mistakes_are_named_before_any_work(here, arguments, said, capfd):
    with pytest.raises(SystemExit) as stopped:
        here(*arguments)
    assert said in capfd.readouterr().err + str(stopped.value.code)


def test_a_killed_search_resumes_to_the_same_architecture(tmp_path):
    arguments = [
        *TINY, "recipe=gas/small", "space.cells=3", "space.channels=4", FEW_OPS, "search.epochs=3", "data.augmentation=full",
        "task.recompute=true", f"strategy.terms.latency.table={tmp_path / 'latency.json'}", "evaluate.random=0",
        "evaluate.hand_made=false", "logger=csv",
    ]  # fmt: skip
    whole, broken = run_whole_and_broken(tmp_path, "search", arguments, unwritten="architecture.json")
    for name in ("architecture.json", "history.jsonl"):
        assert (broken / name).read_bytes() == (whole / name).read_bytes()


def test_two_ranks_find_what_one_with_twice_the_batch_finds_where_norms_see_one_image_each(here):
    """BatchNorm sees the batch of its own rank: its statistics, and so the probabilities, would differ."""
    arguments = (
        *TINY, *SMALL_SPACE, FEW_OPS, "strategy=darts_small", "evaluate.random=0", "evaluate.hand_made=false",
        "logger=csv", "task.norm=group", "task.dropout=0", "data.augmentation=none", "trainer.precision=64-true",
    )  # fmt: skip
    here("search", *arguments, "data.batch_size=4", "hydra.run.dir=one")
    two = ("trainer.devices=2", "trainer.strategy=ddp", "data.batch_size=2", "hydra.run.dir=two")
    run_ranks(rank_of_command, "search", *arguments, *two, cwd=here.folder)
    one, both = (
        [json.loads(line) for line in (here.folder / name / "history.jsonl").read_text().splitlines()]
        for name in ("one", "two")
    )
    assert len(one) == len(both) == 2
    assert one[1]["probabilities"] != one[0]["probabilities"]
    for alone, shared in zip(one, both, strict=True):
        for name, rows in alone["probabilities"].items():
            np.testing.assert_allclose(
                shared["probabilities"][name], rows, rtol=0, atol=1.1e-6, err_msg=name
            )  # 6 digits are written
    assert Architecture.load(here.folder / "one" / "architecture.json").hash == (
        Architecture.load(here.folder / "two" / "architecture.json").hash
    )
