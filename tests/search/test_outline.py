"""What is read of a checkpoint without its tensors."""

import os
import pickle
import zipfile

import pytest
import torch

from lightning_nas.errors import CheckpointError
from lightning_nas.search.lightning.outline import checkpoint_outline
from lightning_nas.search.lightning.persistence import read_checkpoint


class RunsCode:
    def __reduce__(self):
        return os.mkdir, ("executed",)


@pytest.fixture
def contents():
    """Such as Lightning writes: an optimizer that has moved, nested values, tensors of several kinds."""
    model = torch.nn.Sequential(torch.nn.Linear(3, 2), torch.nn.BatchNorm1d(2))
    optimizer = torch.optim.Adam(model.parameters())
    model(torch.randn(4, 3)).sum().backward()
    optimizer.step()
    return {
        "state_dict": model.state_dict(), "optimizer_states": [optimizer.state_dict()], "loops": {"done": [1, 2.5, None]},
        "epoch": 3, "callbacks": {"Timer": {"time_elapsed": {"train": 12.5, "validate": 0.25}}}, "name": "a/b",
        "generator": torch.Generator().get_state(),
    }  # fmt: skip


def test_plain_values_are_those_of_the_checkpoint(contents, tmp_path):
    torch.save(contents, tmp_path / "last.ckpt")
    whole, outline = read_checkpoint(tmp_path / "last.ckpt"), checkpoint_outline(tmp_path / "last.ckpt")
    assert set(outline) == set(whole)
    for name in ("loops", "epoch", "callbacks", "name"):
        assert outline[name] == whole[name] == contents[name]
    assert outline["optimizer_states"][0]["param_groups"] == whole["optimizer_states"][0]["param_groups"]


def test_nothing_is_run(contents, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    torch.save({**contents, "callbacks": RunsCode()}, "last.ckpt")
    assert checkpoint_outline(tmp_path / "last.ckpt")["callbacks"] == {}
    assert not (tmp_path / "executed").exists()


@pytest.mark.parametrize("damage", ["empty", "cut", "a bit", "another pickle", "none of a training"])
def test_a_damaged_one_is_refused(damage, contents, tmp_path):
    path = tmp_path / "last.ckpt"
    torch.save({"epoch": 1} if damage == "none of a training" else contents, path)
    raw = bytearray(path.read_bytes())
    if damage == "empty":
        raw = bytearray()
    elif damage == "cut":
        raw = raw[: len(raw) // 2]
    elif damage == "a bit":
        with zipfile.ZipFile(path) as archive:
            raw[raw.index(b"time_elapsed")] ^= 1
            assert archive.testzip() is None
    elif damage == "another pickle":
        raw = bytearray(pickle.dumps(contents["epoch"]))
    path.write_bytes(raw)
    with pytest.raises(CheckpointError, match="is damaged"):
        checkpoint_outline(path)
