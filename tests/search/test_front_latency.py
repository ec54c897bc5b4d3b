"""Latency in a search for a front: measured of a few networks and of what is kept, predicted of the others."""

from dataclasses import replace

import pytest
import torch
from test_elastic_search import SPACE, job_in, settings

import lightning_nas
from lightning_nas.cost import Latency
from lightning_nas.errors import JobError, RunFolderError
from lightning_nas.search import run
from lightning_nas.search.costs import macs_of_choice
from lightning_nas.search.paths import front_latency, front_networks
from lightning_nas.search.paths.front_latency import PredictedLatency

LARGE = replace(SPACE, depths=(4, 4), min_depth=1)
CPU = torch.device("cpu")


@pytest.fixture
def by_macs(monkeypatch):
    """Latency in proportion to multiply-adds; counts how often it is measured."""
    calls = []

    def latency(task, datamodule, device, *, strict=True):
        macs = macs_of_choice(lambda network: task, datamodule, lambda: None)
        calls.append(macs)
        return Latency(macs / 1e3, macs / 1e3, macs / 1e3, "cpu", 100, 1, 1)

    monkeypatch.setattr(front_latency, "deployed_latency", latency)
    monkeypatch.setattr(front_networks, "deployed_latency", latency)
    return calls


def test_what_is_kept_is_timed_as_an_exported_file(tmp_path):
    job = job_in(tmp_path)
    run(settings(front_size=2, exhaustive=0, initial=2, rounds=0), job)
    front = lightning_nas.load_front(tmp_path)
    assert all(one.latency.runtime.startswith("onnxruntime") for one in front)
    assert all(one.latency.p95_ms >= one.latency.median_ms for one in front)


def test_a_few_networks_tell_of_all_others_and_are_measured_once(tmp_path, by_macs):
    assert LARGE.size() > front_latency.SAMPLES
    job = job_in(tmp_path, LARGE)
    predicted = PredictedLatency(job, CPU)
    for choices in (LARGE.smallest(), LARGE.largest()):
        macs = macs_of_choice(job.supernet_task, job.datamodule, lambda choices=choices: LARGE.network(choices))
        assert predicted(choices) == pytest.approx(macs / 1e3, rel=0.02)
    assert "measured networks" in predicted.described()
    count = len(by_macs)
    assert count <= front_latency.SAMPLES
    again = PredictedLatency(job, CPU)
    assert again(LARGE.largest()) == predicted(LARGE.largest())
    assert len(by_macs) == count


def test_latencies_of_another_space_are_refused(tmp_path, by_macs):
    PredictedLatency(job_in(tmp_path), CPU)(SPACE.largest())
    with pytest.raises(RunFolderError, match=r"latencies\.json: not networks of this search"):
        PredictedLatency(job_in(tmp_path, LARGE), CPU)


def test_a_limit_holds_of_what_was_measured_too(tmp_path, by_macs, monkeypatch):
    job = job_in(tmp_path)
    macs = macs_of_choice(job.supernet_task, job.datamodule, lambda: SPACE.network(SPACE.largest()))
    run(settings(cost="latency_ms", max_latency_ms=macs / 2e3, front_size=8), job)
    front = lightning_nas.load_front(tmp_path)
    assert all(one.latency_ms <= macs / 2e3 for one in front)
    assert front[front.chosen].metric == max(one.metric for one in front)

    slower = tmp_path / "slower"
    monkeypatch.setattr(front_networks, "deployed_latency", lambda *args, strict: Latency(1e9, 1, 1, "cpu", 100, 1, 1))
    with pytest.raises(JobError, match="measured of none; the fastest takes"):
        run(settings(cost="latency_ms", max_latency_ms=macs / 2e3), job_in(slower))
