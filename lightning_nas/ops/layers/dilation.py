"""Dilation put into an operation afterwards, so that it sees as far at a higher resolution."""

from __future__ import annotations

from typing import TypeVar

from torch import nn

Module = TypeVar("Module", bound=nn.Module)


def dilate(module: Module, rate: int) -> Module:
    """Multiplies the dilation of all convolutions of a module with a kernel above 1, in place.

    Sizes of maps stay as they are, because padding grows with the dilation. Poolings stay as they are.

    Args:
        module: An operation whose padding keeps the size, as all registered ones.
        rate: The factor.

    Example:
        >>> conv = dilate(nn.Conv2d(4, 4, 3, padding=1), 2)
        >>> conv.dilation, conv.padding
        ((2, 2), (2, 2))
    """
    for part in module.modules():
        if rate > 1 and isinstance(part, nn.Conv2d) and max(part.kernel_size) > 1:
            assert not isinstance(part.padding, str)
            part.dilation = (part.dilation[0] * rate, part.dilation[1] * rate)
            part.padding = (part.padding[0] * rate, part.padding[1] * rate)
    return module
