"""A run folder as a search leaves it behind."""

import pytest
import searched_run


@pytest.fixture(scope="session", name="make_run")
def _make_run():
    return searched_run.make_run


@pytest.fixture
def run_folder(tmp_path):
    return searched_run.make_run(tmp_path / "run")
