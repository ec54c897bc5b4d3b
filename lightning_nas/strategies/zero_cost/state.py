"""Looking at a network without leaving a trace, and hooks that go away again."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from lightning_nas.cost.probe import random_numbers_kept


@contextmanager
def undisturbed(model: nn.Module, seed: int = 0) -> Iterator[None]:
    """Inside, a model may be run and changed at will; afterwards nothing has happened.

    Values and buffers are replaced by copies, and the very tensors of before are put back: parameters, buffers, gradients,
    ``requires_grad``, the training flag of every submodule and the global random numbers are as they were, also after an
    error. Inside, no parameter has a gradient, every floating one requires one, gradients are recorded, and the random
    numbers of torch are seeded.

    Args:
        model: Any module.
        seed: Of the random numbers inside, e.g. those of dropout.
    """
    modes = [(module, module.training) for module in model.modules()]
    parameters = [(p, p.data, p.grad, p.requires_grad) for p in model.parameters()]
    buffers = [(m, name, b) for m in model.modules() for name, b in m.named_buffers(recurse=False)]
    copies: dict[int, Tensor] = {}  # a buffer that two modules share stays shared
    try:
        for parameter, data, _, _ in parameters:
            parameter.grad = None
            parameter.data = data.clone()
            parameter.requires_grad_(data.is_floating_point())
        for module, name, buffer in buffers:
            setattr(module, name, copies.setdefault(id(buffer), buffer.detach().clone()))
        with _own_random_numbers({p.device for p, *_ in parameters if p.is_cuda}, seed), torch.enable_grad():
            yield
    finally:
        for module, training in modes:
            module.training = training
        for module, name, buffer in buffers:
            setattr(module, name, buffer)
        for parameter, data, grad, requires_grad in parameters:
            parameter.grad = None  # of another type perhaps
            parameter.data = data
            parameter.grad = grad
            parameter.requires_grad_(requires_grad)


@contextmanager
def _own_random_numbers(devices: set[torch.device], seed: int) -> Iterator[None]:
    """Lightning's ``isolate_rng`` would not put them back after an error."""
    with random_numbers_kept(devices):
        torch.default_generator.manual_seed(seed)  # torch.manual_seed would seed every GPU
        for device in devices:
            with torch.cuda.device(device):
                torch.cuda.manual_seed(seed)
        yield


@contextmanager
def hooked(modules: Iterable[nn.Module], hook: Callable[[Any, Any, Any], Any]) -> Iterator[None]:
    """A forward hook on some modules, for a while.

    Args:
        modules: Where.
        hook: Module, its positional arguments, its output ``->`` None, or what becomes the output.
    """
    with ExitStack() as stack:
        for module in modules:
            stack.callback(module.register_forward_hook(hook).remove)
        yield
