"""What the README shows runs."""

import re
from functools import partial
from pathlib import Path

import pytest
import pytorch_lightning as pl
import torch
from hydra import compose, initialize_config_module
from hydra.utils import instantiate
from omegaconf import OmegaConf
from processes import run_code
from torch.utils.data import DataLoader, TensorDataset

from lightning_nas import load_backbone
from lightning_nas.commands.completing import completed
from lightning_nas.commands.estimate import split
from lightning_nas.commands.schema import register_schemas
from lightning_nas.networks import read_state_dict
from lightning_nas.spaces import Supernet

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
COMMANDS = re.findall(r"^python scripts/(\w+)\.py(.*?)(?:#.*)?$", README, re.MULTILINE)


PYTHON = re.findall(r"^```python\n(.*?)^```", README, re.MULTILINE | re.DOTALL)
OPTIONAL = [block for block in PYTHON if re.match(r"import (segmentation_models_pytorch|effdet)\b", block)]
CORE = [block for block in PYTHON if block not in OPTIONAL]
(TEMPLATE,) = re.findall(r"^```yaml\n(.*?)^```", README, re.MULTILINE | re.DOTALL)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A fresh folder, in which the blocks that need no other library have been run from top to bottom."""
    folder = tmp_path_factory.mktemp("readme")
    script = "\n".join(CORE)
    for shown, small in (
        ("self.train, self.val =", "self.train, self.val, _ ="),
        ("(1500, 297)", "(64, 16, 1717)"),
        ("max_epochs=5", "max_epochs=2"),
    ):
        assert script.count(shown) == 1
        script = script.replace(shown, small)
    script += "\nprint(backbone.feature_info.channels())\n"
    assert run_code(script, folder).splitlines()[-1] == "[16, 32, 64]"
    return folder


def test_its_python_runs_from_top_to_bottom(folder):
    assert (len(CORE), len(OPTIONAL)) == (7, 2)
    assert {"architecture.json", "best.ckpt"} <= {path.name for path in folder.iterdir()}


@pytest.fixture
def weights(folder):
    """What the network has learnt that the blocks have trained."""
    return read_state_dict(folder / "best.ckpt")


def test_its_segmentation_models_run(folder, weights, monkeypatch):
    pytest.importorskip("segmentation_models_pytorch")
    monkeypatch.chdir(folder)
    names = run_block("segmentation_models_pytorch")
    segmenter = names["segmenter"].eval()
    assert segmenter(torch.rand(2, 1, 32, 32)).shape == (2, 5, 32, 32)
    for name, value in segmenter.encoder.network.state_dict().items():
        assert torch.equal(value, weights[f"backbone.{name}"])


def test_its_effdet_runs(folder, monkeypatch):
    pytest.importorskip("effdet")
    monkeypatch.chdir(folder)
    names = run_block("effdet")
    classes, boxes = names["detector"].eval()(torch.rand(1, 3, 256, 256))
    assert [tuple(x.shape[-2:]) for x in boxes] == [(size, size) for size in (32, 16, 8, 4, 2)]
    assert len(classes) == 5


def test_its_net_for_lightning_hydra_template_trains(folder, weights, monkeypatch):
    monkeypatch.chdir(folder)
    net = OmegaConf.create(TEMPLATE).net
    model = TemplateModule(instantiate(net), partial(torch.optim.SGD, lr=0.1))
    for name, value in model.net.backbone.state_dict().items():
        assert torch.equal(value, weights[f"backbone.{name}"])
    fit(model)
    torch.save({"state_dict": model.state_dict()}, "template.ckpt")
    load_backbone("architecture.json", weights="template.ckpt")
    (text,) = re.findall(r"`backbone: (\{.*?\}\})`", README)
    net.backbone = OmegaConf.create(text)
    searched = instantiate(net)
    assert isinstance(searched.backbone, Supernet)
    assert searched(torch.rand(2, 1, 8, 8)).shape == (2, 10)


class TemplateModule(pl.LightningModule):
    """As the template's own: hyperparameters with the network in them, an optimizer that is built later."""

    def __init__(self, net, optimizer):
        super().__init__()
        self.save_hyperparameters(logger=False)
        self.net = net

    def training_step(self, batch, batch_idx):
        images, labels = batch
        return torch.nn.functional.cross_entropy(self.net(images), labels)

    def configure_optimizers(self):
        return self.hparams.optimizer(params=self.parameters())


def fit(model):
    data = TensorDataset(torch.rand(8, 1, 8, 8), torch.arange(8))
    quiet = {
        "logger": False,
        "enable_checkpointing": False,
        "enable_progress_bar": False,
        "enable_model_summary": False,
    }
    pl.Trainer(max_epochs=1, accelerator="cpu", **quiet).fit(model, DataLoader(data, batch_size=4))


def run_block(library):
    (block,) = [block for block in OPTIONAL if block.startswith(f"import {library}")]
    names = {}
    exec(block, names)
    return names


@pytest.mark.parametrize(("name", "arguments"), COMMANDS)
def test_its_commands_compose(name, arguments):
    overrides = [part.partition(",")[0] for part in arguments.split() if part != "-m"]
    overrides = [re.sub(r"=(.*<\w+>.*)", r"='\1'", part) for part in overrides]
    if name == "estimate":
        name, overrides = split(overrides)
    register_schemas()
    with initialize_config_module("lightning_nas.conf", version_base="1.3"):
        compose(name, completed(name, overrides) if name == "export" else overrides)


def test_all_commands_are_shown():
    assert {name for name, _ in COMMANDS} == {path.stem for path in (ROOT / "scripts").glob("*.py")}
