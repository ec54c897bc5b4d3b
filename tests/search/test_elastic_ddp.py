"""Many networks trained at once by two ranks."""

import elastic_ddp_worker
import pytest
import torch
from processes import run_ranks
from toy_elastic import fit

from lightning_nas.errors import ArgumentError
from lightning_nas.search.lightning.families import pl
from lightning_nas.search.paths.sampled import require_unused_parameters


def test_ranks_train_the_same_networks_on_other_images_and_stay_equal(tmp_path):
    run_ranks(elastic_ddp_worker.main, str(tmp_path / "rank"), cwd=tmp_path)
    first, second = (torch.load(tmp_path / f"rank.{rank}", weights_only=False) for rank in (0, 1))
    assert first["active"] == second["active"]
    assert len(first["active"]) == 24  # six steps of four networks
    assert not first["trained_on"] & second["trained_on"]
    for name, value in first["weights"].items():
        assert torch.equal(value, second["weights"][name]), name


def test_ddp_that_was_not_told_of_unused_parameters_is_refused():
    trainer = pl.Trainer(devices=1, strategy="ddp", accelerator="cpu", logger=False, enable_checkpointing=False)
    with pytest.raises(ArgumentError, match="ddp_find_unused_parameters_true"):
        require_unused_parameters(trainer)
    assert fit()[1].global_step == 12
