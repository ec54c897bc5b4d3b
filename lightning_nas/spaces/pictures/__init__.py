"""Pictures of architectures as SVG, and the names of what was searched."""
