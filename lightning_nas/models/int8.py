"""A file of ONNX in 8 bits: static quantisation by ONNX Runtime, calibrated on images of the network's data."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch
from torch import Tensor

from lightning_nas.architecture import write_atomic
from lightning_nas.cost.exported import quiet_exporter, short
from lightning_nas.errors import ExportError
from lightning_nas.models.deployment import Deployment

QUANTISED = ["Conv", "Gemm", "MatMul"]
"""The operators that compute in 8 bits; what decides between boxes and classes stays as it is."""

Inputs = tuple[np.ndarray[Any, Any], ...]


def quantised(file: Path, out: Path, deployment: Deployment, datamodule: Any, *, images: int = 100) -> int:
    """Writes a file with weights of 8 bits per channel and activations of 8 bits, ranges as on images of training.

    Args:
        file: Of ONNX, as it was exported.
        out: Where to write.
        deployment: What was exported.
        datamodule: With training images.
        images: How many to look at.

    Returns:
        How many there were.

    Raises:
        ExportError: If ONNX Runtime cannot quantise the file, or the task cannot be given images of its data.
    """
    from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static
    from onnxruntime.quantization.shape_inference import quant_pre_process

    shown = list(calibration(deployment, datamodule, images))

    class Reader(CalibrationDataReader):
        """Gives the images one by one."""

        def __init__(self) -> None:
            self.left = iter(shown)

        def get_next(self) -> dict[str, Any] | None:
            """The next one; None after the last."""
            inputs = next(self.left, None)
            return None if inputs is None else dict(zip(deployment.inputs, inputs, strict=True))

    with TemporaryDirectory() as folder, quiet_exporter():
        ready, small = Path(folder) / "ready.onnx", Path(folder) / "small.onnx"
        try:
            quant_pre_process(str(file), str(ready), skip_symbolic_shape=True)
            quantize_static(
                str(ready), str(small), Reader(), quant_format=QuantFormat.QDQ, per_channel=True,
                op_types_to_quantize=QUANTISED, activation_type=QuantType.QUInt8, weight_type=QuantType.QInt8,
            )  # fmt: skip
        except Exception as error:  # whatever its tools meet in a graph
            raise ExportError(f"int8 = True: ONNX Runtime cannot quantise {file.name}: {short(error)}") from error
        write_atomic(out, small.read_bytes())
    return len(shown)


def calibration(deployment: Deployment, datamodule: Any, images: int) -> Iterator[Inputs]:
    """What the file is given for training images, one image at a time.

    Args:
        deployment: What was exported.
        datamodule: With training images.
        images: How many.

    Raises:
        ExportError: If the task does not say what its file is given.
    """
    if deployment.forward is None:
        raise ExportError("int8 = True: the task does not say what its file is given for an image of its data")
    found: list[Inputs] = []

    def run(*inputs: Tensor) -> tuple[Tensor, ...]:
        found.extend(tuple(value[i : i + 1].numpy() for value in inputs) for i in range(len(inputs[0])))
        with torch.no_grad():
            answer: tuple[Tensor, ...] = deployment.module(*inputs)
        return answer

    datamodule.setup("fit")
    for batch in datamodule.train_dataloader():
        deployment.forward(run, batch[0])
        if len(found) >= images:
            break
    return iter(found[:images])
