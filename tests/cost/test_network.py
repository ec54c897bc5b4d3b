"""The cost of a forward pass: only the parameters that it reads, and a limit on how long timing may take."""

import time

import torch
from torch import nn

from lightning_nas.cost import Call, Cost, Latency, cost_of_call, latency_of_call


class Network(nn.Module):
    """Parameters that are read as they are, as views and in a list, one read twice, and some that only training reads."""

    def __init__(self):
        super().__init__()
        self.attention = nn.MultiheadAttention(4, 2, batch_first=True)  # never calls its out_proj
        self.recurrent = nn.LSTM(4, 3)
        self.table = nn.Parameter(torch.zeros(6, 4))
        self.shared = nn.Linear(4, 4)
        self.again = self.shared
        self.auxiliary = nn.Linear(4, 100)

    def forward(self, x):
        x = self.again(self.shared(x @ self.table[2:].T))
        x, _ = self.attention(x, x, x)
        x, _ = self.recurrent(x)
        return (x, self.auxiliary(x)) if self.training else x


def test_parameters_that_only_training_needs_do_not_count():
    read = 4 * (4 * 4 + 4) + 4 * 3 * (4 + 3 + 2) + 24 + 20
    cost = cost_of_call(Network(), Call((torch.zeros(1, 5, 4),)))
    assert cost.parameters == read
    assert cost.macs == 5 * 16 + 2 * 5 * 16 + 4 * 5 * 16 + 2 * 25 * 4 + 5 * 4 * 3 * (4 + 3)


def test_arguments_by_name():
    class Named(nn.Linear):
        def forward(self, *, image):
            return super().forward(image)

    assert cost_of_call(Named(3, 2), Call((), {"image": torch.zeros(1, 3)})) == Cost(8, 6)


class Slow(nn.Module):
    passes = 0

    def forward(self, x):
        self.passes += 1
        time.sleep(0.02)
        return x


def test_timing_takes_no_longer_than_it_may():
    slow, start = Slow(), time.perf_counter()
    latency = latency_of_call(slow, Call((torch.zeros(1),)), torch.device("cpu"), seconds=0.0)
    assert time.perf_counter() - start < 2.0
    assert (latency.runs, slow.passes) == (10, 11)
    assert latency.median_ms >= 20
    quick = latency_of_call(nn.Identity(), Call((torch.zeros(1),)), torch.device("cpu"), seconds=60.0)
    assert (quick.runs, quick.batch_size, quick.threads) == (100, 1, torch.get_num_threads())


def test_a_record_of_it_is_read_back():
    from dataclasses import asdict

    for cost in (Cost(1, 2), Cost(1, 2, Latency(1.0, 0.5, 2.0, "cpu", 100, 1, 2))):
        assert Cost.from_dict(asdict(cost)) == cost
