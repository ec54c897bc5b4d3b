"""Training on sampled paths, and statistics for one of them."""

import pytest
import pytorch_lightning as pl
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from lightning_nas.search import SampledPaths, recalibrate
from lightning_nas.spaces import ShuffleNetV2

SPACE = ShuffleNetV2(stem_channels=4, widths=(8,), depths=(3,), head_channels=0)


class Project(pl.LightningModule):
    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.backbone = SPACE.supernet()
        self.paths, self.touched = [], []

    def training_step(self, batch, batch_idx):
        self.paths.append(tuple(self.backbone._path["blocks"]))
        return self.backbone(batch[0])[-1].square().mean()

    def on_after_backward(self):
        names = [name for name, p in self.backbone.weights().items() if "candidates" in name and p.grad is not None]
        self.touched.append({(int(name.split(".")[2]), int(name.split(".")[4])) for name in names})

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), 0.1, weight_decay=0.1)


def fit(seed=0, epochs=2, folder=None, checkpoint=None):
    module = Project()
    data = DataLoader(TensorDataset(torch.randn(12, 3, 16, 16, generator=torch.Generator().manual_seed(1))), 4)
    trainer = pl.Trainer(
        max_epochs=epochs, accelerator="cpu", logger=False, enable_progress_bar=False, enable_model_summary=False,
        enable_checkpointing=False, callbacks=[SampledPaths(seed)], default_root_dir=folder,
    )  # fmt: skip
    trainer.fit(module, data, ckpt_path=checkpoint)
    return module, trainer


def test_only_the_blocks_of_the_path_get_gradients():
    module, _ = fit()
    for path, touched in zip(module.paths, module.touched, strict=True):
        assert touched == {(layer, options[0]) for layer, options in enumerate(path)}
    assert module.backbone._path is None


def test_weights_that_were_not_sampled_do_not_decay():
    before = {name: p.clone() for name, p in Project().backbone.weights().items()}
    module, _ = fit(epochs=1)
    used = {(layer, options[0]) for path in module.paths for layer, options in enumerate(path)}
    for name, p in module.backbone.weights().items():
        if "candidates" in name and name.endswith("weight"):
            key = (int(name.split(".")[2]), int(name.split(".")[4]))
            assert torch.equal(p, before[name]) == (key not in used), name


def test_paths_follow_from_the_seed_and_are_repeated_by_a_resumed_run(tmp_path):
    whole, _ = fit(epochs=3)
    assert whole.paths == fit(epochs=3)[0].paths
    assert whole.paths != fit(epochs=3, seed=1)[0].paths
    assert len(set(whole.paths)) > 3
    _, trainer = fit(epochs=1)
    trainer.save_checkpoint(tmp_path / "one.ckpt")
    resumed, _ = fit(epochs=3, checkpoint=tmp_path / "one.ckpt")
    assert resumed.paths == whole.paths[3:]


def test_all_blocks_are_drawn_about_equally_often():
    drawn = torch.zeros(3, 4)
    module, callback = Project(), SampledPaths(0)
    for epoch in range(100):
        trainer = type("Trainer", (), {"current_epoch": epoch})()
        callback.on_train_batch_start(trainer, module, None, 0)
        for layer, options in enumerate(module.backbone._path["blocks"]):
            drawn[layer, options[0]] += 1
    assert drawn.min() > 10


# ---- recalibration -----------------------------------------------------------------------------------------------------


def test_statistics_become_the_mean_over_the_batches():
    norm = nn.BatchNorm2d(3).double()
    norm.running_mean.fill_(7)
    batches = [torch.randn(4, 3, 5, 5).double() * i + i for i in range(1, 201)]
    weight, momentum = norm.weight.clone(), norm.momentum
    norm.eval()
    assert recalibrate(norm, batches, norm) == 200
    means = torch.stack([b.mean((0, 2, 3)) for b in batches]).mean(0)
    variances = torch.stack([b.transpose(0, 1).flatten(1).var(1) for b in batches]).mean(0)
    torch.testing.assert_close(norm.running_mean, means)
    torch.testing.assert_close(norm.running_var, variances)
    assert torch.equal(norm.weight, weight)
    assert norm.momentum == momentum
    assert not norm.training


def test_only_the_path_is_recalibrated_and_nothing_else_trains():
    supernet = SPACE.supernet()
    supernet.activate(SPACE.from_indices([0, 1, 2]))
    before = {name: value.clone() for name, value in supernet.state_dict().items()}
    supernet.train()
    recalibrate(supernet, [torch.randn(4, 3, 16, 16)], supernet)
    changed = {name for name, value in supernet.state_dict().items() if not torch.equal(value, before[name])}
    assert all("running" in name or "tracked" in name for name in changed)
    layers = {(int(n.split(".")[2]), int(n.split(".")[4])) for n in changed if "candidates" in n}
    assert layers == {(0, 0), (1, 1), (2, 2)}
    assert all(p.grad is None for p in supernet.parameters())
    assert all(module.training for module in supernet.modules())


def test_dropout_is_off():
    module = nn.Sequential(nn.Dropout(0.9), nn.BatchNorm1d(2))
    batch = torch.randn(50, 2)
    recalibrate(module, [batch], module)
    torch.testing.assert_close(module[1].running_mean, batch.mean(0))


def test_no_batches_are_an_error_and_leave_the_statistics():
    norm = nn.BatchNorm2d(3)
    norm.running_mean.fill_(7)
    with pytest.raises(ValueError, match="batches"):
        recalibrate(norm, [], norm)
    assert (norm.running_mean == 7).all()
