"""What the README shows runs."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from hydra import compose, initialize_config_module

from lightning_nas.config import register_schemas

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
COMMANDS = re.findall(r"^python scripts/(\w+)\.py(.*?)(?:#.*)?$", README, re.MULTILINE)


def test_its_python_runs_from_top_to_bottom(tmp_path):
    blocks = re.findall(r"^```python\n(.*?)^```", README, re.MULTILINE | re.DOTALL)
    assert len(blocks) == 5
    script = "\n".join(blocks).replace("pl.Trainer(", "pl.Trainer(limit_train_batches=3, ")
    script += "\nprint(backbone.feature_info.channels())\n"
    (tmp_path / "readme.py").write_text(script)
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "readme.py"], cwd=tmp_path, capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stdout.splitlines()[-1] == "[16, 32, 64]"


@pytest.mark.parametrize(("name", "arguments"), COMMANDS)
def test_its_commands_compose(name, arguments):
    overrides = [part.partition(",")[0] for part in arguments.split() if part != "-m"]
    overrides = [re.sub(r"=(.*<\w+>.*)", r"='\1'", part) for part in overrides]
    register_schemas()
    with initialize_config_module("lightning_nas.conf", version_base="1.3"):
        compose(name, overrides)


def test_all_commands_are_shown():
    assert {name for name, _ in COMMANDS} == {path.stem for path in (ROOT / "scripts").glob("*.py")}
