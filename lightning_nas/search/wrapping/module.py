"""A LightningModule that hosts another one: hooks go in, logs come out."""

from __future__ import annotations

import contextlib
import functools
import inspect
from collections.abc import Callable, Iterator
from types import MethodType
from typing import Any

from lightning_nas.search.data.wrapped import WrappedData
from lightning_nas.search.lightning.families import FAMILIES, LightningModule, foreign_datamodule, overridden, pl
from lightning_nas.search.lightning.privates import CURRENT_HOOK, attach_datamodule, tell_place
from lightning_nas.search.lightning.transparent import Transparent
from lightning_nas.search.wrapping.refusals import check_module
from lightning_nas.search.wrapping.state_names import keep_names
from lightning_nas.search.wrapping.traces import untouched

_HOOKS = frozenset(
    name
    for family in FAMILIES
    for cls in family.LightningModule.__mro__
    if cls.__module__.endswith(".core.hooks")
    for name in vars(cls)
    if not name.startswith("_")
) | {
    "validation_step",
    "test_step",
    "predict_step",
    "backward",
    "optimizer_step",
    "optimizer_zero_grad",
    "lr_scheduler_step",
    "configure_gradient_clipping",
    "state_dict",
    "load_state_dict",
}
"""What a Trainer asks of a module, beside what a wrapped one has to do itself."""


class WrappedModule(Transparent, LightningModule):
    """Hosts a module of ``pytorch_lightning`` or ``lightning.pytorch`` and forwards the Trainer's calls to it.

    Trainers of both packages take it: it derives from the ``LightningModule`` of every package that is installed, and its
    methods are those of the package whose Trainer holds it, also where the two are of different versions.

    The hosted module sees the Trainer as its own, and what it logs arrives in the outer module. A hook that it overrides is
    the outer module's hook, and one that it does not is not overridden there, so that a Trainer finds what it would find
    without a search. Public attributes that the outer module lacks are those of the hosted one. The state goes by the hosted
    module's own names, so that its class loads a checkpoint of the search.

    Args:
        model: The module. It must use automatic optimization.

    Raises:
        TypeError: If it is no LightningModule.
        ValueError: If it cannot be searched.
    """

    def __init__(self, model: Any) -> None:
        super().__init__()
        check_module(model)
        self.model = model
        keep_names(self)
        own = {name for cls in type(self).__mro__ if issubclass(cls, WrappedModule) for name in vars(cls)}
        overrides = overridden(model)
        for name in (overrides & _HOOKS) - own:
            setattr(self, name, getattr(model, name))
        self._logs_itself = "log" in overrides
        self._take_hyperparameters()
        if model.example_input_array is not None:
            self.example_input_array = model.example_input_array

    def _inner(self) -> Any:
        return vars(self).get("_modules", {}).get("model")

    def __setattr__(self, name: str, value: Any) -> None:
        super().__setattr__(name, value)
        if name == CURRENT_HOOK and self._inner() is not None:
            setattr(self.model, name, value)  # asked by the `log` of a hosted module that overrides it

    @property
    def trainer(self) -> Any:
        """The Trainer."""
        return LightningModule.trainer.fget(self)  # type: ignore[attr-defined]

    @trainer.setter
    def trainer(self, trainer: Any) -> None:
        """A Trainer takes data modules of its own package only; others are put behind one that it takes."""
        LightningModule.trainer.fset(self, trainer)  # type: ignore[attr-defined]
        foreign = None if trainer is None else foreign_datamodule(trainer)
        if foreign is not None:
            attach_datamodule(trainer, self, WrappedData(foreign))

    @property
    def strict_loading(self) -> bool:
        """Whether a checkpoint must hold all weights, as the hosted module says."""
        return bool(self.model.strict_loading)

    @strict_loading.setter
    def strict_loading(self, strict_loading: bool) -> None:
        self.model.strict_loading = strict_loading

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """The forward pass of the hosted module."""
        return self.model(*args, **kwargs)

    def call_training_step(self, batch: Any, batch_idx: int) -> Any:
        """What the hosted module's ``training_step`` returns, which need not take the number of the batch."""
        step = self.model.training_step
        return step(batch, batch_idx) if _takes_two(step) else step(batch)

    def attach(self) -> None:
        """Lets the hosted module see the Trainer and the device, and log through this one."""
        self.model.trainer = self.trainer
        tell_place(self.model, self.device, self.dtype)
        if not self._logs_itself:
            self.model.__dict__["log"] = self.log

    @contextlib.contextmanager
    def unseen(self) -> Iterator[None]:
        """Extra passes inside neither log nor leave a trace in the hosted module, see :func:`untouched`."""
        attributes, loggers = self.model.__dict__, self.trainer.loggers
        logged = {name: attributes[name] for name in ("log",) if name in attributes}
        try:
            attributes["log"] = _log_nothing
            self.trainer.loggers = [pl.loggers.logger.DummyLogger() for _ in loggers]
            with untouched(self.model):
                yield
        finally:
            self.trainer.loggers = loggers
            del attributes["log"]
            attributes.update(logged)

    # ---- hooks that do more than the hosted module's ---------------------------------------------------------------------

    def setup(self, stage: str) -> None:
        """Prepares the hosted module."""
        self.attach()
        self.model.setup(stage)

    def teardown(self, stage: str) -> None:
        """Tears the hosted module down, which may then be used by itself."""
        self.model.teardown(stage)
        self.model.__dict__.pop("log", None)

    def configure_callbacks(self) -> Any:
        """The callbacks of the hosted module."""
        self.attach()
        callbacks = self.model.configure_callbacks()
        return list(callbacks) if isinstance(callbacks, list | tuple) else [callbacks]

    def on_train_start(self) -> None:
        """Calls the hosted module, which by now is on its device."""
        self.attach()
        self.model.on_train_start()


def _log_nothing(*args: Any, **kwargs: Any) -> None:
    """In place of ``log``."""


def _takes_two(step: Callable[..., Any]) -> bool:
    """Asked in every step: what a method takes is found out once."""
    function = getattr(step, "__func__", None)
    return _says_two(step) if function is None else _method_takes_two(function)


@functools.lru_cache(maxsize=16)
def _method_takes_two(function: Callable[..., Any]) -> bool:
    return _says_two(MethodType(function, object()))


def _says_two(step: Callable[..., Any]) -> bool:
    parameters = inspect.signature(step).parameters.values()
    several = any(p.kind is inspect.Parameter.VAR_POSITIONAL for p in parameters)
    return several or "batch_idx" in {p.name for p in parameters} or len(parameters) > 1
