"""The elastic space: smaller networks inside a well-known one, whose weights they share by slicing."""
