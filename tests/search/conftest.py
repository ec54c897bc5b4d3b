"""The toy project under the Trainers of both packages of Lightning."""

import pytest
from toy_project import FAMILIES, project_of


@pytest.fixture(params=FAMILIES)
def toy(request):
    """The project as written with one package."""
    return project_of(request.param)
