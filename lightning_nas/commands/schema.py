"""Keys and types of the commands' settings; components are checked against their own signatures."""

from __future__ import annotations

import functools
from dataclasses import dataclass, field
from typing import Any

from hydra.core.config_store import ConfigStore

from lightning_nas.runs.settings import ComparisonSettings, SupernetSettings, TrialsSettings


@dataclass
class EvaluateSchema(ComparisonSettings):
    """The comparison after the search, and what its task has that the search's has not."""

    task: dict[str, Any] = field(default_factory=dict)


@dataclass
class SearchSchema:
    """Of ``search.yaml``."""

    task: dict[str, Any] = field(default_factory=dict)
    data: dict[str, Any] = field(default_factory=dict)
    space: dict[str, Any] = field(default_factory=dict)
    strategy: dict[str, Any] = field(default_factory=dict)
    trainer: dict[str, Any] = field(default_factory=dict)
    callbacks: dict[str, Any] = field(default_factory=dict)
    logger: dict[str, Any] = field(default_factory=dict)
    search: SupernetSettings = field(default_factory=SupernetSettings)
    trials: TrialsSettings = field(default_factory=TrialsSettings)
    evaluator: dict[str, Any] = field(default_factory=dict)
    pruner: dict[str, Any] | None = None
    prefilter: dict[str, Any] | None = None
    evaluate: EvaluateSchema = field(default_factory=EvaluateSchema)
    pretrain: dict[str, Any] | None = None
    pretrained: Any = None
    seed: int = 0
    resume: bool = False
    continue_from: str | None = None
    max_time: str | None = None


@dataclass
class TrainSchema:
    """Of ``train.yaml``."""

    task: dict[str, Any] = field(default_factory=dict)
    data: dict[str, Any] = field(default_factory=dict)
    trainer: dict[str, Any] = field(default_factory=dict)
    model: str | None = None
    callbacks: dict[str, Any] = field(default_factory=dict)
    logger: dict[str, Any] = field(default_factory=dict)
    architecture: str | None = None
    part: str | None = None
    network: dict[str, Any] = field(default_factory=dict)
    neck: dict[str, Any] = field(default_factory=dict)
    weights: str | None = None
    backbone_weights: str | None = None
    inherit: str | None = None
    pretrained: Any = None
    drop_path: float = 0.0
    epochs: int = 30
    seed: int = 0
    resume: bool = False
    max_time: str | None = None


@dataclass
class ReportSchema:
    """Of ``report.yaml``."""

    run: str | None = None


@dataclass
class PredictSchema:
    """Of ``predict.yaml``."""

    run: str | None = None
    model: str | None = None
    images: str | None = None
    out: str | None = None
    batch_size: int = 4
    skip_invalid: bool = False
    device: str = "auto"
    allow: list[str] = field(default_factory=list)


@dataclass
class ExportSchema:
    """Of ``export.yaml``."""

    run: str | None = None
    model: str | None = None
    format: list[str] = field(default_factory=lambda: ["onnx", "safetensors"])
    size: list[int] | None = None
    test: bool = True
    int8: bool = False
    int8_images: int = 100
    latency_ms: float | None = None
    macs: float | None = None
    params: float | None = None
    threads: int = 1
    out: str | None = None
    allow: list[str] = field(default_factory=list)


@dataclass
class UiSchema:
    """Of ``ui.yaml``."""

    run: str | None = "runs"
    port: int = 8765


@dataclass
class DocsSchema:
    """Of ``docs.yaml``."""

    out: str | None = "runs/docs"
    open: bool = False


@functools.cache
def register_schemas() -> None:
    """Makes the schemas known to Hydra, which keeps them: the next call has nothing left to do."""
    store = ConfigStore.instance()
    store.store(name="search_schema", node=SearchSchema)
    store.store(name="train_schema", node=TrainSchema)
    store.store(name="report_schema", node=ReportSchema)
    store.store(name="predict_schema", node=PredictSchema)
    store.store(name="export_schema", node=ExportSchema)
    store.store(name="ui_schema", node=UiSchema)
    store.store(name="docs_schema", node=DocsSchema)
