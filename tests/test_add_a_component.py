"""README's table "Add a component": the files that it names are enough, and nothing else is touched.

What the files hold is below. They are put into a copy of the package, laid out as it is installed, and two searches use them.
The row of the task is executed by ``test_third_party_task.py``.
"""

import re
import shutil
from pathlib import Path

import pytest
from processes import run_code

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
TABLE = README.partition("## Add a component")[2].partition("\n## ")[0]
ROWS = {
    row[0].strip(): (row[1], row[2])
    for row in re.findall(r"^\| ([^|]+) \| ([^|]+) \| ([^|]+) \|$", TABLE, re.MULTILINE)
    if row[0] not in ("To add", "---")
}

OPERATION = """
from torch import nn

from lightning_nas.ops import op


@op("added_conv")
def added_conv(in_channels, out_channels, stride, *, affine=True):
    conv = nn.Conv2d(in_channels, out_channels, 3, stride, 1, bias=False)
    return nn.Sequential(nn.ReLU(), conv, nn.BatchNorm2d(out_channels, affine=affine))
"""

SPACE = '''
from dataclasses import dataclass
from typing import ClassVar

from torch import nn

from lightning_nas.ops import build_op
from lightning_nas.spaces.base import SearchSpace
from lightning_nas.spaces.features import FeatureInfo, FeatureLevel
from lightning_nas.spaces.found import FoundNetwork


@dataclass(frozen=True)
class Added(SearchSpace):
    """Two operations, one after the other."""

    name: ClassVar[str] = "added"
    has_supernet: ClassVar[bool] = False

    in_channels: int = 3
    channels: int = 4

    @property
    def decisions(self):
        return ("first", "second")

    def options(self, name, choices):
        return ["added_conv", "skip_connect"]


class AddedNetwork(FoundNetwork, space=Added):
    def __init__(self, space, choices):
        super().__init__()
        self.stem = nn.Conv2d(space.in_channels, space.channels, 1)
        self.body = nn.Sequential(*(build_op(choices[name], space.channels, space.channels) for name in choices))
        self.feature_info = FeatureInfo([FeatureLevel(space.channels, 1, "body")])

    def forward_auxiliary(self, x):
        return [self.body(self.stem(x))], None
'''

STRATEGY = (Path(__file__).resolve().parent / "support" / "partial_channels.py").read_text(encoding="utf-8")

SCORE = '''
from typing import ClassVar

from lightning_nas.cost import count_parameters
from lightning_nas.strategies.zero_cost.base import ZeroCostScore


class Added(ZeroCostScore):
    """Small networks."""

    name: ClassVar[str] = "added"
    data_free: ClassVar[bool] = True

    def compute(self, probe):
        return -count_parameters(probe.model)
'''

CODE = {
    "operation": OPERATION, "search space": SPACE, "strategy": STRATEGY, "training-free score": SCORE
}  # fmt: skip
CONFIG = {
    "search space": "_target_: lightning_nas.spaces.added.Added\nin_channels: 3\nchannels: 4\n",
    "strategy": "_target_: lightning_nas.strategies.gradient.added.PartialChannels\nparts: 2\n",
}

SEARCHES = """
import lightning_nas
from lightning_nas.cli import main

print("package:", lightning_nas.__path__[0])
brief = ["trainer.accelerator=cpu", "trainer.limit_train_batches=2", "trainer.limit_test_batches=1", "evaluate.epochs=1",
         "evaluate.random=0", "evaluate.hand_made=false"]
main(["search", "space=nasbench201", "space.channels=4", "space.cells=1", "space.ops=[skip_connect,added_conv]",
      "strategy=added", "search.epochs=2", "search.warmup_epochs=1", *brief, "hydra.run.dir=gradient"])
main(["search", "space=added", "strategy=random", "evaluator=zero_cost", "evaluator.score=added", "trials.count=4",
      *brief, "hydra.run.dir=trials"])
"""


def test_every_row_is_executed():
    assert set(ROWS) == {*CODE, "task"}


def file_of(cell: str) -> Path | None:
    """The first file that a cell of the table names, as installed; None if it names none."""
    named = re.search(r"`((?:lightning_nas|conf)/[^`]*<name>\.(?:py|yaml))`", cell)
    if named is None:
        return None
    path = named.group(1).replace("<name>", "added").replace("<family>", "gradient")
    return Path(path if path.startswith("lightning_nas/") else f"lightning_nas/{path}")


@pytest.fixture(scope="module")
def searched(tmp_path_factory):
    """A folder with a copy of the package, in which both searches have run."""
    folder = tmp_path_factory.mktemp("added")
    shutil.copytree(ROOT / "lightning_nas", folder / "lightning_nas")  # with what has been compiled
    for name in ("tasks", "conf"):
        shutil.copytree(ROOT / name, folder / "lightning_nas" / name)
    for row, (code, config) in ROWS.items():
        for cell, content in ((code, CODE.get(row)), (config, CONFIG.get(row))):
            path = file_of(cell)
            assert (path is None) == (content is None) or row == "task", row
            if content is not None:
                assert not (folder / path).exists()
                (folder / path).write_text(content)
    said = run_code(SEARCHES, folder, forgotten=["lightning_nas"])
    assert f"package: {folder / 'lightning_nas'}" in said
    return folder


def test_an_operation_and_a_gradient_strategy_are_one_file_each_and_a_config(searched):
    found = (searched / "gradient" / "architecture.json").read_text()
    assert '"added"' in found  # the strategy
    assert "added_conv" in found


def test_a_space_is_a_file_and_a_config_and_a_score_is_a_file(searched):
    lines = (searched / "trials" / "trials.jsonl").read_text()
    assert '"added": -' in lines
    assert (searched / "trials" / "report.html").is_file()
