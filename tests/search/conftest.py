"""The toy project under the Trainers of both packages of Lightning, and a job for evaluators."""

import functools
import importlib

import pytest
from toy_project import FAMILIES, project_of


@pytest.fixture(scope="session", autouse=True)
def _packages_are_looked_through_once():
    """Every Trainer looks through all installed packages for callbacks of theirs: as long as training three batches."""
    with pytest.MonkeyPatch.context() as patch:
        for package in ("lightning_fabric", "lightning.fabric"):
            registry = importlib.import_module(f"{package}.utilities.registry")
            patch.setattr(registry, "entry_points", functools.cache(registry.entry_points))
        yield


@pytest.fixture(params=FAMILIES)
def toy(request):
    """The project as written with one package."""
    return project_of(request.param)


@pytest.fixture
def job(tmp_path):
    """A job for evaluators."""
    from evaluator_job import job_in  # what it imports is needed by few tests

    return job_in(tmp_path)
