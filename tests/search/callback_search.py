"""A search of the toy project that callbacks and overridden methods take part in."""

from lightning_nas.search import BilevelDataModule, SearchModule
from lightning_nas.strategies import Darts


def fit(toy, model, epochs=1, data=None, **arguments):
    trainer = toy.make_trainer(epochs, **arguments)
    search = SearchModule(model, Darts(lr=0.05))
    trainer.fit(search, BilevelDataModule(data or toy.Data()))
    return trainer, search
