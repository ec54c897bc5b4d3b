"""Classification from the command line: what was trained or searched names the classes of a folder of images."""

import csv
import json

import numpy as np
import pytest
import torch
from PIL import Image

from lightning_nas.architecture import Architecture
from lightning_nas.networks import build_network
from lightning_nas.networks.weights import read_state_dict
from lightning_nas.tasks.classification import ClassificationTask, DigitsDataModule, ImageFolderDataModule

SMALL = ["architecture=darts_v2", "++network.channels=4", "++network.cells=3", "epochs=1", "trainer.accelerator=cpu"]
ONE_BATCH = [f"trainer.limit_{part}_batches=1" for part in ("train", "val", "test")]


def trained(run):
    """The network of a run."""
    summary = json.loads((run / "summary.json").read_text())
    task = ClassificationTask(build_network(Architecture.load(run / "architecture.json")), len(summary["classes"]))
    task.load_state_dict(read_state_dict(run / "checkpoints" / "last.ckpt"))
    return task.eval()


def table(out):
    """File -> class and probability."""
    with (out / "predictions.csv").open(newline="") as file:
        return {row["file"]: (row["class"], float(row["probability"])) for row in csv.DictReader(file)}


def assert_as_in_the_test(run, images, files, out, names):
    """The table says of every file what the network says of the tensor."""
    task, found = trained(run), table(out)
    with torch.no_grad():
        probabilities = task(torch.stack(images)).softmax(dim=1)
    for file, expected in zip(files, probabilities, strict=True):
        assert found[file][1] == pytest.approx(float(expected.max()), abs=1e-3)
        assert expected[names.index(found[file][0])] > expected.max() - 2e-3


def test_digits_are_predicted_as_in_the_test(here):
    here("train", *SMALL, "trainer.limit_train_batches=8", "trainer.limit_val_batches=1", "hydra.run.dir=digits")
    run = here.folder / "digits"
    data = DigitsDataModule()
    data.setup()
    preparation = json.loads((run / "summary.json").read_text())["preparation"]
    assert preparation == {"channels": 1, "resize": 8, "crop": 8, **{k: preparation[k] for k in ("mean", "std")}}
    folder = here.folder / "digit images"
    folder.mkdir()
    (mean,), (std,) = preparation["mean"], preparation["std"]
    images = []
    for number in range(30):
        seen = data.test_set[number][0]
        shades = (255 * (seen * std + mean)).round()  # of a file: 16 is 255
        Image.fromarray(shades[0].numpy().astype(np.uint8)).save(folder / f"{number:02}.png")
        images.append((shades / 255 - mean) / std)
        torch.testing.assert_close(images[-1], seen, rtol=0, atol=0.5 / 255 / std + 1e-6)
    here("predict", "run=digits", "images=digit images", "batch_size=7")
    files = [f"{number:02}.png" for number in range(30)]
    assert_as_in_the_test(run, images, files, run / "predictions", [str(digit) for digit in range(10)])
    assert not (here.folder / "cli.log").exists()


def class_folders(root):
    """Pictures of other sizes than the network's, of two classes whose names are not in alphabetical order of labels."""
    rng = np.random.default_rng(0)
    for part, count in (("train", 6), ("val", 4)):
        for label, low in (("wolf", 0), ("ape, grey", 120)):
            (root / part / label).mkdir(parents=True)
            for number in range(count):
                pixels = rng.integers(low, low + 130, (30 + 7 * number, 52 - 5 * number, 3), np.uint8)
                Image.fromarray(pixels).save(root / part / label / f"{number}.PNG")


@pytest.mark.parametrize("augmentation", ["light", "imagenet"])
def test_folders_are_predicted_as_in_the_validation(here, augmentation):
    root, name = here.folder / f"pets {augmentation}", f"trained_{augmentation}"
    class_folders(root)
    arguments = {"image_size": 24, "augmentation": augmentation, "mean": [0.4, 0.5, 0.6], "std": [0.2, 0.3, 0.1]}
    here(
        "train", *SMALL, "data=imagefolder", f"data.root='{root}'", "data.num_workers=0", "data.batch_size=4",
        *(f"data.{key}={value}".replace(" ", "") for key, value in arguments.items()), f"hydra.run.dir={name}",
    )  # fmt: skip
    run = here.folder / name
    data = ImageFolderDataModule(str(root), **arguments)
    data.setup()
    here("predict", f"run={name}", f"images='{root / 'val'}'", f"out='{root / 'out'}'")
    files = [str(path).removeprefix(f"{root / 'val'}/") for path in data.val_set.images]
    assert_as_in_the_test(run, [image for image, _ in data.val_set], files, root / "out", ["ape, grey", "wolf"])
    found = json.loads((root / "out" / "predictions.json").read_text())
    assert found["classes"] == [{"id": 0, "name": "ape, grey"}, {"id": 1, "name": "wolf"}]
    assert len(found["images"]) == 8
    assert (root / "out" / "predictions.png").stat().st_size > 1000


def test_what_a_search_found_predicts_too(here):
    here(
        "search", "space.channels=4", "space.cells=3", "space.steps=2", "search.epochs=1", "search.warmup_epochs=0",
        "evaluate.epochs=1", "evaluate.random=0", "evaluate.hand_made=false", "trainer.accelerator=cpu", *ONE_BATCH,
        "data.batch_size=16", "logger=csv", "hydra.run.dir=searched",
    )  # fmt: skip
    folder = here.folder / "photos"
    folder.mkdir()
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (60, 80, 3), np.uint8)).save(folder / "photo.jpg")
    here("predict", "run=searched", "images=photos")
    ((name, probability),) = table(here.folder / "searched" / "predictions").values()
    assert name in map(str, range(10))
    assert 0.1 <= probability <= 1


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["images=photos", "out=photos"], "is the folder of the images"),
        (["images=photos", "batch_size=0"], "batch_size = 0"),
        (["images=nothing"], "no image in this folder or below"),
        (["images=damaged"], "b.jpg: not an image that can be read"),
        (["images=photos", "skip_damaged=true"], "skip_damaged"),
    ],
    ids=lambda value: value if isinstance(value, str) else " ".join(value),
)
def test_mistakes_are_named(here, arguments, said, capfd):
    for name in ("nothing", "damaged"):
        (here.folder / name).mkdir(exist_ok=True)
    (here.folder / "damaged" / "b.jpg").write_bytes(b"text")
    with pytest.raises(SystemExit) as stopped:
        here("predict", "run=searched", *arguments)
    assert said in capfd.readouterr().err + str(stopped.value.code)


def test_a_run_without_a_record_of_its_preparation_says_so(here, capfd):
    summary = here.folder / "searched" / "summary.json"
    record = json.loads(summary.read_text())
    del record["preparation"]
    summary.write_text(json.dumps(record))
    with pytest.raises(SystemExit) as stopped:
        here("predict", "run=searched", "images=photos")
    assert "does not say how its images were brought to the network" in capfd.readouterr().err + str(stopped.value.code)
