"""SearchModule: any LightningModule with a supernet inside, trained in two steps per batch."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from lightning_nas.errors import ArgumentError, NotFiniteError
from lightning_nas.search.data.halves import GROUP, HALVES, has_halves, take_apart
from lightning_nas.search.gradient.architecture_step import LogitGradient, frozen
from lightning_nas.search.gradient.guarded import GuardedSearch
from lightning_nas.search.gradient.loading import own_arguments
from lightning_nas.search.lightning.distributed import is_distributed
from lightning_nas.search.lightning.privates import TakesBatches, is_idle
from lightning_nas.strategies import GradientStrategy


class SearchModule(TakesBatches, GuardedSearch):
    """Wraps a task: per batch an architecture step and a weight step, nothing else.

    The wrapped module is used as it is, by the Trainer's own automatic optimization: its ``training_step`` gives the losses,
    its ``configure_optimizers`` the optimizer and schedules of the weights, and what it logs arrives here. The weight step is
    the Trainer's, with its accumulation, clipping and precision; callbacks see the batches of the weights and the outputs
    of ``training_step``; one training batch is one ``global_step``.

    The architecture step comes before, on the other half of the data. It calls ``training_step``, too, and leaves no trace in
    the wrapped module but moved logits, see :func:`~lightning_nas.search.wrapping.traces.untouched`; nothing is logged.
    Where gradients of N batches are accumulated, one architecture step belongs to one weight step, on the other halves of
    all N.

    The Trainer may be that of ``pytorch_lightning`` or of ``lightning.pytorch``, the wrapped module, data module, callbacks and
    loggers too, see :class:`~lightning_nas.search.wrapping.module.WrappedModule`.

    Args:
        model: A module of ``pytorch_lightning`` or ``lightning.pytorch`` that holds one :class:`Supernet`, or makes it in
            ``setup`` or ``configure_model``.
        strategy: How to relax, step and decode the logits.
        warmup_epochs: Epochs at the start in which only weights move.
        arch_every_n_steps: An architecture step every so many weight steps.
        accumulate_grad_batches: Batches per weight step; the last group of an epoch may be smaller. The Trainer's if
            None.
        gradient_clip_val: Limit of the weights' gradient; the Trainer's if None.
        gradient_clip_algorithm: ``"norm"`` or ``"value"``; the Trainer's if None.
        seed: Random numbers of every batch start from seed, rank, epoch and batch, so that a resumed search repeats
            those of an undisturbed one.

    Attributes:
        logits_frozen: While true, no architecture step is made; callbacks set it.

    Raises:
        TypeError: If the model is no LightningModule or the strategy none of gradients.
        ValueError: If the model cannot be searched, or an argument is out of range.

    Example:
        >>> from lightning_nas.search.lightning.families import LightningModule
        >>> from lightning_nas.spaces import NasBench201
        >>> from lightning_nas.strategies import Darts
        >>> class Task(LightningModule):
        ...     def __init__(self, backbone):
        ...         super().__init__()
        ...         self.backbone = backbone
        ...     def training_step(self, batch, batch_idx):
        ...         return self.backbone(batch)[-1].square().mean()
        ...     def configure_optimizers(self):
        ...         return torch.optim.SGD(self.parameters(), lr=0.1)
        >>> search = SearchModule(Task(NasBench201(channels=4, cells=1).supernet()), Darts())
        >>> sorted(search.architecture().components)
        ['backbone']
    """

    def __init__(
        self,
        model: Any,
        strategy: GradientStrategy,
        *,
        warmup_epochs: int = 0,
        arch_every_n_steps: int = 1,
        accumulate_grad_batches: int | None = None,
        gradient_clip_val: float | None = None,
        gradient_clip_algorithm: str | None = None,
        seed: int = 0,
    ) -> None:
        for name, value, low in (
            ("warmup_epochs", warmup_epochs, 0),
            ("arch_every_n_steps", arch_every_n_steps, 1),
            ("accumulate_grad_batches", accumulate_grad_batches or 1, 1),
        ):
            if value < low:
                raise ArgumentError(f"{name} must be at least {low}, got {value}")
        if gradient_clip_algorithm not in (None, "norm", "value"):
            raise ArgumentError(f"gradient_clip_algorithm must be 'norm' or 'value', got {gradient_clip_algorithm!r}")
        settings = {
            "accumulate_grad_batches": accumulate_grad_batches,
            "gradient_clip_val": gradient_clip_val,
            "gradient_clip_algorithm": gradient_clip_algorithm,
        }
        self.arch_every_n_steps = arch_every_n_steps
        super().__init__(model, strategy, warmup_epochs=warmup_epochs, seed=seed, settings=settings)
        self._pairs: list[dict[str, Any]] | None = None  # of the architecture step that comes before the batch
        self._together = False  # whether the weight step under way moves the logits, too

    @property
    def arch_steps(self) -> int:
        """Number of architecture steps so far."""
        return self._counts["arch_step"]

    # ---- the two steps --------------------------------------------------------------------------------------------------

    def training_step(self, batch: Any, batch_idx: int) -> Any:
        """An architecture step if one is due, then the wrapped module's ``training_step`` for the weight step.

        Returns:
            What the wrapped module returned, with the strategy's penalty added to the loss.

        Raises:
            TypeError: If the batch does not come with another half and the strategy needs one.
            FloatingPointError: If a loss or the gradient of the logits is not finite.
        """
        search_now = self._is_due(batch_idx)
        if self.strategy.level == "bi":
            pairs, self._pairs = self._pairs, []  # an optimizer may ask for the loss of a batch more than once
            if pairs is None:
                raise TypeError(
                    f"a search on two levels needs batches with the keys 'weights' and 'architecture', got "
                    f"{type(batch).__name__}: fit(search, BilevelDataModule(your data module, loader or module))"
                )
            self._last_pairs = pairs if pairs else self._last_pairs
            if pairs and search_now:
                self._architecture_step(batch, pairs, batch_idx)
        self._together = search_now and self.strategy.level == "single"
        self.strategy.begin_step("weights")
        self.disturb(batch, batch_idx)
        with contextlib.nullcontext() if self._together else frozen(self._logits.parameters):
            output = self.call_training_step(batch, batch_idx)
            loss = self._loss(output, "weights", batch_idx)
        self.log_dict({f"search/{name}": float(count) for name, count in self._counts.items()}, batch_size=1)
        return {**output, "loss": loss} if isinstance(output, Mapping) else loss

    def _is_due(self, batch_idx: int) -> bool:
        step = batch_idx // self._batches_per_step
        rest = self.logits_frozen or (self.strategy.removal is not None and not self.strategy.removal.trains_logits)
        return not rest and not is_idle(self.trainer) and step % self.arch_every_n_steps == 0

    def _architecture_step(self, batch: Any, pairs: list[dict[str, Any]], batch_idx: int) -> None:
        halves = HALVES if self.strategy.order == 2 else ("architecture",)
        self.strategy.begin_step("architecture")
        with self.unseen():
            moved = [{half: self.moved(pair[half]) for half in halves if half in pair} for pair in pairs]
            moved[0]["weights"] = batch
            gradients = LogitGradient(
                loss=lambda half, part: self.loss_of(part, half, batch_idx),
                model=self.model,
                logits=self._logits.parameters,
                weights=self._weights,
                watched=self.watched,
                optimizer=self.trainer.optimizers[0],
                strategy=self.strategy,
                share=1 / self._batches_per_step,
                scale=self.loss_scale(),
            ).of(moved)
        if gradients is not None:
            count = len(self._logits.parameters)
            self._seen = gradients[count:] if self.watched else None
            self._step_logits(gradients[:count])

    def on_before_optimizer_step(self, optimizer: torch.optim.Optimizer) -> None:
        """Calls the wrapped module and the guard; on one level, steps the logits with the gradient of the same loss."""
        super().on_before_optimizer_step(optimizer)
        logits = self._logits.parameters
        if self._together and any(p.grad is not None for p in logits):
            scale = self.loss_scale()
            self._step_logits([torch.zeros_like(p) if p.grad is None else p.grad / scale for p in logits])

    def _step_logits(self, gradients: list[Tensor]) -> None:
        before = {name: group.detach().clone() for name, group in self.supernet.logits.items()}
        if self._logits.step(gradients):
            self._counts["arch_step"] += 1
            self.strategy.stepped(self.supernet, before)
        elif self.loss_scale() == 1.0:
            raise NotFiniteError(f"the gradient of the logits is not finite in epoch {self.current_epoch}")
        # otherwise the loss scale of fp16 was too large, which the weight step finds out and lowers

    def loss_of(self, batch: Any, half: str, batch_idx: int) -> Tensor | None:
        """The loss of a batch on the device, with the strategy's penalty; None if ``training_step`` skips it."""
        return self._loss(self.call_training_step(batch, batch_idx), half, batch_idx)

    def _loss(self, output: Any, half: str, batch_idx: int) -> Tensor | None:
        """The loss with the strategy's penalty; None if ``training_step`` skips the batch."""
        if output is None:
            if is_distributed():
                raise RuntimeError(
                    f"training_step returned None on the {half} half in epoch {self.current_epoch}, batch {batch_idx}: "
                    "a batch cannot be skipped while several ranks train together"
                )
            return None
        loss = output.get("loss") if isinstance(output, Mapping) else output
        if not isinstance(loss, Tensor):
            raise TypeError(f"training_step must return a loss tensor, a dict with 'loss', or None, got {output!r}")
        if not torch.isfinite(loss.detach()).all():
            raise NotFiniteError(
                f"the loss on the {half} half is {float(loss.detach())} in epoch {self.current_epoch}, batch {batch_idx}; "
                "lower the learning rate or clip the gradients (gradient_clip_val)"
            )
        penalty = self.strategy.penalty(self.supernet)
        return loss if penalty is None else loss + penalty

    @property
    def _batches_per_step(self) -> int:
        return int(self.trainer.accumulate_grad_batches)

    # ---- the halves of a batch ------------------------------------------------------------------------------------------

    def take_batch(self, batch: Any) -> Any:
        """Keeps what belongs to the architecture step: hooks and callbacks see the batch of the weights alone."""
        self._pairs = None
        if has_halves(batch):
            if GROUP not in batch and self._batches_per_step > 1 and not is_idle(self.trainer):
                raise ArgumentError(
                    f"accumulate_grad_batches = {self._batches_per_step}: an architecture step needs its batches together, "
                    "which BilevelDataModule sees to: give it the loaders of both halves, as a dict"
                )
            batch, self._pairs = take_apart(batch)
        return batch

    def moved(self, batch: Any) -> Any:
        """A batch that has gone through the batch hooks and is on the device."""
        with torch.autocast(self.device.type, enabled=False):  # a Trainer calls them outside of it
            return self.trainer.strategy.batch_to_device(self.hooked(batch), dataloader_idx=0)

    # ---- checkpoints ----------------------------------------------------------------------------------------------------

    @classmethod
    def load_from_checkpoint(cls, checkpoint_path: Any, *args: Any, **kwargs: Any) -> Any:
        """A search from a checkpoint; the wrapped module is its ``model``.

        Args:
            checkpoint_path: The file.
            args: See ``LightningModule.load_from_checkpoint``.
            kwargs: The same, and the arguments of this class: ``model`` and ``strategy``, made as for the search, are needed.

        Raises:
            TypeError: If ``model`` or ``strategy`` is missing.
        """
        if cls.__init__ is SearchModule.__init__:
            kwargs = own_arguments(SearchModule, kwargs)
        return super().load_from_checkpoint(checkpoint_path, *args, **kwargs)
