"""The multi-branch space."""
