"""What every part of a gradient strategy keeps: inherit it and give ``make``."""

from __future__ import annotations

import copy
import io
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from lightning_nas.strategies.gradient.part import Part


class PartContract:
    """Tests of a part; the fixture ``make`` gives a new one."""

    def test_it_says_what_it_was_made_with(self, make: Callable[[], Part]) -> None:
        """Its arguments are attributes, and make an equal part."""
        part = make()
        twin = type(part)(**part.settings())
        assert repr(twin) == repr(part)
        assert repr(part).startswith(f"{type(part).__name__}(")

    def test_its_state_is_tensors_and_plain_values_and_comes_back(self, make: Callable[[], Part]) -> None:
        """A checkpoint is read without running anything in it."""
        part, other = make(), make()
        part.begin_epoch(1, 4)
        file = io.BytesIO()
        torch.save(part.state_dict(), file)
        file.seek(0)
        other.begin_epoch(1, 4)
        other.load_state_dict(torch.load(file, weights_only=True))
        assert _plain(other.state_dict()) == _plain(part.state_dict())

    def test_an_epoch_may_begin_twice(self, make: Callable[[], Part]) -> None:
        """A search that is resumed begins it again, in another order perhaps."""
        part, other = make(), make()
        for epoch in (2, 1, 1):
            part.begin_epoch(epoch, 4)
        other.begin_epoch(1, 4)
        assert _numbers(part) == _numbers(other)

    def test_it_can_be_copied(self, make: Callable[[], Part]) -> None:
        """Copies are parts of their own."""
        part = make()
        assert repr(copy.deepcopy(part)) == repr(part)


def _numbers(part: Part) -> dict[str, Any]:
    return {name: value for name, value in vars(part).items() if isinstance(value, int | float | str | bool)}


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value.tolist() if isinstance(value, Tensor) else value
