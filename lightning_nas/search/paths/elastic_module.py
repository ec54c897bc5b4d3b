"""The training of many networks of a supernet at once, around a LightningModule as it is."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import Tensor

from lightning_nas.architecture import Choices
from lightning_nas.cost.probe import random_numbers_kept
from lightning_nas.errors import ArgumentError, NasError
from lightning_nas.ops.layers.checkpointing import Recomputable
from lightning_nas.search.paths.distillation import Recorded, require_distillable
from lightning_nas.search.paths.sampled import require_unused_parameters
from lightning_nas.search.wrapping.module import WrappedModule
from lightning_nas.spaces import Supernet, find_supernets
from lightning_nas.strategies.paths.elastic import Elastic
from lightning_nas.strategies.paths.step_rules import share_of_training, teacher_of


class ElasticModule(WrappedModule):
    """Activates the networks of every step one after the other and adds their losses; all else is the hosted module's.

    The optimization stays automatic: clipping, accumulation, precision, schedules, averages of the weights and DDP are those of
    the Trainer. The networks follow from the strategy's seed and ``global_step`` (of the progressive rule from the place in the
    training, too), so that ranks draw alike and a resumed training draws what it would have drawn. Accumulated batches train
    the same networks. All networks of a step see the same batch and the same random numbers; the first one logs. Validation
    within the training sees the largest network; of a space without an order of size, the last one that was trained.

    Args:
        model: Holds one supernet; uses automatic optimization.
        strategy: Says which networks a step trains and what they learn from.

    Raises:
        TypeError: If the module is no LightningModule.
        NasError: If it cannot be hosted, holds no supernet or several, the rule does not fit its space, or its networks are to
            learn from outputs and it does not say from which, see :mod:`lightning_nas.search.paths.distillation`.

    Example:
        >>> import pytorch_lightning as pl
        >>> from lightning_nas.spaces import ShuffleNetV2
        >>> class Task(pl.LightningModule):
        ...     def __init__(self):
        ...         super().__init__()
        ...         self.backbone = ShuffleNetV2(stem_channels=4, widths=(8,), depths=(2,), head_channels=0).supernet()
        ...
        ...     def training_step(self, batch, batch_idx):
        ...         return self.backbone(batch)[-1].square().mean()
        >>> len(ElasticModule(Task(), Elastic(rule="sandwich")).networks(step=0, share=0.0))
        4
    """

    def __init__(self, model: Any, strategy: Elastic) -> None:
        super().__init__(model)
        self._strategy = strategy
        supernet = trained_supernet(model)
        strategy.check_space(supernet.space)
        if strategy.distillation:
            require_distillable(model, strategy.distillation).distilled_module()
        several = len(strategy.step(supernet.space, step=0)) > 1 or strategy.rule == "progressive"
        if several and any(isinstance(part, Recomputable) and part.recompute for part in model.modules()):
            raise ArgumentError(
                f"rule = {strategy.rule!r} trains several networks per step, whose activations cannot be recomputed: switch "
                "recompute off, or use rule = 'uniform' with networks = 1"
            )

    def networks(self, *, step: int, share: float) -> list[dict[str, Any]]:
        """The networks of a step.

        Args:
            step: Its number.
            share: Of the training that is over.
        """
        return self._strategy.step(self._supernet.space, step=step, share=share)

    @property
    def _supernet(self) -> Supernet:
        return trained_supernet(self.model)

    # ---- what the Trainer calls ------------------------------------------------------------------------------------------

    def setup(self, stage: str) -> None:
        """Prepares the hosted module, and checks that DDP knows of unused parameters."""
        if stage == "fit":
            require_unused_parameters(self.trainer)
        super().setup(stage)

    def configure_optimizers(self) -> Any:
        """Optimizers and schedules of the hosted module."""
        return self.model.configure_optimizers()

    def training_step(self, batch: Any, batch_idx: int) -> Any:
        """The sum of the losses of this step's networks.

        Returns:
            What the hosted module returned for the first network, with that sum as its loss; None if it gave no loss.
        """
        weight, supernet = self._strategy.distillation, self._supernet
        space = supernet.space
        networks = self.networks(step=self.trainer.global_step, share=self._share(batch_idx))
        largest = teacher_of(space, networks[0]) if weight else {}
        taught_within = not weight or dict(networks[0]) == largest
        first: Any = None
        teacher: Any = None
        losses: list[Tensor] = []
        distances: list[Tensor] = []
        if not taught_within:
            with torch.no_grad(), self._silent(), self._same_random_numbers():
                teacher = self._pass(supernet, largest, batch, batch_idx)[1].detached()
        for place, choices in enumerate(networks):
            last = place == len(networks) - 1
            with (
                self._silent() if place else contextlib.nullcontext(),
                contextlib.nullcontext() if last else self._same_random_numbers(),
            ):
                output, seen = self._pass(supernet, choices, batch, batch_idx)
            loss = output.get("loss") if isinstance(output, Mapping) else output
            if loss is None:
                return None
            first = output if place == 0 else first
            if weight and seen is not None:
                if place == 0 and taught_within:
                    teacher = seen.detached()
                else:
                    distance = self.model.distillation_loss(seen.output(), teacher, batch, self._strategy.divergence)
                    distances.append(distance.detach())
                    loss = (1 - weight) * loss + weight * distance if weight < 1 else distance
            losses.append(loss)
        total: Tensor = torch.stack(losses).sum()
        if distances:
            self.log("search/distillation", torch.stack(distances).mean(), on_epoch=True, on_step=False, batch_size=1)
        return {**first, "loss": total} if isinstance(first, Mapping) else total

    def on_validation_start(self) -> None:
        """The largest network is validated, where the space has one."""
        with contextlib.suppress(NasError):
            self._supernet.activate(self._supernet.space.largest())
        self.model.on_validation_start()

    def on_fit_end(self) -> None:
        """All networks are mixed again."""
        self._supernet.activate(None)
        self.model.on_fit_end()

    # ---- one network ----------------------------------------------------------------------------------------------------

    def _pass(self, supernet: Supernet, choices: Choices, batch: Any, batch_idx: int) -> tuple[Any, Any]:
        """What the hosted module's step returns for a network, and the output that others learn from."""
        supernet.activate(choices)
        if not self._strategy.distillation:
            return self.call_training_step(batch, batch_idx), None
        with Recorded(self.model.distilled_module()) as seen:
            return self.call_training_step(batch, batch_idx), seen

    def _share(self, batch_idx: int) -> float:
        trainer = self.trainer
        return share_of_training(trainer.current_epoch, trainer.max_epochs, batch_idx, trainer.num_training_batches)

    def _same_random_numbers(self) -> contextlib.AbstractContextManager[None]:
        """The next network draws what this one does: mixed images and dropped units are alike."""
        return random_numbers_kept([self.device] if self.device.type == "cuda" else [])

    @contextlib.contextmanager
    def _silent(self) -> Iterator[None]:
        """The hosted module logs nothing inside."""
        attributes = self.model.__dict__
        logged = {name: attributes[name] for name in ("log",) if name in attributes}
        try:
            attributes["log"] = _log_nothing
            yield
        finally:
            del attributes["log"]
            attributes.update(logged)


def trained_supernet(model: torch.nn.Module) -> Supernet:
    """The supernet of a module; frozen copies of it, as of an EMA teacher, do not count.

    Raises:
        ArgumentError: If there is none or there are several.
    """
    found = [one for one in find_supernets(model) if any(p.requires_grad for p in one.parameters())]
    if len(found) != 1:
        raise ArgumentError(
            f"model must hold exactly one Supernet, found {len(found)} in {type(model).__name__}: build it with a space's "
            "supernet(), e.g. lightning_nas.spaces.ShuffleNetV2().supernet()"
        )
    return found[0]


def _log_nothing(*args: Any, **kwargs: Any) -> None:
    """In place of ``log``."""
