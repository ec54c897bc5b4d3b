"""The commands ``auto`` and ``estimate`` for those who call them from Python."""

from __future__ import annotations

import os
from typing import Any

from lightning_nas.commands.auto import Automatic, run
from lightning_nas.commands.estimate import run as run_estimate
from lightning_nas.commands.groups import register_training_keys
from lightning_nas.commands.main import compose_and_run
from lightning_nas.commands.schema import register_schemas
from lightning_nas.estimation import Estimate


def auto(data: str | os.PathLike[str], time: str, **settings: Any) -> Automatic:
    """From a folder to a model, as the command ``lightning-nas auto`` does it.

    Args:
        data: Folder of images with annotations in COCO's format, of images and masks, Cityscapes, or of class folders.
        time: For everything, e.g. ``"1h"``, ``"20m"``, ``"01:30:00"``.
        settings: As of the command: ``latency_ms``, ``pretrained``, ``size``, ``format``, ``out``, ``seed``; others with two
            underscores for the dot: ``data__batch_size=8``.

    Raises:
        NasError: If the folder holds no data that are known, or the time is too short; nothing has been trained then.

    Example:
        >>> result = auto("photos", time="1h", latency_ms=15)  # doctest: +SKIP
        >>> result.model.predict("street.jpg")  # doctest: +SKIP
    """
    return run([f"data={os.fspath(data)}", f"time={time}", *_overrides(settings)], compose_and_run)


def estimate(command: str = "search", *overrides: str, **settings: Any) -> Estimate:
    """What a command would take, as the command ``lightning-nas estimate`` finds it.

    Args:
        command: ``"search"``, ``"train"`` or ``"auto"``.
        overrides: Of its settings, as on a command line.
        settings: The same as arguments, two underscores for the dot: ``task="detection", data__batch_size=8``.

    Raises:
        NasError: If the command would be refused.

    Example:
        >>> found = estimate("train", architecture="darts_v2", epochs=600)  # doctest: +SKIP
        >>> found.seconds / 3600, found.memory.process / 2**30, found.disk / 2**30  # doctest: +SKIP
        (31.2, 1.4, 0.1)
    """
    register_schemas()
    register_training_keys()
    return run_estimate([command, *overrides, *_overrides(settings)], own_process=False)


def _overrides(settings: dict[str, Any]) -> list[str]:
    return [f"{name.replace('__', '.')}={value}" for name, value in settings.items() if value is not None]
