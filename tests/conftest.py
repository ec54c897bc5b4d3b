"""One thread for each process, the same draws in every run, and a clean folder."""

import atexit
import gc
import os
import sys
from pathlib import Path

import at_once
import nursery
import pytest

from lightning_nas.commands.freed_memory import keep_freed_memory

ROOT = Path(__file__).resolve().parent.parent

if (
    sys.dont_write_bytecode
):  # where sources are to lie alone: compiling what torch consists of takes 6 s in each process
    sys.dont_write_bytecode, sys.pycache_prefix = False, str(ROOT / ".pytest_cache" / "bytecode")
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    os.environ["PYTHONPYCACHEPREFIX"] = sys.pycache_prefix

# The tensors of tests are small, and threads that share busy cores wait for each other.
os.environ.setdefault("OMP_NUM_THREADS", "1")  # before torch is imported; commands that tests start inherit it

# Every shape of a convolution has a program of its own in oneDNN, which keeps 1,024 of them: fewer than the tests have shapes.
os.environ.setdefault("ONEDNN_PRIMITIVE_CACHE_CAPACITY", "8192")

keep_freed_memory()  # as commands do


def pytest_collection_modifyitems(items):
    """The files of this folder, which run commands, take longest: they come first, so that no process is alone in the end."""
    items.sort(key=lambda item: item.path.parent != ROOT / "tests")


def pytest_collection_finish(session):
    """The tests have been imported and none has run: whatever they start is forked from this state.

    What the imports have made stays to the end: a full collection of garbage would look at half a million objects each time.
    Others come seldom, as networks are many small objects that stay: a tenth of all time was theirs.
    """
    if "lightning_nas.search.costs" in sys.modules:
        sys.modules["lightning_nas.search.costs"].SECONDS = nursery.SECONDS
    if "hydra" in sys.modules:
        at_once.compose_once()
    at_once.look_for_packages_once()
    at_once.look_for_devices_once()
    at_once.read_digits_once()
    at_once.keep_databases_quickly()
    os.fsync = lambda file: None  # no test takes away the power
    gc.collect()
    gc.freeze()
    atexit.register(gc.unfreeze)  # not before: pytest collects garbage several times at the end
    gc.set_threshold(150_000, 10, 200)
    if "processes" in sys.modules:
        nursery.begin()


def pytest_sessionfinish(session):
    nursery.end()


@pytest.fixture(autouse=True)
def _same_draws():
    """Every test draws the same weights in every run: one small network in 500 has only dead outputs."""
    import torch

    if torch.cuda.is_available():
        torch.manual_seed(0)
    else:  # without noting down, for every kind of device, who has asked
        torch.default_generator.manual_seed(0)


@pytest.fixture(autouse=True)
def _nothing_stays_compiled():
    """``torch.compile`` lets every module that is built afterwards register itself: that is undone, as it takes time."""
    from torch import nn

    before = nn.Module.__init__, nn.Module.__setstate__
    yield
    if (nn.Module.__init__, nn.Module.__setstate__) != before:  # setting them slows down all classes of modules
        nn.Module.__init__, nn.Module.__setstate__ = before


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
    patch.setattr("lightning_nas.search.costs.SECONDS", nursery.SECONDS)
    patch.setattr("lightning_nas.cost.latency.FEWEST", nursery.PASSES)

    def run(name, *arguments):
        patch.setattr(sys, "argv", ["lightning-nas"])
        main([name, *arguments])

    run.folder, run.patch = folder, patch
    yield run
    patch.undo()
