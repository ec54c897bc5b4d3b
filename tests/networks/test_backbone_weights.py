"""The weights of a backbone: found in every usual file, or refused in words."""

import pickle
import random

import pytest
import pytorch_lightning as pl
import torch
from safetensors.torch import save_file
from torch import nn

from lightning_nas.errors import WeightsError
from lightning_nas.networks import build_network, load_backbone, load_weights
from lightning_nas.spaces import Darts

SPACE = Darts(channels=4, cells=4, steps=2, stem="imagenet")


@pytest.fixture
def network(architecture):
    torch.manual_seed(1)
    built = build_network(architecture)
    for name, value in built.state_dict().items():
        if name.endswith(("running_mean", "norm.bias")):
            value.normal_()
    return built.eval()


def same(first, second, x):
    with torch.no_grad():
        pairs = list(zip(first(x), second(x), strict=True))
    return all(torch.equal(a, b) for a, b in pairs)


class Task(pl.LightningModule):
    def __init__(self, backbone):
        super().__init__()
        self.backbone = backbone
        self.head = nn.Linear(backbone.feature_info.channels()[-1], 2)


class Plain(nn.Module):
    def __init__(self, net):
        super().__init__()
        self.encoder = net


@pytest.mark.parametrize("form", ["state dict", "lightning", "safetensors", "selected", "compiled", "other name"])
def test_weights_are_found_in_every_usual_file(form, architecture, network, tmp_path):
    path = tmp_path / ("weights.safetensors" if form == "safetensors" else "weights.ckpt")
    if form == "state dict":
        torch.save(network.state_dict(), path)
    elif form == "lightning":
        trainer = pl.Trainer(logger=False, enable_progress_bar=False, enable_model_summary=False, accelerator="cpu")
        trainer.strategy.connect(Task(network))
        trainer.save_checkpoint(path)
    elif form == "safetensors":
        save_file(Task(network).state_dict(), path)
    elif form == "selected":
        selected = load_backbone(architecture, out_indices=(1, 2))
        selected.network.load_state_dict(network.state_dict())
        torch.save({"state_dict": Task(selected).state_dict()}, path)
    elif form == "compiled":
        torch.save({"state_dict": Task(torch.compile(network, backend="eager")).state_dict()}, path)
    else:
        torch.save(Plain(network).state_dict(), path)
    loaded = load_backbone(architecture, weights=path).eval()
    assert same(loaded, network, torch.randn(2, 3, 64, 64))
    selected = load_backbone(architecture, weights=path, out_indices=(4,)).eval()
    x = torch.randn(1, 3, 64, 64)
    assert torch.equal(selected(x)[0], network(x)[4])


def test_two_equal_parts_are_not_guessed_between(architecture, network, tmp_path):
    path = tmp_path / "two.pt"
    torch.manual_seed(9)
    other = build_network(architecture).eval()
    torch.save(nn.ModuleDict({"student": network, "teacher": other}).state_dict(), path)
    with pytest.raises(WeightsError, match=r"\['student.', 'teacher.'\]"):
        load_backbone(architecture, weights=path)
    loaded = build_network(architecture).eval()
    load_weights(loaded, path, prefix="teacher.")
    assert same(loaded, other, torch.randn(1, 3, 64, 64))
    for part, trained in (("student.", network), ("teacher.", other)):  # as the error says
        loaded = load_backbone(architecture, weights=path, prefix=part).eval()
        assert same(loaded, trained, torch.randn(1, 3, 64, 64))
    with pytest.raises(WeightsError, match=r"prefix = 'teacher\.': there are no weights"):
        load_backbone(architecture, prefix="teacher.")


def test_wrong_weights_are_listed_and_change_nothing(architecture, network, tmp_path):
    state = Task(network).state_dict()
    del state["backbone.macro.stem0.0.weight"]
    state["backbone.macro.surplus"] = torch.zeros(1)
    state["backbone.macro.stem0.1.bias"] = torch.zeros(7)
    path = tmp_path / "wrong.ckpt"
    torch.save({"state_dict": state}, path)
    fresh = build_network(architecture)
    before = {name: value.clone() for name, value in fresh.state_dict().items()}
    with pytest.raises(WeightsError) as caught:
        load_weights(fresh, path)
    message = str(caught.value)
    assert "missing (1): macro.stem0.0.weight" in message
    assert "unexpected (1): macro.surplus" in message
    assert "mis-shaped (1): macro.stem0.1.bias (7,) instead of (2,)" in message
    assert "head" not in message
    assert all(torch.equal(value, before[name]) for name, value in fresh.state_dict().items())


def test_weights_of_another_architecture_or_width_do_not_fit(architecture, network, tmp_path):
    path = tmp_path / "weights.pt"
    torch.save(network.state_dict(), path)
    with pytest.raises(WeightsError, match="mis-shaped"):
        load_backbone(architecture.with_args(channels=8), weights=path)
    with pytest.raises(WeightsError, match=r"mis-shaped \(1\): macro.stem0.0.weight \(2, 3, 3, 3\) instead of"):
        load_backbone(architecture, weights=path, in_channels=1)
    other = SPACE.architecture(SPACE.sample(random.Random(4)))
    with pytest.raises(WeightsError, match="another network"):
        load_backbone(other, weights=path)
    torch.save(nn.Linear(2, 2).state_dict(), path)
    with pytest.raises(WeightsError, match=r"missing \(\d+\)"):
        load_backbone(architecture, weights=path)


def test_the_checkpoint_of_a_search_holds_a_supernet_which_is_another_network(architecture, tmp_path):
    supernet = SPACE.supernet()
    path = tmp_path / "search.ckpt"
    torch.save({"state_dict": nn.ModuleDict({"model": Task(supernet), "supernet": supernet}).state_dict()}, path)
    with pytest.raises(WeightsError, match=r"missing \(\d+\): macro.cells.*\n  unexpected \(\d+\): logits.normal"):
        load_backbone(architecture, weights=path)


class Hostile:
    def __init__(self, target):
        self.target = target

    def __reduce__(self):
        return open, (self.target, "w")


def test_a_bare_pickle_is_refused_and_not_run(architecture, tmp_path):
    path, touched = tmp_path / "hostile.ckpt", tmp_path / "touched"
    path.write_bytes(pickle.dumps({"state_dict": {"weight": 1}, "extra": Hostile(str(touched))}))
    with pytest.raises(WeightsError, match=r"no file of torch.save"):
        load_backbone(architecture, weights=path)
    assert not touched.exists()


@pytest.mark.parametrize(
    ("name", "content"),
    [("a.ckpt", b""), ("a.ckpt", b"text"), ("a.safetensors", b"text"), ("a.pt", b"PK\x03\x04" + bytes(99))],
)
def test_damaged_files_give_one_clear_error(name, content, architecture, tmp_path):
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(WeightsError, match=name):
        load_backbone(architecture, weights=path)


@pytest.mark.parametrize("share", [0.1, 0.5, 0.99])
@pytest.mark.parametrize("name", ["a.ckpt", "a.safetensors"])
def test_truncated_files_give_one_clear_error(name, share, architecture, network, tmp_path):
    path = tmp_path / name
    if name == "a.ckpt":
        torch.save(network.state_dict(), path)
    else:
        save_file(network.state_dict(), path)
    whole = path.read_bytes()
    path.write_bytes(whole[: int(share * len(whole))])
    with pytest.raises(WeightsError, match=name):
        load_backbone(architecture, weights=path)


def test_files_without_tensors_are_refused(architecture, tmp_path):
    torch.save([1, 2], tmp_path / "list.pt")
    with pytest.raises(WeightsError, match="no named tensors"):
        load_backbone(architecture, weights=tmp_path / "list.pt")
    with pytest.raises(FileNotFoundError, match="absent"):
        load_backbone(architecture, weights=tmp_path / "absent.ckpt")
