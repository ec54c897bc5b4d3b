"""Whole models from the command line and from Python: trained, loaded, saved, exported, trained on for other classes."""

import json
import re

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from model_runs import BRIEF, TASKS, arrays, card_of, export_once, in_fixed_order, train_each
from PIL import Image
from processes import run_code

import lightning_nas
from lightning_nas.errors import NasError
from lightning_nas.networks import read_state_dict
from lightning_nas.runs import RunFolder
from lightning_nas.runs.gallery import Gallery
from lightning_nas.tasks.classification import ClassificationTask, DigitsDataModule
from lightning_nas.tasks.detection import DetectionTask
from lightning_nas.tasks.segmentation import SegmentationTask

EACH = pytest.mark.parametrize("task", TASKS)


@pytest.fixture(scope="module")
def runs(here):
    """A training of every task, and images of no particular size."""
    train_each(here)
    return here


@pytest.fixture(scope="module")
def exported(runs):
    """Exports the run of a task, once."""
    return export_once(runs)


@EACH
def test_a_run_is_a_model_that_knows_what_it_is(runs, task):
    model = lightning_nas.load_model(task)
    summary = json.loads((runs.folder / task / "summary.json").read_text())
    assert model.classes == tuple(entry["name"] for entry in summary["classes"])
    assert model.preparation == summary["preparation"]
    assert (*model.image_size,) == tuple(summary["cost"]["input_size"][1:])
    assert model.record.metric["value"] == summary["metrics"][model.record.metric["name"]]
    trained = read_state_dict(runs.folder / task / "checkpoints" / "last.ckpt")
    assert all(torch.equal(value, trained[name]) for name, value in model.task.state_dict().items())
    assert model.backbone is model.task.backbone
    assert model.head is not None
    assert (model.neck is not None) == (task == "detection")
    assert not model.task.training
    gallery = Gallery.load(RunFolder(task).gallery)
    assert gallery.images == {"classification": 64}.get(task, 4)  # of the one batch that was tested
    assert "<h2>Where it is wrong</h2>" in (runs.folder / task / "report.html").read_text()


FRESH = f"""
import sys, numpy, lightning_nas
for task in {list(TASKS)}:
    model = lightning_nas.load_model(f"saved_{{task}}")
    numpy.savez(f"{{task}}.npz", **{{n: v for n, v in vars(model.predict("images/photo0.png")).items() if n != "names"}})
assert not {{"hydra", "omegaconf"}} & set(sys.modules)
"""


def test_a_saved_folder_computes_the_same_in_a_fresh_process(runs):
    for task in TASKS:
        assert {path.name for path in (runs.folder / f"saved_{task}").iterdir()} == {"model.json", "model.safetensors"}
    run_code(FRESH, runs.folder, forgotten=("lightning_nas", "hydra", "omegaconf"))
    for task in TASKS:
        there, here = np.load(runs.folder / f"{task}.npz"), lightning_nas.load_model(task).predict("images/photo0.png")
        assert set(there) == set(arrays(here))
        for name, value in arrays(here).items():
            np.testing.assert_allclose(there[name], value, rtol=0, atol=1e-6)


@EACH
def test_images_may_be_files_arrays_pictures_lists_and_folders(runs, task):
    model = lightning_nas.load_model(task)
    picture = Image.open("images/photo1.png")
    one = model.predict("images/photo1.png")
    listed = [model.predict(source)[1] for source in ("images", ["images/photo0.png", picture])]
    for other in (model.predict(np.asarray(picture)), model.predict(picture), *listed):
        found = in_fixed_order(other)
        for name, value in in_fixed_order(one).items():
            np.testing.assert_allclose(found[name], value, rtol=0, atol=1e-5)
    assert len(model.predict("images", batch_size=2)) == 3
    for wrong in (np.zeros((4, 4, 3)), np.zeros((4, 4, 2), np.uint8), np.zeros((0, 4, 3), np.uint8), 3, "nowhere.png"):
        with pytest.raises(NasError, match="images"):
            model.predict(wrong)


def test_the_command_says_the_same_of_a_run_and_of_a_saved_model(runs, capsys):
    model = lightning_nas.load_model("classification")
    model.save("handed_on")
    runs("predict", "model=handed_on", "images=images", "device=cpu")
    runs("predict", "model=handed_on/model.json", "images=images", "device=cpu", "out=again")
    runs("predict", "run=classification", "images=images", "device=cpu", "out=of_run")
    runs("export", "model=handed_on", "format=onnx", "out=without_data")
    assert "tested:   no: test = true: handed_on is no run whose data are known" in capsys.readouterr().out
    said = [
        (runs.folder / out / "predictions.json").read_text() for out in ("handed_on/predictions", "again", "of_run")
    ]
    assert said[0] == said[1] == said[2]
    for entry, answer in zip(json.loads(said[0])["images"], model.predict("images"), strict=True):
        assert [(one["name"], pytest.approx(one["probability"], abs=1e-6)) for one in entry["classes"]] == answer.top(5)


@EACH
def test_an_export_can_be_used_and_loaded(runs, exported, task):
    exported(task)
    model, again = lightning_nas.load_model(task), lightning_nas.load_model(f"{task}/export")
    known = again.record.exported["onnx"]
    assert known["latency"]["runtime"].startswith("onnxruntime")
    page = (runs.folder / task / "report.html").read_text()
    metric, value = known["tested"]["metric"], known["tested"]["value"]
    assert f'found, as model.onnx</td><td class="number" data-name="{metric}">{value:.4f}' in page
    session = onnxruntime.InferenceSession(f"{task}/export/model.onnx", providers=["CPUExecutionProvider"])
    about = session.get_modelmeta().custom_metadata_map
    assert tuple(entry["name"] for entry in json.loads(about["classes"])) == model.classes
    pixels = np.random.default_rng(0).integers(0, 255, [1, *known["inputs"]["pixels"][1:3], known["inputs"]["pixels"][3]]
                                               if task != "segmentation" else [1, 40, 56, 3], np.uint8)  # fmt: skip
    answers = session.run(None, {"pixels": pixels})
    with torch.no_grad():
        expected = model.deployment().module(torch.from_numpy(pixels))
    if task == "detection":  # hardly trained: boxes of equal scores have no order
        answers, expected = [np.sort(answers[2])], [expected[2].sort().values]
    for answer, value in zip(answers, expected, strict=True):
        np.testing.assert_allclose(answer, value.numpy(), atol=1e-4)
    backbone = lightning_nas.load_backbone(f"{task}/export")
    assert all(torch.equal(a, b) for a, b in zip(backbone.parameters(), model.backbone.parameters(), strict=True))


@EACH
def test_openvino_computes_the_same_from_the_file(runs, task):
    openvino = pytest.importorskip("openvino")
    lightning_nas.load_model(task).export("other.onnx")
    session = onnxruntime.InferenceSession("other.onnx", providers=["CPUExecutionProvider"])
    shape = [side if isinstance(side, int) else 1 for side in session.get_inputs()[0].shape]
    shape[1:3] = [side if side > 1 else 32 for side in shape[1:3]]
    pixels = np.random.default_rng(0).integers(0, 255, shape, np.uint8)
    expected = session.run(None, {"pixels": pixels})
    compiled = openvino.Core().compile_model("other.onnx", "CPU")
    answers = [compiled([pixels])[place] for place in range(len(expected))]
    if task == "detection":  # hardly trained: boxes of equal scores have no order
        answers, expected = [np.sort(answers[2])], [np.sort(expected[2])]
    for answer, value in zip(answers, expected, strict=True):
        np.testing.assert_allclose(answer, value, atol=1e-3)


@EACH
def test_a_file_of_eight_bits_comes_with_what_it_reaches(runs, exported, task):
    said = exported(task)
    written = json.loads((runs.folder / task / "export" / "model.json").read_text())["exported"]
    known = written["onnx_int8"]
    assert known["reached"]["float32"] == written["onnx"]["tested"]["value"]
    assert known["calibrated_on"] == 4
    assert set(known["reached"]) == {"float32", "int8"}
    assert f"int8:     {known['metric']} {known['reached']['int8']:.4f} on the test images" in said
    nodes = onnx.load(f"{task}/export/model.int8.onnx").graph.node
    assert sum(node.op_type == "QuantizeLinear" for node in nodes) > 5
    if task == "classification":  # of all test images; the command that has trained it saw one batch of them
        data = DigitsDataModule()
        data.setup()
        model = lightning_nas.load_model(task)
        right = [int(model.task(image[None]).argmax()) == label for image, label in data.test_set]
        assert known["reached"]["float32"] == pytest.approx(np.mean(right), abs=0.02)


def test_a_model_is_trained_on_for_other_classes_of_other_images(runs, capsys):
    for label in ("cat", "dog", "owl"):
        (runs.folder / "pets" / label).mkdir(parents=True)
        for number in range(10):
            pixels = np.random.default_rng(number).integers(0, 255, (20, 24, 3), np.uint8)
            Image.fromarray(pixels).save(runs.folder / "pets" / label / f"{number}.png")
    capsys.readouterr()
    brief = [item for item in BRIEF if not item.startswith("architecture")]
    runs(
        "train", "model=classification", *brief, "data=imagefolder", "data.root=pets", "data.image_size=16", "task.lr=1e-9",
        "data.batch_size=8", "hydra.run.dir=pets_run",
    )  # fmt: skip
    count = len(read_state_dict(runs.folder / "classification" / "checkpoints" / "last.ckpt"))
    said = capsys.readouterr().out
    # Of a network for shades of grey and ten classes: the first convolution and the classifier.
    assert f"{count - 3} tensors start from classification, 3 anew" in said
    model = lightning_nas.load_model("pets_run")
    assert model.classes == ("cat", "dog", "owl")
    assert model.predict("images/photo0.png").probabilities.shape == (3,)
    before = dict(lightning_nas.load_model("classification").task.backbone.named_parameters())
    after = dict(model.task.backbone.named_parameters())
    (anew,) = [name for name, value in after.items() if value.shape != before[name].shape]
    assert all(torch.allclose(value, before[name], atol=1e-6) for name, value in after.items() if name != anew)


def test_a_detector_goes_on_with_its_own_neck_and_head(runs, capsys):
    brief = [item for item in BRIEF if not item.startswith("architecture")]
    data = [item for item in TASKS["detection"] if item.startswith("data.")]
    runs(
        "train", "model=saved_detection", *brief, *data, "hydra.run.dir=further"
    )  # task.channels and others from the model
    said = capsys.readouterr().out
    assert ", 0 anew" in said
    assert lightning_nas.load_model("further").task.neck.feature_info.channels()[0] == 16
    with pytest.raises(SystemExit, match=r"model = 'saved_detection' and architecture = 'body.json' are given"):
        runs("train", "model=saved_detection", *BRIEF, *data, "hydra.run.dir=both")
    with pytest.raises(SystemExit, match=r"is a network of .*DetectionTask, got .*: add task=detection"):
        runs("train", "model=saved_detection", "task=classification", *brief, "hydra.run.dir=other")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["predict", "model=nowhere", "images=images"], "model = 'nowhere': there is no such file or folder"),
        (["predict", "model=images", "images=images"], "neither a finished run nor an exported model"),
        (["predict", "model=body.json", "images=images"], "expected a folder of a run or of an exported model"),
        (["predict", "model=detection", "run=detection", "images=images"], "are given: name one of them"),
        (["export", "run=detection", "format=onnx,tflite"], "format = 'tflite': expected some of onnx, torch"),
        (["export", "run=detection", "latency_ms=5"], "limits choose among the networks of a front"),
        (["export", "run=classification", "size=[9,9]"], "this network classifies images of (8, 8)"),
        (["export", "run=detection", "size=[0,9]"], "size = [0, 9]: expected height and width"),
        (["export"], "run = null: name the folder"),
        (
            ["export", "model=saved_detection", "int8=true"],
            "int8 = true: saved_detection is no run whose data are known",
        ),
        (["export", "run=detection", "format=torch", "int8=true"], "holds no onnx, of which it is made"),
        (["train", "model=nowhere"], "model = 'nowhere': there is no such file or folder"),
    ],
)
def test_what_cannot_be_is_said_before_any_work(runs, arguments, said):
    with pytest.raises(SystemExit, match=re.escape(said)):
        runs(*arguments)


@EACH
def test_a_checkpoint_is_enough_to_build_the_task_again(runs, task):
    kind = {"classification": ClassificationTask, "detection": DetectionTask, "segmentation": SegmentationTask}[task]
    loaded = kind.load_from_checkpoint(runs.folder / task / "checkpoints" / "last.ckpt", lr=0.5)
    expected = lightning_nas.load_model(task).task.state_dict()
    assert all(torch.equal(value, expected[name]) for name, value in loaded.state_dict().items())
    assert loaded.lr == loaded.hparams.lr == 0.5
    assert loaded.hparams.num_classes == len(lightning_nas.load_model(task).classes)


def test_a_card_states_what_the_exported_file_reaches(runs):
    card, known = card_of(runs, "classification")
    assert f"- **model.onnx**: accuracy {known['tested']['value']:.4f} on the same images, " in card
