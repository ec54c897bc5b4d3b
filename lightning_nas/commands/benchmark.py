"""``benchmark``: measures the library against a reference."""

from __future__ import annotations

import inspect
import json
from functools import partial
from pathlib import Path
from typing import Any

from hydra.core.hydra_config import HydraConfig
from hydra.utils import get_object, instantiate
from omegaconf import DictConfig, OmegaConf
from rich.console import Console

from lightning_nas.architecture import write_atomic
from lightning_nas.benchmark import Benchmark
from lightning_nas.commands.check import check_component
from lightning_nas.commands.components import chosen, make_sampler, make_seeded
from lightning_nas.errors import ConfigError
from lightning_nas.runs import RunFolder


def run(config: DictConfig) -> Path:
    """Measures the library against a reference, prints a table and writes its result.

    Returns:
        The result.

    Raises:
        ConfigError: If a key, a type or a value of the config is wrong.
    """
    settings: dict[str, Any] = {str(key): value for key, value in config.items() if key != "strategy"}
    check_component(settings, "benchmark")
    if "strategy" in config:
        check_component(config.strategy, "strategy")
        OmegaConf.resolve(config)
        settings |= _strategy(config)
    try:
        measurement: Benchmark = instantiate(settings)
        result = measurement.run()
    except (ValueError, OSError) as error:
        raise ConfigError(str(error)) from error
    folder = Path(HydraConfig.get().runtime.output_dir)
    path = RunFolder(folder).benchmark
    write_atomic(path, json.dumps(result, indent=2) + "\n")
    Console().print(measurement.render([result]))
    picture = measurement.draw([result], folder)
    print(f"benchmark: {path}" + (f"\npicture:   {picture}" if picture else ""))
    return path


def _strategy(config: DictConfig) -> dict[str, Any]:
    """The strategy of a benchmark that searches, in the form in which it takes one."""
    takes = inspect.signature(get_object(config._target_)).parameters
    name, make = ("make_sampler", make_sampler) if "make_sampler" in takes else ("make_strategy", make_seeded)
    return {name: partial(make, config.strategy), "strategy": chosen("strategy")}
