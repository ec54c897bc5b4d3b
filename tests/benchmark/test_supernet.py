"""Deterministic facts of the benchmark; speed itself is no test."""

import gc

import pytest
import torch
from torch import nn

from lightning_nas.benchmark import SupernetBenchmark
from lightning_nas.benchmark.meters import OperatorMeter, saved_bytes
from lightning_nas.benchmark.table import as_table


def test_live_memory_and_calls_are_counted():
    a = torch.ones(1024)
    with OperatorMeter() as meter:
        b = a + 1
        c = b.view(32, 32)
        assert (meter.calls, meter.live, meter.peak) == (2, 4096, 4096)
        d = c * 2
        assert meter.live == 8192
        del b, c
        gc.collect()
        assert (meter.live, meter.peak) == (4096, 8192)
        d.mul_(2)
        assert meter.live == 4096


def test_the_peak_of_a_backward_pass_is_seen():
    x = torch.ones(1024, requires_grad=True)
    with OperatorMeter() as meter:
        x.exp().sum().backward()
    assert meter.peak >= 2 * 4096  # the saved result and the gradient


def test_saved_storages_count_once_and_parameters_not_at_all():
    layer = nn.Linear(8, 8, bias=False)
    x = torch.ones(4, 8)
    assert saved_bytes(lambda: layer(x).sum(), layer.parameters()) == 4 * 8 * 4
    assert saved_bytes(lambda: (layer(x) + layer(x)).sum(), layer.parameters()) == 4 * 8 * 4


@pytest.fixture(scope="module")
def result():
    return SupernetBenchmark(channels=4, cells=1, batch_size=4, image_size=8, repeats=2, device="cpu").run()


def test_our_form_saves_memory(result):
    textbook, _, ours, halves, quarters = result["variants"]
    assert quarters["saved_bytes"] < halves["saved_bytes"] < ours["saved_bytes"]
    assert ours["saved_bytes"] < 0.65 * textbook["saved_bytes"]
    assert ours["peak_bytes"] < textbook["peak_bytes"]
    assert min(variant["operator_calls"] for variant in result["variants"]) > 1000
    assert all(len(variant["seconds"]) == 2 for variant in result["variants"])
    assert textbook["ratios"]["saved_bytes"] == 1


def test_the_table_has_a_row_for_every_variant(result):
    assert as_table(result).row_count == 5


@pytest.mark.parametrize("wrong", [{"repeats": 0}, {"channels": -1}, {"channels": 6}])
def test_settings_out_of_range_are_refused(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        SupernetBenchmark(**wrong)
