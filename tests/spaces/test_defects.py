"""What decisions alone show to be broken, and that comparisons leave it out."""

import random

import pytest
import torch

from lightning_nas.spaces import Chain, NasBench201, NasFpn, Product
from lightning_nas.spaces.features import FeatureInfo, FeatureLevel
from lightning_nas.spaces.necks.nas_fpn.tokens import PUBLISHED, MergingCell

NECK = NasFpn(channels=4, repeats=1)
INPUTS = FeatureInfo(tuple(FeatureLevel(4, 2**level, "") for level in NECK.levels))
BODY = Chain(stem_channels=8, first_channels=8, widths=(8, 8, 8, 8), depths=(1,) * 4, strides=(2,) * 4)


def without_convolutions(choices):
    """The neck with convolutions that change nothing: only merging, pooling and enlarging are left."""
    network = NECK.network(choices, inputs=INPUTS).eval()
    for module in network.modules():
        if isinstance(module, torch.nn.Conv2d):
            torch.nn.init.dirac_(module.weight)
            torch.nn.init.zeros_(module.bias)
    return network


@pytest.mark.parametrize("seed", range(20))
def test_an_output_is_made_of_squares_as_large_as_its_finest_detail(seed):
    """Positive random maps: outputs are constant on squares of the said size, and on no larger ones."""
    choices = NECK.sample(random.Random(seed))
    generator = torch.Generator().manual_seed(seed)
    inputs = [torch.rand(1, 4, 512 // 2**level, 512 // 2**level, generator=generator) for level in NECK.levels]
    with torch.no_grad():
        outputs = without_convolutions(choices)(inputs)
    said = NECK.finest_detail(choices)
    for level, output in zip(NECK.levels, outputs, strict=True):
        side = 2 ** (said[level] - level)
        assert torch.equal(output, squares(output, side))
        assert side >= output.shape[-1] or not torch.equal(output, squares(output, 2 * side))


def squares(x, side):
    """Every square of a map filled with its first value."""
    return x[..., ::side, ::side].repeat_interleave(side, -1).repeat_interleave(side, -2)


def test_the_published_neck_shows_everything():
    assert NECK.finest_detail(NECK.from_tokens(PUBLISHED)) == {level: level for level in NECK.levels}
    assert NECK.defect(NECK.from_tokens(PUBLISHED)) is None


BLIND = (
    MergingCell(2, 3, 7, "sum"), MergingCell(4, 3, 6, "attention"), MergingCell(2, 4, 4, "attention"),
    MergingCell(2, 0, 7, "sum"), MergingCell(8, 4, 3, "attention"), MergingCell(9, 5, 5, "sum"),
    MergingCell(9, 6, 6, "sum"),
)  # fmt: skip
"""Its finest map is enlarged from level 7. Trained for 12 epochs on the generated shapes: AP50 0.005."""


def test_a_neck_whose_finest_map_is_enlarged_is_named():
    choices = NECK.from_tokens(BLIND)
    assert NECK.finest_detail(choices)[3] == 7
    assert (
        NECK.defect(choices) == "the map of level 3 is enlarged from level 7: it shows the image in steps of 128 pixels"
    )


def test_a_product_has_the_defects_of_its_parts():
    space = Product(parts={"backbone": BODY, "neck": NECK})
    choices = space.sample(random.Random(0))
    assert space.defect(choices) is None
    blind = {**choices, **{f"neck/{name}": option for name, option in NECK.from_tokens(BLIND).items()}}
    assert space.defect(blind).startswith("neck: the map of level 3")


def test_cells_that_compute_a_constant_are_named():
    space = NasBench201()
    assert (
        space.defect(dict.fromkeys(space.decisions, "none")) == "no path leads from the input of the cell to its output"
    )
    assert space.defect(dict.fromkeys(space.decisions, "skip_connect")) is None


def test_sound_draws_are_those_of_sample_without_the_defects():
    drawn = [NECK.sample_sound(random.Random(seed)) for seed in range(200)]
    plain = [NECK.sample(random.Random(seed)) for seed in range(200)]
    assert all(NECK.defect(choices) is None for choices in drawn)
    sound = [NECK.defect(choices) is None for choices in plain]
    assert 0 < sound.count(False) < 60
    assert all(one == other for one, other, kept in zip(drawn, plain, sound, strict=True) if kept)


def test_a_space_without_sound_architectures_says_so():
    space = NasBench201(ops=("none", "skip_connect"))
    only_none = random.Random(0)
    only_none.choice = lambda options: options[0]
    with pytest.raises(ValueError, match="none of 1,000 random architectures can learn; the last one: no path leads"):
        space.sample_sound(only_none)
