"""The fast way of computing mixed operations."""
