"""The trainings of a search for a front: validated when they are over."""

import pytest
import torch
from toy_front import SPACE, OnNetwork, job_in, settings

from lightning_nas.search import run
from lightning_nas.search.paths.front_networks import FrontNetworks


class Validated(OnNetwork):
    """Counts its validations; may lower its rate at a plateau of the loss."""

    plateau = False

    def __init__(self, backbone):
        super().__init__(backbone)
        self.validated = 0

    def on_validation_epoch_end(self):
        self.validated += 1

    def configure_optimizers(self):
        optimizer = super().configure_optimizers()
        if not self.plateau:
            return optimizer
        schedule = torch.optim.lr_scheduler.ReduceLROnPlateau(optimizer)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "monitor": "val/loss"}}


@pytest.mark.parametrize(("plateau", "validations"), [(False, 1), (True, 4)])
def test_a_tuned_network_is_validated_when_it_is_done_and_before_only_where_its_rate_needs_it(
    tmp_path, plateau, validations
):
    job = job_in(tmp_path)
    place = job.run.front_network(0)
    task = Validated(SPACE.network(SPACE.smallest()))
    task.plateau = plateau
    networks = FrontNetworks(settings(tune_epochs=3), job, scores=None)
    value = networks._tuned(task, place)
    assert 0 <= value <= 1
    assert task.validated == validations
    assert place.last_checkpoint.is_file()


def test_the_supernet_is_not_validated_as_a_whole_but_kept(tmp_path):
    job = job_in(tmp_path)
    run(settings(exhaustive=0, initial=2, rounds=0), job)
    assert job.run.last_checkpoint.is_file()
    header = job.run.metrics.read_text().splitlines()[0]
    assert "train/loss" in header
    assert "val/" not in header
