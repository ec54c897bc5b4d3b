"""What a checkpoint says apart from its tensors: one number of it is wanted, and it may be gigabytes."""

from __future__ import annotations

import pickle
import zipfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from lightning_nas.errors import CheckpointError


class _Omitted(dict[Any, Any]):
    """Takes the place of a tensor, or of any other object: it accepts what one is made of, and keeps and runs nothing."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__()

    def __setstate__(self, state: Any) -> None: ...

    def __setitem__(self, key: Any, value: Any) -> None: ...

    def append(self, item: Any) -> None: ...

    def extend(self, items: Iterable[Any]) -> None: ...

    def add(self, item: Any) -> None: ...


class _Outline(pickle.Unpickler):
    """Numbers, texts, lists and dictionaries; whatever would be imported or read from elsewhere is omitted."""

    def find_class(self, module: str, name: str) -> type[_Omitted]:
        return _Omitted

    def persistent_load(self, place: Any) -> _Omitted:
        return _Omitted()


def checkpoint_outline(path: Path) -> dict[str, Any]:
    """The numbers, texts, lists and dictionaries of the checkpoint of a training, without running anything in it.

    Raises:
        CheckpointError: If it is damaged, or none. Tensors are not looked at.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            (name,) = (name for name in archive.namelist() if name.count("/") == 1 and name.endswith("/data.pkl"))
            with archive.open(name) as file:
                checkpoint = _Outline(file).load()
                file.read()  # to the end, where its checksum is compared
    except Exception as error:  # what a damaged file raises is not limited to some classes
        raise CheckpointError(
            f"{path} is damaged: {type(error).__name__}: {' '.join(str(error).split())[:200]}"
        ) from None
    if not isinstance(checkpoint, dict) or not {"state_dict", "loops", "epoch"} <= set(checkpoint):
        raise CheckpointError(f"{path} is damaged: it is not of a training")
    return checkpoint
