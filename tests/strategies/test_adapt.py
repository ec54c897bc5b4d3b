"""A strategy may change the supernet before it is searched: partial channels, whose counts are published."""

import pytest
import pytorch_lightning as pl
import torch
from partial_channels import PartialChannels, PartialEdge
from torch import nn
from toy_project import project_of

from lightning_nas.cost import count_macs, count_parameters
from lightning_nas.errors import ArgumentError
from lightning_nas.ops.mixed import MixedOp
from lightning_nas.search import BilevelDataModule, SearchModule
from lightning_nas.spaces import Darts
from lightning_nas.strategies import GradientStrategy

OPS = ("none", "skip_connect", "nor_conv_1x1")


class Classifier(pl.LightningModule):
    def __init__(self, supernet):
        super().__init__()
        self.backbone = supernet
        self.head = nn.Linear(supernet.feature_info.channels()[-1], 10)

    def forward(self, x):
        return self.head(self.backbone(x)[-1].mean((2, 3)))


def test_the_supernet_of_pc_darts_has_the_published_size():
    model = Classifier(Darts(channels=16, cells=8).supernet())
    logits = sum(p.numel() for p in model.backbone.logits.values())
    assert count_parameters(model) - logits == 1_930_618
    PartialChannels(parts=4).adapt(model.backbone)
    assert count_parameters(model) - logits == 299_578
    assert count_macs(model, (3, 32, 32)) == 56_596_992


@pytest.mark.parametrize("stride", [1, 2])
def test_the_other_channels_pass_by_up_to_the_shuffle(stride):
    edge = PartialEdge(MixedOp(OPS, 8, stride), 4)
    x = torch.randn(2, 8, 6, 6)
    out = edge(x, torch.tensor([0.2, 0.3, 0.5]))
    back = out.view(2, 2, 4, *out.shape[2:]).transpose(1, 2).reshape(out.shape)
    passed = nn.functional.max_pool2d(x, 2, 2) if stride == 2 else x
    assert torch.equal(back[:, 2:], passed[:, 2:])
    torch.testing.assert_close(back[:, :2], edge.mixed(x[:, :2], torch.tensor([0.2, 0.3, 0.5])))


def test_a_search_is_adapted_once_and_resumed(tmp_path):
    toy = project_of("pytorch_lightning")

    class Project(toy.Project):
        def __init__(self):
            super().__init__()
            self.backbone = Darts(channels=4, cells=1, in_channels=1, ops=OPS, steps=2).supernet()
            self.head = nn.Linear(self.backbone.feature_info.channels()[-1], 3)

    def searched(epochs, resume=None):
        search = SearchModule(Project(), PartialChannels(parts=2, lr=0.05))
        checkpoint = pl.callbacks.ModelCheckpoint(tmp_path, filename="last", enable_version_counter=False)
        trainer = toy.make_trainer(epochs, callbacks=[checkpoint], enable_checkpointing=True, default_root_dir=tmp_path)
        trainer.fit(search, BilevelDataModule(toy.Data()), ckpt_path=resume)
        return search

    whole = searched(2)
    searched(1)
    resumed = searched(2, tmp_path / "last.ckpt")
    assert any(type(module) is PartialEdge for module in whole.model.modules())
    state = whole.state_dict()
    assert all(torch.equal(value, state[name]) for name, value in resumed.state_dict().items())
    before = set(map(id, whole.model.modules()))
    SearchModule(whole.model, PartialChannels(parts=2))
    assert set(map(id, whole.model.modules())) == before, "a supernet that is adapted stays as it is"

    class Other(PartialChannels):
        pass

    with pytest.raises(ArgumentError, match="the supernet was changed by PartialChannels"):
        SearchModule(whole.model, Other())
    assert GradientStrategy.adapt is not PartialChannels.adapt
