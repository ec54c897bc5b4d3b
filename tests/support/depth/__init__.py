"""Somebody's project: how far away every pixel is. Nothing in the library knows of it."""

from depth.data import BoxesDataModule
from depth.module import DepthTask

__all__ = ["BoxesDataModule", "DepthTask"]
