"""A backbone from a record: what comes out of it, its levels, its files."""

import random
import subprocess
import sys

import pytest
import torch
from processes import run_code

import lightning_nas
from lightning_nas.errors import ArchitectureError
from lightning_nas.networks import load_backbone
from lightning_nas.spaces import Darts

SPACE = Darts(channels=4, cells=4, steps=2, stem="imagenet")


def test_feature_info_describes_what_comes_out(architecture):
    backbone = load_backbone(architecture)
    maps = backbone(torch.zeros(2, 3, 64, 64))
    assert [m.shape[1] for m in maps] == backbone.feature_info.channels() == [2, 4, 8, 16, 32]
    assert [64 // m.shape[-1] for m in maps] == backbone.feature_info.reduction() == [2, 4, 8, 16, 32]


@pytest.mark.parametrize("indices", [(1, 2, 3, 4), (4,), (-1, 0), [2, 4]])
def test_out_indices_choose_and_order_levels(architecture, indices):
    torch.manual_seed(0)
    whole = load_backbone(architecture).eval()
    torch.manual_seed(0)
    chosen = load_backbone(architecture, out_indices=indices).eval()
    x = torch.randn(1, 3, 64, 64)
    expected = [whole(x)[index] for index in indices]
    assert all(torch.equal(a, b) for a, b in zip(chosen(x), expected, strict=True))
    assert chosen.feature_info.channels() == [m.shape[1] for m in expected]
    assert chosen.feature_info.reduction() == [64 // m.shape[-1] for m in expected]


@pytest.mark.parametrize("indices", [(5,), (0, -6), ()])
def test_levels_that_do_not_exist_are_named(architecture, indices):
    with pytest.raises(ValueError, match="out_indices"):
        load_backbone(architecture, out_indices=indices)


def test_auxiliary_map_survives_the_selection(architecture):
    backbone = load_backbone(architecture, out_indices=(0,))
    _, auxiliary = backbone.forward_auxiliary(torch.zeros(1, 3, 64, 64))
    assert auxiliary.shape[1] == backbone.auxiliary_info.channels


def test_in_channels_replaces_the_recorded_number(architecture):
    backbone = load_backbone(architecture, in_channels=5)
    assert backbone(torch.zeros(1, 5, 64, 64))[0].shape == (1, 2, 32, 32)
    with pytest.raises(ArchitectureError, match="in_channels"):
        load_backbone(architecture, in_channels=0)


def test_reads_the_record_from_a_file(architecture, tmp_path):
    path = tmp_path / "architecture.json"
    architecture.save(path)
    assert load_backbone(str(path)).feature_info == load_backbone(path).feature_info == SPACE_INFO
    with pytest.raises(FileNotFoundError, match="nowhere"):
        load_backbone(tmp_path / "nowhere.json")


SPACE_INFO = SPACE.network(SPACE.sample(random.Random(3))).feature_info


def test_loading_a_backbone_loads_no_search_code(architecture, tmp_path):
    path = tmp_path / "architecture.json"
    architecture.save(path)
    code = "import sys, lightning_nas; print([m for m in sys.modules if m.startswith(('lightning_nas.', 'torch'))])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stdout.strip() == "[]", done.stderr
    code = (
        f"import sys, lightning_nas\nlightning_nas.load_backbone({str(path)!r})\n"
        "assert 'lightning_nas.networks' in sys.modules\n"
        "bad = ('lightning_nas.search', 'lightning_nas.strategies', 'lightning_nas.tasks', 'pytorch_lightning')\n"
        "print([m for m in sys.modules if m.startswith(bad)])\n"
    )
    forgotten = ("lightning_nas", "lightning", "pytorch_lightning", "lightning_fabric", "torchmetrics")
    assert run_code(code, tmp_path, forgotten=forgotten).strip() == "[]"


def test_top_level_names():
    assert lightning_nas.load_backbone is load_backbone
    assert lightning_nas.spaces.Darts is Darts
    assert {"Architecture", "SearchModule", "BilevelDataModule", "strategies"} <= set(dir(lightning_nas))
    with pytest.raises(AttributeError, match="no_such_name"):
        _ = lightning_nas.no_such_name
