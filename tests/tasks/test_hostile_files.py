"""Malformed files of every kind: refused by an error of ours that names the file, or accepted and sane; nothing is run.

A few examples by default; ``NAS_HOSTILE_EXAMPLES=1000`` for many.
"""

import copy
import json
import os
import random
import string
import sys

import numpy as np
import pytest
from coco_files import CATEGORIES, annotation
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from spoilt_files import FEW, refusal, spoilt, spoilt_bytes

from lightning_nas.architecture import Architecture
from lightning_nas.errors import ArchitectureError, TableError
from lightning_nas.search.trials.evaluators import ResultTable
from lightning_nas.spaces import NasBench201, from_architecture, published
from lightning_nas.tasks.classification import ImageFolderDataModule
from lightning_nas.tasks.detection import CocoDataModule
from lightning_nas.tasks.detection.coco import CocoError
from lightning_nas.tasks.images.reading import decoded_size, read_rgb


@pytest.fixture(autouse=True)
def _nothing_is_run(tmp_path, monkeypatch):
    """Whatever a file asks for, no process starts and no pickle is read."""
    ran = []
    seen = {"os.system", "subprocess.Popen", "os.exec", "os.posix_spawn", "pickle.find_class"}
    active = True
    sys.addaudithook(lambda event, arguments: ran.append((event, arguments)) if active and event in seen else None)
    monkeypatch.chdir(tmp_path)
    yield
    active = False
    assert ran == []
    assert not (tmp_path / "sprung").exists()


# ---- COCO --------------------------------------------------------------------------------------------------------------


SIZES = [(24, 32), (32, 20)]
COCO = {
    "images": [
        {"id": number, "file_name": f"{number}.png", "height": height, "width": width}
        for number, (height, width) in enumerate(SIZES, start=1)
    ],
    "annotations": [
        annotation(11, 1, [4, 5, 20, 10]),
        annotation(12, 1, [3.5, 10, 20.9, 10], 3),
        annotation(13, 2, [1, 1, 10, 10], 3, iscrowd=1),
        annotation(14, 2, [0, 0, 20, 32]),
    ],
    "categories": CATEGORIES,
}


@pytest.fixture(scope="module")
def coco_root(tmp_path_factory):
    root = tmp_path_factory.mktemp("coco")
    for split in ("train", "val"):
        (root / split).mkdir()
        for number, (height, width) in enumerate(SIZES, start=1):
            Image.new("RGB", (width, height)).save(root / split / f"{number}.png")
    (root / "annotations").mkdir()
    (root / "annotations" / "instances_val.json").write_text(json.dumps(COCO))
    return root


@FEW
@given(raw=spoilt(COCO), skip_invalid=st.booleans())
def test_coco_files(coco_root, raw, skip_invalid):
    (coco_root / "annotations" / "instances_train.json").write_bytes(raw)
    data = CocoDataModule(str(coco_root), "train", "val", augmentation="none", skip_invalid=skip_invalid)
    said = refusal(CocoError, data.setup)
    if said is not None:
        assert "instances_" in said
        assert len(said) < 2000
        return
    assert len(data.train_set) >= 1
    objects = 0
    for image, target in data.train_set:
        boxes = target["boxes"]
        assert boxes.isfinite().all()
        assert (boxes[:, 2:] > boxes[:, :2]).all()
        assert (boxes >= 0).all()
        assert (boxes <= boxes.new_tensor([image.shape[2], image.shape[1]] * 2)).all()
        assert ((target["labels"] >= 1) & (target["labels"] <= data.num_classes)).all()
        assert (target["area"] > 0).all()
        assert (target["area"] <= (image.shape[1] + 1) * (image.shape[2] + 1)).all()
        objects += len(boxes)
    assert objects >= 1
    assert all(isinstance(name, str) and name.strip() for name in data.class_names)


# ---- tables ------------------------------------------------------------------------------------------------------------


SPACE = NasBench201()
CELLS = [SPACE.to_text(SPACE.sample(random.Random(seed))) for seed in range(4)]
ROWS = [["arch", "accuracy", "loss"], *([cell, f"{90 + n}.5", f"0.{n}"] for n, cell in enumerate(CELLS))]
CELL_VALUES = st.sampled_from(
    ["", " ", "nan", "inf", "-1e999", "1,5", '"', '"a', "\0", "9" * 140_000, "=cmd|' /C calc'!A0", "arch", "\n", "\r", "\u2028"]
) | st.text(alphabet=string.printable, max_size=6)  # fmt: skip


@FEW
@given(data=st.data())
def test_tables(tmp_path, data):
    rows = copy.deepcopy(ROWS)
    for _ in range(data.draw(st.integers(1, 3))):
        row = data.draw(st.sampled_from(rows))
        how = data.draw(st.sampled_from(["replace", "remove", "add"]))
        if how == "add" or not row:
            row.append(data.draw(CELL_VALUES))
        elif how == "remove":
            row.pop()
        else:
            row[data.draw(st.integers(0, len(row) - 1))] = data.draw(CELL_VALUES)
    separator, newline = data.draw(st.sampled_from(",;\t")), data.draw(st.sampled_from(["\n", "\r\n", "\r"]))
    raw = newline.join(separator.join(row) for row in rows).encode()
    raw = spoilt_bytes(data.draw, raw) if data.draw(st.integers(0, 4)) == 0 else raw
    file = tmp_path / data.draw(st.sampled_from(["table.csv", "table.csv.gz"]))
    file.write_bytes(raw)
    said = refusal(TableError, lambda: ResultTable(file, SPACE))
    if said is not None:
        assert "table.csv" in said
        return
    table = ResultTable(file, SPACE)
    assert table.rows
    assert len(set(table.columns)) == len(table.columns)
    for key, values in table.rows.items():
        SPACE.validate(dict(key))
        assert set(values) <= set(table.columns)
        assert all(np.isfinite(value) for value in values.values())


# ---- architectures -----------------------------------------------------------------------------------------------------


RECORD = published("darts_v2", channels=4, cells=3)


@FEW
@given(raw=spoilt(RECORD.to_dict()))
def test_architecture_records(tmp_path, raw):
    file = tmp_path / "architecture.json"
    file.write_bytes(raw)
    if refusal(ArchitectureError, lambda: from_architecture(Architecture.load(file))) is not None:
        return
    record = Architecture.load(file)
    space, choices = from_architecture(record)
    space.validate(choices)
    assert Architecture.from_json(record.to_json()) == record


# ---- images ------------------------------------------------------------------------------------------------------------


@FEW
@given(data=st.data())
def test_image_files(tmp_path, data):
    ending = data.draw(st.sampled_from(["png", "jpg", "tif", "webp", "bmp", "ppm"]))
    path = tmp_path / f"a.{ending}"
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (12, 17, 3), np.uint8)).save(path)
    raw = bytearray(path.read_bytes())
    for _ in range(data.draw(st.integers(1, 6))):
        raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
    path.write_bytes(raw[: data.draw(st.integers(0, len(raw)))] if data.draw(st.booleans()) else raw)
    sizes = []
    for read in (decoded_size, lambda place: read_rgb(place).shape[:2]):
        said = refusal(ValueError, lambda read=read: sizes.append(read(path)))
        assert said is None or f"a.{ending}: " in said
    assert len(set(sizes)) <= 1


def test_a_class_folder_of_anything_is_read_or_named(tmp_path):
    for number, raw in enumerate([b"", b"\x89PNG\r\n\x1a\n", b"GIF89a", b"II*\0" + b"\xff" * 64, os.urandom(100)]):
        for name in ("a", "b"):
            (tmp_path / name).mkdir(exist_ok=True)
            (tmp_path / name / f"{number}.png").write_bytes(raw)
    with pytest.raises(ValueError, match=r"0\.png: not an image"):
        ImageFolderDataModule(str(tmp_path)).setup()
