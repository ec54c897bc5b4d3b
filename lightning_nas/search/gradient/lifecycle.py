"""What a search is apart from its steps: the supernet that it finds, what the Trainer asks for, what a checkpoint holds."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any

from torch import nn

from lightning_nas.architecture import Architecture, Option
from lightning_nas.errors import ArgumentError
from lightning_nas.search.costs import working_call
from lightning_nas.search.gradient.logits import Logits
from lightning_nas.search.gradient.optimization import only_optimizer
from lightning_nas.search.lightning.callbacks import FreezeLogits, SeedBatches, StrategyEpochs
from lightning_nas.search.lightning.distributed import check_equal_on_ranks
from lightning_nas.search.lightning.families import Callback, is_ddp, overridden
from lightning_nas.search.lightning.privates import finds_unused_parameters
from lightning_nas.search.wrapping.module import WrappedModule
from lightning_nas.search.wrapping.refusals import check_strategy, check_trainer, only_supernet
from lightning_nas.spaces import SearchSpace, Supernet, find_supernets
from lightning_nas.strategies import GradientStrategy

_OF_THE_TRAINER = ("accumulate_grad_batches", "gradient_clip_val", "gradient_clip_algorithm")


class SearchLifecycle(WrappedModule):
    """Hosts a module with a supernet and keeps the logits apart from everything that moves weights.

    Args:
        model: The module.
        strategy: How to relax, step and decode the logits.
        warmup_epochs: Epochs at the start in which only weights move.
        seed: Random numbers of every batch start from seed, rank, epoch and batch.
        settings: ``accumulate_grad_batches``, ``gradient_clip_val`` and ``gradient_clip_algorithm``; those that are not None
            are set in the Trainer for as long as it fits this module.
    """

    def __init__(
        self, model: Any, strategy: GradientStrategy, *, warmup_epochs: int, seed: int, settings: Mapping[str, Any]
    ) -> None:
        check_strategy(strategy)
        # Before the module is hosted: from then on, names that it has are set there.
        self.strategy, self.warmup_epochs, self.seed = strategy, warmup_epochs, seed
        self.logits_frozen = False
        for name in _OF_THE_TRAINER:
            setattr(self, name, settings[name])
        super().__init__(model)
        self._settings_before: dict[str, Any] = {}
        self._counts = {"batch": 0, "arch_step": 0}
        self._logits = Logits([])
        self._weights: list[nn.Parameter] = []
        if find_supernets(model) or not overridden(model) & {"setup", "configure_model"}:
            self._find_supernet()
        if "configure_model" in vars(self):
            vars(self)["configure_model"] = self._configure_model

    # ---- the supernet ---------------------------------------------------------------------------------------------------

    @property
    def supernet(self) -> Supernet:
        """The supernet of the hosted module."""
        found: Supernet | None = vars(self).get("_supernet")
        if found is None:
            raise AttributeError(f"{type(self.model).__name__} has made no supernet yet")
        return found

    def architecture(self, provenance: Mapping[str, Any] | None = None) -> Architecture:
        """The architecture that the logits point to now."""
        architecture: Architecture = self.supernet.space.architecture(self.choices(), provenance)
        return architecture

    def choices(self) -> dict[str, Option]:
        """The same as decisions of the supernet's space."""
        return self.strategy.decode(self.supernet.space, self.supernet.decision_logits())

    def _find_supernet(self) -> None:
        known = vars(self).get("_supernet")
        if not any(supernet is known for supernet in find_supernets(self.model)):  # callbacks may have frozen it by now
            supernet = only_supernet(self.model)
            vars(self)["_supernet"] = supernet  # no part of this module: it is one of the hosted module already
            self.strategy.check(supernet.space)
            self._adapt(supernet)
            supernet.relaxation = self.strategy.relax
            self._logits = Logits([*supernet.logits.values(), *supernet.edge_logits.values()])
            self._find_weights()
        # DDP must not wait for gradients of the logits: they take no part in the weight step and are averaged by ourselves.
        self._ddp_params_and_buffers_to_ignore = [n for n, p in self.named_parameters() if p in self._logits]

    def _adapt(self, supernet: Supernet) -> None:
        """Lets the strategy change the supernet and its first logits, unless one of its kind has done so before."""
        change = self.strategy.change
        before = vars(supernet).get("_adapted_by", change)
        if change is not None and before != change:
            raise ArgumentError(f"strategy = {change}: the supernet was changed by {before}: make a new one")
        if "_adapted_by" not in vars(supernet):
            if change is not None:
                self.strategy.adapt(supernet)
            self.strategy.initial(supernet)
            vars(supernet)["_adapted_by"] = change
        self.strategy.attach(supernet)

    def _find_weights(self) -> None:
        owned = {id(p) for p in self._logits.parameters}
        self._weights = [p for p in self.model.parameters() if id(p) not in owned]

    def _keep_logits(self) -> None:
        """Callbacks that thaw a backbone, or add its parameters to the optimizer, do not mean the logits."""
        for optimizer in self.trainer.optimizers:
            self._logits.release_from(optimizer)
        for p in self._logits.parameters:
            p.requires_grad_(True)

    # ---- what the Trainer asks ------------------------------------------------------------------------------------------

    def configure_callbacks(self) -> list[Any]:
        """The search's callbacks beside those of the hosted module; sets what the Trainer is to do for this module."""
        if self.trainer.state.fn == "fit":
            for name in _OF_THE_TRAINER:
                if getattr(self, name) is not None:
                    self._settings_before.setdefault(name, getattr(self.trainer, name))
                    setattr(self.trainer, name, getattr(self, name))
        own: list[Callback] = [SeedBatches(self.seed), StrategyEpochs()]
        if self.warmup_epochs:
            own.append(FreezeLogits(self.warmup_epochs))
        return [*own, *super().configure_callbacks()]

    def setup(self, stage: str) -> None:
        """Prepares the hosted module and, for a training, the strategy.

        Raises:
            ValueError: If the Trainer's strategy shards parameters, or is DDP that has not been told of unused ones.
        """
        if stage == "fit":
            check_trainer(self.trainer)
            self._logits.forget_optimizer()
            strategy: Any = self.trainer.strategy
            told = is_ddp(strategy) and finds_unused_parameters(strategy)
            if self.strategy.needs_unused_parameters and is_ddp(strategy) and not told:
                raise ArgumentError(
                    f"{type(self.strategy).__name__} trains sampled paths, so DDP meets unused parameters: "
                    "use Trainer(strategy='ddp_find_unused_parameters_true')"
                )
        super().setup(stage)
        if "configure_model" not in vars(self):
            self._prepare()

    def _configure_model(self) -> None:
        self.model.configure_model()
        self._prepare()

    def _prepare(self) -> None:
        """Once the hosted module is whole."""
        self._find_supernet()
        if self.trainer.state.fn == "fit":
            strategy: Any = self.trainer.strategy
            datamodule = getattr(self.trainer.datamodule, "datamodule", self.trainer.datamodule)
            self.model.to(strategy.root_device)  # where latency is measured; the Trainer does it only later
            self.strategy.prepare(self.supernet, self.model, lambda: working_call(self.model, datamodule))
            # What was measured on the machine of the first rank counts for all.
            self.strategy.load_state_dict(strategy.broadcast(self.strategy.state_dict()))

    def configure_optimizers(self) -> Any:
        """The hosted module's optimizer and schedules, without the logits, which get the strategy's optimizer.

        Raises:
            ValueError: If the hosted module has not exactly one optimizer.
        """
        configured = self.model.configure_optimizers()
        self._logits.release_from(only_optimizer(configured))
        self._logits.configure(self.strategy.architecture_optimizer(self._logits.parameters))
        return configured

    def on_fit_start(self) -> None:
        """Calls the hosted module; callbacks have been here."""
        self.model.on_fit_start()
        self._find_weights()
        self._keep_logits()

    def on_train_batch_start(self, batch: Any, batch_idx: int) -> int | None:
        """Calls the hosted module; callbacks have been here."""
        self._keep_logits()
        self._counts["batch"] += 1
        result: int | None = self.model.on_train_batch_start(batch, batch_idx)
        return result

    def on_train_epoch_end(self) -> None:
        """Calls the hosted module; checks that ranks agree."""
        self.model.on_train_epoch_end()
        check_equal_on_ranks(self._logits.parameters, "the logits of the search")

    def teardown(self, stage: str) -> None:
        """Tears the hosted module down and gives the Trainer its own settings back."""
        super().teardown(stage)
        for name, value in self._settings_before.items():
            setattr(self.trainer, name, value)
        self._settings_before = {}

    # ---- checkpoints ----------------------------------------------------------------------------------------------------

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Adds the strategy's state, the logits' optimizer, the identity of the space, the architecture found so far."""
        self.model.on_save_checkpoint(checkpoint)
        checkpoint["lightning_nas"] = {
            "identity": self._identity(),
            "unguarded": self._identity(guarded=False),
            "strategy": self.strategy.state_dict(),
            "optimizer": self._logits.state_dict(),
            "counts": dict(self._counts),
            "architecture": self.architecture().to_json(),
            "metrics": {name: float(value) for name, value in self.trainer.callback_metrics.items()},
        }

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Takes the state back, see :meth:`require_same`."""
        saved = checkpoint.get("lightning_nas", {})
        self.require_same(saved)
        self.strategy.load_state_dict(saved["strategy"])
        self._logits.load_state_dict(saved["optimizer"])
        self._counts = dict(saved["counts"])
        self.model.on_load_checkpoint(checkpoint)

    def require_same(self, saved: Mapping[str, Any]) -> None:
        """Refuses what a checkpoint holds of another search.

        Raises:
            ArgumentError: If it is of another space, model or strategy, or of an earlier version.
        """
        guarded = "continued" not in saved  # otherwise a search that its guard had stopped goes on with another one
        if saved.get("identity" if guarded else "unguarded") != self._identity(guarded=guarded):
            raise ArgumentError(
                "the checkpoint is of another search space, another model or another strategy than this "
                f"{type(self.strategy).__name__} over {self.supernet.space!r}, or was not written by a SearchModule"
            )
        if "optimizer" not in saved:
            raise ArgumentError(
                "the checkpoint was written by an earlier version of lightning_nas: start the search anew"
            )

    def _identity(self, *, guarded: bool = True) -> str:
        """Optimizer states are matched by the order of parameters, so order and shapes belong to the identity."""
        shapes = [(name, list(p.shape)) for name, p in self.named_parameters()]
        strategy = self.strategy.identity if guarded else self.strategy.unguarded_identity
        return identity_of(self.supernet.space, strategy, shapes)


def identity_of(space: SearchSpace, strategy: str, shapes: Sequence[tuple[str, list[int]]]) -> str:
    """What tells whether a checkpoint is of the same search.

    Args:
        space: That is searched.
        strategy: Identity of the strategy.
        shapes: Name and shape of every parameter of the :class:`SearchModule`, in order.
    """
    text = json.dumps([space.name, space.args, strategy, shapes], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()
