"""The ShuffleNetV2 space: the papers' sizes, and what a block computes."""

import json
import random

import pytest
import torch
from torch import nn

from lightning_nas.architecture import Architecture
from lightning_nas.cost import count_macs, count_parameters
from lightning_nas.networks.backbone import build_network
from lightning_nas.networks.inherit import inherit_weights
from lightning_nas.ops import build_op
from lightning_nas.ops.candidates.shuffle import ShuffleUnit, set_split
from lightning_nas.spaces import ShuffleNetV2

SPOS = ShuffleNetV2(bias=False, supernet_affine=False)
SMALL = ShuffleNetV2()
LARGE = ShuffleNetV2(stem_channels=48, widths=(96, 240, 480, 960), depths=(8, 8, 16, 8))
PUBLISHED = (2, 1, 0, 1, 2, 0, 2, 0, 2, 0, 2, 3, 0, 0, 0, 0, 3, 2, 3, 3)


class Classifier(nn.Module):
    def __init__(self, backbone, bias):
        super().__init__()
        self.backbone, self.linear = backbone, nn.Linear(1024, 1000, bias=bias)

    def forward(self, x):
        return self.linear(self.backbone(x)[-1].mean((2, 3)))


def classifier(space, indices):
    return Classifier(space.network(space.from_indices(indices)), bias=space.bias)


@pytest.mark.parametrize(
    ("space", "parameters"),
    [
        (SPOS, 8_388_176),
        (ShuffleNetV2(bias=False), 8_489_648),
        (SMALL, 8_491_688),
        (LARGE, 30_653_120),
    ],
)
def test_supernets_have_the_published_size(space, parameters):
    network = Classifier(space.supernet(), bias=space.bias)
    assert count_parameters(network, exclude=("logits",)) == parameters


@pytest.mark.parametrize(
    ("space", "block", "parameters", "macs"),
    [
        (SPOS, 0, 3_154_880, 295_842_496),
        (SPOS, 1, 3_211_968, 313_654_976),
        (SPOS, 2, 3_297_600, 340_373_696),
        (SPOS, 3, 3_870_816, 358_825_920),
        (SMALL, 0, 3_156_920, 295_842_496),
        (SMALL, 1, 3_214_008, 313_654_976),
        (SMALL, 2, 3_299_640, 340_373_696),
        (SMALL, 3, 3_872_856, 358_825_920),
        (LARGE, 0, 8_255_576, 1_085_874_592),
        (LARGE, 1, 8_413_784, 1_136_978_848),
        (LARGE, 2, 8_651_096, 1_213_635_232),
        (LARGE, 3, 11_370_320, 1_440_424_480),
    ],
)
def test_paths_of_one_block_have_the_published_size(space, block, parameters, macs):
    network = classifier(space, [block] * len(space.decisions))
    assert count_parameters(network) == parameters
    assert count_macs(network, (3, 224, 224)) == macs


def test_the_published_path_has_its_size():
    network = classifier(SPOS, PUBLISHED)
    assert (count_parameters(network), count_macs(network, (3, 224, 224))) == (3_558_464, 322_918_720)


def test_sizes_of_the_spaces():
    assert (len(SMALL.decisions), len(LARGE.decisions)) == (20, 40)
    assert SMALL.size() == 4**20 == 1_099_511_627_776
    assert LARGE.size() == 4**40


def test_detectors_get_the_outputs_of_the_four_stages():
    info = ShuffleNetV2(head_channels=0).supernet().feature_info
    assert (info.channels(), info.reduction()) == ([64, 160, 320, 640], [4, 8, 16, 32])


def test_even_channels_pass_and_odd_ones_are_worked_on():
    unit = ShuffleUnit(8, 8, (3,)).double().eval()
    x = torch.randn(2, 8, 5, 5, dtype=torch.float64)
    out = unit(x)
    assert torch.equal(out[:, :4], x[:, [0, 2, 4, 6]])
    changed = x.clone()
    changed[:, ::2] += 1
    assert torch.equal(unit(changed)[:, 4:], out[:, 4:])


def norm(x, module):
    shape = (1, -1, 1, 1)
    scaled = (x - module.running_mean.view(shape)) / (module.running_var.view(shape) + module.eps).sqrt()
    return scaled * module.weight.view(shape) + module.bias.view(shape)


def conv(x, weight, stride=1, groups=1):
    """A convolution written out: the sum over the kernel's places."""
    out_channels, _, size, _ = weight.shape
    pad = size // 2
    padded = nn.functional.pad(x, (pad,) * 4)
    height, width = -(-x.shape[2] // stride), -(-x.shape[3] // stride)
    total = x.new_zeros(len(x), out_channels, height, width)
    for i in range(size):
        for j in range(size):
            window = padded[:, :, i : i + stride * height : stride, j : j + stride * width : stride]
            if groups == 1:
                total += torch.einsum("bchw,oc->bohw", window[:, :, :height, :width], weight[:, :, i, j])
            else:
                total += window[:, :, :height, :width] * weight[:, 0, i, j].view(1, -1, 1, 1)
    return total


def written_out(layers, x, strides):
    """Convolution, BatchNorm and maybe ReLU in a row."""
    strides = iter(strides)
    for layer in layers:
        if isinstance(layer, nn.Conv2d):
            x = conv(x, layer.weight, next(strides), layer.groups)
        elif isinstance(layer, nn.BatchNorm2d):
            x = norm(x, layer)
        else:
            x = x.clamp(min=0)
    return x


def halves(split, channels):
    """Which channels pass and which are worked on, as the released code of SPOS and that of DetNAS's supernets say."""
    numbers = list(range(channels))
    if split == "even_odd":  # (channels / 2, 2), transposed
        return numbers[::2], numbers[1::2]
    shuffled = [
        number for pair in zip(numbers[: channels // 2], numbers[channels // 2 :], strict=True) for number in pair
    ]
    return shuffled[: channels // 2], shuffled[channels // 2 :]


def block(unit, split, name, x, stride):
    """A choice block, by the drawings of the papers."""
    kinds = ["d" if layer.groups > 1 else "1" for layer in unit.main if isinstance(layer, nn.Conv2d)]
    assert kinds == (["d", "1"] * 3 if name == "shuffle_xception" else ["1", "d", "1"])
    strides = [stride if i == kinds.index("d") else 1 for i in range(len(kinds))]
    if stride == 1:
        passing, entering = halves(split, x.shape[1])
        return torch.cat([x[:, passing], written_out(unit.main, x[:, entering], strides)], dim=1)
    return torch.cat([written_out(unit.projection, x, [stride, 1]), written_out(unit.main, x, strides)], dim=1)


def randomised(network):
    """Statistics and scales as after a training, not 0 and 1; in evaluation mode, float64."""
    network.double().eval()
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean.normal_()
            module.running_var.uniform_(0.5, 2)
            nn.init.normal_(module.weight)
            nn.init.normal_(module.bias)
    return network


@pytest.mark.parametrize("name", ["shuffle_5x5", "shuffle_xception"])
@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("split", ["even_odd", "halves"])
def test_blocks_compute_what_the_papers_draw(name, stride, split):
    torch.manual_seed(0)
    unit = randomised(set_split(build_op(name, 8, 8 if stride == 1 else 12, stride=stride), split))
    x = torch.randn(2, 8, 7, 7, dtype=torch.float64)
    torch.testing.assert_close(unit(x), block(unit, split, name, x, stride))


TINY = {"stem_channels": 4, "widths": (8, 20), "depths": (3, 2), "head_channels": 0}


@pytest.mark.parametrize("split", ["even_odd", "halves"])
def test_networks_split_their_channels_as_the_space_says(split):
    torch.manual_seed(0)
    space, other = (ShuffleNetV2(**TINY, split=s) for s in (split, "halves" if split == "even_odd" else "even_odd"))
    choices = space.sample(random.Random(1))
    network, changed = randomised(space.network(choices)), other.network(choices).double().eval()
    changed.load_state_dict(network.state_dict())  # the split holds no weights
    x = torch.randn(2, 3, 32, 32, dtype=torch.float64)
    with torch.no_grad():
        state, expected = network.stem(x), []
        for stage, ops in zip(network.stages, space.stage_ops(choices), strict=True):
            for layer, (unit, name) in enumerate(zip(stage, ops, strict=True)):
                state = block(unit, split, name, state, 1 if layer else 2)
            expected.append(state)
        torch.testing.assert_close(network(x), expected)
        assert not torch.allclose(network(x)[-1], changed(x)[-1])


@pytest.mark.parametrize("split", ["even_odd", "halves"])
def test_a_path_of_the_supernet_splits_as_the_found_network_does(split):
    space = ShuffleNetV2(**TINY, split=split)
    choices = space.sample(random.Random(2))
    supernet, network = randomised(space.supernet()), space.network(choices).double().eval()
    assert inherit_weights(network, supernet, choices).skipped == {}
    supernet.activate(choices)
    x = torch.randn(2, 3, 32, 32, dtype=torch.float64)
    with torch.no_grad():
        torch.testing.assert_close(supernet(x), network(x))


def test_records_from_before_the_option_keep_their_meaning():
    record = json.loads(ShuffleNetV2(**TINY).architecture(ShuffleNetV2(**TINY).sample(random.Random(0))).to_json())
    del record["components"]["backbone"]["space_args"]["split"]
    network = build_network(Architecture.from_json(json.dumps(record)))
    units = [module for module in network.modules() if isinstance(module, ShuffleUnit)]
    assert units
    assert all(unit.split == "even_odd" for unit in units)


def test_only_sampled_blocks_get_gradients():
    space = ShuffleNetV2(stem_channels=4, widths=(8, 16), depths=(2, 1), head_channels=0)
    supernet = space.supernet()
    supernet.activate(space.from_indices([1, 0, 3]))
    sum(f.square().mean() for f in supernet(torch.randn(2, 3, 32, 32))).backward()
    touched = {
        name.split(".candidates.")[0] + "." + name.split(".candidates.")[1].split(".")[0]
        for name, p in supernet.weights().items()
        if "candidates" in name and p.grad is not None
    }
    assert touched == {"stages.0.0.1", "stages.0.1.0", "stages.1.0.3"}


@pytest.mark.parametrize(
    "arguments",
    [
        {"widths": (64, 160, 320)},
        {"widths": (63, 160, 320, 640)},
        {"depths": (0, 1, 1, 1)},
        {"ops": ("shuffle_9x9",)},
        {"ops": ("shuffle_3x3", "skip_connect")},
        {"bias": 1},
        {"split": "thirds"},
    ],
)
def test_impossible_arguments_are_named(arguments):
    with pytest.raises(ValueError, match=next(iter(arguments))):
        ShuffleNetV2(**arguments)
