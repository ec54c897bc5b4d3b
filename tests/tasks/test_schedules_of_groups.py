"""Schedules and warm-up where parameters have several rates."""

import math

import pytest
import torch

from lightning_nas.networks.hand_made import ResidualBackbone
from lightning_nas.tasks.images.optimization import make_optimizer, make_schedules
from lightning_nas.tasks.images.parameter_groups import Grouping, parameter_groups


def test_schedules_and_warm_up_keep_the_shares():
    for kind, lr_min in (("cosine", 0.0), ("cosine", 0.02), ("poly", 0.0), ("steps", 0.0)):
        plain = rates_over_time(Grouping(), kind, lr_min)
        low = rates_over_time(Grouping(backbone_lr=0.1), kind, lr_min)
        assert [0.1 * row[1] for row in low] == pytest.approx([row[0] for row in low])
        if not lr_min:
            assert [row[1] for row in low] == pytest.approx([row[0] for row in plain])


def rates_over_time(grouping, kind, lr_min):
    model = torch.nn.ModuleList([ResidualBackbone(4, (2, 4, 8)), torch.nn.Conv2d(8, 2, 1)])
    groups = parameter_groups(model.parameters(), model[0], grouping, lr=0.1, weight_decay=0.0)
    optimizer = make_optimizer("sgd", groups, momentum=0.9)
    schedules = make_schedules(optimizer, kind, 4, lr=0.1, warmup_steps=5, lr_min=lr_min, milestones=(2,))
    seen = []
    for _ in range(4):
        for _ in range(3):
            seen.append([group["lr"] for group in optimizer.param_groups])
            optimizer.step()
            schedules[1]["scheduler"].step()
        schedules[0]["scheduler"].step()
    return seen


def test_the_floor_of_a_cosine_falls_with_the_rate():
    groups = [{"params": [torch.nn.Parameter(torch.zeros(1))], "lr": rate} for rate in (0.1, 0.01)]
    optimizer = make_optimizer("sgd", groups, momentum=0.0)
    schedule = make_schedules(optimizer, "cosine", 4, lr=0.1, warmup_steps=0, lr_min=0.02)[0]["scheduler"]
    for epoch in range(5):
        expected = 0.02 + 0.08 * (1 + math.cos(math.pi * epoch / 4)) / 2
        assert [group["lr"] for group in optimizer.param_groups] == pytest.approx([expected, expected / 10])
        optimizer.step()
        schedule.step()
