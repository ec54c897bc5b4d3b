"""Small networks and probes for the tests of training-free scores."""

import torch
from torch import nn

from lightning_nas.strategies.zero_cost import Probe


class Bumpy(nn.Module):
    """Everything that a score could leave a trace in: BatchNorm, dropout, biases, a frozen layer, a layer in eval mode."""

    def __init__(self, seed=0):
        super().__init__()
        torch.manual_seed(seed)
        self.body = nn.Sequential(
            nn.Conv2d(3, 6, 3, padding=1),
            nn.BatchNorm2d(6),
            nn.ReLU(inplace=True),
            nn.Dropout(0.2),
            nn.Conv2d(6, 8, 3, stride=2, padding=1, bias=False),
            nn.BatchNorm2d(8),
            nn.ReLU(),
        )
        self.head = nn.Linear(8, 4)
        self.register_buffer("steps", torch.tensor(3))

    def features(self, x):
        return self.body(x)

    def forward(self, x):
        return self.head(self.features(x).mean((2, 3)))


def bumpy_probe(seed=0, images=0):
    """A probe of a fresh network; ``images`` seeds the batch."""
    generator = torch.Generator().manual_seed(images)
    x = torch.randn(6, 3, 8, 8, generator=generator)
    labels = torch.randint(4, (6,), generator=generator)
    return classifier_probe(Bumpy(seed), x, labels)


def classifier_probe(model, x, labels):
    """Cross entropy on the outputs of a model."""
    features = getattr(model, "features", None)
    return Probe(model, x, lambda: nn.functional.cross_entropy(model(x), labels), model, features)


def function_probe(model, x):
    """For scores that ask for no loss."""
    return Probe(model, x, lambda: model(x).sum(), model, model)
