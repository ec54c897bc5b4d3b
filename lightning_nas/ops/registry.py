"""Names of operations. They are stored in architecture files, so a name, once published, keeps its meaning."""

from __future__ import annotations

from collections.abc import Callable

from torch import nn

from lightning_nas.errors import ArgumentError

OpBuilder = Callable[..., nn.Module]
"""``builder(in_channels, out_channels, stride, *, affine=True, **options) -> nn.Module``; ``affine`` is BatchNorm's."""

_BUILDERS: dict[str, OpBuilder] = {}


def op(name: str) -> Callable[[OpBuilder], OpBuilder]:
    """Registers a builder of an operation under a name that architecture files may use.

    Example:
        >>> from torch import nn
        >>> @op("doc_example_conv_1x1")
        ... def doc_example(in_channels, out_channels, stride, *, affine=True):
        ...     return nn.Conv2d(in_channels, out_channels, 1, stride)
        >>> build_op("doc_example_conv_1x1", 4, 8, stride=2)
        Conv2d(4, 8, kernel_size=(1, 1), stride=(2, 2))

    Raises:
        ValueError: If the name is taken by another builder.
    """

    def register(builder: OpBuilder) -> OpBuilder:
        known = _BUILDERS.get(name)
        if known is not None and (known.__module__, known.__qualname__) != (builder.__module__, builder.__qualname__):
            raise ArgumentError(f"operation {name!r} is already registered by {known.__module__}.{known.__qualname__}")
        _BUILDERS[name] = builder
        return builder

    return register


def op_names() -> list[str]:
    """All registered names, sorted."""
    return sorted(_BUILDERS)


def check_ops(names: tuple[str, ...], argument: str = "ops") -> None:
    """Checks a list of candidate operations.

    Raises:
        ValueError: If it is empty, has repeats, or names an operation that is not registered.
    """
    if not names or len(set(names)) != len(names):
        raise ArgumentError(f"{argument} must be a non-empty list without repeats, got {names!r}")
    for name in names:
        if name not in _BUILDERS:
            raise ArgumentError(f"{argument}: unknown operation {name!r}; known are {op_names()}")


def build_op(name: str, in_channels: int, out_channels: int, *, stride: int = 1, affine: bool = True) -> nn.Module:
    """Builds an operation ``(B, in_channels, H, W) -> (B, out_channels, ceil(H/stride), ceil(W/stride))``.

    Raises:
        ValueError: If the name is not registered.
    """
    if name not in _BUILDERS:
        raise ArgumentError(f"unknown operation {name!r}; known are {op_names()}")
    return _BUILDERS[name](in_channels, out_channels, stride, affine=affine)
