import pytest
import torch
from torch import nn

from lightning_nas.cost import Latency, count_macs, count_parameters, measure_latency
from lightning_nas.spaces import Darts

S3, D3, SK, MP, AP = "sep_conv_3x3", "dil_conv_3x3", "skip_connect", "max_pool_3x3", "avg_pool_3x3"
CELLS = {  # Liu, Simonyan, Yang 2019, arXiv 1806.09055: first and second order
    "v1": {
        "normal": [((S3, 1), (S3, 0)), ((SK, 0), (S3, 1)), ((SK, 0), (S3, 1)), ((S3, 0), (SK, 2))],
        "reduce": [((MP, 0), (MP, 1)), ((SK, 2), (MP, 0)), ((MP, 0), (SK, 2)), ((SK, 2), (AP, 0))],
    },
    "v2": {
        "normal": [((S3, 0), (S3, 1)), ((S3, 0), (S3, 1)), ((S3, 1), (SK, 0)), ((SK, 0), (D3, 2))],
        "reduce": [((MP, 0), (MP, 1)), ((SK, 2), (MP, 1)), ((MP, 0), (SK, 2)), ((SK, 2), (MP, 1))],
    },
}
SIZES = {
    "cifar": (Darts(channels=36, cells=20), 10, 32),
    "imagenet": (Darts(channels=48, cells=14, stem="imagenet"), 1000, 224),
}


class Classifier(nn.Module):
    def __init__(self, backbone, classes):
        super().__init__()
        self.backbone = backbone
        self.linear = nn.Linear(backbone.feature_info.channels()[-1], classes)

    def forward(self, x):
        return self.linear(self.backbone(x)[-1].mean(dim=(2, 3)))


@pytest.mark.parametrize(
    ("genotype", "size", "parameters", "macs"),
    [
        ("v1", "cifar", 3_169_414, 500_987_520),
        ("v2", "cifar", 3_349_342, 528_359_040),
        ("v1", "imagenet", 4_510_432, 505_864_704),
        ("v2", "imagenet", 4_718_752, 529_911_552),
    ],
)
def test_published_networks_have_their_exact_cost(genotype, size, parameters, macs):
    space, classes, pixels = SIZES[size]
    network = Classifier(space.network(space.from_genes(CELLS[genotype])), classes)
    assert count_parameters(network) == parameters
    assert count_macs(network, (3, pixels, pixels)) == macs


def test_darts_supernet_has_its_exact_cost():
    network = Classifier(Darts(channels=16, cells=8).supernet(), 10)
    assert count_parameters(network, exclude=("logits",)) == 1_930_618
    assert count_macs(network, (3, 32, 32)) == 300_255_744


@pytest.mark.parametrize(
    ("module", "size", "expected"),
    [
        (nn.Conv2d(4, 6, 3, stride=2, padding=1, groups=2), (4, 8, 8), 6 * 4 * 4 * 2 * 9),
        (nn.Conv2d(4, 4, (1, 7), padding=(0, 3), groups=4), (4, 8, 8), 4 * 8 * 8 * 7),
        (nn.Sequential(nn.Flatten(), nn.Linear(48, 5)), (3, 4, 4), 48 * 5),
        (nn.ConvTranspose2d(4, 6, 2, stride=2), (4, 8, 8), 4 * 8 * 8 * 6 * 4),
        (nn.Sequential(nn.BatchNorm2d(3), nn.ReLU(), nn.MaxPool2d(2), nn.AdaptiveAvgPool2d(1)), (3, 8, 8), 0),
    ],
)
def test_macs_of_single_layers(module, size, expected):
    assert count_macs(module, size) == expected


def test_functional_convolutions_count_too():
    class Functional(nn.Module):
        def __init__(self):
            super().__init__()
            self.kernel = nn.Parameter(torch.zeros(5, 3, 3, 3))

        def forward(self, x):
            return nn.functional.conv2d(x, weight=self.kernel)

    assert count_macs(Functional(), (3, 6, 6)) == 5 * 4 * 4 * 3 * 9


def test_measuring_leaves_modes_and_statistics_alone():
    module = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Dropout())
    module[1].eval()
    before = {name: value.clone() for name, value in module.state_dict().items()}
    count_macs(module, (3, 8, 8))
    measure_latency(module, (3, 8, 8))
    assert [part.training for part in module] == [True, False, True]
    assert module.training
    assert all(torch.equal(value, before[name]) for name, value in module.state_dict().items())


def test_modes_are_restored_when_the_module_raises():
    module = nn.Sequential(nn.Conv2d(1, 4, 3), nn.Dropout())
    with pytest.raises(RuntimeError):
        count_macs(module, (3, 8, 8))
    assert module[1].training


def test_shared_and_excluded_parameters():
    layer = nn.Linear(3, 3, bias=False)
    assert count_parameters(nn.Sequential(layer, layer)) == 9
    module = nn.ModuleDict({"main": nn.Linear(2, 2), "auxiliary": nn.Linear(5, 5)})
    assert count_parameters(module, exclude=("auxiliary",)) == 6
    with pytest.raises(ValueError, match="exclude"):
        count_parameters(module, exclude="auxiliary")


def test_latency_is_ordered_and_says_how_it_was_measured():
    latency = measure_latency(nn.Conv2d(3, 8, 3), (3, 16, 16), batch_size=2, warmup=1)
    assert 0 < latency.p10_ms <= latency.median_ms <= latency.p90_ms
    assert (latency.device, latency.runs, latency.batch_size) == ("cpu", 100, 2)
    assert isinstance(latency, Latency)


def test_latency_runs_warm_up_and_every_timed_pass():
    calls = []

    class Spy(nn.Module):
        def forward(self, x):
            calls.append((tuple(x.shape), self.training, torch.is_grad_enabled()))
            return x

    measure_latency(Spy(), (3, 4, 4), warmup=7, runs=120)
    assert calls == [((1, 3, 4, 4), False, False)] * 127


def test_latency_grows_with_work():
    small = measure_latency(nn.Conv2d(3, 4, 1), (3, 8, 8))
    large = measure_latency(nn.Sequential(*[nn.Conv2d(32 if i else 3, 32, 3) for i in range(4)]), (3, 64, 64))
    assert large.p10_ms > small.median_ms


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"input_size": (3, 8)}, "input_size"),
        ({"input_size": (3, 8, 0)}, "input_size"),
        ({"input_size": (3, 8, 8), "runs": 99}, "runs must be at least 100, got 99"),
        ({"input_size": (3, 8, 8), "warmup": -1}, "warmup"),
        ({"input_size": (3, 8, 8), "batch_size": 0}, "batch_size"),
    ],
)
def test_bad_arguments_are_named(arguments, message):
    with pytest.raises(ValueError, match=message):
        measure_latency(nn.Identity(), **arguments)


def test_torchscript_is_refused_rather_than_counted_as_nothing():
    traced = torch.jit.trace(nn.Conv2d(3, 4, 3), torch.zeros(1, 3, 8, 8))
    with pytest.raises(ValueError, match="TorchScript"):
        count_macs(traced, (3, 8, 8))
