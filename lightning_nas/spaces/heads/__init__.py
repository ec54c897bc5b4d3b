"""Sizes of heads as decisions."""
