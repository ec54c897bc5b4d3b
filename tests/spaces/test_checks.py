"""Every argument of every space is checked by type and range; the message names argument, value and expectation."""

import dataclasses

import pytest

from lightning_nas import spaces
from lightning_nas.errors import ArgumentError
from lightning_nas.spaces import Chain, Darts, MultiBranch, NasBench201, Product, SearchSpace, ShuffleNetV2

KINDS = sorted(
    {
        kind
        for kind in vars(spaces).values()
        if isinstance(kind, type) and issubclass(kind, SearchSpace) and kind not in (SearchSpace, Product)
    },
    key=lambda kind: kind.__name__,
)
WRONG = {int: [-1, True, "8", 1.5, None, 10**9, (2, 2)], bool: [1, "yes", None], str: ["nonsense", 3, None]}

MAY_BE_EMPTY = {  # MetaQNN without fully connected layers; options beside the largest one
    ("AtrousHead", "rates"), ("AtrousHead", "widths"), ("Elastic", "depths"), ("Elastic", "expansions"),
    ("Elastic", "kernels"), ("Elastic", "widths"), ("ElasticNeck", "widths"), ("MetaQnn", "features"),
}  # fmt: skip


def wrong_values(kind):
    """(argument, value) pairs, by the type of every argument's default."""
    for field in dataclasses.fields(kind):
        for value in WRONG.get(type(field.default), [] if field.default is None else ["abc", 7]):
            yield field.name, value
        if isinstance(field.default, tuple) and field.name != "pools":
            first = field.default[0] if field.default else 50
            for value in WRONG[type(first)]:
                yield field.name, (value, *field.default[1:])
            if (kind.__name__, field.name) not in MAY_BE_EMPTY:
                yield field.name, ()


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_a_wrong_value_is_refused_with_its_argument(kind):
    unnoticed = []
    for argument, value in wrong_values(kind):
        try:
            kind(**{argument: value})
        except ArgumentError as error:
            shown = [repr(value), *(repr(item) for item in value[:1])] if isinstance(value, tuple) else [repr(value)]
            if argument not in str(error) or not any(text in str(error) for text in shown):
                unnoticed.append(f"{argument} = {value!r}: {error}")
        else:
            unnoticed.append(f"{argument} = {value!r}")
    assert unnoticed == []


@pytest.mark.parametrize(
    ("kind", "arguments", "message"),
    [
        (Darts, {"channels": 0}, r"channels must be a whole number from 2 to 4096, got 0"),
        (Darts, {"channels": 5}, r"channels must be even \(reductions split them\), got 5"),
        (Darts, {"ops": ("none",)}, r"ops must hold more than 'none', got \('none',\)"),
        (Darts, {"same_input": 1}, r"same_input must be true or false, got 1"),
        (Darts, {"stem": "big"}, r"stem must be one of \['cifar', 'stride2', 'stride4', 'imagenet'\], got 'big'"),
        (Chain, {"widths": (8, 0) * 3}, r"widths must hold whole numbers from 1 to 4096, got \(8, 0, 8, 0, 8, 0\)"),
        (Chain, {"depths": (1,)}, r"widths, depths and strides must be equally long and not empty, got .*, \(1,\), "),
        (Chain, {"output_stride": 12}, r"output_stride must be one of \[None, 4, 8, 16, 32\], got 12"),
        (ShuffleNetV2, {"ops": "shuffle_3x3"}, r"ops must be a list, got 'shuffle_3x3'"),
        (ShuffleNetV2, {"ops": ("none",)}, r"ops must not hold 'none', a block can change the width of a map, got"),
        (MultiBranch, {"branches": ()}, r"branches must be ascending without repeats and not empty, got \(\)"),
    ],
)
def test_the_message_says_what_was_expected(kind, arguments, message):
    with pytest.raises(ArgumentError, match=message):
        kind(**arguments)


def test_lists_become_tuples_so_that_a_space_can_be_hashed():
    assert hash(NasBench201(ops=["none", "skip_connect"])) == hash(NasBench201(ops=("none", "skip_connect")))
