"""Which modules the fast mixed operation may compute by other means: exactly those whose every setting it knows.

A module of another class (a subclass, a parametrized one, ``SyncBatchNorm``), with a bias, in evaluation mode or with hooks
is not known, and is then called as it is.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.modules import module as _module

from lightning_nas.ops.fused.statistics import is_plain_norm
from lightning_nas.ops.layers.convolutions import FactorizedReduce, SeparableBlock, SeparableConv
from lightning_nas.ops.layers.pointwise import PointwiseConv2d

_HOOKS = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")


def hooked(module: nn.Module) -> bool:
    """Whether calling the module does more than its ``forward``."""
    attributes = module.__dict__
    return any(attributes[name] for name in _HOOKS) or "forward" in attributes


def globally_hooked() -> bool:
    """Whether hooks are set on all modules."""
    return bool(
        _module._global_forward_hooks
        or _module._global_forward_pre_hooks
        or _module._global_backward_hooks
        or _module._global_backward_pre_hooks
    )


def in_safe_layout(module: nn.Module, x: Tensor) -> Tensor:
    """``x`` channels-last, or plainly contiguous where channels-last would break the module on a CPU.

    oneDNN writes outside of its buffers in the weight gradient of a pointwise convolution with a stride on fewer than 16
    channels, channels-last (https://github.com/uxlfoundation/oneDNN/issues/6035; seen with torch 2.15).
    """
    for part in module.modules() if x.device.type == "cpu" else ():
        if isinstance(part, nn.Conv2d) and part.in_channels < 16 and part.kernel_size == (1, 1) != part.stride:
            return x.contiguous()
    return x.contiguous(memory_format=torch.channels_last)


def is_known_block(block: nn.Module, stride: int | None = None) -> bool:
    """Whether a module is a plain :class:`SeparableBlock`, of the given stride if one is given."""
    if type(block) is not SeparableBlock or hooked(block) or len(block._modules) != 4:
        return False
    parts = block._modules
    relu, depthwise, pointwise, norm = (parts[name] for name in ("relu", "depthwise", "pointwise", "norm"))
    return (
        type(relu) is nn.ReLU
        and _is_plain_depthwise(depthwise, stride)
        and _is_plain_pointwise(pointwise, 1)
        and norm is not None
        and is_plain_norm(norm)
        and not any(hooked(part) for part in (relu, depthwise, pointwise, norm) if part is not None)
    )


def is_known_separable(module: nn.Module) -> bool:
    """Whether a module is a plain :class:`SeparableConv`."""
    return (
        type(module) is SeparableConv
        and len(module) == 2
        and not hooked(module)
        and is_known_block(module[0])
        and is_known_block(module[1], stride=1)
        and module[1].get_submodule("depthwise").dilation == (1, 1)
    )


def is_known_reduction(module: nn.Module) -> bool:
    """Whether a module is a plain :class:`FactorizedReduce`."""
    if type(module) is not FactorizedReduce or hooked(module):
        return False
    parts = (module.relu, module.conv1, module.conv2, module.norm)
    return (
        type(module.relu) is nn.ReLU
        and _is_plain_pointwise(module.conv1, 2)
        and _is_plain_pointwise(module.conv2, 2)
        and is_plain_norm(module.norm)
        and not any(hooked(part) for part in parts)
    )


def pool_key(module: nn.Module) -> tuple[object, ...] | None:
    """All settings of a plain pooling, equal for poolings that compute the same; None for anything else."""
    if hooked(module):
        return None
    if type(module) is nn.MaxPool2d and not module.return_indices:
        kind: tuple[object, ...] = ("max", module.dilation)
    elif type(module) is nn.AvgPool2d:
        kind = ("avg", module.count_include_pad, module.divisor_override)
    else:
        return None
    return *kind, module.kernel_size, module.stride, module.padding, module.ceil_mode


def is_known_normalised_pool(module: nn.Module) -> bool:
    """Whether a module is a plain pooling and a plain BatchNorm."""
    return (
        type(module) is nn.Sequential
        and len(module) == 2
        and not hooked(module)
        and is_plain_norm(module[1])
        and not hooked(module[1])
        and pool_key(module[0]) is not None
    )


def _is_plain_depthwise(conv: nn.Module | None, stride: int | None) -> bool:
    if type(conv) is not nn.Conv2d or conv.bias is not None or conv.padding_mode != "zeros":
        return False
    size, step, dilation = conv.kernel_size[0], conv.stride[0], conv.dilation[0]
    return (
        conv.groups == conv.in_channels == conv.out_channels
        and conv.kernel_size == (size, size)
        and size % 2 == 1
        and conv.stride == (step, step)
        and (stride is None or step == stride)
        and conv.dilation == (dilation, dilation)
        and conv.padding == (dilation * (size - 1) // 2,) * 2
    )


def _is_plain_pointwise(conv: nn.Module | None, stride: int) -> bool:
    return (
        isinstance(conv, nn.Conv2d)
        and type(conv) in (nn.Conv2d, PointwiseConv2d)
        and conv.bias is None
        and conv.kernel_size == (1, 1)
        and conv.stride == (stride, stride)
        and conv.padding == (0, 0)
        and conv.groups == 1
    )
