"""A found architecture with all five levels."""

import random

import pytest

from lightning_nas.spaces import Darts

SPACE = Darts(channels=4, cells=4, steps=2, stem="imagenet")


@pytest.fixture(scope="module")
def architecture():
    return SPACE.architecture(SPACE.sample(random.Random(3)))
