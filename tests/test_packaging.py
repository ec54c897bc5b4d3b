"""The wheel holds every file it should and nothing else, and works in a fresh environment outside the checkout."""

import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> Path:
    source = tmp_path_factory.mktemp("source") / "checkout"
    ignore = shutil.ignore_patterns(".*", "__pycache__", "*.egg-info", "build", "dist", "runs")
    shutil.copytree(ROOT, source, ignore=ignore)
    out = tmp_path_factory.mktemp("wheel")
    subprocess.run(["uv", "build", "--wheel", "--quiet", "--out-dir", str(out), str(source)], check=True)
    return next(out.glob("*.whl"))


def test_wheel_holds_all_files_and_one_top_level_package(wheel):
    names = set(zipfile.ZipFile(wheel).namelist())
    assert {name.split("/")[0] for name in names if ".dist-info" not in name} == {"lightning_nas"}
    for folder, prefix in (("lightning_nas", ""), ("tasks", "lightning_nas/"), ("conf", "lightning_nas/")):
        for path in (ROOT / folder).rglob("*"):
            if path.suffix in (".py", ".yaml", ".html", ".svg"):
                assert prefix + path.relative_to(ROOT).as_posix() in names


@pytest.fixture(scope="module")
def installed(wheel, tmp_path_factory) -> Path:
    """A folder that holds the wheel's content alone; dependencies come from the environment that runs the tests."""
    site = tmp_path_factory.mktemp("site")
    command = ["uv", "pip", "install", "--quiet", "--no-deps", "--target", str(site), str(wheel)]
    subprocess.run([*command, "--python", sys.executable], check=True)
    return site


def run(site: Path, cwd: Path, *arguments: str) -> subprocess.CompletedProcess:
    # -S -I would hide the dependencies too, so the checkout's editable finder is removed by hand.
    code = (
        "import sys; sys.meta_path[:] = [f for f in sys.meta_path if 'editable' not in getattr(f, '__module__', '')]; "
        f"sys.path.insert(0, {str(site)!r}); {arguments[0]}"
    )
    return subprocess.run([sys.executable, "-c", code, *arguments[1:]], cwd=cwd, capture_output=True, text=True)


def test_top_level_tasks_and_conf_are_not_importable(installed, tmp_path):
    for name in ("tasks", "conf"):
        result = run(installed, tmp_path, f"import {name}")
        assert result.returncode != 0
        assert "ModuleNotFoundError" in result.stderr
    result = run(installed, tmp_path, "import lightning_nas.tasks.classification as m; print(m.__file__)")
    assert str(installed) in result.stdout, result.stderr


def test_wheel_searches_and_trains_outside_the_checkout(installed, tmp_path):
    main = "from lightning_nas.cli import main; main()"
    tiny = ["trainer.accelerator=cpu", "trainer.limit_train_batches=2", "trainer.limit_val_batches=1"]
    searched = run(
        installed,
        tmp_path,
        main,
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
        installed, tmp_path, main, "train", *tiny, "architecture=found/architecture.json", "epochs=1",
        "hydra.run.dir=trained",
    )  # fmt: skip
    assert trained.returncode == 0, trained.stderr
    assert (tmp_path / "trained" / "summary.json").is_file()
