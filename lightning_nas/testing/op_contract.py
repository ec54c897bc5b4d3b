"""What every candidate operation promises."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from lightning_nas.ops import build_op, op_names


class OpContract:
    """Inherit, and set :attr:`name` to a registered operation, or parametrize a ``name`` fixture.

    Example:
        class TestShuffle(OpContract):
            name = "shuffle_3x3"
    """

    name: str
    channels = 8
    strides: tuple[int, ...] = (1, 2)

    def make(self, stride: int, *, out_channels: int | None = None, affine: bool = True) -> nn.Module:
        """The operation under test, with reproducible weights."""
        torch.default_generator.manual_seed(0)  # torch.manual_seed would take longer than most tests
        return build_op(self.name, self.channels, out_channels or self.channels, stride=stride, affine=affine)

    def test_is_registered(self) -> None:
        """Its name is known."""
        assert self.name in op_names()

    @pytest.mark.parametrize("size", [8, 7])
    def test_stride_divides_the_map_rounding_up(self, size: int) -> None:
        """Height and width are divided by the stride and rounded up, so that parallel operations fit together."""
        x = torch.randn(2, self.channels, size, size + 2)
        for stride in self.strides:
            expected = (2, self.channels, -(-size // stride), -(-(size + 2) // stride))
            assert self.make(stride)(x).shape == expected

    def test_changes_channels_where_asked(self) -> None:
        """Input and output may have different numbers of channels."""
        x = torch.randn(2, self.channels, 6, 6)
        for stride in self.strides:
            assert self.make(stride, out_channels=2 * self.channels)(x).shape[1] == 2 * self.channels

    def test_affine_switches_every_batch_norm(self) -> None:
        """Without ``affine`` no BatchNorm can absorb the weight of the option."""
        for stride in self.strides:
            for affine in (True, False):
                norms = [m for m in self.make(stride, affine=affine).modules() if isinstance(m, nn.BatchNorm2d)]
                assert all(norm.affine is affine for norm in norms)

    def test_leaves_its_input_alone(self) -> None:
        """The same state feeds several operations, so none may work in place on it."""
        x = torch.randn(2, self.channels, 6, 6)
        before = x.clone()
        for stride in self.strides:
            self.make(stride)(x)
            assert torch.equal(x, before)

    def test_every_parameter_gets_a_gradient(self) -> None:
        """Nothing in it is dead."""
        for stride in self.strides:
            module = self.make(stride)
            out = module(torch.randn(2, self.channels, 8, 8, requires_grad=True))
            (out * torch.randn_like(out)).sum().backward() if out.requires_grad else None
            assert all(p.grad is not None for p in module.parameters())

    def test_treats_samples_apart_in_evaluation(self) -> None:
        """In evaluation mode the result of one image does not depend on the others."""
        x = torch.randn(3, self.channels, 6, 6)
        for stride in self.strides:
            module = self.make(stride).eval()
            with torch.no_grad():
                torch.testing.assert_close(module(x)[1:2], module(x[1:2]))
