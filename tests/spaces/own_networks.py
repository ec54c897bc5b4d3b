"""Networks of a user who knows nothing of search."""

import torch
from torch import nn


class Squeeze(nn.Module):
    def __init__(self, channels):
        super().__init__()
        self.down, self.up = nn.Conv2d(channels, channels // 4, 1), nn.Conv2d(channels // 4, channels, 1)

    def forward(self, x):
        return x * self.up(self.down(x.mean((2, 3), keepdim=True)).relu()).sigmoid()


class Residual(nn.Module):
    def __init__(self, channels, groups=1, scaled=True):
        super().__init__()
        self.conv1 = nn.Conv2d(channels, 2 * channels, 1, bias=False)
        self.norm1 = nn.BatchNorm2d(2 * channels)
        self.conv2 = nn.Conv2d(2 * channels, 2 * channels, 3, padding=1, groups=groups, bias=False)
        self.norm2 = nn.BatchNorm2d(2 * channels)
        self.squeeze = Squeeze(2 * channels)
        self.conv3 = nn.Conv2d(2 * channels, channels, 1)
        self.scale = nn.Parameter(torch.full((channels, 1, 1), 0.5)) if scaled else 0.5

    def forward(self, x):
        y = self.norm1(self.conv1(x)).relu()
        y = self.squeeze(self.norm2(self.conv2(y)).relu())
        return x + self.scale * self.conv3(y)


class UNet(nn.Module):
    """A stem, two scales with residual blocks (grouped and depthwise), a decoder that concatenates, one map of classes."""

    def __init__(self, classes=3, norm=nn.BatchNorm2d, scaled=True):
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), norm(8), nn.ReLU())
        self.fine = Residual(8, 4, scaled)
        self.down = nn.Conv2d(8, 16, 3, stride=2, padding=1)
        self.coarse = nn.Sequential(Residual(16, 32, scaled), Residual(16, 1, scaled))
        self.up = nn.ConvTranspose2d(16, 12, 2, stride=2)
        self.merge = nn.Sequential(nn.Conv2d(20, 16, 3, padding=1), norm(16), nn.ReLU())
        self.head = nn.Conv2d(16, classes, 1)

    def forward(self, x):
        fine = self.fine(self.stem(x))
        coarse = self.coarse(self.down(fine).relu())
        return self.head(self.merge(torch.cat([fine, self.up(coarse)], dim=1)))


class Tokens(nn.Module):
    """Patches, blocks of LayerNorm and a perceptron, a position for every patch, classes."""

    def __init__(self, width=16, depth=2):
        super().__init__()
        self.patches = nn.Conv2d(3, width, 4, stride=4)
        self.position = nn.Parameter(torch.randn(1, 4, width))
        self.blocks = nn.ModuleList(Perceptron(width) for _ in range(depth))
        self.norm = nn.LayerNorm(width)
        self.head = nn.Linear(width, 5)

    def forward(self, x):
        x = self.patches(x).flatten(2).transpose(1, 2) + self.position
        for block in self.blocks:
            x = block(x)
        return self.head(self.norm(x).mean(1))


class Perceptron(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.norm, self.wide, self.narrow = (
            nn.LayerNorm(width),
            nn.Linear(width, 4 * width),
            nn.Linear(4 * width, width),
        )

    def forward(self, x):
        return x + self.narrow(nn.functional.gelu(self.wide(self.norm(x))))


def lively(network, seed=0):
    """The network in evaluation mode, with statistics and scales that differ from channel to channel."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for tensor in [*network.parameters(), *network.buffers()]:
            if tensor.is_floating_point() and tensor.dim() == 1:
                tensor.copy_(torch.rand(tensor.shape, generator=generator) + 0.5)
    return network.eval()
