"""The genotype notation: both ways, published names, hostile texts."""

import random

import pytest

from lightning_nas.errors import ArchitectureError
from lightning_nas.spaces import Darts, NasBench201, from_genotype, published, to_genotype
from lightning_nas.spaces.darts.published import PUBLISHED

DARTS_V2 = """Genotype(
    normal=[('sep_conv_3x3', 0), ('sep_conv_3x3', 1), ('sep_conv_3x3', 0), ('sep_conv_3x3', 1),
            ('sep_conv_3x3', 1), ('skip_connect', 0), ('skip_connect', 0), ('dil_conv_3x3', 2)],
    normal_concat=[2, 3, 4, 5],
    reduce=[('max_pool_3x3', 0), ('max_pool_3x3', 1), ('skip_connect', 2), ('max_pool_3x3', 1),
            ('max_pool_3x3', 0), ('skip_connect', 2), ('skip_connect', 2), ('max_pool_3x3', 1)],
    reduce_concat=range(2, 6))"""


def test_reads_the_published_text():
    assert from_genotype(DARTS_V2) == published("darts_v2")
    assert from_genotype(DARTS_V2, channels=8).components["backbone"].space_args["channels"] == 8


@pytest.mark.parametrize("name", PUBLISHED)
def test_published_architectures_survive_their_own_notation(name):
    assert from_genotype(to_genotype(published(name))) == published(name)
    assert published(name).provenance["published"] == name


def test_random_architectures_survive_the_notation():
    for same_input in (False, True):
        space = Darts(channels=36, cells=20, same_input=same_input)
        for seed in range(20):
            choices = space.sample(random.Random(seed))
            again = from_genotype(to_genotype(space.architecture(choices)), same_input=same_input)
            assert again == space.architecture(choices)


def test_other_numbers_of_nodes_and_other_operations():
    text = (
        "Genotype(normal=[('sep_conv_7x7', 0), ('conv_7x1_1x7', 1)], normal_concat=[2], "
        "reduce=[('none_such', 0), ('skip_connect', 1)], reduce_concat=[2])"
    )
    with pytest.raises(ArchitectureError, match="none_such"):
        from_genotype(text)
    part = from_genotype(text.replace("none_such", "skip_connect")).components["backbone"]
    assert part.space_args["steps"] == 1
    assert "sep_conv_7x7" in part.space_args["ops"]


def test_unknown_names_are_refused_and_the_known_ones_said():
    with pytest.raises(ArchitectureError, match="darts_v2"):
        published("darts_v3")


def test_other_spaces_have_no_genotype():
    space = NasBench201()
    with pytest.raises(ArchitectureError, match="darts"):
        to_genotype(space.architecture(space.sample(random.Random(0))))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Genotype(",
        "Genotype()",
        "print('hello')",
        "__import__('os').system('touch /tmp/pwned')",
        DARTS_V2.replace("range(2, 6)", "__import__('os').system('true')"),
        DARTS_V2.replace("range(2, 6)", "range(10**9)"),
        DARTS_V2.replace("range(2, 6)", "range(2, 10**30)"),
        DARTS_V2.replace("range(2, 6)", f"range(2, {10**30})"),
        DARTS_V2.replace("range(2, 6)", "range(2, 6, 0)"),
        DARTS_V2.replace("range(2, 6)", "[[2], 3, 4, 5]"),
        DARTS_V2.replace("range(2, 6)", "[2, 3, 4, 4]"),
        DARTS_V2.replace("range(2, 6)", "range(*[2, 6])"),
        DARTS_V2.replace("range(2, 6)", "range('a')"),
        DARTS_V2.replace("range(2, 6)", "range(2, 5)"),
        DARTS_V2.replace("range(2, 6)", "[2, 3, 4, 'a']"),
        DARTS_V2.replace("range(2, 6)", "7"),
        DARTS_V2.replace("('dil_conv_3x3', 2)", "('dil_conv_3x3', 5)"),
        DARTS_V2.replace("('dil_conv_3x3', 2)", "('dil_conv_3x3', -1)"),
        DARTS_V2.replace("('dil_conv_3x3', 2)", "('dil_conv_3x3', True)"),
        DARTS_V2.replace("('dil_conv_3x3', 2)", "('none', 2)"),
        DARTS_V2.replace("('dil_conv_3x3', 2)", "7"),
        DARTS_V2.replace(", ('dil_conv_3x3', 2)", ""),
        DARTS_V2.replace("reduce_concat", "normal_concat"),
        DARTS_V2.replace("reduce_concat", "other"),
        "Genotype(normal=" + "(" * 5000 + ")" * 5000 + ")",
        "Genotype(normal=" + "-" * 15000 + "1)",
        "x" * 30_000,
        DARTS_V2 + "\x00",
    ],
)
def test_wrong_and_hostile_texts_are_refused(text):
    with pytest.raises(ArchitectureError):
        from_genotype(text)
