"""Hydra configs: one file per component."""
