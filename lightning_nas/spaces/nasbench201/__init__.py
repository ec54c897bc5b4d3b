"""The space of NAS-Bench-201."""
