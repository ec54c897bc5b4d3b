"""What the tests of every search space work with."""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import TypeVar

import pytest
import torch
from torch import Tensor

from lightning_nas.ops.mixer import Form
from lightning_nas.spaces import Backbone, SearchSpace, Supernet

Test = TypeVar("Test", bound=Callable[..., None])


def with_supernet(test: Test) -> Test:
    """Marks a test of a supernet; it is skipped for a space that has none."""
    test.needs_supernet = True  # type: ignore[attr-defined]
    return test


def with_logits(test: Test) -> Test:
    """Marks a test of logits; it is skipped for a space whose supernet has paths only, or that has no supernet."""
    test.needs_logits = True  # type: ignore[attr-defined]
    return test


@lru_cache(maxsize=64)
def _supernet_of(space: SearchSpace) -> tuple[Supernet, list[Tensor], Form]:
    """Built once, as that takes longer than most of its tests; what it starts with, and its form."""
    supernet = space.supernet()
    return supernet, [tensor.detach().clone() for tensor in _moved(supernet)], supernet.form


OTHER_SEED = 5


@lru_cache(maxsize=64)
def _other_supernet_of(space: SearchSpace) -> tuple[Supernet, dict[str, Tensor]]:
    """Of other logits and weights, and the logits that it was built with."""
    other = space.supernet(generator=torch.Generator().manual_seed(OTHER_SEED))
    return other, {name: group.detach().clone() for name, group in other.logits.items()}


@lru_cache(maxsize=64)
def _chosen_supernet_of(space: SearchSpace) -> Supernet:
    """Drawn as the other one is, and returns its last map and its first."""
    return space.supernet(generator=torch.Generator().manual_seed(OTHER_SEED), out_indices=(-1, 0))


@lru_cache(maxsize=128)
def _network_of(space: SearchSpace, seed: int) -> Backbone:
    """The network of a sample, built once."""
    return space.network(space.sample(random.Random(seed)))


def forget() -> None:
    """Lets go of all networks that were built for tests of spaces; those after them would have to live beside them."""
    for known in (_supernet_of, _other_supernet_of, _chosen_supernet_of, _network_of):
        known.cache_clear()


def _moved(supernet: Supernet) -> list[Tensor]:
    """What passes through a supernet and strategies change: statistics and logits."""
    return [*supernet.logits.values(), *supernet.buffers()]


class SpaceFixtures:
    """Inherit, and give the space in a ``space`` fixture; keep it small, networks are built and run.

    Override :meth:`images` for a space that does not read images.
    """

    samples = 5

    @pytest.fixture(autouse=True)
    def _same_weights(self) -> None:
        """Networks of a test have the same weights in every run."""
        torch.default_generator.manual_seed(0)  # torch.manual_seed would take longer than some tests

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

    @pytest.fixture
    def supernet(self, space: SearchSpace) -> Iterator[Supernet]:
        """The supernet of the space, in training: one for all tests, which may activate, mix, train and convert it."""
        supernet, before, form = _supernet_of(space)
        relaxation = supernet.relaxation
        yield supernet
        if any(group.dtype != torch.float32 for group in itertools.islice(supernet.parameters(), 1)):  # all, or none
            supernet.float()
        if not supernet.training:
            supernet.train()
        supernet.zero_grad()
        supernet.activate(None)
        supernet.relaxation = relaxation
        if supernet.form != form:
            supernet.set_form(form)
        with torch.no_grad():
            for tensor, value in zip(_moved(supernet), before, strict=True):
                tensor.copy_(value)

    @pytest.fixture
    def other_supernet(self, space: SearchSpace) -> Iterator[Supernet]:
        """Another one in training: one for all tests, which load what it is to hold."""
        other, logits = _other_supernet_of(space)
        form = other.form
        yield other
        other.float().train().zero_grad()
        if other.form != form:
            other.set_form(form)
        with torch.no_grad():
            for name, group in logits.items():
                other.logits[name].copy_(group)

    @pytest.fixture
    def chosen_supernet(self, space: SearchSpace) -> Supernet:
        """A third one in training, of the other one's seed, that returns its last map and its first; tests change nothing."""
        return _chosen_supernet_of(space).train()

    def networks(self, space: SearchSpace, seeds: int = 2) -> list[Backbone]:
        """Networks of samples, in training: the same ones for all tests."""
        return [self.network(space, seed) for seed in range(seeds)]

    def network(self, space: SearchSpace, seed: int) -> Backbone:
        """The network of the sample of a seed, in training: the same one for all tests, which load what it is to hold."""
        return _network_of(space, seed).train()

    def images(self, space: SearchSpace) -> Tensor:
        """A batch that networks of the space accept."""
        generator = torch.Generator().manual_seed(0)
        return torch.randn(2, getattr(space, "in_channels", 3), 32, 32, generator=generator)
