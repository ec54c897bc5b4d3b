"""Candidate operations. A file in this folder that uses ``@op("name")`` is found by itself."""

import importlib
import pkgutil

from lightning_nas.ops.convolutions import FactorizedReduce, ReLUConvBN, SeparableBlock, SeparableConv
from lightning_nas.ops.drop_path import DropPath
from lightning_nas.ops.parameter_free import PARAMETER_FREE, Zero
from lightning_nas.ops.registry import build_op, check_ops, op, op_names

for _module in pkgutil.iter_modules(__path__):
    importlib.import_module(f"{__name__}.{_module.name}")

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
