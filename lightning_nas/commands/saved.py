"""The config of a finished run, which may come from a stranger."""

from __future__ import annotations

from pathlib import Path

from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException
from yaml import YAMLError

from lightning_nas.errors import ConfigError


def read_config(path: Path) -> DictConfig:
    """Reads it; nothing in it is resolved or built.

    Raises:
        ConfigError: If it is none.
    """
    try:
        config = OmegaConf.load(path)
    except (OmegaConfBaseException, YAMLError, ValueError, OSError, RecursionError, AssertionError) as error:
        said = " ".join(str(error).split())[:200]
        raise ConfigError(f"{path}: not a config of a run: {type(error).__name__}: {said}") from None
    if not isinstance(config, DictConfig):
        raise ConfigError(f"{path}: not a config of a run: expected keys and values")
    return config
