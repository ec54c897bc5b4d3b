"""A gradient strategy of others that changes the edges: partial channels (Xu et al. 2020, arXiv 1907.05737, section 3.2)."""

import torch
from torch import nn
from torch.nn import functional as F

from lightning_nas.ops.mixed import MixedOp
from lightning_nas.spaces import softmax_relaxation
from lightning_nas.strategies.gradient.base import GradientStrategy


class PartialEdge(nn.Module):
    """Candidates on the first of so many parts of the channels; the others pass by, and all are shuffled."""

    def __init__(self, edge, parts):
        super().__init__()
        self.parts, self.stride = parts, edge.stride
        taken = edge.channels // parts
        self.mixed = MixedOp(edge.names, taken, edge.stride, pool_norm=edge.pool_norm, affine=edge.affine)

    def forward(self, x, weights, active=None):
        taken = x.shape[1] // self.parts
        passing = x[:, taken:]
        if self.stride == 2:
            passing = F.max_pool2d(passing, 2, 2)
        mixed = self.mixed(x[:, :taken], weights, active)
        if mixed is None:
            mixed = torch.zeros_like(passing[:, :taken])
        return F.channel_shuffle(torch.cat([mixed, passing], 1), self.parts)


class PartialChannels(GradientStrategy):
    """DARTS on a share of the channels."""

    def __init__(self, *, parts=4, **arguments):
        super().__init__(**arguments)
        self.parts = parts

    def adapt(self, supernet):
        for module in list(supernet.modules()):
            for name, edge in list(module.named_children()):
                if type(edge) is MixedOp:
                    setattr(module, name, PartialEdge(edge, self.parts))

    def relax(self, logits):
        return softmax_relaxation(logits)
