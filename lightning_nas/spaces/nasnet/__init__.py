"""The NASNet space, and the micro space of ENAS, whose cells are of its kind."""
