"""What the tests of every search space work with."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import pytest
import torch
from torch import Tensor

from lightning_nas.spaces import SearchSpace

Test = TypeVar("Test", bound=Callable[..., None])


def with_supernet(test: Test) -> Test:
    """Marks a test of a supernet; it is skipped for a space that has none."""
    test.needs_supernet = True  # type: ignore[attr-defined]
    return test


def with_logits(test: Test) -> Test:
    """Marks a test of logits; it is skipped for a space whose supernet has paths only, or that has no supernet."""
    test.needs_logits = True  # type: ignore[attr-defined]
    return test


class SpaceFixtures:
    """Inherit, and give the space in a ``space`` fixture; keep it small, networks are built and run.

    Override :meth:`images` for a space that does not read images.
    """

    samples = 5

    @pytest.fixture(autouse=True)
    def _same_weights(self) -> None:
        """Networks of a test have the same weights in every run."""
        torch.manual_seed(0)

    @pytest.fixture
    def space(self) -> SearchSpace:
        """The space under test."""
        raise NotImplementedError

    @pytest.fixture(autouse=True)
    def _no_supernet_no_test(self, request: pytest.FixtureRequest, space: SearchSpace) -> None:
        """A space without a supernet is not tested for one."""
        if getattr(request.function, "needs_supernet", False) and not space.has_supernet:
            pytest.skip(f"space {space.name!r} has no supernet")
        if getattr(request.function, "needs_logits", False) and not space.mixes:
            pytest.skip(f"space {space.name!r} has no logits")

    def images(self, space: SearchSpace) -> Tensor:
        """A batch that networks of the space accept."""
        generator = torch.Generator().manual_seed(0)
        return torch.randn(2, getattr(space, "in_channels", 3), 32, 32, generator=generator)
