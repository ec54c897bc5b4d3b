"""The architecture record: files that are not records, saving, the hash, its fields."""

import copy
import json
import math
import os
import pickle
import subprocess
import sys

import pytest

from lightning_nas.architecture import Architecture, Component, write_atomic
from lightning_nas.architecture.io import MAX_BYTES
from lightning_nas.errors import ArchitectureError
from lightning_nas.spaces import from_architecture, published

RECORD = published("darts_v2")


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
