"""The chain space: inverted residual blocks, one after the other."""
