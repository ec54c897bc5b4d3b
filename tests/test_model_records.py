"""A saved model is data: it is read, or refused in a sentence, and nothing in it is run."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

import lightning_nas
from lightning_nas.errors import NasError
from lightning_nas.models import Model, ModelRecord, formats
from lightning_nas.networks import build_network
from lightning_nas.spaces import Chain
from lightning_nas.tasks.classification import ClassificationTask

BODY = Chain(stem_channels=4, first_channels=4, widths=(4, 8), depths=(1, 1), strides=(1, 2))
PREPARATION = {"channels": 3, "resize": 8, "crop": 8, "mean": [0.4] * 3, "std": [0.2] * 3}


def saved(folder):
    """The folder of a classifier of three classes."""
    architecture = BODY.architecture(dict.fromkeys(BODY.decisions, "mbconv_k3_e3"))
    task = {
        "name": "classification", "target": "lightning_nas.tasks.classification.ClassificationTask",
        "arguments": {"num_classes": 3},
    }  # fmt: skip
    classes = [{"id": index, "name": name} for index, name in enumerate(("cat", "dog", "owl"))]
    record = ModelRecord(task, architecture, classes, PREPARATION)
    return Model(ClassificationTask(build_network(architecture), 3), record).save(folder)


def test_what_was_saved_is_loaded(tmp_path):
    model = lightning_nas.load_model(saved(tmp_path).weights)
    assert model.classes == ("cat", "dog", "owl")
    assert model.predict(np.zeros((9, 12, 3), np.uint8)).probabilities.sum() == pytest.approx(1)
    assert repr(model) == "Model(classification, 3 classes)"


def test_weights_of_another_network_are_named(tmp_path):
    record = saved(tmp_path).record
    record.write_text(record.read_text().replace('"num_classes": 3', '"num_classes": 4'))
    with pytest.raises(NasError, match=r"model.safetensors: the weights of another network"):
        lightning_nas.load_model(tmp_path)


def test_a_missing_package_is_named_before_any_work(tmp_path, monkeypatch):
    model = lightning_nas.load_model(saved(tmp_path).record)
    monkeypatch.setattr(formats, "find_spec", lambda name: None)
    with pytest.raises(NasError, match=r"format = 'onnx' needs onnx, .* pip install 'lightning-nas\[export\]'"):
        model.export(tmp_path / "a.onnx")
    with pytest.raises(NasError, match=r"expected a folder, or an ending of .onnx, .pt2, .torchscript"):
        model.export(tmp_path / "a.tflite")


def test_a_checkpoint_without_a_record_asks_for_the_network(tmp_path):
    task = lightning_nas.load_model(saved(tmp_path).record).task
    checkpoint = {"state_dict": task.state_dict(), "pytorch-lightning_version": "2.6.0", "epoch": 0, "loops": {}}
    torch.save({**checkpoint, "hyper_parameters": {"num_classes": 3}}, tmp_path / "older.ckpt")
    with pytest.raises(NasError, match="no record of the network's architecture: pass backbone="):
        ClassificationTask.load_from_checkpoint(tmp_path / "older.ckpt")
    loaded = ClassificationTask.load_from_checkpoint(tmp_path / "older.ckpt", backbone=task.backbone)
    assert loaded.backbone is task.backbone


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"format": 2}, "format"),
        (
            {"task": {"name": "x", "target": "os.mkdir", "arguments": {"path": "executed"}}},
            "classes of lightning_nas alone",
        ),
        ({"task": {"name": "x", "target": "lightning_nas.errors.NasError", "arguments": {}}}, "no task can be built"),
        ({"classes": "many"}, "classes"),
        ({"architecture": {}}, "architecture"),
    ],
)
def test_a_record_of_a_stranger_runs_nothing(tmp_path, change, said):
    record = saved(tmp_path / "strange").record
    record.write_text(json.dumps({**json.loads(record.read_text()), **change}))
    with pytest.raises(NasError, match=said):
        lightning_nas.load_model(tmp_path / "strange")
    assert not Path("executed").exists()
