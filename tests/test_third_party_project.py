"""A small project that knows nothing of lightning_nas becomes searchable, and then uses what was found.

The first part of this file is the project. It imports nothing of the library, and nothing in it is changed.
"""

import pytest
import pytorch_lightning as pl
import torch
from sklearn.datasets import load_digits
from torch import nn
from torch.utils.data import DataLoader, TensorDataset, random_split

# ---- the project ----------------------------------------------------------------------------------------------------


class DigitsData(pl.LightningDataModule):
    def __init__(self, batch_size=64):
        super().__init__()
        self.batch_size = batch_size

    def setup(self, stage=None):
        digits = load_digits()
        images = torch.tensor(digits.images, dtype=torch.float32).unsqueeze(1) / 16
        everything = TensorDataset(images, torch.tensor(digits.target))
        sizes = (1200, 297, 300)
        self.train, self.val, self.test = random_split(everything, sizes, torch.Generator().manual_seed(0))

    def train_dataloader(self):
        return DataLoader(self.train, self.batch_size, shuffle=True, drop_last=True)

    def val_dataloader(self):
        return DataLoader(self.val, 297)

    def test_dataloader(self):
        return DataLoader(self.test, 300)


class DigitsModel(pl.LightningModule):
    def __init__(self, backbone, width, lr=0.1, steps=40):
        super().__init__()
        self.backbone, self.lr, self.steps = backbone, lr, steps
        self.head = nn.Linear(width, 10)

    def forward(self, images):
        return self.head(self.backbone(images)[-1].mean(dim=(2, 3)))

    def training_step(self, batch, batch_idx):
        images, labels = batch
        loss = nn.functional.cross_entropy(self(images), labels)
        self.log("train_loss", loss, on_step=False, on_epoch=True)
        return loss

    def validation_step(self, batch, batch_idx):
        self.log("val_accuracy", self._accuracy(batch))

    def test_step(self, batch, batch_idx):
        self.log("test_accuracy", self._accuracy(batch))

    def _accuracy(self, batch):
        images, labels = batch
        return (self(images).argmax(dim=1) == labels).float().mean()

    def configure_optimizers(self):
        parameters = [p for p in self.parameters() if p.requires_grad]
        optimizer = torch.optim.SGD(parameters, lr=self.lr, momentum=0.9, weight_decay=1e-4)
        schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=self.lr, total_steps=self.steps)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}


# ---- the search, and the use of what was found ----------------------------------------------------------------------


def trainer(folder, epochs, **arguments):
    return pl.Trainer(
        max_epochs=epochs,
        accelerator="cpu",
        default_root_dir=folder,
        logger=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        **arguments,
    )


@pytest.fixture(scope="module")
def searched(tmp_path_factory):
    import lightning_nas

    folder = tmp_path_factory.mktemp("project")
    pl.seed_everything(0, verbose=False)
    supernet = lightning_nas.spaces.Darts(channels=4, cells=3, steps=2, in_channels=1).supernet()
    width = supernet.feature_info.channels()[-1]
    model = DigitsModel(backbone=supernet, width=width, steps=8)
    before = {name: p.detach().clone() for name, p in model.named_parameters()}

    search = lightning_nas.SearchModule(model, strategy=lightning_nas.strategies.Darts(order=1))
    run = trainer(folder, 2, enable_checkpointing=False)
    run.fit(search, lightning_nas.BilevelDataModule(DigitsData(batch_size=150)))
    search.architecture().save(folder / "architecture.json")
    return folder, model, before, run, search


def test_the_project_becomes_searchable(searched):
    folder, model, before, run, search = searched
    after = dict(model.named_parameters())
    logits = [name for name in before if "logits" in name]
    assert len(logits) == 2
    for name in [*logits, "head.weight", "backbone.macro.stem.0.weight"]:
        assert not torch.equal(after[name], before[name]), f"{name} did not move"
    assert run.global_step == 8  # 600 images in each half: 4 batches of 150, twice
    assert {"train_loss", "val_accuracy"} <= set(run.callback_metrics)

    from lightning_nas import Architecture

    assert Architecture.load(folder / "architecture.json") == search.architecture()


def test_its_own_optimizer_and_schedule_move_the_weights_only(searched):
    _, model, _, run, _ = searched
    weights = [o for o in run.optimizers if isinstance(getattr(o, "optimizer", o), torch.optim.SGD)]
    assert len(weights) == 1
    reference = DigitsModel(nn.Identity(), 1, steps=8).configure_optimizers()
    for _ in range(8):
        reference["optimizer"].step()
        reference["lr_scheduler"]["scheduler"].step()
    assert weights[0].param_groups[0]["lr"] == reference["optimizer"].param_groups[0]["lr"]
    stepped = {id(p) for group in weights[0].param_groups for p in group["params"]}
    named = dict(model.named_parameters())
    assert not any(id(p) in stepped for name, p in named.items() if "logits" in name)
    assert all(id(p) in stepped for name, p in named.items() if "logits" not in name)


def test_the_project_uses_what_was_found(searched):
    from lightning_nas import load_backbone

    folder = searched[0]
    pl.seed_everything(1, verbose=False)
    backbone = load_backbone(folder / "architecture.json")
    data = DigitsData()
    model = DigitsModel(backbone, width=backbone.feature_info.channels()[-1], steps=18 * 5)
    run = trainer(folder, 5, enable_checkpointing=False)
    run.fit(model, datamodule=data)
    (result,) = run.test(model, datamodule=data, verbose=False)
    assert result["test_accuracy"] > 0.85

    run.save_checkpoint(folder / "best.ckpt")
    again = load_backbone(folder / "architecture.json", weights=folder / "best.ckpt", out_indices=(1, 2)).eval()
    images = next(iter(data.test_dataloader()))[0]
    model.eval()
    with torch.no_grad():
        expected = model.backbone(images)
        for ours, theirs in zip(again(images), expected[1:], strict=True):
            assert torch.equal(ours, theirs)
    assert again.feature_info.reduction() == [2, 4]
