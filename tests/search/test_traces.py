"""What an architecture step does to the user's module is put back, kind by kind."""

import collections
import random

import numpy as np
import pytest
import torch
import torchmetrics
from torch import nn

from lightning_nas.search.wrapping.traces import untouched


class Average:
    """A meter as many projects have one."""

    def __init__(self):
        self.sum, self.parts = 0.0, {"last": [torch.zeros(2)]}


class Slotted:
    __slots__ = ("value",)


class Everything(nn.Module):
    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(2))
        self.norm = nn.BatchNorm1d(2)
        self.register_buffer("bank", torch.zeros(3))
        self.register_buffer("unsaved", torch.zeros(1), persistent=False)
        self.teacher = [nn.Linear(2, 2)]  # in a list, so that its weights are no parameters of this module
        self.accuracy = torchmetrics.classification.MulticlassAccuracy(2)
        self.curve = torchmetrics.classification.BinaryAUROC()
        self.both = torchmetrics.MetricCollection([torchmetrics.MeanMetric(), torchmetrics.SumMetric()])
        self.count, self.name, self.best, self.flag = 0, "a", None, True
        self.tensor, self.array, self.words = torch.zeros(2), np.zeros(2), {"a", "b"}
        self.list, self.dict, self.queue = [1, [2]], {"a": {"b": 1}}, collections.deque([1, 2], maxlen=2)
        self.default, self.counter = collections.defaultdict(list, {"a": [1]}), collections.Counter("aab")
        self.pair = (torch.zeros(1), [1])
        self.meter, self.long = Average(), list(range(5000))
        self.generator = torch.Generator().manual_seed(1)
        self.rng, self.old_rng = np.random.default_rng(1), np.random.RandomState(1)
        self.random = random.Random(1)
        self.bias, self.shadow = torch.zeros(2), {"weight": torch.zeros(2)}

    def touch(self):
        with torch.no_grad():
            self.weight.mul_(2)
            self.teacher[0].weight.data = self.teacher[0].weight.data * 0.5
            self.shadow["weight"].data.mul_(0.9).add_(1)
        self.norm(torch.randn(8, 2))
        self.bank = torch.cat([self.bank[1:], torch.ones(1)])
        self.unsaved += 1
        self.accuracy.update(torch.tensor([0, 1]), torch.tensor([0, 0]))
        self.curve.update(torch.tensor([0.1, 0.9]), torch.tensor([0, 1]))
        self.both.update(torch.tensor(3.0))
        self.count, self.name, self.best, self.flag = self.count + 1, "b", 0.5, False
        self.tensor += 1
        self.array += 1
        self.words.add("c")
        self.list[1].append(3)
        self.list.append(4)
        self.dict["a"]["b"] = 2
        self.dict["c"] = 3
        self.queue.append(3)
        self.default["b"].append(1)
        self.counter.update("c")
        self.pair[0].add_(1)
        self.pair[1].append(2)
        self.meter.sum += 1
        self.meter.parts["last"][0] += 1
        self.meter.parts["last"].append(1)
        self.long.append(0)
        self.bias = self.bias + 1
        self.eval()
        self.new, self.meter.new = [1], 1
        for draw in (self.rng.random, self.old_rng.random, self.random.random):
            draw()
        torch.rand(1, generator=self.generator)


def state(value, seen=()):
    """Everything that a value holds, in a form that can be compared."""
    if isinstance(value, torch.Tensor):
        return value.tolist()
    if isinstance(value, np.ndarray):
        return value.tolist()
    if isinstance(value, torch.Generator):
        return value.get_state().tolist()
    if isinstance(value, np.random.Generator):
        return str(value.bit_generator.state)
    if isinstance(value, np.random.RandomState):
        return str(value.get_state())
    if isinstance(value, random.Random):
        return value.getstate()
    if isinstance(value, dict):
        return {name: state(item) for name, item in value.items()}
    if isinstance(value, list | tuple | collections.deque):
        return [state(item) for item in value]
    if isinstance(value, nn.Module | Average):
        return {n: state(v) for n, v in vars(value).items() if not n.startswith("_") or n in PRIVATE}
    return value


PRIVATE = ("_parameters", "_buffers", "_modules", "_update_count", "_computed")


def test_everything_is_put_back():
    module = Everything()
    module.touch()  # metrics that have seen something, a full queue
    del module.new, module.meter.new
    module.train()
    before, identities = state(module), {name: id(value) for name, value in vars(module).items()}
    buffers = dict(module.named_buffers())
    with untouched(module):
        module.touch()
        assert state(module) != before
    after = state(module)
    assert {name for name in before if after.get(name) != before[name]} == set()
    assert after.keys() == before.keys()
    assert {name: id(value) for name, value in vars(module).items()} == identities
    assert all(buffer is buffers[name] for name, buffer in module.named_buffers())


def test_it_is_put_back_after_an_exception_too():
    module = Everything()
    before = state(module)

    def fail():
        with untouched(module):
            module.touch()
            raise RuntimeError("on purpose")

    with pytest.raises(RuntimeError, match="on purpose"):
        fail()
    assert state(module) == before


def test_what_lies_elsewhere_is_left_alone():
    module = Everything()
    module.slotted = Slotted()
    module.slotted.value = 1
    module.optimizer = torch.optim.SGD([nn.Parameter(torch.ones(1))], 0.1)
    state_of_torch = torch.get_rng_state()
    with untouched(module):
        module.slotted.value = 2
        module.optimizer.param_groups[0]["lr"] = 0.2
        torch.rand(1)
    assert module.slotted.value == 2
    assert module.optimizer.param_groups[0]["lr"] == 0.2
    assert not torch.equal(torch.get_rng_state(), state_of_torch)


def test_what_cannot_be_copied_is_kept_as_it_is():
    module = nn.Module()
    module.weight = nn.Parameter(torch.ones(2))
    module.result, module.wide = module.weight * 2, torch.ones(1).expand(4)
    module.empty = torch.zeros(0)
    with untouched(module):
        module.result = None
    assert module.result.grad_fn is not None
    assert module.wide.tolist() == [1, 1, 1, 1]


def test_modules_that_refer_to_each_other_are_put_back():
    module = nn.Module()
    module.__dict__["parent"], module.count = [module], 0
    with untouched(module):
        module.count = 1
    assert module.count == 0


def test_a_tensor_that_grows_gets_its_size_back():
    module = nn.Module()
    module.register_buffer("bank", torch.arange(3.0))
    bank = module.bank
    with untouched(module):
        bank.data = torch.zeros(5)
    assert module.bank is bank
    assert bank.tolist() == [0, 1, 2]
