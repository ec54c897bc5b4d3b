"""Auto-DeepLab: published sizes, the trellis against enumeration, found networks."""

import itertools
import math
import random

import pytest
import torch

from lightning_nas.cost import count_parameters
from lightning_nas.errors import ArchitectureError
from lightning_nas.networks.backbone import build_network
from lightning_nas.ops import DropPath
from lightning_nas.spaces import AutoDeepLab, Chain, NasFpn, Product, published
from lightning_nas.spaces.auto_deeplab.published import PUBLISHED
from lightning_nas.spaces.auto_deeplab.trellis import Place, Trellis

SMALL = AutoDeepLab(channels=2, layers=4, blocks=2, stem_channels=2)


# ---- published values -------------------------------------------------------------------------------------------


def test_counts_of_the_paper():
    assert Trellis(12).count_paths() == 28_657
    assert Trellis(12, free_start=True).count_paths() == 75_025
    assert [Trellis(layers).count_paths() for layers in range(2, 12)] == [2, 5, 13, 34, 89, 233, 610, 1597, 4181, 10946]
    assert AutoDeepLab().cells_as_published() == 556_627_761_561_600
    joint = AutoDeepLab().cells_as_published() * Trellis(12).count_paths()
    assert round(math.log10(joint), 1) == 19.2


def test_size_without_symmetric_cells():
    assert AutoDeepLab().size() == 28_657 * (1 * 3 * 6 * 10 * 15) * 7**10


@pytest.mark.parametrize(("channels", "encoder"), [(20, 7_030_832), (32, 17_612_096), (48, 39_222_656)])
def test_the_published_encoder_has_its_published_size(channels, encoder):
    network = build_network(published("auto_deeplab", channels=channels))
    assert count_parameters(network) == encoder
    assert network.feature_info.channels() == [5 * channels, 10 * channels]
    assert network.feature_info.reduction() == [4, 8]
    assert network.path == PUBLISHED["path"]


def test_the_published_genotype_is_that_of_the_paper():
    space = AutoDeepLab(channels=20)
    choices = space.from_genotype(PUBLISHED["cell"], PUBLISHED["path"])
    assert space.genes(choices) == [
        (("atrous_conv_5x5", 0), ("sep_conv_3x3", 1)),
        (("sep_conv_3x3", 0), ("atrous_conv_3x3", 1)),
        (("sep_conv_3x3", 0), ("sep_conv_3x3", 3)),
        (("sep_conv_5x5", 2), ("sep_conv_5x5", 4)),
        (("sep_conv_5x5", 3), ("atrous_conv_5x5", 5)),
    ]
    assert [choices[f"level.{layer}"] for layer in range(1, 12)] == [0, 0, 1, 2, 1, 2, 2, 3, 3, 2, 1]


@pytest.mark.parametrize(
    ("cell", "path", "message"),
    [
        (PUBLISHED["cell"][:-1], PUBLISHED["path"], "two edges enter"),
        (((99, 1), *PUBLISHED["cell"][1:]), PUBLISHED["path"], "edge below 20"),
        (PUBLISHED["cell"], (0, 2, *PUBLISHED["path"][2:]), r"level\.1 = 2"),
        (PUBLISHED["cell"], (1, *PUBLISHED["path"][1:]), "the first one 0"),
        (((0, 0), *PUBLISHED["cell"][1:]), PUBLISHED["path"], "none"),
    ],
)
def test_foreign_genotypes_are_refused(cell, path, message):
    with pytest.raises(ArchitectureError, match=message):
        AutoDeepLab().from_genotype(cell, path)


# ---- the trellis ------------------------------------------------------------------------------------------------


def all_paths(trellis):
    first = [0, 1] if trellis.free_start else [0]
    return [
        path
        for path in itertools.product(range(4), repeat=trellis.layers)
        if path[0] in first and all(abs(a - b) <= 1 for a, b in itertools.pairwise(path))
    ]


@pytest.mark.parametrize("free_start", [False, True])
@pytest.mark.parametrize("seed", range(5))
def test_the_strongest_path_is_that_of_an_enumeration(free_start, seed):
    trellis = Trellis(6, free_start)
    generator = torch.Generator().manual_seed(seed)
    logits = {
        name: torch.randn(len(places), len(Trellis.targets(places[0].level)), generator=generator)
        for name, places in trellis.rows.items()
    }
    steps = trellis.probabilities({name: group.softmax(dim=-1) for name, group in logits.items()})

    def score(path):
        levels = [0, *path] if free_start else path
        first = -1 if free_start else 0
        return math.prod(steps[Place(first + i, a)][b] for i, (a, b) in enumerate(itertools.pairwise(levels)))

    paths = all_paths(trellis)
    assert len(paths) == trellis.count_paths()
    assert tuple(trellis.strongest_path(logits)) == max(paths, key=score)
    assert sum(map(score, paths)) == pytest.approx(1.0)
    reached = trellis.reached({name: group.softmax(dim=-1) for name, group in logits.items()})
    for layer, level in ((2, 0), (3, 1), (5, 3)):
        through = sum(score(path) for path in paths if path[layer] == level)
        assert reached[Place(layer, level)] == pytest.approx(through, rel=1e-5)


def test_equal_logits_decode_to_the_lowest_levels_that_are_likeliest():
    # Leaving the rim costs log 2, an inner place log 3: staying at level 0 is the likeliest path of uniform logits.
    trellis = Trellis(5)
    logits = {name: torch.zeros(len(p), len(Trellis.targets(p[0].level))) for name, p in trellis.rows.items()}
    assert trellis.strongest_path(logits) == [0, 0, 0, 0, 0]


def test_ties_go_to_the_lowest_earlier_level():
    # Both ways from (0, 0) to (2, 1), by (1, 0) and by (1, 1), get the same probability.
    trellis = Trellis(3)
    logits = {"beta_rim": torch.zeros(2, 2), "beta_inner": torch.zeros(1, 3)}
    rim = [tuple(place) for place in trellis.rows["beta_rim"]]
    assert rim == [(0, 0), (1, 0)]
    logits["beta_rim"][1] = torch.tensor([0.0, 1.0]).log()  # (1, 0) -> 1 for sure
    logits["beta_inner"][0] = torch.tensor([0.0, 1.0, 0.0]).log()  # (1, 1) -> 1 for sure
    assert trellis.strongest_path(logits) == [0, 0, 1]


# ---- found networks ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [(33, 33), (32, 64), (41, 57)])
def test_maps_have_the_size_of_their_level(size):
    for seed in range(6):
        choices = SMALL.sample(random.Random(seed))
        low, last = SMALL.network(choices)(torch.randn(2, 3, *size))
        quarter = [(n + 3) // 4 for n in size]
        level = SMALL.path(choices)[-1]
        assert list(low.shape[-2:]) == quarter
        assert list(last.shape[-2:]) == [-(-n // 2**level) for n in quarter]
        assert (last >= 0).all()


def test_the_decoder_reads_the_last_early_map_of_stride_4():
    space = AutoDeepLab(2, 6, 1, 2, free_start=True)
    genes = {name: option for name, option in space.sample(random.Random(0)).items() if name.startswith("cell")}
    expected = {(0, 0, 0, 1, 2, 3): "cells.2", (0, 0, 1, 0, 0, 0): "cells.1", (1, 1, 1, 0, 0, 0): "stem.second"}
    for path, module in expected.items():
        network = space.network({f"level.{i}": level for i, level in enumerate(path)} | genes)
        assert network.feature_info.module_name()[0] == module
        assert network.feature_info.reduction()[0] == 4


def test_drop_path_grows_with_depth():
    shares = [m.share for m in SMALL.network(SMALL.sample(random.Random(0))).modules() if isinstance(m, DropPath)]
    assert shares == [0.25, 0.5, 0.75, 1.0]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"channels": 3}, "even"),
        ({"layers": 1}, "layers must be"),
        ({"ops": ("none",)}, "more than 'none'"),
        ({"free_start": 1}, "free_start"),
    ],
)
def test_bad_arguments_are_named(arguments, message):
    with pytest.raises(ValueError, match=message):
        AutoDeepLab(**arguments)


def test_nothing_is_searched_behind_maps_that_depend_on_the_path():
    with pytest.raises(ValueError, match="strides depend on its choices"):
        Product({"backbone": SMALL, "neck": NasFpn(channels=4)})
    Product({"backbone": Chain(), "neck": NasFpn(channels=4)})
