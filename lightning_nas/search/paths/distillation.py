"""What a task has to offer so that its small networks can learn from the largest one's outputs.

On the task, beside what :mod:`lightning_nas.search.presentation` names::

    class DepthTask(pl.LightningModule):
        def distilled_module(self):  # its output in a training step is what is learnt
            return self.head

        def distillation_loss(self, student, teacher, batch, divergence):  # of one batch; the teacher's has no gradient
            return (student - teacher).abs().mean()
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol, Self, runtime_checkable

from torch import Tensor, nn

from lightning_nas.errors import NasError
from lightning_nas.strategies.paths.divergence import Divergence


@runtime_checkable
class Distillable(Protocol):
    """A task of which small networks can learn from the largest one."""

    def distilled_module(self) -> nn.Module:
        """The module of which the output in a ``training_step`` is learnt, e.g. the head."""

    def distillation_loss(self, student: Any, teacher: Any, batch: Any, divergence: Divergence) -> Tensor:
        """The distance of outputs, a number.

        Args:
            student: What the module has returned for the network that learns.
            teacher: The same for the largest network, without gradient.
            batch: What both were given.
            divergence: Logarithms of the teacher's and the student's probabilities ``(..., K)`` -> ``(...)``.
        """


def require_distillable(task: Any, distillation: float) -> Distillable:
    """The task, if its networks can learn from outputs.

    Raises:
        NasError: If it lacks a method.
    """
    if isinstance(task, Distillable):
        return task
    missing = [name for name in ("distilled_module", "distillation_loss") if not hasattr(task, name)]
    raise NasError(
        f"distillation = {distillation}: {type(task).__name__} has no {' and no '.join(missing)}, which say what its small "
        "networks learn from the largest one; see lightning_nas.search.paths.distillation, or set distillation to 0"
    )


class Recorded:
    """Keeps the last output of a module, inside.

    Args:
        module: The module.

    Example:
        >>> import torch
        >>> layer = nn.Linear(2, 3)
        >>> with Recorded(layer) as seen:
        ...     _ = layer(torch.zeros(4, 2))
        >>> seen.output().shape, seen.detached().requires_grad
        (torch.Size([4, 3]), False)
    """

    def __init__(self, module: nn.Module) -> None:
        self._module = module
        self._outputs: list[Any] = []

    def __enter__(self) -> Self:
        self._handle = self._module.register_forward_hook(lambda module, inputs, output: self._outputs.append(output))
        return self

    def __exit__(self, *args: object) -> None:
        self._handle.remove()

    def output(self) -> Any:
        """The last output.

        Raises:
            NasError: If the module was not run.
        """
        if not self._outputs:
            raise NasError(
                f"distillation: {type(self._module).__name__}, which distilled_module() names, was not run in training_step"
            )
        return self._outputs[-1]

    def detached(self) -> Any:
        """The last output, without gradient."""
        return _detached(self.output())


def _detached(value: Any) -> Any:
    if isinstance(value, Tensor):
        return value.detach()
    if isinstance(value, Mapping):
        return {key: _detached(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_detached(item) for item in value]
    return value
