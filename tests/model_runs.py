"""One short training of every task, whose results are whole models."""

import contextlib
import functools
import io
import shutil

import numpy as np
from PIL import Image

import lightning_nas
from lightning_nas.automatic.card import write_card
from lightning_nas.automatic.layout import Layout
from lightning_nas.runs.automatic import AutomaticFolder
from lightning_nas.spaces import Chain

BODY = Chain(stem_channels=8, first_channels=8, widths=(8, 12, 16, 16), depths=(1,) * 4, strides=(1, 2, 2, 2))
BRIEF = (
    "architecture=body.json", "epochs=1", "trainer.accelerator=cpu", "trainer.limit_train_batches=2",
    "trainer.limit_test_batches=1", "trainer.limit_val_batches=1", "data.num_workers=0",
)  # fmt: skip
TASKS = {
    "classification": ["data.batch_size=32"],
    "detection": [
        "task=detection", "data.image_size=64", "data.train=16", "data.val=4", "data.test=4", "task.min_size=64",
        "task.max_size=64", "task.head_convs=1", "task.channels=16",
    ],
    "segmentation": [
        "task=segmentation", "data.height=32", "data.width=64", "data.train=16", "data.val=4", "data.test=4",
        "data.crop=[32,32]", "task.channels=8",
    ],
}  # fmt: skip


def train_each(here):
    """A training of every task, its model saved, and images of no particular size."""
    for place in ("search.costs", "commands.export"):  # latency is not what is tested
        here.patch.setattr(f"lightning_nas.{place}.SECONDS", 0.01)
    BODY.architecture(dict.fromkeys(BODY.decisions, "mbconv_k3_e3")).save(here.folder / "body.json")
    for task, arguments in TASKS.items():
        here("train", *BRIEF, *arguments, f"hydra.run.dir={task}")
        lightning_nas.load_model(here.folder / task).save(here.folder / f"saved_{task}")
    (here.folder / "images").mkdir()
    for number in range(3):
        pixels = np.random.default_rng(number).integers(0, 255, (50, 80 + number, 3), np.uint8)
        Image.fromarray(pixels).save(here.folder / "images" / f"photo{number}.png")


def export_once(here):
    """Exports the run of a task when it is first asked for, in eight bits as well; gives what the command has said."""

    @functools.cache
    def export(task):
        with contextlib.redirect_stdout(io.StringIO()) as said:
            here("export", f"run={task}", "format=onnx,safetensors", "int8=true", "int8_images=4")
        return said.getvalue()

    return export


def arrays(answer):
    """What an answer of any task says, as arrays."""
    return {name: np.asarray(value) for name, value in vars(answer).items() if name != "names"}


def in_fixed_order(answer):
    """The same, with boxes by their place: a hardly trained detector gives them nearly equal scores, whose order is chance."""
    found = arrays(answer)
    if "boxes" in found:
        order = np.lexsort((*found["boxes"].round(2).T, found["labels"]))
        found = {name: value[order] for name, value in found.items()}
    return found


def card_of(here, task):
    """The card of a run as if it was an automatic one, and what is known of its exported file."""
    folder = AutomaticFolder("auto")
    for place in (folder.search, folder.training):
        shutil.copytree(task, place.path)
    folder.state.write_text("{}")
    here("export", f"run={folder.training}", "format=onnx,safetensors", f"out={folder.model}")
    write_card(folder, Layout("class folders", task, "imagefolder", (), list, {"train": 9, "val": 3}, "ab", (8, 8)))
    return folder.card.read_text(), lightning_nas.load_model(folder.model).record.exported["onnx"]
