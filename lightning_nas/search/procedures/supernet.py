"""What every training of a supernet on paths begins with."""

from __future__ import annotations

from typing import Any

from lightning_nas.errors import JobError
from lightning_nas.search.job import Job
from lightning_nas.search.lightning.families import pl
from lightning_nas.spaces import Supernet


def require_validation(job: Job, strategy: str) -> None:
    """Prepares the data of a job, and checks that they hold out what networks can be judged by.

    Raises:
        JobError: If there are no validation images.
    """
    job.datamodule.prepare_data()
    job.datamodule.setup("fit")
    if not job.datamodule.val_dataloader():
        raise JobError(f"{strategy} judges candidates on validation images, and data holds out none")


def seeded_supernet(job: Job) -> Supernet:
    """The supernet of a job's space, the same for the same seed."""
    return job.build_supernet()


def seeded_task(job: Job, supernet: Supernet | None = None) -> tuple[Supernet, pl.LightningModule]:
    """A supernet and its task, whose head starts the same after whatever was drawn before.

    Args:
        job: Of the search.
        supernet: Made already; a new one if None.
    """
    network = seeded_supernet(job) if supernet is None else supernet
    pl.seed_everything(job.seed, workers=True, verbose=False)
    return network, job.supernet_task(network)


def step_settings(job: Job) -> dict[str, Any]:
    """How the weights are stepped, as arguments of a Trainer."""
    settings = job.supernet
    return {
        "accumulate_grad_batches": settings.accumulate_grad_batches,
        "gradient_clip_val": settings.gradient_clip_val,
        "gradient_clip_algorithm": settings.gradient_clip_algorithm,
    }
