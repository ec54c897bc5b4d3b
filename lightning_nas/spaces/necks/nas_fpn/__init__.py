"""The NAS-FPN space."""
