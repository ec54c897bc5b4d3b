"""A user's own network as a search space: widths of its coupled channels and depth of its residual blocks."""
