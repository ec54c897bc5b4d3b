"""A local page over the runs of a folder: listed, compared, their reports opened."""
