import sys

import numpy as np
import onnxruntime
import pytest
import torch
from torch import nn

from lightning_nas.cost import Call, export_onnx, exported_latency
from lightning_nas.errors import ExportError, MissingPackageError


class Lists(nn.Module):
    """Takes a list of images, as detectors do."""

    def forward(self, images):
        return [image.mean() for image in images]


class Untraceable(nn.Module):
    """Its output is no tensor."""

    def forward(self, x):
        raise RuntimeError("no such thing")


def small():
    return nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten())


def test_the_record_says_how_it_was_measured():
    latency = exported_latency(small(), Call((torch.zeros(1, 3, 16, 16),)))
    assert latency.runs == 100
    assert (latency.device, latency.batch_size, latency.threads, latency.precision) == ("cpu", 1, 1, "float32")
    assert latency.runtime == f"onnxruntime {onnxruntime.__version__}"
    assert 0 < latency.p10_ms <= latency.median_ms <= latency.p90_ms <= latency.p95_ms


def test_a_larger_network_takes_longer():
    image = torch.zeros(1, 3, 64, 64)
    large = nn.Sequential(nn.Conv2d(3, 64, 3), nn.Conv2d(64, 64, 3), nn.Conv2d(64, 64, 3))
    assert exported_latency(large, Call((image,))).p10_ms > exported_latency(small(), Call((image,))).median_ms


def test_the_file_computes_what_the_module_does_and_the_mode_stays(tmp_path):
    module = small().train()
    x = torch.randn(1, 3, 16, 16)
    export_onnx(module, Call((x,)), tmp_path / "model.onnx")
    assert all(part.training for part in module.modules())
    session = onnxruntime.InferenceSession(str(tmp_path / "model.onnx"), providers=["CPUExecutionProvider"])
    (output,) = session.run(None, {session.get_inputs()[0].name: x.numpy()})
    with torch.no_grad():
        np.testing.assert_allclose(output, module.eval()(x).numpy(), atol=1e-5)


def test_lists_of_images_are_measured():
    assert exported_latency(Lists(), Call(([torch.zeros(3, 8, 8)],))).median_ms > 0


def test_what_cannot_be_exported_is_named():
    with pytest.raises(ExportError, match="Untraceable cannot be exported to ONNX: RuntimeError: no such thing"):
        exported_latency(Untraceable(), Call((torch.zeros(1, 3, 8, 8),)))


def test_a_missing_runtime_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(MissingPackageError, match=r"pip install 'lightning-nas\[export\]'"):
        exported_latency(small(), Call((torch.zeros(1, 3, 8, 8),)))


@pytest.mark.parametrize(("argument", "value"), [("threads", 0), ("runs", 99)])
def test_a_number_out_of_range_is_refused(argument, value):
    with pytest.raises(ValueError, match=f"{argument} must be at least"):
        exported_latency(small(), Call((torch.zeros(1, 3, 8, 8),)), **{argument: value})
