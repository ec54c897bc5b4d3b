"""What a search saves goes by the names of the user's module, whose class loads it without the search."""

import pytest
import torch
from torch import nn
from torchmetrics import MeanMetric
from toy_project import SPACE, dataset

from lightning_nas.networks import inherit_weights, load_weights
from lightning_nas.search import BilevelDataModule, SearchModule
from lightning_nas.strategies import Darts


def saving(toy):
    class Saving(toy.Project):
        def __init__(self, lr=0.1, backbone=None):
            super().__init__()
            self.save_hyperparameters(ignore="backbone")
            self.backbone = SPACE.supernet() if backbone is None else backbone
            self.seen = []

        def on_save_checkpoint(self, checkpoint):
            checkpoint["mine"] = sorted(checkpoint["state_dict"])

        def on_load_checkpoint(self, checkpoint):
            self.seen = sorted(checkpoint["state_dict"])

    return Saving


def searched(toy, folder, model, epochs=1, resume=None, make=SearchModule, **arguments):
    search = make(model, Darts(lr=0.05))
    trainer = toy.make_trainer(epochs, **arguments)
    trainer.fit(search, BilevelDataModule(toy.Data()), ckpt_path=resume)
    trainer.save_checkpoint(folder / "last.ckpt")
    return search


def same(first, second):
    assert list(first) == list(second)
    assert all(torch.equal(value, second[name]) for name, value in first.items())


def test_the_users_class_loads_the_checkpoint_of_a_search(toy, tmp_path):
    search = searched(toy, tmp_path, saving(toy)(lr=0.2))
    alone = saving(toy).load_from_checkpoint(tmp_path / "last.ckpt")
    assert alone.hparams.lr == 0.2
    same(alone.state_dict(), search.model.state_dict())
    same(search.state_dict(), search.model.state_dict())
    checkpoint = torch.load(tmp_path / "last.ckpt", weights_only=True)
    assert checkpoint["mine"] == sorted(search.model.state_dict()) == alone.seen
    images = dataset().tensors[0]
    with torch.no_grad():
        assert torch.equal(alone.backbone.eval()(images)[-1], search.model.backbone.eval()(images)[-1])


@pytest.mark.parametrize("place", ["backbone", "model", "net.encoder"])
def test_the_supernet_of_a_search_is_found_in_its_checkpoint(toy, tmp_path, place):
    class Placed(toy.Project):
        def __init__(self):
            super().__init__()
            supernet = self.backbone
            del self.backbone
            for part in reversed(place.split(".")[1:]):
                supernet = nn.ModuleDict({part: supernet})
            setattr(self, place.split(".")[0], supernet)
            object.__setattr__(self, "backbone", self.get_submodule(place))

    search = searched(toy, tmp_path, Placed())
    supernet = SPACE.supernet()
    load_weights(supernet, tmp_path / "last.ckpt")
    same(supernet.state_dict(), search.supernet.state_dict())
    assert inherit_weights(SPACE.network(search.choices()), supernet, search.choices()).copied


def test_a_search_that_has_ended_goes_on_as_if_it_had_not(toy, tmp_path):
    whole = searched(toy, tmp_path, toy.Project(), 2)
    searched(toy, tmp_path, toy.Project(), 1)
    moments = torch.load(tmp_path / "last.ckpt")["lightning_nas"]["optimizer"]["state"]
    assert {float(state["step"]) for state in moments.values()} == {3.0}
    same(searched(toy, tmp_path, toy.Project(), 2, resume=tmp_path / "last.ckpt").state_dict(), whole.state_dict())


def before_the_names_were_kept(file):
    checkpoint = torch.load(file, weights_only=True)
    checkpoint["state_dict"] = {f"model.{name}": value for name, value in checkpoint["state_dict"].items()}
    torch.save(checkpoint, file)


@pytest.mark.parametrize("part", ["backbone", "model"])
def test_a_search_that_was_saved_under_longer_names_goes_on(toy, tmp_path, part):
    class Named(toy.Project):
        def __init__(self):
            super().__init__()
            self.model, self.backbone.model = self.head, nn.Linear(1, 1)
            if part == "model":  # a part of a part of that name, too
                self.head.model = nn.Linear(1, 1)

    whole = searched(toy, tmp_path, Named(), 2)
    searched(toy, tmp_path, Named(), 1)
    before_the_names_were_kept(tmp_path / "last.ckpt")
    resumed = searched(toy, tmp_path, Named(), 2, resume=tmp_path / "last.ckpt")
    same(resumed.state_dict(), whole.state_dict())


@pytest.mark.parametrize("callback", ["EMAWeightAveraging", "StochasticWeightAveraging"])
def test_averaged_weights_are_saved_under_these_names_and_go_on(toy, tmp_path, callback):
    def make():
        arguments = {"swa_lrs": 0.05, "swa_epoch_start": 1} if callback == "StochasticWeightAveraging" else {}
        return [getattr(toy.pl.callbacks, callback)(**arguments)]

    class Ending(toy.pl.Callback):
        def on_train_epoch_end(self, trainer, pl_module):
            if trainer.current_epoch == 1:
                trainer.save_checkpoint(tmp_path / "within.ckpt")

    whole = searched(toy, tmp_path, saving(toy)(), 4, callbacks=[*make(), Ending()])
    names = list(torch.load(tmp_path / "within.ckpt", weights_only=False)["state_dict"])
    assert names == list(whole.model.state_dict())
    saving(toy).load_from_checkpoint(tmp_path / "within.ckpt", weights_only=False)
    resumed = searched(toy, tmp_path, saving(toy)(), 4, resume=tmp_path / "within.ckpt", callbacks=make())
    same(resumed.state_dict(), whole.state_dict())


def test_a_module_that_says_itself_what_its_state_is_is_asked(toy, tmp_path):
    class Without(saving(toy)):
        """Its head is not saved."""

        def state_dict(self):
            return {name: value for name, value in super().state_dict().items() if not name.startswith("head.")}

        def load_state_dict(self, state, strict=True):
            return super().load_state_dict(state, strict=False)

    searched(toy, tmp_path, Without())
    assert not any("head." in name for name in torch.load(tmp_path / "last.ckpt")["state_dict"])
    Without.load_from_checkpoint(tmp_path / "last.ckpt")
    searched(toy, tmp_path, Without(), 2, resume=tmp_path / "last.ckpt")


def test_what_a_class_of_ones_own_adds_to_the_search_is_saved_beside(toy, tmp_path):
    class Measured(SearchModule):
        def __init__(self, model, strategy):
            super().__init__(model, strategy)
            self.steps = nn.ParameterDict({"scale": torch.zeros(1)})
            self.register_buffer("count", torch.zeros(1))
            self.mean = MeanMetric()

        def on_train_batch_end(self, *args):
            self.count += 1

    searched(toy, tmp_path, toy.Project(), make=Measured)
    resumed = searched(toy, tmp_path, toy.Project(), 2, resume=tmp_path / "last.ckpt", make=Measured)
    assert resumed.count == 6
    assert {"count", "steps.scale", "head.weight"} <= set(torch.load(tmp_path / "last.ckpt")["state_dict"])


def test_the_whole_search_is_loaded_with_the_strategy_that_it_had(toy, tmp_path):
    search = searched(toy, tmp_path, toy.Project())
    loaded = SearchModule.load_from_checkpoint(tmp_path / "last.ckpt", model=toy.Project(), strategy=Darts())
    same(loaded.state_dict(), search.state_dict())
    assert loaded.architecture() == search.architecture()
    gdas = Darts(sampler="gumbel_hard")
    with pytest.raises(ValueError, match="another strategy"):
        SearchModule.load_from_checkpoint(tmp_path / "last.ckpt", model=toy.Project(), strategy=gdas)
