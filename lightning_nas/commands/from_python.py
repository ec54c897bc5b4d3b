"""The command ``auto`` for those who call it from Python."""

from __future__ import annotations

import os
from typing import Any

from lightning_nas.commands.auto import Automatic, run
from lightning_nas.commands.main import compose_and_run


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
    given = [f"{name.replace('__', '.')}={value}" for name, value in settings.items() if value is not None]
    return run([f"data={os.fspath(data)}", f"time={time}", *given], compose_and_run)
