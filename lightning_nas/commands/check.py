"""Checks of a composed config before any work starts: unknown keys, wrong types, impossible values."""

from __future__ import annotations

import builtins
import contextlib
import inspect
import math
import re
import typing
from collections.abc import Callable, Mapping
from functools import partial
from types import SimpleNamespace
from typing import Any

import pydantic
from hydra.utils import get_object
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from lightning_nas.commands.signatures import Signature, static_signature
from lightning_nas.commands.spelling import did_you_mean
from lightning_nas.errors import ConfigError

LIMITS = {
    "seed": (0, 2**32 - 1),
    "epochs": (1, math.inf),
    "search.epochs": (1, math.inf),
    "search.warmup_epochs": (0, math.inf),
    "search.arch_every_n_steps": (1, math.inf),
    "search.accumulate_grad_batches": (1, math.inf),
    "search.gradient_clip_val": (0, math.inf),
    "trials.count": (1, math.inf),
    "trials.most_failures": (1, math.inf),
    "trials.worker": (0, math.inf),
    "evaluate.epochs": (1, math.inf),
    "evaluate.random": (0, math.inf),
    "evaluate.draws": (1, math.inf),
    "pretrain.epochs": (1, math.inf),
    "trainer.limit_train_batches": (math.nextafter(0, 1), math.inf),
}
"""The least and the largest value of numbers, where a key is given: an epoch number of -1 would never end, 0 train nothing."""

GROUPS = ("callbacks", "logger")
"""Parts of a config that hold components under names of the user's choice."""

_MAX_TIME = re.compile(r"(\d+):([01]\d|2[0-3]):([0-5]\d):([0-5]\d)")


def check_numbers(config: DictConfig) -> None:
    """Compares numbers with :data:`LIMITS`, and ``max_time`` with its form.

    Raises:
        ConfigError: Naming the key, its value and what was expected.
    """
    for key, (low, high) in LIMITS.items():
        value = OmegaConf.select(config, key)
        if value is not None and not (isinstance(value, int | float) and low <= value <= high):
            least = "more than 0" if 0 < low < 1 else f"at least {low}"
            raise ConfigError(f"{key} = {value}: expected {least}" + ("" if high == math.inf else f", at most {high}"))
    time = OmegaConf.select(config, "max_time")
    if time is not None and (not _MAX_TIME.fullmatch(time) or not any(int(part) for part in time.split(":"))):
        raise ConfigError(f"max_time = {time!r}: expected DD:HH:MM:SS of more than 0, e.g. 00:01:30:00")


def check_early(config: DictConfig) -> None:
    """Checks a whole config as far as that is possible without importing what it names, which takes seconds.

    Raises:
        ConfigError: On an unknown argument of a component, a value of the wrong type, or one that is impossible.
    """
    for key in config:
        node = config[key]
        if isinstance(node, DictConfig) and "_target_" in node:
            check_component(node, str(key), static_signature)
    check_members(config, static_signature)
    if "_target_" in config:  # of a benchmark, whose settings are its own arguments
        settings = OmegaConf.to_container(config, resolve=True)
        assert isinstance(settings, dict)
        settings.pop("strategy", None)
        check_component({str(key): value for key, value in settings.items()}, "benchmark", static_signature)
    check_numbers(config)


def check_members(config: DictConfig, signature: Callable[[str], Signature | None] | None = None) -> None:
    """Compares the members of the groups with the signatures of their classes.

    Args:
        config: Of a command, with or without the groups.
        signature: See :func:`check_component`.

    Raises:
        ConfigError: On an unknown argument or a value of the wrong type.
    """
    for group in GROUPS:
        for name, node in config.get(group, {}).items():
            if node is not None:
                check_component(_resolved(node, f"{group}.{name}"), f"{group}.{name}", signature)


def _resolved(node: Any, key: str) -> dict[str, Any]:
    """A member of a group as plain values."""
    try:
        plain = OmegaConf.to_container(node, resolve=True) if isinstance(node, DictConfig) else node
    except OmegaConfBaseException as error:
        raise ConfigError(f"{key}: {str(error).splitlines()[0]}") from None
    if not isinstance(plain, dict):
        raise ConfigError(f"{key} = {plain!r}: expected a component with `_target_`")
    return {str(name): value for name, value in plain.items()}


def check_component(
    config: DictConfig | Mapping[str, Any],
    key: str,
    signature: Callable[[str], Signature | None] | None = None,
) -> None:
    """Compares a ``_target_`` node with the signature of its target.

    Args:
        config: The node.
        key: Its place in the config, for messages.
        signature: Gives the signature of a target, or None for one that is not to be checked; imports it by default.

    Raises:
        ConfigError: On an unknown argument or a value of the wrong type.
    """
    node: Any = OmegaConf.to_container(config, resolve=True) if isinstance(config, DictConfig) else dict(config)
    if not isinstance(node, dict) or "_target_" not in node:
        raise ConfigError(f"{key}: expected a component with `_target_`, got {node!r}")
    taken = (signature or partial(_imported_signature, key))(node["_target_"])
    if taken is None:
        return
    for name, value in node.items():
        if name.startswith("_") and name.endswith("_"):
            continue
        if name not in taken.names:
            if taken.accepts_any:
                continue
            raise ConfigError(
                f"unknown key {key}.{name}; {node['_target_']} takes {sorted(taken.names)}{did_you_mean(name, taken.names)}"
            )
        if isinstance(value, dict) and "_target_" in value:
            check_component(value, f"{key}.{name}", signature)
        elif isinstance(value, dict) and any(isinstance(part, dict) and "_target_" in part for part in value.values()):
            for part_name, part in value.items():
                if not isinstance(part, int | float):  # weights stand beside components
                    check_component(part, f"{key}.{name}.{part_name}", signature)
        elif name in taken.hints:
            _check_type(taken.hints[name], value, f"{key}.{name}")


def _imported_signature(key: str, name: str) -> Signature:
    try:
        target = get_object(name)
    except (ImportError, ValueError) as error:
        raise ConfigError(f"{key}._target_ = {name!r} cannot be imported: {error}") from None
    parameters = inspect.signature(target).parameters
    accepts_any = any(p.kind is p.VAR_KEYWORD for p in parameters.values())
    hints = {**(_hints(target) if inspect.isclass(target) else {}), **_hints(_function(target))}
    return Signature(tuple(parameters), accepts_any, hints)


def _function(target: Any) -> Any:
    return target.__init__ if inspect.isclass(target) else target


def _hints(target: Any) -> dict[str, Any]:
    """The types of a class's fields or a function's arguments, but those that its module imports for type checkers only."""
    hints: dict[str, Any] = {}
    for owner in reversed(target.__mro__) if inspect.isclass(target) else (target,):
        scope = vars(inspect.getmodule(owner) or builtins)
        for name, annotation in inspect.get_annotations(owner).items():
            with contextlib.suppress(NameError, TypeError):
                hints |= typing.get_type_hints(SimpleNamespace(__annotations__={name: annotation}), scope)
    return hints


def _check_type(hint: Any, value: Any, key: str) -> None:
    try:
        adapter = pydantic.TypeAdapter(hint, config=pydantic.ConfigDict(arbitrary_types_allowed=True))
    except (pydantic.PydanticUserError, pydantic.errors.PydanticSchemaGenerationError):
        return  # a type that pydantic cannot describe is checked by the component itself
    try:
        adapter.validate_python(value)
    except pydantic.ValidationError as error:
        expected = "; ".join(sorted({item["msg"] for item in error.errors()}))
        raise ConfigError(f"{key} = {value!r}: {expected}") from None
