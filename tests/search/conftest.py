"""The toy project under the Trainers of both packages of Lightning, and a job for evaluators."""

import pytest
from toy_project import FAMILIES, project_of


@pytest.fixture(params=FAMILIES)
def toy(request):
    """The project as written with one package."""
    return project_of(request.param)


@pytest.fixture
def job(tmp_path):
    """A job for evaluators."""
    from evaluator_job import job_in  # what it imports is needed by few tests

    return job_in(tmp_path)
