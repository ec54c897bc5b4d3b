"""SearchModule: any LightningModule with a supernet inside, trained in two steps per batch."""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections.abc import Iterator, Mapping
from typing import Any

import pytorch_lightning as pl
import torch
import torch.distributed as dist
from torch import Tensor, nn

from lightning_nas.architecture import Architecture
from lightning_nas.search.second_order import virtual_step_gradient
from lightning_nas.spaces import Supernet, find_supernets
from lightning_nas.strategies import Strategy


class SearchModule(pl.LightningModule):
    """Wraps a task: per batch an architecture step and a weight step, nothing else.

    The wrapped module is used as it is: its ``training_step`` gives the losses, its ``configure_optimizers`` the
    optimizer and schedules of the weights, and what it logs arrives here. One training batch is one ``global_step``.

    Args:
        model: A module of ``pytorch_lightning`` or ``lightning.pytorch`` that holds one :class:`Supernet`.
        strategy: How to relax, step and decode the logits.
        warmup_epochs: Epochs at the start in which only weights move.
        arch_every_n_steps: An architecture step every so many batches.
        accumulate_grad_batches: Batches per weight step; the last group of an epoch may be smaller.
        gradient_clip_val: Limit of the weights' gradient; None for no limit.
        gradient_clip_algorithm: ``"norm"`` or ``"value"``.

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
        accumulate_grad_batches: int = 1,
        gradient_clip_val: float | None = None,
        gradient_clip_algorithm: str = "norm",
    ) -> None:
        super().__init__()
        self.automatic_optimization = False
        supernets = find_supernets(model)
        if len(supernets) != 1:
            raise ValueError(f"model must hold exactly one Supernet, found {len(supernets)} in {type(model).__name__}")
        for name, value, low in (
            ("warmup_epochs", warmup_epochs, 0),
            ("arch_every_n_steps", arch_every_n_steps, 1),
            ("accumulate_grad_batches", accumulate_grad_batches, 1),
        ):
            if value < low:
                raise ValueError(f"{name} must be at least {low}, got {value}")
        if gradient_clip_algorithm not in ("norm", "value"):
            raise ValueError(f"gradient_clip_algorithm must be 'norm' or 'value', got {gradient_clip_algorithm!r}")
        self.model = model
        self.strategy = strategy
        self.warmup_epochs, self.arch_every_n_steps = warmup_epochs, arch_every_n_steps
        self.accumulate_grad_batches = accumulate_grad_batches
        self.clip_val, self.clip_algorithm = gradient_clip_val, gradient_clip_algorithm
        self.supernet: Supernet = supernets[0]
        self.supernet.relaxation = strategy.relax
        self._logits = list(self.supernet.logits.values())
        owned = {id(p) for p in self._logits}
        self._weights = [p for p in model.parameters() if id(p) not in owned]
        # DDP must not wait for gradients of the logits: they take no part in the weight step and are averaged here.
        self._ddp_params_and_buffers_to_ignore = [n for n, p in self.named_parameters() if id(p) in owned]

    def architecture(self, provenance: Mapping[str, Any] | None = None) -> Architecture:
        """The architecture that the logits point to now."""
        choices = self.strategy.decode(self.supernet.space, dict(self.supernet.logits.items()))
        return self.supernet.space.architecture(choices, provenance)

    # ---- the two steps ------------------------------------------------------------------------------------------

    def training_step(self, batch: Mapping[str, Any], batch_idx: int) -> None:
        """An architecture step on ``batch["architecture"]``, then a weight step on ``batch["weights"]``."""
        optimizers: Any = self.optimizers()
        weight_optimizer, logit_optimizer = optimizers
        if self.current_epoch >= self.warmup_epochs and batch_idx % self.arch_every_n_steps == 0:
            self._architecture_step(batch, batch_idx, weight_optimizer.optimizer, logit_optimizer.optimizer)
        with _frozen(self._logits):
            loss = _loss_of(self.model.training_step(batch["weights"], batch_idx))
            self._check_finite(loss, "weights", batch_idx)
            group = self._group_size(batch_idx)
            self.manual_backward(loss / group)
        if (batch_idx + 1) % self.accumulate_grad_batches == 0 or batch_idx + 1 == self._batches():
            weight_optimizer.step()
            weight_optimizer.zero_grad()
            self._step_schedules("step")

    def _architecture_step(
        self,
        batch: Mapping[str, Any],
        batch_idx: int,
        weight_optimizer: torch.optim.Optimizer,
        logit_optimizer: torch.optim.Optimizer,
    ) -> None:
        scaler = getattr(self.trainer.precision_plugin, "scaler", None)
        scale = 1.0 if scaler is None else float(scaler.get_scale())

        def loss_on(half: str) -> Tensor:
            loss = _loss_of(self.model.training_step(batch[half], batch_idx))
            self._check_finite(loss, half, batch_idx)
            return loss

        with self._muted():
            if self.strategy.order == 1:
                with _frozen(self._weights):
                    loss = loss_on("architecture") * scale
                    gradients = torch.autograd.grad(loss, self._logits, allow_unused=True)
                flat = _flatten(gradients, self._logits) / scale
            else:
                flat = virtual_step_gradient(
                    lambda: loss_on("weights"),
                    lambda: loss_on("architecture"),
                    self._logits,
                    self._weights,
                    weight_optimizer,
                    self.model,
                    self.strategy,
                )
        if dist.is_available() and dist.is_initialized():
            dist.all_reduce(flat)
            flat /= dist.get_world_size()
        if not torch.isfinite(flat).all():
            if scaler is not None:
                return  # the loss scale was too large: the scaler lowers it after the weight step
            raise FloatingPointError(f"the gradient of the logits is not finite in epoch {self.current_epoch}")
        start = 0
        for logits in self._logits:
            logits.grad = flat[start : start + logits.numel()].view_as(logits).to(logits.dtype)
            start += logits.numel()
        logit_optimizer.step()  # the raw optimizer: only the weight step counts as a global step
        logit_optimizer.zero_grad()

    def _check_finite(self, loss: Tensor, half: str, batch_idx: int) -> None:
        if not torch.isfinite(loss.detach()).all():
            raise FloatingPointError(
                f"the loss on the {half} half is {float(loss)} in epoch {self.current_epoch}, batch {batch_idx}; "
                "lower the learning rate or clip the gradients (gradient_clip_val)"
            )

    def _batches(self) -> int:
        return int(self.trainer.num_training_batches)

    def _group_size(self, batch_idx: int) -> int:
        """Batches in the accumulation group of this batch: the last one of an epoch may be smaller."""
        first = batch_idx - batch_idx % self.accumulate_grad_batches
        return min(self.accumulate_grad_batches, self._batches() - first)

    def on_before_optimizer_step(self, optimizer: torch.optim.Optimizer) -> None:
        """Clips the weights' gradients, after the precision plugin has unscaled them."""
        if self.clip_val is None:
            return
        if self.clip_algorithm == "norm":
            nn.utils.clip_grad_norm_(self._weights, self.clip_val)
        else:
            nn.utils.clip_grad_value_(self._weights, self.clip_val)

    # ---- optimizers and schedules -------------------------------------------------------------------------------

    def configure_optimizers(self) -> Any:
        """The wrapped module's optimizer and schedules for the weights, the strategy's optimizer for the logits.

        Raises:
            ValueError: If the wrapped module has several optimizers.
        """
        self._attach()
        optimizers, schedules = _split(self.model.configure_optimizers())
        if len(optimizers) != 1:
            raise ValueError(f"the wrapped module must have one optimizer, got {len(optimizers)}")
        owned = {id(p) for p in self._logits}
        for group in optimizers[0].param_groups:
            group["params"] = [p for p in group["params"] if id(p) not in owned]
        return [optimizers[0], self.strategy.architecture_optimizer(self._logits)], schedules

    def on_train_epoch_end(self) -> None:
        """Steps the schedules that count epochs."""
        self._step_schedules("epoch")

    def _step_schedules(self, interval: str) -> None:
        count = self.current_epoch + 1 if interval == "epoch" else self.global_step
        configs: Any = self.trainer.lr_scheduler_configs
        for config in configs:
            if config.interval != interval or count % config.frequency:
                continue
            if config.reduce_on_plateau:
                if config.monitor not in self.trainer.callback_metrics:
                    raise ValueError(f"the schedule monitors {config.monitor!r}, which was not logged")
                config.scheduler.step(self.trainer.callback_metrics[config.monitor])
            else:
                config.scheduler.step()

    # ---- the wrapped module -------------------------------------------------------------------------------------

    def _attach(self) -> None:
        """Lets the wrapped module see the trainer and log through this one; it may be of either Lightning package."""
        self.model._trainer = self.trainer
        self.model.__dict__["log"] = self.log

    @contextlib.contextmanager
    def _muted(self) -> Iterator[None]:
        """Extra forward passes do not log."""
        self.model.__dict__["log"] = lambda *args, **kwargs: None
        try:
            yield
        finally:
            self.model.__dict__["log"] = self.log

    def setup(self, stage: str) -> None:
        """Prepares the wrapped module."""
        self._attach()
        self.model.setup(stage)

    def validation_step(self, batch: Any, batch_idx: int) -> Any:
        """That of the wrapped module."""
        return self.model.validation_step(batch, batch_idx)

    def test_step(self, batch: Any, batch_idx: int) -> Any:
        """That of the wrapped module."""
        return self.model.test_step(batch, batch_idx)

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """That of the wrapped module."""
        return self.model(*args, **kwargs)

    # ---- checkpoints --------------------------------------------------------------------------------------------

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Adds the strategy's state and the identity of the space."""
        checkpoint["lightning_nas"] = {"space": self._space_hash(), "strategy": self.strategy.state_dict()}

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Takes the state back.

        Raises:
            ValueError: If the checkpoint is of another space.
        """
        saved = checkpoint.get("lightning_nas", {})
        if saved.get("space") != self._space_hash():
            raise ValueError("the checkpoint is of another search space or was not written by a SearchModule")
        self.strategy.load_state_dict(saved["strategy"])

    def _space_hash(self) -> str:
        space = self.supernet.space
        names = {name: list(group.shape) for name, group in self.supernet.logits.items()}
        return hashlib.sha256(json.dumps([space.name, space.args, names], sort_keys=True).encode()).hexdigest()


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


def _flatten(gradients: Any, logits: list[nn.Parameter]) -> Tensor:
    return torch.cat(
        [(torch.zeros_like(p) if g is None else g).detach().flatten() for g, p in zip(gradients, logits, strict=True)]
    )


def _loss_of(output: Any) -> Tensor:
    loss = output["loss"] if isinstance(output, Mapping) else output
    if not isinstance(loss, Tensor):
        raise TypeError(f"training_step must return a loss tensor or a dict with 'loss', got {output!r}")
    return loss


def _split(configured: Any) -> tuple[list[torch.optim.Optimizer], list[Any]]:
    """The forms that ``configure_optimizers`` may return for one optimizer -> optimizers, schedules."""
    if isinstance(configured, torch.optim.Optimizer):
        return [configured], []
    if isinstance(configured, Mapping):
        schedule = configured.get("lr_scheduler")
        if isinstance(schedule, Mapping) and "monitor" in configured:
            schedule = {"monitor": configured["monitor"], **schedule}
        return [configured["optimizer"]], [] if schedule is None else [schedule]
    if isinstance(configured, tuple) and len(configured) == 2 and all(isinstance(x, list) for x in configured):
        return configured
    if isinstance(configured, list | tuple):
        parts = [_split(item) for item in configured]
        return [o for part in parts for o in part[0]], [s for part in parts for s in part[1]]
    raise ValueError(f"configure_optimizers must return an optimizer, got {configured!r}")
