"""Necks whose width and repeats are decisions."""
