"""What is free is what a container leaves, if that is less than what the machine has."""

import re

import numpy as np
import psutil
import pytest

from lightning_nas.commands.estimating.composing import devices_of
from lightning_nas.commands.estimating.table import described, free_disk
from lightning_nas.errors import ConfigError
from lightning_nas.estimation import Estimate, Part
from lightning_nas.estimation.memory import Memory, free_memory, peak_memory


def test_a_container_limits_what_is_free(tmp_path):
    process = psutil.Process().memory_info().rss
    (tmp_path / "memory.max").write_text("5000\n")
    (tmp_path / "memory.current").write_text("3000\n")
    (tmp_path / "memory.stat").write_text("anon 2000\ninactive_file 700\n")
    assert free_memory(tmp_path) - process == pytest.approx(5000 - 3000 + 700, abs=2**24)
    (tmp_path / "memory.max").write_text("max\n")
    assert free_memory(tmp_path) > process + 2**20


def test_the_peak_of_a_process_is_not_forgotten():
    taken = np.ones(60 * 2**20, np.uint8)
    assert taken[-1] == 1
    with_it = peak_memory().process
    del taken
    assert peak_memory().process >= with_it >= 60 * 2**20


def test_what_does_not_fit_is_said(tmp_path, monkeypatch):
    monkeypatch.setattr("lightning_nas.commands.estimating.table.free_memory", lambda: 2**30)
    part = Part("training", 3, "trials", 7200.0, 0.25, kept=10**15, detail="from 5 steps", may_end_early=True)
    lines = described(Estimate([part], Memory(process=2**31), 1, ["so it is"]), tmp_path / "not" / "there")
    assert re.split(r"\s{2,}", lines[1]) == [
        "training",
        "3 trials",
        "2 h 0 min *",
        "45 min to 2 h 30 min; from 5 steps",
    ]
    assert "memory:   2.0 GiB; 1.0 GiB are free: does not fit" in lines
    assert lines[-2].endswith(f"{lines[-2].split('; ')[1].split(' are')[0]} are free: does not fit")
    assert lines[-1] == "assumed:  so it is"
    assert free_disk(tmp_path / "not" / "there") > 0


@pytest.mark.parametrize("devices", [0, -3, "many", None, []])
def test_devices_that_are_none_are_refused(devices):
    with pytest.raises(ConfigError, match=r"trainer\.devices = "):
        devices_of({"devices": devices})
