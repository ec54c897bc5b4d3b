"""The same supernet of DARTS in both forms, and what they must have in common."""

import functools

import torch

from lightning_nas.spaces import Darts, softmax_relaxation


def new_pair(dtype=torch.float64, **arguments):
    """The same supernet in both forms, with logits far from uniform; three nodes: two edges leave the first of them."""
    torch.manual_seed(0)
    space = Darts(**{"channels": 4, "cells": 3, "steps": 3, **arguments})
    textbook, fused = space.supernet().to(dtype), space.supernet().to(dtype)
    with torch.no_grad():
        for group in textbook.logits.values():
            group.copy_(torch.randn(group.shape))
    fused.load_state_dict(textbook.state_dict())
    textbook.set_form("textbook")
    fused.set_form("fused")
    return textbook, fused


@functools.cache
def _known(dtype, arguments):
    nets = new_pair(dtype, **dict(arguments))
    tensors = [list(net.state_dict().values()) for net in nets]
    return nets, tensors, [tensor.clone() for tensor in tensors[0]]


def pair(dtype=torch.float64, **arguments):
    """As new, but built once: for tests that train, freeze and activate it, and replace none of its modules."""
    nets, tensors, before = _known(dtype, tuple(arguments.items()))
    for net, own in zip(nets, tensors, strict=True):
        for tensor, value in zip(own, before, strict=True):
            tensor.copy_(value)
        net.train().requires_grad_(True).zero_grad()
        net.activate(None)
        net.relaxation = softmax_relaxation
    return nets


def images(size, dtype=torch.float64, batch=3):
    shape = (size, size) if isinstance(size, int) else size
    return torch.randn(batch, 3, *shape, generator=torch.Generator().manual_seed(1), dtype=dtype)


def step(net, x):
    net.zero_grad()
    out = net(x)
    generator = torch.Generator().manual_seed(2)
    loss = sum((f * torch.randn(f.shape, generator=generator, dtype=torch.float64).to(f)).sum() for f in out)
    loss.backward()
    return out


def assert_same(textbook, fused, x, tolerance=1e-9, steps=1):
    for _ in range(steps):
        expected, found = step(textbook, x), step(fused, x)
    for one, other in zip(found, expected, strict=True):
        assert one.shape == other.shape
        assert (one - other).norm() <= tolerance * other.norm()
    others = dict(fused.named_parameters())
    for name, p in textbook.named_parameters():
        q = others[name]
        assert (p.grad is None) == (q.grad is None), name
        if p.grad is not None:
            # Biases and weights before a BatchNorm may have a gradient that is zero up to rounding.
            assert (p.grad - q.grad).norm() <= tolerance * (p.grad.norm() + 1e-3), name
    buffers = dict(fused.named_buffers())
    for name, buffer in textbook.named_buffers():
        assert buffers[name].shape == buffer.shape, name
        assert torch.allclose(buffers[name], buffer, rtol=tolerance, atol=tolerance), name
