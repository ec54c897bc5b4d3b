"""Generated shapes to detect."""

import functools
import importlib

import pytest


@pytest.fixture(scope="session", autouse=True)
def _packages_are_looked_through_once():
    """Every Trainer looks through all installed packages for callbacks of theirs: as long as training three batches."""
    with pytest.MonkeyPatch.context() as patch:
        for package in ("lightning_fabric", "lightning.fabric"):
            registry = importlib.import_module(f"{package}.utilities.registry")
            patch.setattr(registry, "entry_points", functools.cache(registry.entry_points))
        yield


@pytest.fixture(scope="module")
def shapes(tmp_path_factory):
    from lightning_nas.tasks.detection import ShapesDataModule  # what it imports is needed by few tests

    folder = tmp_path_factory.mktemp("data") / "shapes"
    return ShapesDataModule(str(folder), image_size=64, train=16, val=7, test=7, batch_size=8, augmentation="none")
