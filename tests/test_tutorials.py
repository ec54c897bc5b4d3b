"""The notebooks of scripts/tutorials run from top to bottom, and are kept without what they print."""

import json
import os
import shutil
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
NOTEBOOKS = sorted((ROOT / "scripts" / "tutorials").glob("*.ipynb"))
SAYS = {
    "search_and_export": ("front of segmentation networks", "tested:   model.onnx in ONNX Runtime: miou", "road"),
    "own_module": ("[(32, 1), (64, 2), (128, 4)]", "smallest", "torch.Size([2, 10])"),
}
"""What stands in a notebook, or is printed, when it has run."""


def test_there_is_something_to_say_of_each():
    assert {path.stem for path in NOTEBOOKS} == set(SAYS)


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_they_are_kept_without_output(path):
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    assert len(cells) > 8
    assert not [cell for cell in cells if cell.get("outputs") or cell.get("execution_count")]


@pytest.mark.slow
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_they_run(path, tmp_path, monkeypatch):
    nbclient, nbformat = pytest.importorskip("nbclient"), pytest.importorskip("nbformat")
    shutil.copy(path, tmp_path)
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    notebook = nbformat.read(tmp_path / path.name, as_version=4)
    nbclient.NotebookClient(notebook, timeout=500, resources={"metadata": {"path": tmp_path}}).execute()
    text = nbformat.writes(notebook)
    for said in SAYS[path.stem]:
        assert json.dumps(said)[1:-1] in text
