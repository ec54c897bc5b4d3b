"""Number of parameters."""

from __future__ import annotations

from collections.abc import Collection

from torch import nn

from lightning_nas.errors import ArgumentError


def count_parameters(module: nn.Module, exclude: Collection[str] = ()) -> int:
    """Counts the elements of all parameters; one that is shared counts once.

    Args:
        module: Any module.
        exclude: Parameters whose name contains one of these texts do not count, e.g. ``("auxiliary",)``: papers of the
            DARTS family leave the auxiliary head out.

    Raises:
        ValueError: If ``exclude`` is one text instead of a collection of texts, or holds an empty one.

    Example:
        >>> count_parameters(nn.Linear(3, 4)), count_parameters(nn.Linear(3, 4), exclude=("bias",))
        (16, 12)
    """
    if isinstance(exclude, str) or not all(exclude):
        raise ArgumentError(f"exclude must be a collection of non-empty texts, e.g. ('auxiliary',), got {exclude!r}")
    return sum(
        parameter.numel() for name, parameter in module.named_parameters() if not any(text in name for text in exclude)
    )
