"""The architecture record: round trips of random architectures, stability, files that are not records."""

import copy
import json
import math
import os
import pickle
import random
import subprocess
import sys

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lightning_nas.architecture import Architecture, Component, write_atomic
from lightning_nas.architecture.io import MAX_BYTES
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


def edited(**changes):
    return json.dumps({**RECORD.to_dict(), **changes})


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (edited(format=2), "format must be 1"),
        (edited(format="1"), "format must be 1"),
        (edited(format=True), "format must be 1"),
        (edited(surprise=1), "surprise"),
        (edited(components={}), "components"),
        (edited(components=[]), "components"),
        (edited(components={"../../etc": RECORD.to_dict()["components"]["backbone"]}), "etc"),
        (edited(provenance=[1]), "provenance"),
        ('{"format": 1, "format": 1}', "duplicate"),
        ('{"format": 1, "components": NaN}', "NaN"),
        ('{"format": 1, "components": Infinity}', "Infinity"),
        ("[" * 100_000, "not valid JSON"),
        ("null", "JSON object"),
        ('{"model": "resnet50"}', "format"),
        (json.dumps({"format": 1, "components": {"backbone": {"space": "darts"}}}), "missing keys"),
        (json.dumps({"format": 1, "components": {"backbone": {"space": "os.system", "space_args": {}, "choices": {}}}}),
         "os.system"),
    ],
)  # fmt: skip
def test_foreign_and_hostile_texts_are_named(text, said):
    with pytest.raises(ArchitectureError, match=said):
        Architecture.from_json(text)


@pytest.mark.parametrize(
    ("component", "said"),
    [
        (("no_such_space", {}, {}), "unknown search space 'no_such_space'"),
        (("darts", {"chanels": 3}, {}), "chanels"),
        (("darts", {"channels": 10**9}, {}), "channels"),
        (("darts", {"cells": 10**9}, {}), "cells"),
        (("chain", {"depths": [10**9] * 6}, {}), "depths"),
        (("nasbench201", {"nodes": 10**6}, {}), "nodes"),
        (("darts", {"ops": ["__import__"]}, {}), "__import__"),
        (("darts", {}, {"normal.2.inputs": "0+1"}), "missing"),
        (("darts", {}, {"normal.99.inputs": "0+1"}), "unknown decision"),
        (("nasbench201", {}, {"cell.1.0": "rm -rf"}), "rm -rf"),
    ],
)
def test_records_that_no_space_knows_are_named(component, said):
    with pytest.raises(ArchitectureError, match=said):
        from_architecture(Architecture({"backbone": Component(*component)}))


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"])
def test_records_that_other_systems_have_written_are_read(tmp_path, encoding, newline):
    (tmp_path / "architecture.json").write_bytes(RECORD.to_json().replace("\n", newline).encode(encoding))
    assert Architecture.load(tmp_path / "architecture.json") == RECORD


def test_binary_and_oversized_files_are_refused(tmp_path):
    path = tmp_path / "architecture.json"
    path.write_bytes(b"\x80\x04\x95\xff\xfe")
    with pytest.raises(ArchitectureError, match="UTF-8"):
        Architecture.load(path)
    path.write_bytes(b" " * (MAX_BYTES + 1))
    with pytest.raises(ArchitectureError, match="larger"):
        Architecture.load(path)
    with pytest.raises(FileNotFoundError):
        Architecture.load(tmp_path / "nothing.json")
    with pytest.raises(FileNotFoundError):
        Architecture.load(tmp_path)


def test_a_pickle_is_not_run(tmp_path):
    class Trap:
        def __reduce__(self):
            return os.mkdir, (str(tmp_path / "sprung"),)

    path = tmp_path / "architecture.json"
    path.write_bytes(pickle.dumps(Trap(), protocol=0))
    with pytest.raises(ArchitectureError):
        Architecture.load(path)
    assert not (tmp_path / "sprung").exists()


def test_save_is_atomic_and_canonical(tmp_path):
    path = tmp_path / "folder" / "architecture.json"
    RECORD.save(path)
    first = path.read_bytes()
    Architecture.load(path).save(path)
    assert path.read_bytes() == first
    assert os.listdir(path.parent) == ["architecture.json"]
    with pytest.raises(TypeError):
        write_atomic(path, 7)  # type: ignore[arg-type]
    assert path.read_bytes() == first


def test_hash_is_the_same_in_another_process(tmp_path):
    path = tmp_path / "architecture.json"
    RECORD.save(path)
    code = f"from lightning_nas.architecture import Architecture; print(Architecture.load({str(path)!r}).hash)"
    for seed in ("1", "2"):
        environment = {**os.environ, "PYTHONHASHSEED": seed}
        out = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
        assert out.stdout.strip() == RECORD.hash


def test_record_is_a_frozen_value():
    for twin in (copy.deepcopy(RECORD), pickle.loads(pickle.dumps(RECORD))):
        assert twin == RECORD
        assert {twin: 1}[RECORD] == 1
    with pytest.raises(TypeError):
        RECORD.components["backbone"].choices["normal.2.op0"] = "none"  # type: ignore[index]
    with pytest.raises(AttributeError):
        RECORD.components = {}  # type: ignore[misc]


@pytest.mark.parametrize("option", [True, 1.0, None, math.nan, ["a"]])
def test_options_are_texts_or_whole_numbers(option):
    with pytest.raises(ArchitectureError, match="choices"):
        Component("darts", {}, {"op": option})


def test_with_args_resizes_and_keeps_the_choices():
    small = RECORD.with_args(channels=8, cells=5)
    assert small.components["backbone"].space_args["channels"] == 8
    assert small.components["backbone"].choices == RECORD.components["backbone"].choices
    assert small != RECORD
    with pytest.raises(ArchitectureError, match="neck"):
        RECORD.with_args("neck", width=1)
