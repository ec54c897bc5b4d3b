"""Generated shapes to detect."""

import pytest


@pytest.fixture(scope="module")
def shapes(tmp_path_factory):
    from lightning_nas.tasks.detection import ShapesDataModule  # what it imports is needed by few tests

    folder = tmp_path_factory.mktemp("data") / "shapes"
    return ShapesDataModule(str(folder), image_size=64, train=16, val=7, test=7, batch_size=8, augmentation="none")
