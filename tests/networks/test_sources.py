"""What ``load_backbone`` takes: names of published architectures, folders of runs."""

import json
import random
import warnings

import pytest
import torch
from torch import nn

from lightning_nas.errors import WeightsError
from lightning_nas.networks import load_backbone
from lightning_nas.spaces import Chain, Fpn, Product, published, published_names

SPACE = Chain(stem_channels=4, first_channels=4, widths=(4, 6), depths=(1, 1), strides=(2, 2))
CHOICES = SPACE.sample(random.Random(0))


def backbone_with(value, space=SPACE, choices=CHOICES):
    network = space.network(choices)
    for tensor in network.state_dict().values():
        tensor.fill_(value)
    return network


def checkpoint(path, model):
    path.parent.mkdir(parents=True)
    torch.save({"state_dict": model.state_dict()}, path)


def value_of(network):
    (value,) = {tensor.flatten()[0].item() for tensor in network.state_dict().values()}
    return value


@pytest.fixture
def training(tmp_path):
    """What a training leaves."""
    run = tmp_path / "training"
    checkpoint(
        run / "checkpoints" / "last.ckpt", nn.ModuleDict({"backbone": backbone_with(1), "head": nn.Linear(6, 2)})
    )
    SPACE.architecture(CHOICES).save(run / "architecture.json")
    config(run, "task: {}\n")
    return run


@pytest.fixture
def search(tmp_path):
    """What a search leaves: the checkpoint of its supernet, and that of the found network."""
    run = tmp_path / "search"
    checkpoint(
        run / "checkpoints" / "last.ckpt", nn.ModuleDict({"model": nn.ModuleDict({"backbone": SPACE.supernet()})})
    )
    checkpoint(
        run / "evaluation" / "found" / "checkpoints" / "last.ckpt", nn.ModuleDict({"backbone": backbone_with(2)})
    )
    SPACE.architecture(CHOICES).save(run / "architecture.json")
    config(run, "task: {}\nstrategy: {}\n")
    return run


def config(run, text):
    (run / ".hydra").mkdir()
    (run / ".hydra" / "config.yaml").write_text(text)


@pytest.mark.parametrize("name", published_names())
def test_published_architectures_have_names(name):
    network = load_backbone(name, in_channels=1)
    assert network.built_from == published(name).with_args("backbone", in_channels=1)
    assert next(network.parameters()).shape[1] == 1


@pytest.mark.parametrize("kind", [str, lambda path: path])
def test_the_folder_of_a_training_or_a_search_gives_the_trained_network(kind, training, search):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert value_of(load_backbone(kind(training))) == 1
        assert value_of(load_backbone(kind(search))) == 2
        assert value_of(load_backbone(kind(search), weights=True, out_indices=(1,))) == 2
        assert len(set(load_backbone(kind(training), weights=False).state_dict())) > 1
        assert load_backbone(kind(training), weights=False).body.stem[0].conv.weight.std() > 0


def test_weights_may_be_a_folder_too(training, search):
    architecture = SPACE.architecture(CHOICES)
    assert value_of(load_backbone(architecture, weights=training)) == 1
    assert value_of(load_backbone(search / "architecture.json", weights=str(search))) == 2
    assert value_of(load_backbone(training, weights=search)) == 2
    assert value_of(load_backbone(search, weights=training / "checkpoints" / "last.ckpt")) == 1


def test_a_run_without_a_trained_network(search, training):
    """The checkpoint of an unfinished search is that of its supernet: it is not tried."""
    (search / "evaluation" / "found" / "checkpoints" / "last.ckpt").unlink()
    (training / "checkpoints" / "last.ckpt").unlink()
    for run in (search, training):
        with pytest.warns(UserWarning, match="freshly initialised"):
            load_backbone(run)
        for weights in (True, run):
            with pytest.raises(WeightsError, match=r"evaluation/found/checkpoints/last.ckpt"):
                load_backbone(run, weights=weights)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            load_backbone(run, weights=False)


def test_a_search_of_backbone_and_neck(tmp_path):
    space = Product({"backbone": Chain(widths=(4, 4, 4), depths=(1,) * 3, strides=(2,) * 3), "neck": Fpn(4, 3, 4)})
    choices = space.sample(random.Random(1))
    checkpoint(
        tmp_path / "run" / "checkpoints" / "last.ckpt", nn.ModuleDict({"backbone": backbone_with(3, space, choices)})
    )
    space.architecture(choices).save(tmp_path / "run" / "architecture.json")
    assert value_of(load_backbone(tmp_path / "run")) == 3


def test_a_published_name_is_not_a_folder_of_that_name(training, monkeypatch):
    training.rename(training.parent / "darts_v2")
    monkeypatch.chdir(training.parent)
    with torch.device("meta"):
        assert load_backbone("darts_v2").feature_info == load_backbone(published("darts_v2")).feature_info
    assert value_of(load_backbone("./darts_v2")) == 1


def test_what_is_neither_is_named(tmp_path, training):
    with pytest.raises(
        FileNotFoundError, match=r"darts_v3.*neither a file nor a run folder, nor a published.*darts_v2"
    ):
        load_backbone("darts_v3")
    with pytest.raises(FileNotFoundError, match=r"holds no architecture\.json"):
        load_backbone(tmp_path)
    with pytest.raises(WeightsError, match="weights = True"):
        load_backbone("darts_v2", weights=True)
    record = json.loads((training / "architecture.json").read_text())
    record["components"]["backbone"]["space"] = "no_such_space"
    (training / "architecture.json").write_text(json.dumps(record))
    with pytest.raises(ValueError, match="no_such_space"):
        load_backbone(training)
