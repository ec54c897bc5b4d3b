"""Two gloo ranks with batches of B move logits and weights as one process with batches of 2 B does."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from toy_project import FAMILIES

HERE = Path(__file__).resolve().parent


def run(out, launcher, batch_size):
    environment = {**os.environ, "PYTHONPATH": f"{HERE.parents[1]}:{HERE}", "OMP_NUM_THREADS": "1"}
    command = [sys.executable, *launcher, str(HERE / "ddp_worker.py"), str(out), str(batch_size)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=400, check=False)
    assert done.returncode == 0, done.stderr[-3000:]


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    folder = tmp_path_factory.mktemp("ddp")
    run(folder / "two", ["-m", "torch.distributed.run", "--standalone", "--nproc_per_node=2"], 4)
    run(folder / "one", [], 8)
    return [torch.load(folder / name) for name in ("two.0", "two.1", "one.0")]


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("kind", ["first", "second", "exact", "single", "gdas"])
def test_two_ranks_equal_one_with_twice_the_batch(results, kind, family):
    first, second, alone = (result[family, kind] for result in results)
    assert first["steps"] == alone["steps"] > 0
    for name, value in alone["state"].items():
        assert torch.equal(first["state"][name], second["state"][name]), f"ranks differ in {name}"
        torch.testing.assert_close(first["state"][name], value, rtol=1e-6, atol=1e-9, msg=lambda m, n=name: f"{n}: {m}")


@pytest.mark.parametrize("family", FAMILIES)
def test_sampled_paths_ask_for_unused_parameters(results, family):
    assert "ddp_find_unused_parameters_true" in results[0][family, "refusal"]
