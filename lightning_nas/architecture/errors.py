"""What all refusals have in common."""

from __future__ import annotations


class RefusedError(ValueError):
    """A setting or a file of the user's that cannot be used; the text says all there is, so that no traceback is needed."""
