"""Random architectures survive the record; any other content is a record or a clear error."""

import json
import random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lightning_nas.architecture import Architecture
from lightning_nas.errors import ArchitectureError
from lightning_nas.spaces import Chain, Darts, NasBench201, from_architecture, published

DARTS = st.builds(
    Darts,
    channels=st.integers(1, 32).map(lambda n: 2 * n),
    cells=st.integers(1, 20),
    stem=st.sampled_from(["cifar", "imagenet"]),
    in_channels=st.integers(1, 8),
    steps=st.integers(1, 5),
    same_input=st.booleans(),
)
NB201 = st.builds(NasBench201, channels=st.integers(1, 64), cells=st.integers(1, 9), nodes=st.integers(2, 6))
CHAIN = st.integers(1, 5).flatmap(
    lambda n: st.builds(
        Chain,
        widths=st.lists(st.integers(1, 64), min_size=n, max_size=n),
        depths=st.lists(st.integers(1, 5), min_size=n, max_size=n),
        strides=st.lists(st.integers(1, 2), min_size=n, max_size=n),
        min_depth=st.integers(1, 3),
    )
)
SPACES = st.one_of(DARTS, NB201, CHAIN)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=12,
)
RECORD = published("darts_v2")
QUICK = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@QUICK
@given(space=SPACES, seed=st.integers(0, 2**32))
def test_random_architectures_of_every_space_survive(space, seed):
    choices = space.sample(random.Random(seed))
    record = space.architecture(choices, {"seed": seed})
    again = Architecture.from_json(record.to_json())
    assert again == record
    assert again.hash == record.hash
    assert again.to_json() == record.to_json()
    assert again.provenance["seed"] == seed
    assert from_architecture(again) == (space, choices)


@QUICK
@given(space=SPACES, seed=st.integers(0, 2**32))
def test_equal_hashes_exactly_for_equal_architectures(space, seed):
    rng = random.Random(seed)
    choices = space.sample(rng)
    other = space.mutate(choices, rng)
    first, second = space.architecture(choices), space.architecture(other, {"note": "elsewhere"})
    assert (first == second) == (choices == other) == (first.hash == second.hash)


@QUICK
@given(data=JSON)
def test_any_json_is_a_record_or_a_clear_error(data):
    with pytest.raises(ArchitectureError):
        Architecture.from_json(json.dumps(data))


@QUICK
@given(text=st.text(max_size=200))
def test_any_text_is_refused(text):
    with pytest.raises(ArchitectureError):
        Architecture.from_json(text)


@QUICK
@given(length=st.integers(0, len(RECORD.to_json()) - 3))
def test_truncated_files_are_refused(tmp_path, length):
    path = tmp_path / "architecture.json"
    path.write_text(RECORD.to_json()[:length])
    with pytest.raises(ArchitectureError, match=r"architecture\.json"):
        Architecture.load(path)


@QUICK
@given(data=JSON, where=st.sampled_from(["format", "components", "provenance", "part", "space", "args", "choices"]))
def test_a_field_replaced_by_anything_is_a_record_or_a_clear_error(data, where):
    record = RECORD.to_dict()
    if where in record:
        record[where] = data
    elif where == "part":
        record["components"]["backbone"] = data
    else:
        record["components"]["backbone"][{"args": "space_args"}.get(where, where)] = data
    try:
        space, choices = from_architecture(Architecture.from_dict(record))
    except ArchitectureError:
        return  # any other error fails the test
    space.validate(choices)


@QUICK
@given(value=JSON, argument=st.sampled_from(["channels", "cells", "stem", "in_channels", "ops", "steps", "same_input"]))
def test_any_space_argument_is_accepted_or_a_clear_error(value, argument):
    record = RECORD.to_dict()
    record["components"]["backbone"]["space_args"][argument] = value
    try:
        space, choices = from_architecture(Architecture.from_dict(record))
    except ArchitectureError:
        return  # any other error fails the test
    assert space.architecture(choices).components["backbone"].space_args[argument] is not None
