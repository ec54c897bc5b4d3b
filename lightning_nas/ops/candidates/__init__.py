"""Candidate operations, a family per file. A file here that uses ``@op("name")`` is found by itself."""
