"""Candidate operations. A file in this folder, at any depth, that uses ``@op("name")`` is found by itself."""

import importlib
import pkgutil

from lightning_nas.ops.candidates.parameter_free import PARAMETER_FREE, Zero
from lightning_nas.ops.layers.convolutions import FactorizedReduce, ReLUConvBN, SeparableBlock, SeparableConv
from lightning_nas.ops.layers.drop_path import DropPath
from lightning_nas.ops.registry import build_op, check_ops, op, op_names

for _module in pkgutil.walk_packages(__path__, f"{__name__}."):
    importlib.import_module(_module.name)

__all__ = [
    "PARAMETER_FREE",
    "DropPath",
    "FactorizedReduce",
    "ReLUConvBN",
    "SeparableBlock",
    "SeparableConv",
    "Zero",
    "build_op",
    "check_ops",
    "op",
    "op_names",
]
