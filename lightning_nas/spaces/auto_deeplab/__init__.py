"""The two-level space of Auto-DeepLab."""
