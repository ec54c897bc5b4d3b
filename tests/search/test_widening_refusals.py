"""Stages that keep their weights: what does not fit is refused before work, what ends early, estimates, two ranks."""

import pytest
import torch
from processes import run_ranks
from toy_widening import SPACE, Watching, checkpoint, job, rank, widening

from lightning_nas.errors import ArgumentError, JobError
from lightning_nas.estimation.limits import Limits
from lightning_nas.estimation.short import shortened
from lightning_nas.search import Job, run
from lightning_nas.search.procedures.widening import hand_over
from lightning_nas.search.workloads.gradient import gradient_work
from lightning_nas.spaces import Darts as Space
from lightning_nas.spaces import NasNet

OPS = ("skip_connect", "sep_conv_3x3", "bottleneck_1x7_7x1")


@pytest.mark.parametrize(
    ("space", "arguments", "said"),
    [
        (SPACE, {"partial_channels": [3]}, r"partial_channels=\(3,\)\): stage 2 of the space 'nasbench201': "
         "partial_channels = 3: an edge has 8 channels, expected a multiple of 3"),
        (NasNet(in_channels=1, channels=8, cells=3, blocks=1, ops=OPS), {},
         r"partial_channels=\(2,\)\): stage 2 of the space 'nasnet': the candidate BottleneckConv has other layers"),
        (Space(channels=2, cells=3, in_channels=1, steps=1), {},
         "^partial_channels = 4: an edge has 2 channels, expected a multiple of 4"),
    ],
    ids=["channels", "layers", "first"],
)  # fmt: skip
def test_a_space_whose_channels_do_not_allow_it_is_refused_before_work(tmp_path, space, arguments, said):
    with pytest.raises(ArgumentError, match=said):
        run(widening(**arguments), job(tmp_path / "run", space=space))
    assert not (tmp_path / "run").exists()


def test_it_goes_on_by_itself_alone(tmp_path):
    with pytest.raises(JobError, match=r"continue_from = .*: a search in stages goes on by itself"):
        run(widening(), job(tmp_path / "new", continues=tmp_path / "old"))


class Early(Watching):
    """Ends the first stage as an early stop or the end of the time would."""

    def on_train_epoch_end(self, trainer, pl_module):
        trainer.should_stop = True


def test_what_ends_a_stage_early_ends_the_search(tmp_path):
    seen = []
    early = job(tmp_path, epochs=3, warmup=0)
    early = Job(**{**vars(early), "trainers": type(early.trainers)(
        {**early.trainers.arguments, "min_epochs": 2, "min_steps": 3}, callbacks=lambda place: [Early(seen)])})  # fmt: skip
    run(widening(), early)
    assert [epoch for epoch, _, _ in seen] == [0, 1], "no sooner than it was asked to"
    assert checkpoint(early.run)["lightning_nas"]["counts"]["batch"] == 4


def test_a_least_number_of_epochs_does_not_lengthen_a_stage(tmp_path):
    seen = []
    run(widening(), job(tmp_path, seen=seen, epochs=1, warmup=0, trainer={"min_epochs": 2, "min_steps": 4}))
    assert [epoch for epoch, _, _ in seen] == [0, 1]
    assert checkpoint(job(tmp_path).run.stage(0))["epoch"] == 1


def test_a_checkpoint_is_left_at_the_end_of_a_stage_also_where_validations_are_rare(tmp_path):
    rare = {"limit_val_batches": 1, "check_val_every_n_epoch": 2}
    run(widening(), job(tmp_path, epochs=3, warmup=0, trainer=rare))
    saved = checkpoint(job(tmp_path).run.stage(0))
    assert (saved["epoch"], saved["global_step"]) == (3, 6)


@pytest.mark.filterwarnings("ignore:Checkpoint directory")
def test_an_optimizer_whose_state_has_other_shapes_is_refused(tmp_path):
    work, modules = job(tmp_path, epochs=1, warmup=0), []

    class Kept(work.make_task):
        def on_train_epoch_end(self):
            modules.append(self.trainer.lightning_module)
            for known in self.trainer.optimizers[0].state.values():
                known["rows"] = torch.zeros(3, 5, 7)

    with pytest.raises(JobError, match=r"keeps backbone.*: rows of the shape \(3, 5, 7\) .* cannot be widened: .* SGD"):
        run(widening(), Job(**{**vars(work), "make_task": Kept}))
    later = widening()
    later.enter_stage(1, {})
    with pytest.raises(JobError, match="the stage has ended without a checkpoint"):
        hand_over(modules[0], later, done=job(tmp_path / "none").run, following=work.run, seed=0)


def test_an_estimate_counts_the_epochs_of_every_stage_once(tmp_path):
    work = job(tmp_path, epochs=5, warmup=2)
    trainers, recorder = shortened(work.trainers, Limits(train=2, val=1, seconds=0.0))
    (training,) = gradient_work(widening(), Job(**{**vars(work), "trainers": trainers}))
    assert training.title == "training the supernet in 2 stages"
    training.once(0)
    assert [fit.asked for fit in recorder.fits] == [5, 5]


def test_two_ranks_widen_alike_and_go_on_together(tmp_path):
    run_ranks(rank, str(tmp_path / "two"), cwd=tmp_path)
    first, second = (torch.load(tmp_path / f"two.{number}") for number in range(2))
    assert first["found"] == second["found"]
    assert all(torch.equal(tensor, second["state"][name]) for name, tensor in first["state"].items())
    widths = {len(t) for name, t in first["state"].items() if name.endswith("conv.weight") and ".candidates." in name}
    assert widths == {4, 8, 16}
    found = run(widening(), job(tmp_path / "two", trainer={"devices": 1}))
    assert found.to_json() == first["found"], "it has ended, and is read"
