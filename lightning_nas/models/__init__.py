"""Trained networks as whole models: loaded, used, saved and exported without the run and its data."""

from lightning_nas.models.deployment import Deployment
from lightning_nas.models.model import Model, build_task, load_model, read_model
from lightning_nas.models.record import ModelRecord

__all__ = ["Deployment", "Model", "ModelRecord", "build_task", "load_model", "read_model"]
