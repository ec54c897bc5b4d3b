"""The wheel holds every file it should and nothing else, and works in a fresh environment outside the checkout."""

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

pytestmark = pytest.mark.packaging

ROOT = Path(__file__).resolve().parent.parent
UV = os.environ.get("UV", "uv")  # `uv run` says where it is


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> Path:
    source = tmp_path_factory.mktemp("source") / "checkout"
    ignore = shutil.ignore_patterns(".*", "__pycache__", "*.egg-info", "build", "dist")
    shutil.copytree(ROOT, source, ignore=ignore)
    shutil.rmtree(source / "runs", ignore_errors=True)
    out = tmp_path_factory.mktemp("wheel")
    subprocess.run([UV, "build", "--wheel", "--quiet", "--out-dir", str(out), str(source)], check=True)
    return next(out.glob("*.whl"))


def test_wheel_holds_all_files_and_one_top_level_package(wheel):
    names = set(zipfile.ZipFile(wheel).namelist())
    assert {name.split("/")[0] for name in names if ".dist-info" not in name} == {"lightning_nas"}
    for folder, prefix in (("lightning_nas", ""), ("tasks", "lightning_nas/"), ("conf", "lightning_nas/")):
        for path in (ROOT / folder).rglob("*"):
            if path.suffix in (".py", ".yaml", ".html", ".svg", ".md", ".jinja2"):
                assert prefix + path.relative_to(ROOT).as_posix() in names


@pytest.fixture(scope="module")
def environment(wheel, tmp_path_factory) -> Path:
    """A fresh virtual environment with the wheel and what it asks for, nothing else."""
    folder = tmp_path_factory.mktemp("environment") / "venv"
    subprocess.run([UV, "venv", "--quiet", "--python", sys.executable, str(folder)], check=True)
    install = [UV, "pip", "install", "--quiet", "--python", str(folder / "bin" / "python"), str(wheel)]
    subprocess.run(install, cwd=ROOT, check=True)  # in the checkout, whose constraints hold then
    return folder / "bin"


def run(cwd: Path, *command: str | Path) -> subprocess.CompletedProcess:
    clean = {key: value for key, value in os.environ.items() if key not in ("PYTHONPATH", "VIRTUAL_ENV")}
    return subprocess.run(command, cwd=cwd, env=clean, capture_output=True, text=True)


def test_top_level_tasks_and_conf_are_not_importable(environment, tmp_path):
    for name in ("tasks", "conf"):
        result = run(tmp_path, environment / "python", "-c", f"import {name}")
        assert result.returncode != 0
        assert "ModuleNotFoundError" in result.stderr
    code = "import lightning_nas.tasks.classification as m; print(m.__file__)"
    result = run(tmp_path, environment / "python", "-c", code)
    assert str(environment.parent) in result.stdout, result.stderr


def test_wheel_searches_and_trains_outside_the_checkout(environment, tmp_path):
    tiny = ["trainer.accelerator=cpu", "trainer.limit_train_batches=2", "trainer.limit_val_batches=1"]
    searched = run(
        tmp_path,
        environment / "lightning-nas",
        "search",
        *tiny,
        "space.cells=2",
        "space.channels=4",
        "search.epochs=1",
        "search.warmup_epochs=0",
        "evaluate.epochs=1",
        "evaluate.random=1",
        "hydra.run.dir=found",
    )
    assert searched.returncode == 0, searched.stderr
    for name in ("architecture.json", "summary.json", "metrics.csv", "history.jsonl", "report.html"):
        assert (tmp_path / "found" / name).stat().st_size > 0, name
    assert (tmp_path / "found" / "checkpoints" / "last.ckpt").is_file()
    trained = run(
        tmp_path, environment / "lightning-nas", "train", *tiny, "architecture=found/architecture.json", "epochs=1",
        "hydra.run.dir=trained",
    )  # fmt: skip
    assert trained.returncode == 0, trained.stderr
    assert (tmp_path / "trained" / "summary.json").is_file()
