"""Guards in a search: the exact eigenvalue, the stop and the way back, weights that rest."""

import pytest
import pytorch_lightning as pl
import torch
from toy_project import project_of

from lightning_nas.search import BilevelDataModule, SearchModule
from lightning_nas.spaces import NasBench201, textbook_form
from lightning_nas.strategies import Darts
from lightning_nas.strategies.gradient.guards import Eigenvalue, MaxSkips, Oles, Watch
from lightning_nas.strategies.gradient.guards.power_iteration import dominant_eigenvalue

TOY = project_of("pytorch_lightning")


@pytest.mark.parametrize("seed", range(3))
def test_the_eigenvalue_of_a_dense_matrix_is_exact(seed):
    matrix = torch.randn(12, 12, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))
    matrix = matrix @ matrix.T * (-1) ** seed  # of either sign
    like = [matrix[0, :5], matrix[0, 5:]]
    found = dominant_eigenvalue(
        lambda v: list((matrix @ torch.cat(v)).split([5, 7])), like, iterations=1000, tolerance=1e-7
    )
    exact = torch.linalg.eigvalsh(matrix)
    assert found == pytest.approx(float(exact[exact.abs().argmax()]), rel=1e-6)


class Exact(Eigenvalue):
    """Compares what it is given with second derivatives that are taken one by one."""

    def look(self, epoch, curvature, logits):
        super().look(epoch, curvature, logits)
        sizes = [group.numel() for group in curvature.like]
        columns = []
        for unit in torch.eye(sum(sizes), dtype=curvature.like[0].dtype):
            vector = [part.view_as(group) for part, group in zip(unit.split(sizes), curvature.like, strict=True)]
            columns.append(torch.cat([part.flatten() for part in curvature.product(vector)]))
        self.dense = torch.stack(columns)


@pytest.mark.parametrize("sampler", ["softmax", "dirichlet"])
def test_in_a_search_it_is_that_of_the_dense_hessian(sampler):
    guard = Exact(every=1, delay=1, iterations=3000, tolerance=1e-8)
    project = TOY.Project().double()
    search = SearchModule(project, Darts(lr=0.1, sampler=sampler, guard=guard), seed=0)
    kept = {}

    class Keep(pl.Callback):
        def on_train_epoch_end(self, trainer, module):
            kept["logits"] = [p.detach().clone() for p in module.supernet.logits.values()]
            kept["state"] = {name: value.clone() for name, value in project.state_dict().items()}

    class Data(pl.LightningDataModule):
        def train_dataloader(self):
            images, labels = torch.utils.data.default_collate(
                [TOY.Data(4).train_dataloader().dataset[i] for i in range(8)]
            )
            return torch.utils.data.DataLoader(
                torch.utils.data.TensorDataset(images.double(), labels), batch_size=4, shuffle=False
            )

    TOY.make_trainer(1, callbacks=[Keep()]).fit(search, BilevelDataModule(Data()))
    dense = search.strategy.guard.dense
    torch.testing.assert_close(dense, dense.T, rtol=1e-8, atol=1e-12)
    exact = torch.linalg.eigvalsh(dense)
    dominant = float(exact[exact.abs().argmax()])
    assert search.strategy.guard.trace[0] == pytest.approx(dominant, rel=1e-6)

    images, labels = next(iter(BilevelDataModule(Data()).train_dataloader()))[0]["architecture"]
    names = list(project.backbone.logits)

    def loss(*groups):
        relaxed = search.strategy.mean(dict(zip(names, groups, strict=True)))
        project.backbone.relaxation = lambda _: {n: type(search.strategy.relax(project.backbone.logits)[n])(w)
                                                 for n, w in relaxed.items()}  # fmt: skip
        return torch.nn.functional.cross_entropy(project(images), labels)

    with textbook_form(project):
        blocks = torch.autograd.functional.hessian(loss, tuple(kept["logits"]))
    sizes = [group.numel() for group in kept["logits"]]
    reference = torch.cat(
        [
            torch.cat([b.reshape(n, m) for b, m in zip(row, sizes, strict=True)], 1)
            for row, n in zip(blocks, sizes, strict=True)
        ]
    )
    torch.testing.assert_close(dense, reference, rtol=1e-6, atol=1e-10)


def stopping(**arguments):
    return Eigenvalue(**{"every": 1, "delay": 1, "window": 1, "start": 1, "factor": 0.75, **arguments})


def test_it_stops_when_the_mean_grows_and_goes_back():
    guard, values = stopping(window=2), [4.0, 1.0, 1.0, 2.0, 9.0]
    logits = {"edge": torch.zeros(1, 2)}

    class Given:
        like = (torch.zeros(1),)

        def __init__(self, value):
            self.product = lambda vector: [value * vector[0]]

    for epoch, value in enumerate(values):
        logits["edge"].fill_(float(epoch))
        guard.look(epoch, Given(value), logits)
        if guard.stopped:
            break
    assert guard.trace == dict(enumerate(values[: epoch + 1]))
    assert (guard.mean(2), guard.mean(3)) == (1.0, 1.5)
    assert epoch == 3  # 1 < 0.75 * 1.5; before: 2.5 > 0.75, then 1 > ...
    assert (logits["edge"] == 2).all()
    assert "from 1 to 1.5" in guard.stopped
    twin = stopping(window=2)
    twin.load_state_dict(guard.state_dict())
    assert twin.stopped == guard.stopped


def test_a_stopped_search_ends_and_stays_ended(tmp_path):
    def make():
        return SearchModule(TOY.Project(), Darts(lr=0.1, guard=stopping(delay=1, factor=1.0)), seed=0)

    def fit(search, resume=None, more=()):
        checkpoint = pl.callbacks.ModelCheckpoint(tmp_path, filename="last", enable_version_counter=False)
        trainer = TOY.make_trainer(
            12,
            callbacks=[checkpoint, *more],
            enable_checkpointing=True,
            default_root_dir=tmp_path,
            limit_train_batches=2,
        )
        trainer.fit(search, BilevelDataModule(TOY.Data()), ckpt_path=resume)
        return trainer

    class Logits(pl.Callback):
        after = {}  # noqa: RUF012 (one search)

        def on_train_start(self, trainer, pl_module):
            self.keep(-1, pl_module)

        def on_train_epoch_end(self, trainer, pl_module):
            self.keep(trainer.current_epoch, pl_module)

        def keep(self, epoch, search):
            self.after[epoch] = [group.detach().clone() for group in search.supernet.logits.values()]

    search = make()
    trainer = fit(search, more=[Logits()])
    last = max(Logits.after)
    assert f"stopped after epoch {last} with the logits of epoch {last - 1}" in search.strategy.stopped
    assert trainer.current_epoch < 12
    for now, before, first in zip(
        search.supernet.logits.values(), Logits.after[last - 1], Logits.after[-1], strict=True
    ):
        assert torch.equal(now, before)
        assert not torch.equal(now, first)
    again = make()
    trainer = fit(again, tmp_path / "last.ckpt")
    assert again.strategy.stopped == search.strategy.stopped
    assert all(torch.equal(a, b) for a, b in zip(again.model.parameters(), search.model.parameters(), strict=True))


def test_weights_that_disagree_rest_and_nothing_else():
    guard = Oles(threshold=1.0, window=1)  # every cosine is below
    search = SearchModule(TOY.Project(), Darts(lr=0.1, guard=guard), seed=0)
    before = {name: p.detach().clone() for name, p in search.model.named_parameters()}
    TOY.make_trainer(1).fit(search, BilevelDataModule(TOY.Data()))
    assert all(guard.frozen)
    assert guard.record() == {"frozen_share": 1.0}
    moved = {name for name, p in search.model.named_parameters() if not torch.equal(p, before[name])}
    candidates = {name for name in before if ".candidates." in name}
    assert candidates
    assert moved.isdisjoint(candidates)
    assert "head.weight" in moved


def test_at_most_so_many_skips_are_left():
    space, logits = NasBench201(), torch.randn(6, 5, generator=torch.Generator().manual_seed(0))
    logits[:, space.ops.index("skip_connect")] += 5
    kept = [
        sum(op == "skip_connect" for op in Darts(guard=MaxSkips(most=most)).decode(space, {"cell": logits}).values())
        for most in (0, 2, 6)
    ]
    assert kept == [0, 2, 6]


def test_a_watch_sees_what_the_guard_sees_and_lets_the_search_go_on():
    traces = []
    for guard in (Watch(every=1), stopping(factor=1e-9)):
        search = SearchModule(TOY.Project(), Darts(lr=0.1, guard=guard), seed=0)
        TOY.make_trainer(2, limit_train_batches=2).fit(search, BilevelDataModule(TOY.Data()))
        traces.append(guard.trace)
        assert search.strategy.stopped is None
        assert guard.record() == {"eigenvalue": guard.trace[1]}
    assert traces[0] == traces[1]
    twin = Watch(every=1)
    twin.load_state_dict(guard.state_dict())
    assert (twin.trace, twin.record()) == (guard.trace, guard.record())


def test_it_does_not_look_while_the_logits_rest():
    guard = stopping(factor=1.0, start=0)
    search = SearchModule(TOY.Project(), Darts(lr=0.1, guard=guard), seed=0, warmup_epochs=3)
    TOY.make_trainer(4, limit_train_batches=2).fit(search, BilevelDataModule(TOY.Data()))
    assert list(guard.trace) == [3]
