"""Necks, searched and drawn by hand."""
