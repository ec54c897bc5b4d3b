"""The macro space of ENAS."""
