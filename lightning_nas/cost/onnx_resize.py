"""Antialiased resizing for PyTorch's exporter by tracing, which does not know it; ONNX does, since opset 18."""

from __future__ import annotations

from typing import Any

import torch

NAME = "aten::_upsample_bilinear2d_aa"
SINCE = 18
INT64 = 7  # in ONNX's numbering of types


def teach_antialiasing() -> None:
    """Tells the exporter how ``interpolate(mode="bilinear", antialias=True)`` is written.

    What is exported follows the size of the image where that may change.
    """
    torch.onnx.register_custom_op_symbolic(NAME, _resize, SINCE)


def _resize(g: Any, image: Any, size: Any, align_corners: Any, *scales: Any) -> Any:
    """``Resize`` to given sizes: positions are centres of pixels, and what lies outside of the image has no weight."""
    one, none = _constant(g, torch.tensor([1])), _constant(g, torch.tensor([], dtype=torch.float32))
    parts = list(size.node().inputs()) if size.node().kind() == "prim::ListConstruct" else [size]
    if len(parts) > 1:
        parts = [g.op("Reshape", part, one) for part in parts]
    outer = g.op("Slice", g.op("Shape", image), _constant(g, torch.tensor([0])), _constant(g, torch.tensor([2])))
    sizes = g.op("Concat", outer, *(g.op("Cast", part, to_i=INT64) for part in parts), axis_i=0)
    made = g.op(
        "Resize", image, none, none, sizes,
        mode_s="linear", antialias_i=1, exclude_outside_i=1, coordinate_transformation_mode_s="half_pixel",
    )  # fmt: skip
    return made


def _constant(g: Any, value: torch.Tensor) -> Any:
    return g.op("Constant", value_t=value)
