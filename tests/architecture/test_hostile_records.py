"""Records of strangers: a network, or an error in words. Nothing else happens, and no memory is asked for that is not there."""

import copy
import json
import os
import random

import pytest
import torch

from lightning_nas import load_backbone
from lightning_nas.architecture import Architecture
from lightning_nas.errors import ArchitectureError
from lightning_nas.networks.backbone import build_network
from lightning_nas.spaces import build_space, published, published_names, space_names

COUNT = int(os.environ.get("HOSTILE_RECORDS", "60"))
"""Records that are tried; 1000 in a long run."""

NASTY = (
    None, True, -1, 0, 1, 7, 2**70, 1e308, 0.5, "", "3", "../../etc/passwd", "os.system", [], [3], [[1]], {}, {"a": 1},
    [None], "\u0000", "skip_connect",
)  # fmt: skip


def smallest(name):
    """Arguments with which a network of a space is small."""
    space = build_space(name, {})
    small = {
        "channels": 4,
        "cells": 2,
        "stem_channels": 4,
        "first_channels": 4,
        "head_channels": 4,
        "repeats": 1,
        "width": 4,
    }
    fitting = {}
    for key, value in small.items():
        if key in space.args:
            try:
                build_space(name, {**fitting, key: value})
            except ArchitectureError:
                continue
            fitting[key] = value
    return build_space(name, fitting)


def records():
    rng = random.Random(0)
    for name in space_names():
        try:
            space = smallest(name)
        except (ArchitectureError, TypeError):
            continue  # has arguments without a default
        if not type(space).__module__.startswith("lightning_nas."):
            continue  # another test's: what is drawn must not depend on which ran before
        yield space.architecture(space.sample(rng)).to_dict()
    for name in published_names():
        if name.startswith("darts") or name == "auto_deeplab":
            yield published(name).to_dict()


def places(node, at=()):
    """Every place of a JSON value, leaves and what holds them."""
    yield at
    items = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    for key, value in items:
        yield from places(value, (*at, key))


def spoilt(record, rng):
    """A record with one value replaced, left out, or added."""
    record = copy.deepcopy(record)
    at = rng.choice([place for place in places(record["components"]) if place])
    node = record["components"]
    for key in at[:-1]:
        node = node[key]
    how = rng.random()
    if how < 0.8:
        node[at[-1]] = rng.choice(NASTY)
    elif isinstance(node, dict) and how < 0.9:
        del node[at[-1]]
    elif isinstance(node, dict):
        node[f"{at[-1]}_"] = rng.choice(NASTY)
    return record


def test_a_spoilt_record_is_a_network_or_an_error_in_words(tmp_path):
    rng, known = random.Random(1), list(records())
    unnamed, built = [], 0
    file = tmp_path / "architecture.json"
    for _ in range(COUNT):
        record = spoilt(rng.choice(known), rng)
        file.write_text(json.dumps(record))
        try:
            with torch.device("meta"):
                build_network(Architecture.load(file))
            built += 1
        except ArchitectureError:
            continue
        except Exception as error:
            unnamed.append(f"{type(error).__name__}: {error} <- {json.dumps(record)[:600]}")
    assert not unnamed, f"{len(unnamed)} of {COUNT}:\n" + "\n".join(unnamed[:20])
    assert built < COUNT


def with_args(**space_args):
    return published("darts_v2").with_args("backbone", **space_args)


@pytest.mark.parametrize("value", [[3], "3", 3.0, None, True, {"a": 1}, 2**70])
def test_a_number_of_channels_that_is_none_is_named(value):
    with pytest.raises(ArchitectureError, match="in_channels"):
        build_network(with_args(in_channels=value))


def test_a_record_that_needs_more_memory_than_there_is_is_refused_with_the_estimate(tmp_path):
    file = tmp_path / "architecture.json"
    with_args(channels=4096, cells=20).save(file)
    assert file.stat().st_size < 5_000
    with pytest.raises(ArchitectureError, match=r"needs [\d.]+ GiB for its weights alone, and [\d.]+ GiB are free"):
        load_backbone(file)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (b"\xfe{}", "not UTF-8"),
        (b"\xff\xfe{}", "not valid JSON"),  # says that it is UTF-16, and is one letter then
        (b"[" * 200_000, "not valid JSON"),
        (b'{"format": 1, "components": ' + b'{"a":' * 5_000 + b"1" + b"}" * 5_000 + b"}", "not valid JSON|nested too deeply"),
        (b'{"format": 1, "components": {"backbone": {"space": "darts", "choices": {}, "space_args": {"ops": '
         + b"[" * 900 + b"]" * 900 + b"}}}}", "nested too deeply|space_args"),
    ],
)  # fmt: skip
def test_a_file_that_is_no_record_is_named(tmp_path, text, said):
    file = tmp_path / "architecture.json"
    file.write_bytes(text)
    with pytest.raises(ArchitectureError, match=f"architecture.json: .*({said})"):
        load_backbone(file)


def test_a_neck_alone_is_no_backbone(tmp_path):
    space = build_space("fpn", {})
    record = space.architecture(space.sample(random.Random(0)))
    with pytest.raises(ArchitectureError, match="backbone"):
        load_backbone(record)
