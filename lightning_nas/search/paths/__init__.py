"""Supernets that are trained path by path, and the scores of their paths."""
