"""The ShuffleNetV2 space of single-path search."""
