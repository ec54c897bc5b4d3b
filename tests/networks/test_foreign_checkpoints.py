"""Checkpoints that hold more than tensors: the tensors are read, the rest is ignored, nothing is run."""

import argparse
import builtins
import collections
import contextlib
import enum
import functools
import io
import os
import pickle
import subprocess
import sys
import time
import warnings

import pytest
import pytorch_lightning as pl
import torch
from torch import nn

from lightning_nas.errors import WeightsError
from lightning_nas.networks import load_backbone, read_state_dict, tensors_only
from lightning_nas.spaces import Chain

SPACE = Chain(stem_channels=4, first_channels=4, widths=(4,), depths=(1,), strides=(2,))
ARCHITECTURE = SPACE.architecture({"stage0.0": "mbconv_k3_e3"})
FORMATS = {"zip": {}, "zip, protocol 5": {"pickle_protocol": 5}, "legacy": {"_use_new_zipfile_serialization": False}}


class Color(enum.Enum):
    RED = 1


class Settings:
    def __init__(self):
        self.color, self.path, self.tensor = Color.RED, os.sep, torch.ones(2)


class Callback(dict):
    pass


def hyperparameters(network):
    return {
        "settings": Settings(),
        "namespace": argparse.Namespace(optimizer=torch.optim.SGD, color=Color.RED),
        "backbone": network,
        "factory": functools.partial(torch.optim.SGD, lr=0.1),
        "dtype": torch.float16,
        "names": {"a", "b"},
        "counts": collections.Counter("abc"),
        "callback": Callback(a=torch.ones(1)),
        ("a", 1): frozenset([Color.RED]),
    }


def same_tensors(loaded, expected):
    assert list(loaded) == list(expected)
    for name, tensor in expected.items():
        assert torch.equal(loaded[name], tensor)
        assert loaded[name].dtype == tensor.dtype


@pytest.mark.parametrize("how", FORMATS)
def test_objects_among_the_hyperparameters_are_ignored(how, tmp_path):
    network = load_backbone(ARCHITECTURE)
    for value in network.state_dict().values():
        value.copy_(torch.randn(value.shape).to(value.dtype)) if value.is_floating_point() else value.fill_(3)
    state = {f"backbone.{name}": value for name, value in network.state_dict().items()}
    path = tmp_path / "last.ckpt"
    torch.save({"state_dict": state, "hyper_parameters": hyperparameters(network)}, path, **FORMATS[how])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        same_tensors(read_state_dict(path), state)
        loaded = load_backbone(ARCHITECTURE, weights=path)
    same_tensors(loaded.state_dict(), network.state_dict())


class Task(pl.LightningModule):
    def __init__(self, backbone, color=Color.RED):
        super().__init__()
        self.save_hyperparameters()
        self.backbone = backbone


def test_a_lightning_checkpoint_that_kept_the_network_as_a_hyperparameter(tmp_path):
    task = Task(load_backbone(ARCHITECTURE))
    trainer = pl.Trainer(logger=False, enable_progress_bar=False, enable_model_summary=False, accelerator="cpu")
    trainer.strategy.connect(task)
    trainer.save_checkpoint(tmp_path / "last.ckpt")
    with pytest.raises(pickle.UnpicklingError):
        torch.load(tmp_path / "last.ckpt", weights_only=True)
    same_tensors(load_backbone(ARCHITECTURE, weights=tmp_path / "last.ckpt").state_dict(), task.backbone.state_dict())


@pytest.mark.parametrize("how", FORMATS)
def test_every_kind_of_tensor_keeps_its_values(how, tmp_path):
    matrix = torch.arange(12.0).reshape(3, 4)
    state = {
        "view": matrix.T[1:, ::2],
        "half": matrix.half(),
        "bfloat16": matrix.bfloat16(),
        "byte": torch.arange(4, dtype=torch.uint8),
        "bool": torch.tensor([True, False]),
        "complex": torch.tensor([1j, 2.0]),
        "empty": torch.zeros(0, 3),
        "scalar": torch.tensor(7),
        "parameter": nn.Parameter(matrix),
        "shared": matrix,
    }
    path = tmp_path / "state.pt"
    torch.save({"state_dict": state, "other": Settings()}, path, **FORMATS[how])
    same_tensors(read_state_dict(path), state)


def test_files_before_pytorch_1_6_are_read(tmp_path):
    network = load_backbone(ARCHITECTURE)
    path = tmp_path / "legacy.pt"
    torch.save(network.state_dict(), path, _use_new_zipfile_serialization=False)
    same_tensors(load_backbone(ARCHITECTURE, weights=path).state_dict(), network.state_dict())
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(WeightsError, match=r"legacy\.pt"):
        load_backbone(ARCHITECTURE, weights=path)


@pytest.mark.parametrize("entry", ["model", "model_state_dict", "net"])
def test_a_state_dict_may_lie_in_another_entry(entry, tmp_path):
    network = load_backbone(ARCHITECTURE)
    optimizer = torch.optim.Adam(network.parameters())
    network(torch.randn(1, 3, 8, 8))[-1].sum().backward()
    optimizer.step()
    path = tmp_path / "own.pt"
    torch.save({"epoch": 3, entry: network.state_dict(), "optimizer": optimizer.state_dict(), "args": Settings()}, path)
    same_tensors(load_backbone(ARCHITECTURE, weights=path).state_dict(), network.state_dict())


@pytest.mark.parametrize("how", FORMATS)
def test_a_module_saved_whole_is_not_guessed_at(how, tmp_path):
    torch.save(load_backbone(ARCHITECTURE), tmp_path / "module.pt", **FORMATS[how])
    with pytest.raises(WeightsError, match=r"no named tensors.*state_dict\(\)"):
        load_backbone(ARCHITECTURE, weights=tmp_path / "module.pt")


class Call:
    """Pickled as the call of a function, which a careless reader makes."""

    def __init__(self, function, *arguments, state=None):
        self.parts = (function, arguments) if state is None else (function, arguments, state)

    def __reduce__(self):
        return self.parts

    def __call__(self):
        """A pickle may call what a call has given."""


ATTACKS = {
    "open": lambda path: Call(open, path, "w"),
    "system": lambda path: Call(os.system, f"touch {path}"),
    "eval": lambda path: Call(builtins.eval, f"open({path!r}, 'w')"),
    "exec": lambda path: Call(builtins.exec, f"open({path!r}, 'w')"),
    "popen": lambda path: Call(subprocess.Popen, ["touch", path]),
    "getattr": lambda path: Call(Call(getattr, Call(__import__, "os"), "system"), f"touch {path}"),
    "partial": lambda path: Call(Call(functools.partial, os.system), f"touch {path}"),
    "state": lambda path: Call(Settings, state={"color": Call(open, path, "w")}),
    "key": lambda path: {Call(open, path, "w"): 1},
    "in the state dict": lambda path: Call(open, path, "w"),
    "hooks": lambda path: Call(torch._utils._rebuild_parameter, torch.ones(1), True, {0: Call(open, path, "w")}),
    "subclass": lambda path: Call(torch._tensor._rebuild_from_type_v2, os.system, nn.Parameter, (f"touch {path}",), {}),
    "module": lambda path: Call(nn.Module, state={"_forward_hooks": {0: Call(os.system, f"touch {path}")}}),
}


@pytest.mark.parametrize("how", FORMATS)
@pytest.mark.parametrize("attack", ATTACKS)
def test_nothing_in_a_hostile_checkpoint_is_run(attack, how, tmp_path):
    network, touched, path = load_backbone(ARCHITECTURE), tmp_path / "touched", tmp_path / "hostile.ckpt"
    payload = ATTACKS[attack](str(touched))
    state = {**network.state_dict(), **({"extra": payload} if attack == "in the state dict" else {})}
    torch.save({"state_dict": state, "hyper_parameters": payload}, path, **FORMATS[how])
    same_tensors(load_backbone(ARCHITECTURE, weights=path).state_dict(), network.state_dict())
    assert not touched.exists()


@pytest.mark.parametrize("attack", ATTACKS)
def test_the_attacks_are_real(attack, tmp_path):
    torch.save(ATTACKS[attack](str(tmp_path / "touched")), tmp_path / "hostile.ckpt")
    with contextlib.suppress(Exception):
        torch.load(tmp_path / "hostile.ckpt", weights_only=False)
    wait = time.monotonic() + 30  # one of them starts a process
    while not (tmp_path / "touched").exists() and time.monotonic() < wait:
        time.sleep(0.05)
    assert (tmp_path / "touched").exists()


PICKLES = {
    "global": b"cos\nsystem\n(S'touch {}'\ntR.",
    "inst": b"(S'touch {}'\nios\nsystem\n.",
    "obj": b"(cos\nsystem\nS'touch {}'\no.",
    "dotted": b"\x80\x04\x8c\x02os\x8c\x0bpath.os.sys\x93\x8c\x01a\x85R.",
    "newobj": b"\x80\x02csubprocess\nPopen\nU\x07touch {}\x85\x81.",
    "newobj_ex": b"\x80\x04csubprocess\nPopen\n)}\x92.",
    "build": b"\x80\x02ctorch._utils\n_rebuild_tensor_v2\n}U\x0c__defaults__)sb.",
    "build with slots": b"\x80\x02ctorch._utils\n_rebuild_tensor_v2\nN}U\x08functioncos\nsystem\ns\x86b.",
    "build of a class": b"\x80\x02cos\nsystem\n}U\x08__call__cos\nsystem\nsb.",
    "missing module": b"cno_such_module_at_all\nf\n)R.",
}


@pytest.mark.parametrize("name", PICKLES)
def test_no_instruction_of_a_pickle_reaches_what_it_names(name, tmp_path):
    touched = tmp_path / "touched"
    kept = (dict(vars(tensors_only)), dict(vars(tensors_only.Ignored)), tensors_only.rebuild_tensor.__defaults__)
    try:
        value = tensors_only.load(io.BytesIO(PICKLES[name].replace(b"{}", str(touched).encode())))
    except (TypeError, AttributeError, pickle.UnpicklingError):
        value = tensors_only.Ignored()
    assert isinstance(value, tensors_only.Ignored | tensors_only.Rebuild)
    if isinstance(value, tensors_only.Rebuild):
        assert value.function is tensors_only.rebuild_tensor
    assert (
        dict(vars(tensors_only)),
        dict(vars(tensors_only.Ignored)),
        tensors_only.rebuild_tensor.__defaults__,
    ) == kept
    assert not touched.exists()


def test_classes_are_not_imported(tmp_path, monkeypatch):
    (tmp_path / "imported_module.py").write_text("open('touched', 'w')\nclass Thing:\n    pass\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.chdir(tmp_path)
    import imported_module

    (tmp_path / "touched").unlink()
    torch.save({"state_dict": {"a": torch.ones(1)}, "thing": imported_module.Thing()}, "thing.ckpt")
    del sys.modules["imported_module"]
    same_tensors(read_state_dict("thing.ckpt"), {"a": torch.ones(1)})
    assert "imported_module" not in sys.modules
    assert not (tmp_path / "touched").exists()


def test_a_traced_module_is_refused(tmp_path):
    torch.jit.trace(nn.Conv2d(1, 1, 1), torch.ones(1, 1, 2, 2)).save(str(tmp_path / "traced.pt"))
    with pytest.raises(WeightsError, match="TorchScript"):
        read_state_dict(tmp_path / "traced.pt")
