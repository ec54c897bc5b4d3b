"""Antialiased resizing in an exported file."""

import numpy as np
import pytest
import torch

from lightning_nas.cost.exported import OPSET, export_onnx, quiet_exporter, session_of
from lightning_nas.cost.probe import Call
from lightning_nas.spaces import ImageSize


@pytest.fixture(scope="module")
def smaller():
    return ImageSize(scales=(60, 100)).network({"size": 60}).eval()


def test_images_become_smaller_in_the_file_as_in_the_network(smaller, tmp_path):
    image = torch.rand(1, 3, 33, 50, generator=torch.Generator().manual_seed(0))
    export_onnx(smaller, Call((image,)), tmp_path / "fixed.onnx")
    session = session_of(tmp_path / "fixed.onnx")
    (answer,) = session.run(None, {session.get_inputs()[0].name: image.numpy()})
    with torch.no_grad():
        (expected,) = smaller(image)
    assert expected.shape == (1, 3, 20, 30)
    np.testing.assert_allclose(answer, expected, atol=1e-5)


def test_the_file_follows_the_size_of_the_image(smaller, tmp_path):
    image = torch.rand(1, 3, 33, 50)
    with quiet_exporter():
        torch.onnx.export(
            smaller, (image,), tmp_path / "any.onnx", dynamo=False, opset_version=OPSET,
            input_names=["image"], dynamic_axes={"image": {2: "height", 3: "width"}},
        )  # fmt: skip
    session = session_of(tmp_path / "any.onnx")
    for height, width in ((33, 50), (64, 41), (1, 9)):
        other = torch.rand(1, 3, height, width)
        (answer,) = session.run(None, {"image": other.numpy()})
        with torch.no_grad():
            (expected,) = smaller(other)
        np.testing.assert_allclose(answer, expected, atol=1e-5)


def test_a_program_of_pytorch_follows_it_too(smaller):
    sides = dict.fromkeys((2, 3), torch.export.Dim.DYNAMIC)
    program = torch.export.export(smaller, (torch.rand(1, 3, 33, 50),), dynamic_shapes=(sides,))
    other = torch.rand(1, 3, 64, 41)
    torch.testing.assert_close(program.module()(other), smaller(other))
