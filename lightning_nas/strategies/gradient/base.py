"""What a gradient strategy is: a relaxation of the logits, and how they are stepped and decoded."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Literal

import torch
from torch import Tensor, nn

from lightning_nas.architecture import Option
from lightning_nas.errors import ArgumentError
from lightning_nas.spaces import OptionWeights, SearchSpace, Supernet


class GradientStrategy(ABC):
    """How to choose.

    ``SearchModule`` calls :meth:`adapt` when it finds the supernet, :meth:`prepare` before the first epoch, :meth:`relax` once
    per forward pass, :meth:`penalty` once per loss, and :meth:`decode` at the end.

    Args:
        order: 1 takes the weights as they are; 2 differentiates through one virtual weight step.
        hessian: How order 2 finds its second derivatives: ``"finite"`` differences, as published, or ``"exact"``.
        xi: Size of the virtual step of order 2; the current learning rate of the weights if None.
        level: ``"bi"`` trains logits and weights on separate halves of the data, ``"single"`` both on all of it.
        lr: Learning rate of the logits' Adam.
        betas: Decay of Adam's averages of the gradient and of its square.
        weight_decay: Weight decay of the logits.

    Attributes:
        needs_unused_parameters: Whether a forward pass leaves weights unused, which DDP has to be told.

    Example:
        >>> from lightning_nas.spaces import NasBench201
        >>> class Sigmoid(GradientStrategy):
        ...     def relax(self, logits):
        ...         return {name: OptionWeights(group.sigmoid()) for name, group in logits.items()}
        >>> supernet = NasBench201(channels=4, cells=1).supernet()
        >>> Sigmoid(lr=1e-3).relax(supernet.logits)["cell"].values.shape
        torch.Size([6, 5])
    """

    needs_unused_parameters = False

    def __init__(
        self,
        *,
        order: int = 1,
        hessian: Literal["finite", "exact"] = "finite",
        xi: float | None = None,
        level: Literal["bi", "single"] = "bi",
        lr: float = 3e-4,
        betas: tuple[float, float] = (0.5, 0.999),
        weight_decay: float = 1e-3,
    ) -> None:
        if order not in (1, 2):
            raise ArgumentError(f"order must be 1 or 2, got {order!r}")
        if hessian not in ("finite", "exact"):
            raise ArgumentError(f"hessian must be 'finite' or 'exact', got {hessian!r}")
        if xi is not None and xi < 0:
            raise ArgumentError(f"xi must be at least 0, got {xi}")
        if level not in ("bi", "single"):
            raise ArgumentError(f"level must be 'bi' or 'single', got {level!r}")
        if level == "single" and order == 2:
            raise ArgumentError("order = 2 needs two halves of the data, but level = 'single'")
        if lr <= 0:
            raise ArgumentError(f"lr must be positive, got {lr}")
        self.order, self.hessian, self.xi, self.level = order, hessian, xi, level
        self.lr, self.betas, self.weight_decay = lr, (betas[0], betas[1]), weight_decay

    @abstractmethod
    def relax(self, logits: Mapping[str, Tensor]) -> dict[str, OptionWeights]:
        """Weights of the options, differentiable in the logits."""

    def decode(self, space: SearchSpace, logits: Mapping[str, Tensor]) -> dict[str, Option]:
        """The architecture that the logits point to."""
        return space.decode(logits)

    def adapt(self, supernet: Supernet) -> None:  # noqa: B027 (most strategies take it as it is)
        """Changes the modules of a supernet, e.g. to partial channels: once, before its logits and weights are collected.

        An edge that is put in the place of a :class:`~lightning_nas.ops.mixed.MixedOp` must be called as one. A search that is
        resumed adapts a new supernet in the same way before the checkpoint is loaded.

        Args:
            supernet: What is searched.
        """

    def prepare(  # noqa: B027 (most strategies need nothing)
        self, supernet: Supernet, input_size: Callable[[], tuple[int, int, int]], device: torch.device
    ) -> None:
        """Called before a search begins, on every rank; the state of the first rank counts for all.

        Args:
            supernet: What is searched.
            input_size: Gives channels, height and width of an image; fails if nobody knows.
            device: Where the search runs.
        """

    def penalty(self, supernet: Supernet) -> Tensor | None:
        """A scalar that is added to every loss of the search, e.g. for latency; None for nothing."""
        return None

    def seed_batch(self, number: int) -> None:  # noqa: B027 (most strategies draw nothing)
        """Called before every batch of a training; all that is drawn until the next one has to follow from it.

        Args:
            number: Follows from the seed of the search, the epoch and the batch; the same on all ranks.
        """

    def architecture_optimizer(self, logits: Iterable[nn.Parameter]) -> torch.optim.Optimizer:
        """Adam on the logits (Liu et al. 2019, arXiv 1806.09055, appendix)."""
        return torch.optim.Adam(logits, self.lr, self.betas, weight_decay=self.weight_decay)

    def state_dict(self) -> dict[str, Any]:
        """What a checkpoint has to hold."""
        return {}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:  # noqa: B027 (most strategies have no state)
        """Takes :meth:`state_dict` back."""
