"""What the library uses of Lightning's private names: in one file, and each as it was in the version that was looked at."""

import ast
import importlib
import inspect
import pkgutil
import re
from pathlib import Path

import lightning.pytorch
import pytest
import pytorch_lightning
import torch
from torch import nn

import lightning_nas.search
from lightning_nas.search.lightning import privates

CHECKED = "2.6"
"""The version of Lightning whose source was read for all of them."""

ROOT = Path(__file__).resolve().parents[2]
FAMILIES = (pytorch_lightning, lightning.pytorch)
each_family = pytest.mark.parametrize("family", FAMILIES, ids=["pytorch_lightning", "lightning"])


@pytest.fixture(autouse=True)
def _names_the_version(request):
    """A failure says against which version the name has to be looked at again."""
    yield
    print(f"\nprivate names of Lightning were checked with {CHECKED}, this is {pytorch_lightning.__version__}")


def trainer_of(family, folder, **arguments):
    quiet = {
        "logger": False,
        "enable_checkpointing": False,
        "enable_progress_bar": False,
        "enable_model_summary": False,
    }
    return family.Trainer(accelerator="cpu", default_root_dir=folder, **quiet, **arguments)


# ---- each name ------------------------------------------------------------------------------------------------------


@each_family
def test_trainer(family, tmp_path):
    module, trainer = family.LightningModule(), trainer_of(family, tmp_path)
    assert privates.trainer_of(module) is None
    module.trainer = trainer
    assert privates.trainer_of(module) is vars(module)["_trainer"] is trainer
    other = nn.Module()
    privates.hold(other, trainer)
    assert privates.trainer_of(other) is trainer


@each_family
def test_skip_backward(family, tmp_path):
    trainer = trainer_of(family, tmp_path)
    assert privates.is_idle(trainer) is trainer.fit_loop._skip_backward is False
    averaging = inspect.getsource(family.callbacks.StochasticWeightAveraging)
    assert "trainer.fit_loop._skip_backward = True" in averaging


@each_family
def test_ddp_kwargs(family):
    told = family.strategies.DDPStrategy(find_unused_parameters=True)
    assert privates.finds_unused_parameters(told)
    assert not privates.finds_unused_parameters(family.strategies.DDPStrategy())


@each_family
def test_data_source(family, tmp_path):
    trainer, data = trainer_of(family, tmp_path), object()
    for name in ("fit", "validate", "test", "predict"):
        loop = getattr(trainer, f"{name}_loop")
        assert hasattr(loop._data_source, "instance"), name
    trainer.fit_loop._data_source.instance = data
    assert any(given is data for given in privates.given_datamodules(trainer))


@each_family
def test_data_connector(family, tmp_path):
    trainer, module, data = trainer_of(family, tmp_path), family.LightningModule(), family.LightningDataModule()
    privates.attach_datamodule(trainer, module, data)
    assert trainer.datamodule is data
    assert data.trainer is trainer


@each_family
def test_device_and_dtype(family):
    module = family.LightningModule()
    privates.tell_place(module, torch.device("meta"), torch.float64)
    assert (module.device, module.dtype) == (torch.device("meta"), torch.float64)


@each_family
def test_on_before_batch_transfer(family):
    class Module(family.LightningModule):
        def on_before_batch_transfer(self, batch, dataloader_idx):
            return [*batch, dataloader_idx]

    class Taking(privates.TakesBatches, Module):
        def take_batch(self, batch):
            return [*batch, "taken"]

    assert privates.before_transfer(Module(), ["a"]) == ["a", 0]
    assert privates.before_transfer(Taking(), ["a"]) == ["a", "taken", 0]
    assert Taking().hooked(["a"]) == ["a", 0]
    asked = inspect.getsource(family.strategies.Strategy.batch_to_device) + inspect.getsource(
        importlib.import_module(f"{family.__name__}.loops.training_epoch_loop")
    )
    assert "_on_before_batch_transfer" in asked


@each_family
def test_current_fx_name(family):
    assert hasattr(family.LightningModule(), privates.CURRENT_HOOK)


@each_family
def test_hparams(family):
    class Module(family.LightningModule):
        def __init__(self, width):
            super().__init__()
            self.save_hyperparameters()

    source, target = Module(3), nn.Module()
    assert privates.has_hyperparameters(source)
    assert not privates.has_hyperparameters(family.LightningModule())
    privates.copy_hyperparameter_names(source, target)
    assert (target._log_hyperparams, target._hparams_name) == (True, "kwargs")


def test_experiment_and_its_writer(tmp_path):
    class Writer(privates.WriterInPlace):
        rewritten = ()

        def rewrite(self, fieldnames):
            self.rewritten = tuple(fieldnames)

    class Logger(privates.LoggerWithWriter):
        def writer(self):
            return Writer(self.log_dir)

    logger = Logger(tmp_path, name="", version="")
    assert logger._experiment is None
    (tmp_path / "metrics.csv").write_text("step,a\n1,2\n")
    writer = logger.experiment
    assert writer is logger.experiment is logger._experiment
    assert (tmp_path / "metrics.csv").is_file()  # Lightning's own deletes it
    for name in ("b", "c"):
        logger.log_metrics({name: 1.0}, step=2)
        logger.save()
    assert set(writer.rewritten) >= {"b", "c"}


# ---- nothing else ---------------------------------------------------------------------------------------------------


def private(name):
    return name.startswith("_") and not name.startswith("__")


def names_of_lightning():
    """Private attributes and methods that occur in the source of Lightning."""
    found = set()
    for package in ("pytorch_lightning", "lightning_fabric"):
        folder = Path(importlib.import_module(package).__file__).parent
        for path in folder.rglob("*.py"):
            found |= set(re.findall(r"(?:\.|def )(_[a-z]\w*)", path.read_text()))
    return found


def uses(tree):
    """Private names that code asks of others: ``other._name``, ``super()._name``, and texts that are such a name."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and private(node.attr):
            own = isinstance(node.value, ast.Name) and node.value.id in ("self", "cls")
            if not own:
                yield node.attr, node.lineno
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and re.fullmatch(r"_[a-z]\w+", node.value):
            yield node.value, node.lineno


OF_TORCH = {
    "_modules", "_parameters", "_buffers", "_metadata", "_orig_mod", "_rebuild_tensor_v2", "_rebuild_parameter",
    "_rebuild_from_type_v2", "_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_thread", "_supernet",
}  # fmt: skip
"""Names of PyTorch, of Python and of our own that Lightning uses or has as well."""


def test_private_names_of_lightning_are_used_in_one_file():
    theirs = names_of_lightning() - OF_TORCH
    assert {"_skip_backward", "_data_connector", "_ddp_kwargs", "_hparams_name"} <= theirs
    found = []
    for root in ("lightning_nas", "tasks"):
        for path in sorted((ROOT / root).rglob("*.py")):
            if path != Path(privates.__file__):
                tree = ast.parse(path.read_text())
                found += [f"{path.relative_to(ROOT)}:{line}: {name}" for name, line in uses(tree) if name in theirs]
    assert found == []


def test_private_methods_of_lightning_are_overridden_in_one_file():
    found = []
    for module in pkgutil.walk_packages(lightning_nas.search.__path__, "lightning_nas.search."):
        for cls in vars(importlib.import_module(module.name)).values():
            if not inspect.isclass(cls) or not cls.__module__.startswith("lightning_nas."):
                continue
            bases = [b for b in cls.__mro__ if b.__module__.split(".")[0] in ("pytorch_lightning", "lightning")]
            theirs = {name for base in bases for name in vars(base) if private(name) and name != "_abc_impl"}
            made = {"LightningModule", "LightningDataModule", "Callback"}  # see families.py: methods of each package
            if cls.__module__ != privates.__name__ and cls.__name__ not in made:
                found += [f"{cls.__qualname__}.{name}" for name in vars(cls) if name in theirs]
    assert found == []


def test_every_private_name_of_the_file_has_a_test():
    here, there = (Path(file).read_text() for file in (__file__, privates.__file__))
    tree = ast.parse(there)
    used = {name for name, _ in uses(tree)} | {
        node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute) and private(node.attr)
    }
    tests = re.findall(r"def test_(\w+)\(", here)
    by_hand = {"_check_log_dir_exists", "_rewrite_with_new_header", "_experiment"}  # test_experiment_and_its_writer
    missing = {name for name in used - by_hand if name not in here and not any(name.strip("_") in t for t in tests)}
    assert used >= {"_trainer", "_skip_backward", "_ddp_kwargs", "_data_source", "_data_connector", "_device", "_dtype"}
    assert missing == set()
