"""Products of search spaces."""
