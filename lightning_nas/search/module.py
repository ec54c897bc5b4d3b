"""SearchModule: any LightningModule with a supernet inside, trained in two steps per batch."""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.strategies import DDPStrategy
from torch import Tensor, nn

from lightning_nas.architecture import Architecture, Option
from lightning_nas.search.callbacks import FreezeLogits, SeedBatches, TemperatureSchedule
from lightning_nas.search.costs import input_size
from lightning_nas.search.distributed import average_over_ranks, check_equal_on_ranks
from lightning_nas.search.optimization import manual_schedules, restore_monitors, split_configured, step_schedules
from lightning_nas.search.second_order import VirtualStep
from lightning_nas.search.wrapped import WrappedModule, has_halves
from lightning_nas.spaces import Supernet, find_supernets
from lightning_nas.strategies import Strategy


class SearchModule(WrappedModule):
    """Wraps a task: per batch an architecture step and a weight step, nothing else.

    The wrapped module is used as it is: its ``training_step`` gives the losses, its ``configure_optimizers`` the
    optimizer and schedules of the weights, and what it logs arrives here. One training batch is one ``global_step``
    (with accumulation, one group of batches, as in automatic optimization). A Trainer's ``gradient_clip_val`` and
    ``accumulate_grad_batches`` mean what they mean there.

    Args:
        model: A module of ``pytorch_lightning`` or ``lightning.pytorch`` that holds one :class:`Supernet`.
        strategy: How to relax, step and decode the logits.
        warmup_epochs: Epochs at the start in which only weights move.
        arch_every_n_steps: An architecture step every so many batches.
        accumulate_grad_batches: Batches per weight step; the last group of an epoch may be smaller. The Trainer's if
            None.
        gradient_clip_val: Limit of the weights' gradient; the Trainer's if None.
        gradient_clip_algorithm: ``"norm"`` or ``"value"``; the Trainer's if None.
        seed: Random numbers of every batch start from seed, rank, epoch and batch, so that a resumed search repeats
            those of an undisturbed one.

    Attributes:
        logits_frozen: While true, no architecture step is made; callbacks set it.

    Raises:
        ValueError: If the model has no supernet, or an argument is out of range.
    """

    def __init__(
        self,
        model: Any,
        strategy: Strategy,
        *,
        warmup_epochs: int = 0,
        arch_every_n_steps: int = 1,
        accumulate_grad_batches: int | None = None,
        gradient_clip_val: float | None = None,
        gradient_clip_algorithm: str | None = None,
        seed: int = 0,
    ) -> None:
        super().__init__(model)
        self.automatic_optimization = False
        supernets = find_supernets(model)
        if len(supernets) != 1:
            raise ValueError(f"model must hold exactly one Supernet, found {len(supernets)} in {type(model).__name__}")
        for name, value, low in (
            ("warmup_epochs", warmup_epochs, 0),
            ("arch_every_n_steps", arch_every_n_steps, 1),
            ("accumulate_grad_batches", accumulate_grad_batches or 1, 1),
        ):
            if value < low:
                raise ValueError(f"{name} must be at least {low}, got {value}")
        if gradient_clip_algorithm not in (None, "norm", "value"):
            raise ValueError(f"gradient_clip_algorithm must be 'norm' or 'value', got {gradient_clip_algorithm!r}")
        self.strategy = strategy
        self.warmup_epochs, self.arch_every_n_steps, self.seed = warmup_epochs, arch_every_n_steps, seed
        self.accumulate_grad_batches = accumulate_grad_batches
        self.clip_val, self.clip_algorithm = gradient_clip_val, gradient_clip_algorithm
        self.supernet: Supernet = supernets[0]
        self.supernet.relaxation = strategy.relax
        self.logits_frozen = False
        self._counts = {"batch": 0, "arch_step": 0}
        self._epochs_ended = 0
        self._logits = list(self.supernet.logits.values())
        owned = {id(p) for p in self._logits}
        self._weights = [p for p in model.parameters() if id(p) not in owned]
        # DDP must not wait for gradients of the logits: they take no part in the weight step and are averaged here.
        self._ddp_params_and_buffers_to_ignore = [n for n, p in self.named_parameters() if id(p) in owned]

    def architecture(self, provenance: Mapping[str, Any] | None = None) -> Architecture:
        """The architecture that the logits point to now."""
        architecture: Architecture = self.supernet.space.architecture(self.choices(), provenance)
        return architecture

    def choices(self) -> dict[str, Option]:
        """The same as decisions of the supernet's space."""
        return self.strategy.decode(self.supernet.space, self.supernet.decision_logits())

    # ---- the two steps ------------------------------------------------------------------------------------------

    def training_step(self, batch: Any, batch_idx: int) -> None:
        """An architecture step on ``batch["architecture"]``, then a weight step on ``batch["weights"]``.

        Raises:
            TypeError: If the batch does not hold two halves and the strategy needs them.
            FloatingPointError: If a loss or the gradient of the logits is not finite.
        """
        optimizers: Any = self.optimizers()
        weight_optimizer, logit_optimizer = optimizers[0], optimizers[1].optimizer
        if not has_halves(batch):
            if self.strategy.level == "bi":
                raise TypeError(
                    f"a search on two levels needs batches with the keys 'weights' and 'architecture', got "
                    f"{type(batch).__name__}: wrap the data module in BilevelDataModule"
                )
            batch = {"weights": batch}
        search_now = not self.logits_frozen and batch_idx % self.arch_every_n_steps == 0
        if search_now and self.strategy.level == "bi":
            self._apply_logit_gradient(
                logit_optimizer, self._logit_gradient(batch, batch_idx, weight_optimizer.optimizer)
            )
        together = search_now and self.strategy.level == "single"
        with contextlib.nullcontext() if together else _frozen(self._logits):
            loss = self._loss(batch, "weights", batch_idx)
            self.manual_backward(loss / self._accumulation)
        if together:
            scale = self._loss_scale() / self._accumulation
            gradients = [torch.zeros_like(p) if p.grad is None else p.grad / scale for p in self._logits]
            self._apply_logit_gradient(logit_optimizer, gradients)
        if (batch_idx + 1) % self._accumulation == 0 or self.trainer.is_last_batch:
            weight_optimizer.step()
            weight_optimizer.zero_grad()
            step_schedules(self.trainer, self.model, "step", batch_idx + 1)
        self._counts["batch"] += 1
        self.log_dict({f"search/{name}": float(count) for name, count in self._counts.items()}, batch_size=1)

    def _logit_gradient(
        self, batch: Mapping[str, Any], batch_idx: int, optimizer: torch.optim.Optimizer
    ) -> Sequence[Tensor]:
        """Gradient of the loss on the architecture half; no gradient of the weights is left behind."""
        with self.muted():
            if self.strategy.order == 2:
                with torch.autocast(self.device.type, enabled=False):  # differences of small numbers need float32
                    return VirtualStep(
                        train_loss=lambda: self._loss(batch, "weights", batch_idx),
                        val_loss=lambda: self._loss(batch, "architecture", batch_idx),
                        model=self.model,
                        logits=self._logits,
                        weights=[p for p in self._weights if p.requires_grad],
                        optimizer=optimizer,
                        strategy=self.strategy,
                    ).gradient()
            scale = self._loss_scale()
            with _frozen(self._weights):
                loss = self._loss(batch, "architecture", batch_idx) * scale
                gradients = torch.autograd.grad(loss, self._logits, allow_unused=True)
            return [
                torch.zeros_like(p) if g is None else g / scale for g, p in zip(gradients, self._logits, strict=True)
            ]

    def _apply_logit_gradient(self, optimizer: torch.optim.Optimizer, gradients: Sequence[Tensor]) -> None:
        averaged = average_over_ranks(gradients)
        if all(torch.isfinite(g).all() for g in averaged):
            for p, gradient in zip(self._logits, averaged, strict=True):
                p.grad = gradient.to(p.dtype)
            optimizer.step()  # the raw optimizer: only the weight step counts as a global step
            self._counts["arch_step"] += 1
        elif self._loss_scale() == 1.0:
            raise FloatingPointError(f"the gradient of the logits is not finite in epoch {self.current_epoch}")
        # otherwise the loss scale of fp16 was too large, which the weight step finds out and lowers
        optimizer.zero_grad()

    def _loss(self, batch: Mapping[str, Any], half: str, batch_idx: int) -> Tensor:
        output = self.model.training_step(batch[half], batch_idx)
        loss = output["loss"] if isinstance(output, Mapping) else output
        if not isinstance(loss, Tensor):
            raise TypeError(f"training_step must return a loss tensor or a dict with 'loss', got {output!r}")
        if not torch.isfinite(loss.detach()).all():
            raise FloatingPointError(
                f"the loss on the {half} half is {float(loss.detach())} in epoch {self.current_epoch}, batch {batch_idx}; "
                "lower the learning rate or clip the gradients (gradient_clip_val)"
            )
        penalty = self.strategy.penalty(self.supernet)
        return loss if penalty is None else loss + penalty

    def _loss_scale(self) -> float:
        scaler = getattr(self.trainer.precision_plugin, "scaler", None)
        return 1.0 if scaler is None else float(scaler.get_scale())

    @property
    def _accumulation(self) -> int:
        return self.accumulate_grad_batches or 1

    # ---- what the Trainer asks ----------------------------------------------------------------------------------

    def configure_callbacks(self) -> list[pl.Callback]:
        """The search's callbacks beside those of the wrapped module; takes over what a manual Trainer refuses."""
        trainer = self.trainer
        if self.accumulate_grad_batches is None:
            self.accumulate_grad_batches = trainer.accumulate_grad_batches
        if self.clip_val is None:
            self.clip_val = trainer.gradient_clip_val
        if self.clip_algorithm is None:
            self.clip_algorithm = trainer.gradient_clip_algorithm or "norm"
        trainer.accumulate_grad_batches, trainer.gradient_clip_val = 1, None
        trainer.gradient_clip_algorithm = None
        own: list[pl.Callback] = [SeedBatches(self.seed), TemperatureSchedule()]
        if self.warmup_epochs:
            own.append(FreezeLogits(self.warmup_epochs))
        return [*own, *super().configure_callbacks()]

    def setup(self, stage: str) -> None:
        """Prepares the wrapped module.

        Raises:
            ValueError: If the strategy leaves weights unused and DDP has not been told.
        """
        strategy = self.trainer.strategy
        told = isinstance(strategy, DDPStrategy) and strategy._ddp_kwargs.get("find_unused_parameters")
        if self.strategy.needs_unused_parameters and isinstance(strategy, DDPStrategy) and not told:
            raise ValueError(
                f"{type(self.strategy).__name__} trains sampled paths, so DDP meets unused parameters: "
                "use Trainer(strategy='ddp_find_unused_parameters_true')"
            )
        super().setup(stage)
        if stage == "fit":
            datamodule = getattr(self.trainer.datamodule, "datamodule", self.trainer.datamodule)  # type: ignore[attr-defined]
            self.strategy.prepare(self.supernet, lambda: input_size(self.model, datamodule), strategy.root_device)
            # What was measured on the machine of the first rank counts for all.
            self.strategy.load_state_dict(strategy.broadcast(self.strategy.state_dict()))

    def configure_optimizers(self) -> Any:
        """The wrapped module's optimizer and schedules for the weights, the strategy's optimizer for the logits.

        Raises:
            ValueError: If the wrapped module has several optimizers.
        """
        self.trainer.accumulate_grad_batches = self._accumulation  # for its estimated_stepping_batches
        try:
            optimizer, schedules = split_configured(self.model.configure_optimizers())
        finally:
            self.trainer.accumulate_grad_batches = 1
        owned = {id(p) for p in self._logits}
        for group in optimizer.param_groups:
            group["params"] = [p for p in group["params"] if id(p) not in owned]
        schedules, self._monitored = manual_schedules(schedules)
        return [optimizer, self.strategy.architecture_optimizer(self._logits)], schedules

    def on_train_start(self) -> None:
        """Lets schedules monitor metrics as in automatic optimization; catches up on the end of an epoch."""
        super().on_train_start()
        restore_monitors(self.trainer, self._monitored)
        if self._epochs_ended < self.current_epoch:  # resumed from the last batch of an epoch, before its end
            self._end_epoch(self.current_epoch)

    def on_before_optimizer_step(self, optimizer: torch.optim.Optimizer) -> None:
        """Clips the weights' gradients, after the precision plugin has unscaled them."""
        self.model.on_before_optimizer_step(optimizer)
        self.model.configure_gradient_clipping(optimizer, self.clip_val, self.clip_algorithm)

    def on_train_epoch_end(self) -> None:
        """Steps the schedules that count epochs; checks that ranks agree."""
        self.model.on_train_epoch_end()
        self._end_epoch(self.current_epoch + 1)
        check_equal_on_ranks(self._logits, "the logits of the search")

    def _end_epoch(self, count: int) -> None:
        step_schedules(self.trainer, self.model, "epoch", count)
        self._epochs_ended = count

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Adds the strategy's state, the identity of the space, and the architecture found so far."""
        self.model.on_save_checkpoint(checkpoint)
        checkpoint["lightning_nas"] = {
            "identity": self._identity(),
            "strategy": self.strategy.state_dict(),
            "counts": dict(self._counts),
            "epochs_ended": self._epochs_ended,
            "architecture": self.architecture().to_json(),
            "metrics": {name: float(value) for name, value in self.trainer.callback_metrics.items()},
        }

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Takes the state back.

        Raises:
            ValueError: If the checkpoint is of another space or another model.
        """
        saved = checkpoint.get("lightning_nas", {})
        if saved.get("identity") != self._identity():
            raise ValueError(
                "the checkpoint is of another search space, another model or another strategy than this "
                f"{type(self.strategy).__name__} over {self.supernet.space!r}, or was not written by a SearchModule"
            )
        self.strategy.load_state_dict(saved["strategy"])
        self._counts, self._epochs_ended = dict(saved["counts"]), saved["epochs_ended"]
        self.model.on_load_checkpoint(checkpoint)

    def _identity(self) -> str:
        """Optimizer states are matched by the order of parameters, so order and shapes belong to the identity."""
        space = self.supernet.space
        shapes = [(name, list(p.shape)) for name, p in self.named_parameters()]
        text = json.dumps([space.name, space.args, type(self.strategy).__name__, shapes], sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()


@contextlib.contextmanager
def _frozen(parameters: list[nn.Parameter]) -> Iterator[None]:
    """No graph is built for these parameters inside, whatever happens."""
    before = [p.requires_grad for p in parameters]
    try:
        for p in parameters:
            p.requires_grad_(False)
        yield
    finally:
        for p, required in zip(parameters, before, strict=True):
            p.requires_grad_(required)
