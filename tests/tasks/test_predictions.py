"""Predictions carry the names of the data's classes, at the scale of the run."""

import csv
import json

import numpy as np
import pytest
import torch
from PIL import Image
from predicted_folders import CLASSES, PREPARED, detector, noise, predict, predicted, save, task_of


def test_detections_have_names_and_the_ids_of_the_data(tmp_path):
    save(tmp_path / "images", "a.png", noise(64, 64))
    model = detector("faster_rcnn").eval()
    predict(model, tmp_path / "images", tmp_path / "out")
    found = json.loads((tmp_path / "out" / "detections.json").read_text())
    assert found["categories"] == CLASSES
    names = {entry["id"]: entry["name"] for entry in CLASSES}
    assert len(found["annotations"]) > 3
    assert all(entry["category_name"] == names[entry["category_id"]] for entry in found["annotations"])


def test_segments_have_names_and_shares(tmp_path):
    save(tmp_path / "images", "a.png")
    (record,) = predicted("segmentation", tmp_path / "images", tmp_path / "out")["images"]
    labels = np.array(Image.open(tmp_path / "out" / record["labels"]))
    assert record["overlay"] == "overlays/a.png"
    names = {entry["id"]: entry["name"] for entry in CLASSES}
    assert {entry["id"] for entry in record["found"]} == set(labels.ravel().tolist())
    for entry in record["found"]:
        assert entry["name"] == names[entry["id"]]
        assert entry["share"] == pytest.approx((labels == entry["id"]).mean())
    shares = [entry["share"] for entry in record["found"]]
    assert shares == sorted(shares, reverse=True)
    assert Image.open(tmp_path / "out" / "legend.png").size[0] == 300


def test_segmentation_sees_images_at_the_scale_of_the_run(tmp_path):
    save(tmp_path / "images", "a.png", noise(21, 31))
    model = task_of("segmentation")
    seen = []
    model.backbone.register_forward_pre_hook(lambda _, inputs: seen.append(tuple(inputs[0].shape[2:])))
    predict(model, tmp_path / "images", tmp_path / "out", preparation={"scale": 0.5})
    assert seen == [(10, 15)]
    assert Image.open(tmp_path / "out" / "labels" / "a.png").size == (31, 21)


def test_classes_are_listed_in_a_table_in_json_and_in_a_picture(tmp_path):
    images, out = tmp_path / "images", tmp_path / "out"
    for number in range(5):
        save(images, f"${number}, first.png", noise(20, 20 + 4 * number, number))
    found = predicted("classification", images, out)
    assert found["classes"] == CLASSES
    rows = list(csv.reader((out / "predictions.csv").open(newline="")))
    assert rows[0] == ["file", "class", "probability", "class_2", "probability_2", "class_3", "probability_3"]
    model = task_of("classification")
    for record, row in zip(found["images"], rows[1:], strict=True):
        pixels = np.array(Image.open(images / record["file_name"]))  # 20 high: the shorter side is that size already
        left = (pixels.shape[1] - 16) // 2
        x = (pixels[2:18, left : left + 16] / 255 - PREPARED["mean"]) / PREPARED["std"]
        with torch.no_grad():
            expected = model(torch.tensor(x, dtype=torch.float32).permute(2, 0, 1)[None]).softmax(1)[0]
        order = expected.argsort(descending=True).tolist()
        assert [entry["id"] for entry in record["classes"]] == [CLASSES[label]["id"] for label in order]
        assert [entry["probability"] for entry in record["classes"]] == pytest.approx(
            expected[order].tolist(), abs=1e-5
        )
        assert row[0] == record["file_name"]
        assert row[1::2] == [CLASSES[label]["name"] for label in order]
        assert [float(value) for value in row[2::2]] == pytest.approx(expected[order].tolist(), abs=1e-5)
    assert Image.open(out / "predictions.png").size == (950, 260)


def test_the_batch_size_changes_no_class(tmp_path):
    for number in range(5):
        save(tmp_path / "images", f"{number}.png", noise(20, 30, number))

    def classes(batch_size):
        found = predicted("classification", tmp_path / "images", tmp_path / str(batch_size), batch_size)
        return [entry for image in found["images"] for entry in image["classes"]]

    whole, single = classes(5), classes(1)
    assert [entry["id"] for entry in whole] == [entry["id"] for entry in single]
    assert [entry["probability"] for entry in whole] == pytest.approx([e["probability"] for e in single], abs=1e-5)


def test_a_run_that_did_not_record_its_preparation_is_refused(tmp_path):
    save(tmp_path / "images", "a.png")
    with pytest.raises(ValueError, match=r"preparation = \{\}: the run's summary\.json does not say"):
        predict(task_of("classification"), tmp_path / "images", tmp_path / "out")
