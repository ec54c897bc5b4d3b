"""The toy project on a space with an order of size; its networks may learn from the largest one's outputs."""

import torch
from torch.nn import functional as F
from toy_paths import Data, Task, make_trainer

from lightning_nas.search import ElasticModule
from lightning_nas.spaces import Chain
from lightning_nas.strategies import Elastic

SPACE = Chain(
    stem_channels=4, stem_stride=1, first_channels=4, widths=(4, 8), depths=(2, 2), strides=(1, 2), min_depth=1,
    in_channels=1, ops=("mbconv_k3_e3", "mbconv_k5_e6"),
)  # fmt: skip


class Student(Task):
    """Says what its networks learn from; notes what was active and logs."""

    def __init__(self, space=SPACE):
        super().__init__(space)
        self.active = []

    def training_step(self, batch, batch_idx):
        self.active.append(tuple(self.backbone._path.items()))
        return super().training_step(batch, batch_idx)

    def distilled_module(self):
        return self.head

    def distillation_loss(self, student, teacher, batch, divergence):
        return divergence(F.log_softmax(teacher, -1), F.log_softmax(student, -1)).mean()


def fit(rules=None, *, epochs=1, task=None, checkpoint=None, callbacks=(), data=None, **arguments):
    """A training of the toy; gives the hosted task and the Trainer."""
    task = task or Student()
    trainer = make_trainer(epochs, callbacks=list(callbacks), **arguments)
    torch.manual_seed(0)
    trainer.fit(ElasticModule(task, rules or Elastic()), datamodule=data or Data(), ckpt_path=checkpoint)
    return task, trainer
