"""What a gradient strategy is: a relaxation of the logits, and how they are stepped and decoded."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Literal

import torch
from torch import Tensor, nn

from lightning_nas.architecture import Option
from lightning_nas.cost import Call
from lightning_nas.errors import ArgumentError
from lightning_nas.spaces import OptionWeights, SearchSpace, Supernet
from lightning_nas.strategies.gradient.guards import Guard
from lightning_nas.strategies.gradient.perturbations.base import Ascent
from lightning_nas.strategies.gradient.selection import Removal
from lightning_nas.strategies.gradient.stages import Stages


class GradientStrategy(ABC):
    """How to choose.

    ``SearchModule`` calls :meth:`check`, :meth:`adapt`, :meth:`initial` and :meth:`attach` when it finds the supernet,
    :meth:`prepare` before the first epoch, :meth:`begin_epoch` and :meth:`begin_step` where these begin, :meth:`relax` once
    per forward pass, :meth:`penalty` once per loss, :meth:`stepped` after a step of the logits, and :meth:`decode` at the end.
    All but :meth:`relax` do nothing unless a strategy says otherwise.

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
        guard: What watches the search for collapse.
        stopped: Why the guard has ended the search; None while it goes on.
        removal: The selection, if it discretises a trained supernet by what the removal of options costs.
        stages: The schedule of a search that is made of several; None for one search.
        attacks: Whether :meth:`attack` is to be called before every pass of the weight step.

    Example:
        >>> from lightning_nas.spaces import NasBench201
        >>> class Sigmoid(GradientStrategy):
        ...     def relax(self, logits):
        ...         return {name: OptionWeights(group.sigmoid()) for name, group in logits.items()}
        >>> supernet = NasBench201(channels=4, cells=1).supernet()
        >>> Sigmoid(lr=1e-3).relax(supernet.logits)["cell"].values.shape
        torch.Size([6, 5])
    """

    needs_unused_parameters: bool = False
    guard: Guard | None = None
    removal: Removal | None = None
    stages: Stages | None = None

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

    @property
    def identity(self) -> str:
        """What a checkpoint has to be of to be gone on with."""
        return type(self).__name__

    @property
    def unguarded_identity(self) -> str:
        """The same without its guard: of a search that goes on with another one."""
        return self.identity

    def enter_stage(self, stage: int, masks: Mapping[str, Tensor]) -> None:
        """Begins one of the :attr:`stages`; called before a supernet is adapted, on a copy that has entered none.

        Args:
            stage: Its number.
            masks: Group of logits -> ``(rows, options)``, whether an option is left; all of groups that are not there.
        """
        assert self.stages is not None
        self.stages.enter(stage, masks)

    @property
    def change(self) -> str | None:
        """What :meth:`adapt` makes of a supernet, None for nothing; strategies that say the same do the same."""
        return None if type(self).adapt is GradientStrategy.adapt else type(self).__name__

    @property
    def stopped(self) -> str | None:
        """Why the search has been ended."""
        return None

    @property
    def attacks(self) -> bool:
        """Whether the worst disturbance of the weights of the options is looked for."""
        return False

    def check(self, space: SearchSpace) -> None:  # noqa: B027 (most take every space)
        """Refuses a space that it cannot search.

        Raises:
            ArgumentError: Naming the argument.
        """

    def attach(self, supernet: Supernet) -> None:  # noqa: B027 (most need nothing)
        """Takes charge of a supernet that is to be searched, whoever has adapted it."""

    def initial(self, supernet: Supernet) -> None:  # noqa: B027 (most start from what the supernet has drawn)
        """Sets the logits that a search starts from; called once per supernet."""

    def adapt(self, supernet: Supernet) -> None:  # noqa: B027 (most strategies take it as it is)
        """Changes the modules of a supernet, e.g. to partial channels: once, before its logits and weights are collected.

        An edge that is put in the place of a :class:`~lightning_nas.ops.mixed.MixedOp` must be called as one. A search that is
        resumed adapts a new supernet in the same way before the checkpoint is loaded.

        Args:
            supernet: What is searched.
        """

    def prepare(  # noqa: B027 (most strategies need nothing)
        self, supernet: Supernet, model: nn.Module, call: Callable[[], Call]
    ) -> None:
        """Called before a search begins, on every rank; the state of the first rank counts for all.

        Args:
            supernet: What is searched.
            model: The module that holds it.
            call: Gives what its whole network is called with for one image; fails if nobody knows.
        """

    def begin_epoch(self, epoch: int, epochs: int) -> None:  # noqa: B027 (most have no schedule)
        """Called at the start of every epoch, and when a search is resumed within one.

        Args:
            epoch: Its number, from 0 on.
            epochs: Of the whole search.
        """

    def begin_step(self, half: str) -> None:  # noqa: B027 (most relax equally in both)
        """Called before the architecture step, ``"architecture"``, and before the pass of the weight step, ``"weights"``."""

    def attack(self, ascent: Ascent, like: Mapping[str, Tensor]) -> None:  # noqa: B027 (most do not)
        """Looks for the worst disturbance of the weights of the options, if :attr:`attacks`.

        Args:
            ascent: Gives the gradient of the loss of the weights' batch with respect to disturbances.
            like: Group -> ``(edges, options)``.
        """

    def stepped(self, supernet: Supernet, before: Mapping[str, Tensor]) -> None:  # noqa: B027 (most leave them)
        """Called after every step of the logits, which may be corrected.

        Args:
            supernet: What is searched.
            before: The logits before the step.
        """

    def averaged(self, on: bool) -> None:  # noqa: B027 (most draw nothing)
        """Whether :meth:`relax` gives mean weights from now on, instead of draws."""

    def mean(self, logits: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """The mean weights of the options, ``(edges, options)`` per group: the softmax, if nothing else is said."""
        return {name: group.softmax(dim=-1) for name, group in logits.items()}

    def record(self) -> dict[str, Any]:
        """What the history of a search is to say of the epoch that ends, as plain numbers and texts."""
        return {}

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
