"""What a search cannot work with, refused before it begins, with what to do instead."""

from __future__ import annotations

import inspect
from typing import Any

from optuna.samplers import BaseSampler
from torch import nn
from torch.nn.parameter import is_lazy

from lightning_nas.errors import ArgumentError
from lightning_nas.search.lightning.families import lightning_classes, overridden
from lightning_nas.spaces import Supernet, find_supernets
from lightning_nas.strategies import GradientStrategy, PathStrategy

_SHARDED = {"FSDPStrategy", "DeepSpeedStrategy", "ModelParallelStrategy"}


def check_module(model: Any) -> None:
    """Checks that a search can host a module.

    Raises:
        TypeError: If it is no LightningModule.
        ValueError: If it steps its optimizers itself, fetches its batches itself, or has weights without a shape.
    """
    name = type(model).__name__
    if isinstance(model, type):
        raise TypeError(
            f"model must be a LightningModule, got the class {model.__name__}: make one, {model.__name__}(...)"
        )
    if not isinstance(model, lightning_classes("LightningModule")):
        if hasattr(model, "_orig_mod"):
            raise TypeError("model must be a LightningModule, got the result of torch.compile: pass the module itself")
        hint = ": put it into a LightningModule, which says what its loss is" if isinstance(model, nn.Module) else ""
        raise TypeError(f"model must be a LightningModule of pytorch_lightning or lightning.pytorch, got {name}{hint}")
    if not model.automatic_optimization:
        raise ArgumentError(
            f"model must be a LightningModule with automatic optimization, got {name} without: a search needs the loss from "
            "training_step and one optimizer from configure_optimizers"
        )
    if "training_step" not in overridden(model):
        raise ArgumentError(f"model: {name} defines no training_step, which a search needs for its losses")
    if "dataloader_iter" in inspect.signature(model.training_step).parameters:
        raise ArgumentError(
            f"model: {name}.training_step takes dataloader_iter; a search needs training_step(batch, batch_idx)"
        )
    lazy = [name for name, p in (*model.named_parameters(), *model.named_buffers()) if is_lazy(p)]
    if lazy:
        raise ArgumentError(
            f"model: {', '.join(lazy[:3])} of {name} have no shape yet (lazy modules); run one batch through the model before "
            "the search, under torch.no_grad()"
        )


def only_supernet(model: nn.Module) -> Supernet:
    """The supernet that a search is about; frozen copies of it, as of an EMA teacher, do not count.

    Raises:
        ValueError: If there is none or there are several.
    """
    found = [s for s in find_supernets(model) if any(p.requires_grad for p in s.logits.values())]
    without = [s for s in find_supernets(model) if not s.logits and any(p.requires_grad for p in s.parameters())]
    if not found and without:
        raise ArgumentError(
            f"model holds the supernet of space {without[0].space.name!r}, which has no logits: train it on paths, e.g. with "
            "lightning_nas.search.SampledPaths"
        )
    if len(found) != 1:
        raise ArgumentError(
            f"model must hold exactly one Supernet, found {len(found)} in {type(model).__name__}: build it with a space's "
            "supernet(), e.g. lightning_nas.spaces.Darts().supernet(); a product of spaces searches several parts together"
        )
    return found[0]


def check_strategy(strategy: Any) -> None:
    """Checks that a strategy is one of logits and gradients.

    Raises:
        TypeError: If it is not.
    """
    if isinstance(strategy, GradientStrategy):
        return
    said = "strategy must be a gradient strategy, e.g. lightning_nas.strategies.Darts()"
    name = strategy.__name__ if isinstance(strategy, type) else type(strategy).__name__
    kind = strategy if isinstance(strategy, type) else type(strategy)
    if issubclass(kind, GradientStrategy):
        raise TypeError(f"{said}, got the class {name}: make one, {name}()")
    if issubclass(kind, PathStrategy):
        raise TypeError(f"{said}, got {name}, which trains {kind.trains}: fit your module as it is, with {kind.usage}")
    if issubclass(kind, BaseSampler):
        raise TypeError(
            f"{said}, got {name}, an Optuna sampler: it needs no SearchModule but a study, "
            f"optuna.create_study(sampler={name}(space)), whose trials train space.network(choices)"
        )
    raise TypeError(f"{said}, got {strategy!r}")


def check_trainer(trainer: Any) -> None:
    """Checks that a Trainer keeps every parameter whole.

    Raises:
        ValueError: If its strategy shards them.
    """
    sharded = [cls.__name__ for cls in type(trainer.strategy).__mro__ if cls.__name__ in _SHARDED]
    if sharded:
        raise ArgumentError(
            f"Trainer(strategy=...) is {sharded[0]}, which shards parameters, and logits have to be whole: use strategy='ddp'"
        )
