"""The strategy of GAS: concrete samples, the price of latency, resuming."""

import math

import pytest
import pytorch_lightning as pl
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from lightning_nas.cost import Call, LatencyTable, OpKey
from lightning_nas.search import BilevelDataModule, SearchModule
from lightning_nas.spaces import Darts as DartsSpace
from lightning_nas.spaces import Gas as Space
from lightning_nas.strategies import Darts
from lightning_nas.strategies.gradient.functional import gumbel_soft
from lightning_nas.strategies.gradient.terms import CellLatency

OPS = ("none", "skip_connect", "sep_conv_3x3")
SPACE = Space(channels=2, cells=3, ops=OPS)


# ---- sampling ---------------------------------------------------------------------------------------------------


def test_samples_are_soft_and_their_maxima_follow_the_softmax():
    logits = torch.tensor([[0.0, 1.0, -1.0, 0.5]])
    generator = torch.Generator().manual_seed(0)
    draws = gumbel_soft(logits.expand(20_000, 4), 0.5, generator)
    assert draws.active is None
    torch.testing.assert_close(draws.values.sum(dim=1), torch.ones(20_000))
    frequencies = torch.bincount(draws.values.argmax(dim=1), minlength=4) / 20_000
    p = logits.softmax(dim=1)[0]
    assert ((frequencies - p).abs() < 4 * (p * (1 - p) / 20_000).sqrt()).all()


def test_a_draw_is_the_formula():
    logits = torch.randn(3, 4, dtype=torch.float64)
    noise = -torch.empty(3, 4, dtype=torch.float64).exponential_(generator=torch.Generator().manual_seed(5)).log()
    expected = ((logits.softmax(-1).log() + noise) / 0.7).softmax(-1)
    torch.testing.assert_close(gumbel_soft(logits, 0.7, torch.Generator().manual_seed(5)).values, expected)


# ---- latency ----------------------------------------------------------------------------------------------------


def table():
    """Prices without measuring: the stride and the operation decide."""
    times = {}
    for places in SPACE.supernet().placements(32, 32).values():
        for place in places:
            for index, op in enumerate(OPS):
                times[OpKey(op, place.channels, place.channels, place.height, place.width, place.stride)] = (
                    index * 1.5 / place.stride
                )
    return LatencyTable(times, "paper")


def gas(lr=1e-3, **arguments):
    """The strategy, as its config puts it together; ``arguments`` are those of the term."""
    return Darts(sampler="gumbel_soft", terms={"latency": CellLatency(**{"weight": 0.1, **arguments})}, lr=lr)


def prepare(strategy, supernet, size=32):
    strategy.attach(supernet)
    strategy.prepare(supernet, supernet, lambda: Call((torch.zeros(1, 3, size, size),)))
    return strategy.terms["latency"]


def prepared(tmp_path, **arguments):
    table().save(tmp_path / "table.json")
    supernet = SPACE.supernet()
    return prepare(gas(table=str(tmp_path / "table.json"), **arguments), supernet), supernet


def test_latency_of_one_hot_probabilities_is_the_sum_of_table_entries(tmp_path):
    term, supernet = prepared(tmp_path)
    generator = torch.Generator().manual_seed(0)
    chosen = {name: torch.randint(3, (5,), generator=generator) for name in supernet.logits}
    onehot = {name: nn.functional.one_hot(index, 3).double() for name, index in chosen.items()}
    lookup, total = table(), 0.0
    for cell, places in supernet.placements(32, 32).items():
        for row, p in enumerate(places):
            total += lookup.lookup(OpKey(OPS[chosen[cell][row]], p.channels, p.channels, p.height, p.width, p.stride))
    assert float(term.expected(onehot)) == pytest.approx(total)


def test_the_gradient_of_latency_is_the_table(tmp_path):
    term, supernet = prepared(tmp_path)
    p = {name: torch.rand(5, 3, requires_grad=True) for name in supernet.logits}
    term.expected(p).backward()
    for name, group in p.items():
        assert torch.equal(group.grad, term.costs[name])


def test_the_price_is_the_logarithm_of_the_expected_latency(tmp_path):
    table().save(tmp_path / "table.json")
    supernet, strategy = SPACE.supernet(), gas(table=str(tmp_path / "table.json"), weight=0.25)
    term = prepare(strategy, supernet)
    with torch.no_grad():
        for group in supernet.logits.values():
            group.zero_()
    mean = sum(float(costs.mean(dim=1).sum()) for costs in term.costs.values())
    assert float(strategy.penalty(supernet)) == pytest.approx(0.25 * math.log(mean))
    assert gas(weight=0.0).penalty(supernet) is None


def test_without_a_table_the_device_is_measured_and_the_table_written(tmp_path):
    space = Space(channels=2, cells=1, ops=("none", "skip_connect"))
    (costs,) = prepare(gas(table=str(tmp_path / "new.json")), space.supernet(), 16).costs.values()
    assert (costs[:, 0] == 0).all()
    assert (costs[:, 1] > 0).all()
    assert LatencyTable.load(tmp_path / "new.json").device == "cpu"


def test_a_space_without_placements_and_an_incomplete_table_are_refused(tmp_path):
    with pytest.raises(ValueError, match=r"CellLatency\(weight=0\.1, .*: the space 'darts'"):
        gas().attach(DartsSpace(channels=2, cells=1).supernet())
    table().save(tmp_path / "table.json")
    with pytest.raises(KeyError, match="lacks"):
        prepare(gas(table=str(tmp_path / "table.json")), SPACE.supernet(), 64)


def test_a_negative_weight_is_refused():
    with pytest.raises(ValueError, match=r"terms\.latency must be at least 0, got -1\.0"):
        CellLatency(weight=-1.0)


# ---- a search ---------------------------------------------------------------------------------------------------


class Project(pl.LightningModule):
    def __init__(self, space=SPACE):
        super().__init__()
        torch.manual_seed(0)
        self.backbone = space.supernet()
        self.head = nn.Linear(self.backbone.feature_info.channels()[-1], 2)

    def forward(self, images):
        return self.head(self.backbone(images)[-1].mean((2, 3)))

    def training_step(self, batch, batch_idx):
        images, labels = batch
        return nn.functional.cross_entropy(self(images), labels)

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), 0.05)


class Data(pl.LightningDataModule):
    in_channels, image_size = 3, (32, 32)

    def train_dataloader(self):
        generator = torch.Generator().manual_seed(0)
        images, labels = torch.randn(16, 3, 32, 32, generator=generator), torch.randint(2, (16,), generator=generator)
        return DataLoader(TensorDataset(images, labels), batch_size=4)


def search(tmp_path, strategy, epochs=1, ckpt_path=None, checkpointing=False):
    module = SearchModule(Project(), strategy)
    trainer = pl.Trainer(default_root_dir=tmp_path, max_epochs=epochs, accelerator="cpu", logger=False,
                         enable_checkpointing=checkpointing, enable_progress_bar=False, enable_model_summary=False)  # fmt: skip
    trainer.fit(module, datamodule=BilevelDataModule(Data()), ckpt_path=ckpt_path)
    return module, trainer


def test_the_price_reaches_the_logits_of_a_search(tmp_path):
    table().save(tmp_path / "table.json")
    logits = []
    for weight in (0.0, 5.0):
        module, _ = search(tmp_path, gas(0.1, table=str(tmp_path / "table.json"), weight=weight), epochs=3)
        logits.append({name: group.detach() for name, group in module.supernet.decision_logits().items()})
    cheap = [float(torch.stack([g.softmax(-1)[:, 0] for g in found.values()]).mean()) for found in logits]
    assert cheap[1] > cheap[0] + 0.05, "a high price prefers 'none', which costs nothing"


def test_a_resumed_search_pays_the_prices_of_the_first(tmp_path):
    path = tmp_path / "table.json"
    table().save(path)
    module, trainer = search(tmp_path, gas(table=str(path)))
    trainer.save_checkpoint(tmp_path / "last.ckpt")
    LatencyTable(dict.fromkeys(table().times, 9.0), "another").save(path)
    resumed, _ = search(tmp_path, gas(table=str(path)), epochs=2, ckpt_path=tmp_path / "last.ckpt")
    first, second = (one.strategy.terms["latency"].costs for one in (module, resumed))
    assert first
    assert all(torch.equal(second[name], costs) for name, costs in first.items())


def test_found_architectures_follow_the_guided_logits(tmp_path):
    module, _ = search(tmp_path, gas(0.1, weight=0.0), epochs=2)
    assert module.choices() == SPACE.decode(module.supernet.decision_logits())
    assert any(guide.gamma != 0 for guide in module.supernet.guides)
