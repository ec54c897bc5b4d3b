"""One thread for each process, the same draws in every run, and a clean folder."""

import os
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent

# The tensors of tests are small, and threads that share busy cores wait for each other.
os.environ.setdefault("OMP_NUM_THREADS", "1")  # before torch is imported; commands that tests start inherit it


@pytest.fixture(autouse=True)
def _same_draws():
    """Every test draws the same weights in every run: one small network in 500 has only dead outputs."""
    import torch

    torch.manual_seed(0)


@pytest.fixture(autouse=True)
def _nothing_is_left_in_the_checkout():
    """Whoever runs the tests finds the folder as it was."""
    before = set(os.listdir(ROOT))
    yield
    left = {name for name in set(os.listdir(ROOT)) - before if not name.startswith(".")}
    assert not left, f"{sorted(left)} was written into the checkout: pass default_root_dir=tmp_path to the Trainer"


@pytest.fixture(scope="module")
def here(tmp_path_factory):
    """Runs commands in this process, in a folder of their own with a cache of its own."""
    from lightning_nas.cli import main

    folder = tmp_path_factory.mktemp("commands")
    patch = pytest.MonkeyPatch()
    patch.chdir(folder)
    patch.setenv("XDG_CACHE_HOME", str(folder / "cache"))

    def run(name, *arguments):
        patch.setattr(sys, "argv", ["lightning-nas"])
        main([name, *arguments])

    run.folder, run.patch = folder, patch
    yield run
    patch.undo()
