"""The global random numbers of all libraries at once."""

from __future__ import annotations

import random

import numpy as np
import torch


def seed_globally(number: int) -> None:
    """Seeds Python, NumPy and torch: data sets and modules of users draw from their global generators.

    ``torch.manual_seed`` notes down the whole stack for every kind of device that has not been started, which takes longer
    than a step of a small network: where there is no accelerator, the generator of the CPU alone is seeded.

    Args:
        number: From 0 to ``2**32 - 1``.
    """
    random.seed(number)
    np.random.seed(number)  # noqa: NPY002 (data sets of users draw from the global generator)
    if torch.accelerator.is_available():
        torch.manual_seed(number)
    else:
        torch.default_generator.manual_seed(number)
