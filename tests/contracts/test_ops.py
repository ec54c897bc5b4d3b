"""The contract of operations, for every registered one."""

import pytest

from lightning_nas.ops import op_names
from lightning_nas.testing import OpContract


@pytest.mark.parametrize("name", [name for name in op_names() if not name.startswith("doc_example")])
class TestRegisteredOps(OpContract):
    @pytest.fixture(autouse=True)
    def _take_name(self, name):
        self.name = name
