"""The size of the image as a decision."""
