"""One thread for each process, and the same draws in every run."""

import os

import pytest

# The tensors of tests are small, and threads that share busy cores wait for each other.
os.environ.setdefault("OMP_NUM_THREADS", "1")  # before torch is imported; commands that tests start inherit it


@pytest.fixture(autouse=True)
def _same_draws():
    """Every test draws the same weights in every run: one small network in 500 has only dead outputs."""
    import torch

    torch.manual_seed(0)
