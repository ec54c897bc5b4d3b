"""Layers whose channels and kernels can be cut down while they run: smaller networks share the weights of a large one.

A layer computes with the first channels of its tensors and with the centre of its kernel (Cai et al. 2020, "Once-for-All",
arXiv 1908.09791). The parameters keep the names and shapes of the plain layer's, so a ``state_dict`` of torch's own layer
loads. Nothing is copied: a slice is a view, gradients reach what was used and are zero elsewhere.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from lightning_nas.errors import ArgumentError
from lightning_nas.ops.layers.same_padding import pad_same


def centre(kernel: Tensor, size: int) -> Tensor:
    """The centred ``size x size`` window of a kernel ``(out, in, k, k)``; a view."""
    start = (kernel.shape[-1] - size) // 2
    return kernel[..., start : start + size, start : start + size]


class ElasticConv2d(nn.Conv2d):
    """A convolution of which the first output channels, the first input channels and the kernel's centre can be used.

    The input decides how many input channels are used; a depthwise convolution has as many output channels as its input.

    Args:
        in_channels: Most channels of the input.
        out_channels: Most channels of the output.
        kernel_size: Largest kernel; odd if ``kernels`` are given.
        kernels: The kernel sizes that may be active, in any order; the largest alone if empty.
        kernel_transform: Whether every smaller kernel is a learnt linear map of the centre of the next larger one, shared by
            all channels (matrices ``transforms.<size>``, the identity at the start), or that centre itself.
        same: Whether the input is padded as TensorFlow does (``ceil(size / stride)`` outputs, the odd pixel at the end).
        arguments: The others of ``torch.nn.Conv2d``. ``padding`` is that of the largest kernel.

    Attributes:
        active_out: Output channels in use; a depthwise convolution ignores it.
        active_kernel: Kernel in use.

    Raises:
        ValueError: If ``groups`` is neither 1 nor the number of channels, or a kernel is not odd, or larger than the largest.

    Example:
        >>> layer = ElasticConv2d(8, 16, 5, padding=2, kernels=(3, 5))
        >>> layer.active_out, layer.active_kernel = 4, 3
        >>> tuple(layer(torch.zeros(1, 2, 7, 7)).shape)
        (1, 4, 7, 7)
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int,
        *,
        kernels: Sequence[int] = (),
        kernel_transform: bool = False,
        same: bool = False,
        **arguments: Any,
    ) -> None:
        super().__init__(in_channels, out_channels, kernel_size, **arguments)
        self.depthwise = self.groups > 1
        if self.depthwise and not self.groups == in_channels == out_channels:
            raise ArgumentError(
                f"groups must be 1, or equal to both numbers of channels, got {self.groups} for {in_channels} -> {out_channels}"
            )
        wrong = [size for size in kernels if size % 2 == 0 or not 1 <= size <= kernel_size]
        if wrong or (kernels and kernel_size % 2 == 0):
            raise ArgumentError(
                f"kernels must be odd numbers up to an odd kernel_size = {kernel_size}, got {tuple(kernels)}"
            )
        self.kernels = tuple(sorted({*kernels, kernel_size}, reverse=True))
        self.same = same
        self.active_out = out_channels
        self.active_kernel = kernel_size
        self.transforms = nn.ParameterDict(
            {str(size): nn.Parameter(torch.eye(size * size)) for size in self.kernels[1:] if kernel_transform}
        )

    def kernel(self, size: int, out_channels: int, in_channels: int) -> Tensor:
        """The weight of a smaller convolution, ``(out_channels, in_channels, size, size)``; a view without transforms."""
        weight = self.weight[:out_channels, :in_channels]
        if not self.transforms:
            return centre(weight, size)
        for smaller in (k for k in self.kernels[1:] if k >= size):
            window = centre(weight, smaller)
            weight = (window.flatten(2) @ self.transforms[str(smaller)].T).view_as(window)
        return weight

    def forward(self, x: Tensor) -> Tensor:
        """``(B, c, H, W) -> (B, active_out, H', W')`` for any ``c`` up to ``in_channels``."""
        channels = x.shape[1]
        out = channels if self.depthwise else self.active_out
        size = self.active_kernel
        weight = self.kernel(size, out, 1 if self.depthwise else channels)
        bias = None if self.bias is None else self.bias[:out]
        groups = channels if self.depthwise else 1
        if self.same:
            x = pad_same(x, size, self.stride[0], self.dilation[0])
            return functional.conv2d(x, weight, bias, self.stride, 0, self.dilation, groups)
        assert not isinstance(self.padding, str)
        less = (self.kernel_size[0] - size) // 2
        padding = tuple(p - d * less for p, d in zip(self.padding, self.dilation, strict=True))
        return functional.conv2d(x, weight, bias, self.stride, padding, self.dilation, groups)


class ElasticBatchNorm2d(nn.BatchNorm2d):
    """A BatchNorm that normalises the channels that arrive with the first entries of its tensors.

    Statistics of the first channels are shared by all widths: estimate them anew for a width that is to be evaluated.
    """

    def forward(self, input: Tensor) -> Tensor:
        """``(B, c, H, W) -> (B, c, H, W)`` for any ``c`` up to ``num_features``."""
        self._check_input_dim(input)
        channels = input.shape[1]
        momentum = self.momentum
        if self.training and self.track_running_stats:
            assert self.num_batches_tracked is not None
            self.num_batches_tracked.add_(1)
            if momentum is None:
                momentum = 1.0 / float(self.num_batches_tracked)
        mean, variance = self.running_mean, self.running_var
        return functional.batch_norm(
            input,
            None if mean is None else mean[:channels],
            None if variance is None else variance[:channels],
            None if self.weight is None else self.weight[:channels],
            None if self.bias is None else self.bias[:channels],
            self.training or mean is None,
            momentum or 0.0,
            self.eps,
        )


class ElasticGroupNorm(nn.GroupNorm):
    """A GroupNorm whose groups keep their size: fewer channels are fewer groups, each normalised as before.

    Raises:
        ValueError: In ``forward``, if the channels are no multiple of a group's.
    """

    def forward(self, input: Tensor) -> Tensor:
        """``(B, c, ...) -> (B, c, ...)`` for every ``c`` that is a multiple of ``num_channels / num_groups``."""
        channels, size = input.shape[1], self.num_channels // self.num_groups
        if channels % size:
            raise ArgumentError(f"input has {channels} channels: expected a multiple of the {size} of a group")
        weight = None if self.weight is None else self.weight[:channels]
        bias = None if self.bias is None else self.bias[:channels]
        return functional.group_norm(input, channels // size, weight, bias, self.eps)


class ElasticLinear(nn.Linear):
    """A linear layer of which the first outputs and the first inputs are used; the input decides how many of the latter.

    Attributes:
        active_out: Outputs in use.
    """

    def __init__(self, in_features: int, out_features: int, bias: bool = True) -> None:
        super().__init__(in_features, out_features, bias)
        self.active_out = out_features

    def forward(self, input: Tensor) -> Tensor:
        """``(..., f) -> (..., active_out)`` for any ``f`` up to ``in_features``."""
        bias = None if self.bias is None else self.bias[: self.active_out]
        return functional.linear(input, self.weight[: self.active_out, : input.shape[-1]], bias)


def cut(network: nn.Module, like: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Copies the tensors of a smaller, plain network out of an elastic one.

    Args:
        network: Elastic layers, and others.
        like: The ``state_dict`` of the plain network, whose names are those of the elastic one; its values are not read.

    Returns:
        One tensor per name and of the same shape: the first entries of every dimension, the kernel that the elastic layer
        would use.

    Raises:
        ValueError: If the elastic network has no tensor of a name, or only a smaller one.

    Example:
        >>> layer = ElasticConv2d(8, 16, 5)
        >>> tuple(cut(layer, nn.Conv2d(4, 2, 3).state_dict())["weight"].shape)
        (2, 4, 3, 3)
    """
    kernels = {f"{name}.weight".lstrip("."): m for name, m in network.named_modules() if isinstance(m, ElasticConv2d)}
    tensors = network.state_dict()
    result = {}
    for name, plain in like.items():
        theirs = tensors.get(name)
        shape = tuple(plain.shape)
        if (
            theirs is None
            or theirs.dim() != plain.dim()
            or any(t < s for t, s in zip(theirs.shape, shape, strict=True))
        ):
            held = "none" if theirs is None else f"{tuple(theirs.shape)}"
            raise ArgumentError(f"like: {name} has the shape {shape}, the elastic network's is {held}")
        if name in kernels:
            taken = kernels[name].kernel(shape[-1], shape[0], shape[1])
        else:
            taken = theirs[tuple(slice(0, size) for size in shape)]
        result[name] = taken.detach().clone(memory_format=torch.contiguous_format)
    return result
