"""The networks of a front as ordinary ones: cut out of their supernet with their weights, tuned if asked for, kept on disk."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from safetensors.torch import save
from torch import nn

from lightning_nas.architecture import Architecture, Option, write_atomic
from lightning_nas.errors import ArgumentError, JobError, NotFiniteError, WeightsError
from lightning_nas.networks.inherit import inherit_weights
from lightning_nas.networks.weights import read_state_dict
from lightning_nas.ops.layers.elastic import cut
from lightning_nas.runs import RunFolder
from lightning_nas.runs.contents import FrontNetwork, checked, read_text
from lightning_nas.search.costs import cost_of_task
from lightning_nas.search.headline import validation_score
from lightning_nas.search.job import Job
from lightning_nas.search.lightning.callbacks import SeedBatches
from lightning_nas.search.lightning.families import pl
from lightning_nas.search.lightning.persistence import last_checkpoint
from lightning_nas.search.lightning.rates import scale_rates
from lightning_nas.search.paths.front_latency import PredictedLatency, deployed_latency
from lightning_nas.search.paths.shared_weights import SharedWeights
from lightning_nas.search.tasks import task_arguments
from lightning_nas.spaces import Supernet
from lightning_nas.spaces.record import from_architecture
from lightning_nas.strategies.paths.elastic import Elastic
from lightning_nas.strategies.paths.front import Measured
from lightning_nas.strategies.paths.pareto import knee


@dataclass(frozen=True)
class FrontNetworks:
    """Writes the folders of the networks of a front, and the record of all.

    Args:
        strategy: Says how long each is tuned and which one is preferred.
        job: The search.
        scores: Holds the trained supernet, and measures.
        latency: Has predicted that of the networks, where it mattered.
    """

    strategy: Elastic
    job: Job
    scores: SharedWeights
    latency: PredictedLatency | None = None

    def keep(self, front: Sequence[Measured], measured: int) -> dict[str, Option]:
        """Keeps networks of a front, each in its folder; one that an earlier attempt has finished is read.

        Args:
            front: Cheapest first.
            measured: How many networks were measured in all.

        Returns:
            The choices of the preferred one.
        """
        run, networks = self.job.run, []
        for number, one in enumerate(front):
            record = run.front_network(number).result
            if record.is_file():
                networks.append(checked(read_text(record), FrontNetwork, str(record)))
                continue
            networks.append(self._kept(number, one))
            self._write(record, networks[-1])
        networks = self._within_limits(networks)
        points = [(entry["metric"], _cost_of(entry, self.strategy.cost)) for entry in networks]
        best = max(range(len(points)), key=lambda index: points[index][0])
        chosen = networks[knee(points) if self.strategy.prefer == "knee" else best]["number"]
        name = self.scores.metric_name(front[chosen].choices)
        content = {
            "metric": name, "cost": self.strategy.cost, "chosen": chosen, "measured": measured, "networks": networks,
            "task_arguments": task_arguments(self.job.datamodule),
            "latency_model": None if self.latency is None else self.latency.described(),
        }  # fmt: skip
        self._write(run.front_record, content)
        return front[chosen].choices

    def _within_limits(self, networks: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """Those whose measured latency keeps the limit, too: the search has known a prediction."""
        limit = self.strategy.limits["latency_ms"]
        if limit is None:
            return networks
        kept = [entry for entry in networks if _cost_of(entry, "latency_ms") <= limit]
        if not kept:
            least = min(_cost_of(entry, "latency_ms") for entry in networks)
            raise JobError(
                f"max_latency_ms = {limit:g}: predicted of {len(networks)} networks of the front, but measured of none; the "
                f"fastest takes {least:.2f} ms"
            )
        return kept

    def _kept(self, number: int, one: Measured) -> dict[str, Any]:
        job, run = self.job, self.job.run.front_network(number)
        self.scores.prepare(one.choices)  # the statistics of BatchNorm become its own
        task = cut_task(job, self.scores.task, self.scores.supernet, one.choices)
        metric = self._tuned_or_kept(task, run, one.value) if self.strategy.tune_epochs else one.value
        trainer = self.scores.trainer
        cost = cost_of_task(task, job.datamodule, trainer.strategy.root_device).network
        assert cost is not None
        latency = None
        if trainer.is_global_zero:
            strict = "latency_ms" in self.strategy.costs
            latency = deployed_latency(task, job.datamodule, trainer.strategy.root_device, strict=strict)
            run.path.mkdir(parents=True, exist_ok=True)
            state = {name: tensor.detach().cpu().clone().contiguous() for name, tensor in task.state_dict().items()}
            write_atomic(run.weights, save(state))
            provenance = {"strategy": "elastic", "seed": job.seed, "front": number}
            job.space.architecture(one.choices, provenance).save(run.architecture)
        return {
            "number": number, "metric": metric, "inherited": one.value, "macs": cost.macs, "params": cost.parameters,
            "latency": None if latency is None else asdict(latency),
        }  # fmt: skip

    def _tuned_or_kept(self, task: pl.LightningModule, run: RunFolder, inherited: float) -> float:
        """The metric of a network after tuning; one that this has made worse gets its weights back."""
        before = {name: tensor.detach().cpu().clone() for name, tensor in task.state_dict().items()}
        metric = self._tuned(task, run)
        if metric >= inherited:
            return metric
        task.load_state_dict(before)
        return inherited

    def _tuned(self, task: pl.LightningModule, run: RunFolder) -> float:
        """The metric of a network after it has been trained by itself."""
        job = self.job
        pl.seed_everything(job.seed, workers=True, verbose=False)
        epochs = self.strategy.tune_epochs
        scale_rates(task, self.strategy.tune_rate)
        trainer = job.trainers.training(run.path, epochs, [SeedBatches(job.seed)], validated=False)
        trainer.fit(task, datamodule=job.datamodule, ckpt_path=last_checkpoint(run.path))
        (metrics,) = job.trainers.silent(run.path).validate(task, datamodule=job.datamodule, verbose=False)
        name, value = validation_score(metrics, self.strategy.metric, task)
        if value != value:
            raise NotFiniteError(f"{run}: {name} of the tuned network is no finite number")
        return value

    def _write(self, path: Any, content: dict[str, Any]) -> None:
        if self.scores.trainer.is_global_zero:
            write_atomic(path, json.dumps(content, indent=2) + "\n")


def cut_task(job: Job, task: nn.Module, supernet: Supernet, choices: dict[str, Option]) -> pl.LightningModule:
    """The task with one network of its supernet as an ordinary module, with the weights that it has there.

    A head that follows the network in size is cut as well: the first entries of its tensors.

    Args:
        job: Builds network and task.
        task: Holds the supernet.
        supernet: In the task.
        choices: The network.

    Raises:
        WeightsError: If a tensor outside the supernet is larger in the task of one network, or not there beside the supernet.
    """
    network = job.space.network(choices)
    found = job.supernet_task(network)
    inherit_weights(network, supernet, choices)
    inside = {id(tensor) for tensor in (*network.parameters(), *network.buffers())}
    beside = {name: tensor for name, tensor in found.state_dict(keep_vars=True).items() if id(tensor) not in inside}
    try:
        found.load_state_dict(cut(task, beside), strict=False)
    except ArgumentError as error:
        raise WeightsError(f"the task beside its supernet does not fit the one of a network: {error}") from error
    return found


def _cost_of(entry: dict[str, Any], name: str) -> float:
    return float(entry["latency"]["median_ms"] if name == "latency_ms" else entry[name])


def front_task(job: Job, number: int) -> pl.LightningModule:
    """The task with a network of the front of a finished search, and its trained weights.

    Args:
        job: Of that search.
        number: Of the network.

    Raises:
        WeightsError: If the weights are not those of the network.
    """
    folder = job.run.front_network(number)
    space, choices = from_architecture(Architecture.load(folder.architecture))
    task = job.supernet_task(space.network(choices))
    try:
        task.load_state_dict(read_state_dict(folder.weights))
    except RuntimeError as error:
        raise WeightsError(f"{folder.weights}: {' '.join(str(error).split())[:300]}") from None
    return task
