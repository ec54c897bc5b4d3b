"""A LightningModule that hosts another one: hooks go in, logs come out."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pytorch_lightning as pl

HALVES = ("weights", "architecture")
"""Keys of a batch of :class:`~lightning_nas.search.BilevelDataModule`."""

_HOOKS = (
    *(f"on_{stage}_{when}" for stage in ("fit", "train", "validation", "test", "predict") for when in ("start", "end")),
    *(f"on_{stage}_epoch_{when}" for stage in ("validation", "test", "predict") for when in ("start", "end")),
    *(f"on_{stage}_batch_{when}" for stage in ("validation", "test", "predict") for when in ("start", "end")),
    "on_train_epoch_start",
    "on_before_zero_grad",
    "on_before_backward",
    "on_after_backward",
    "validation_step",
    "test_step",
    "predict_step",
    "forward",
)


class WrappedModule(pl.LightningModule):
    """Hosts a module of ``pytorch_lightning`` or ``lightning.pytorch`` and forwards the Trainer's calls to it.

    The hosted module sees the Trainer as its own, and what it logs arrives in the outer module. Batches with two halves
    are moved to the device half by half, by the hosted module's own hooks; its ``on_train_batch_*`` see the weights'
    half.

    Args:
        model: The module. It must use automatic optimization.

    Raises:
        ValueError: If it does not, or overrides ``optimizer_step``, which automatic optimization alone calls.
    """

    def __init__(self, model: Any) -> None:
        super().__init__()
        name = type(model).__name__
        if not getattr(model, "automatic_optimization", False):
            raise ValueError(f"model must be a LightningModule with automatic optimization, got {name} without")
        if "optimizer_step" in _overridden(model):
            raise ValueError(
                f"model: {name}.optimizer_step is overridden, but the search makes the steps itself; use a schedule with "
                "interval='step' (for a warm-up of the learning rate) or on_before_optimizer_step instead"
            )
        self.model = model
        bind_batch_hooks(self, model)

    @contextlib.contextmanager
    def muted(self) -> Iterator[None]:
        """Extra forward passes inside do not log."""
        self.model.__dict__["log"] = lambda *args, **kwargs: None
        try:
            yield
        finally:
            self.model.__dict__["log"] = self.log

    def attach(self) -> None:
        """Lets the hosted module see the Trainer and the device, and log through this one."""
        self.model._trainer = self.trainer
        self.model._device = self.device  # Lightning tells only modules of its own package
        self.model.__dict__["log"] = self.log

    def setup(self, stage: str) -> None:
        """Prepares the hosted module."""
        self.attach()
        self.model.setup(stage)

    def teardown(self, stage: str) -> None:
        """That of the hosted module, which may then be used by itself."""
        self.model.teardown(stage)
        self.model.__dict__.pop("log", None)

    def configure_callbacks(self) -> Any:
        """Those of the hosted module."""
        self.attach()
        callbacks = self.model.configure_callbacks()
        return list(callbacks) if isinstance(callbacks, list | tuple) else [callbacks]

    def on_train_start(self) -> None:
        """That of the hosted module, which by now is on its device."""
        self.attach()
        self.model.on_train_start()

    def on_train_batch_start(self, batch: Any, batch_idx: int) -> int | None:
        """That of the hosted module, with the weights' half."""
        result: int | None = self.model.on_train_batch_start(_weights_half(batch), batch_idx)
        return result

    def on_train_batch_end(self, outputs: Any, batch: Any, batch_idx: int) -> None:
        """That of the hosted module, with the weights' half."""
        self.model.on_train_batch_end(outputs, _weights_half(batch), batch_idx)


def has_halves(batch: Any) -> bool:
    """Whether a batch holds one for the weights and one for the logits."""
    return isinstance(batch, Mapping) and set(batch) == set(HALVES)


def _weights_half(batch: Any) -> Any:
    return batch["weights"] if has_halves(batch) else batch


def bind_batch_hooks(outer: Any, inner: Any) -> None:
    """Gives ``outer`` the batch hooks that ``inner`` overrides, applied half by half.

    Only those: a Trainer prefers the hooks of a module to those of a data module, but for defaults.
    """
    for name in {"on_before_batch_transfer", "transfer_batch_to_device", "on_after_batch_transfer"} & _overridden(
        inner
    ):
        setattr(outer, name, _half_by_half(getattr(inner, name)))


def _half_by_half(hook: Callable[..., Any]) -> Callable[..., Any]:
    def on_halves(batch: Any, *args: Any, **kwargs: Any) -> Any:
        return _by_half(batch, lambda half: hook(half, *args, **kwargs))

    return on_halves


def _by_half(batch: Any, function: Callable[[Any], Any]) -> Any:
    return {half: function(batch[half]) for half in HALVES} if has_halves(batch) else function(batch)


def _overridden(model: Any) -> set[str]:
    """Names that the classes of a module or data module define below Lightning's own (of either package)."""
    names: set[str] = set()
    for cls in type(model).__mro__:
        if cls.__name__ in ("LightningModule", "LightningDataModule"):
            break
        names |= set(vars(cls))
    return names


def _forwarded(name: str) -> Callable[..., Any]:
    def hook(self: WrappedModule, *args: Any, **kwargs: Any) -> Any:
        return getattr(self.model, name)(*args, **kwargs)

    hook.__name__, hook.__doc__ = name, "That of the hosted module."
    return hook


for _name in _HOOKS:
    if _name not in vars(WrappedModule):
        setattr(WrappedModule, _name, _forwarded(_name))
