"""Necks drawn by hand: spaces of one architecture."""
