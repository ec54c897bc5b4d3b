"""What the command line does: Hydra composes the settings here, and nowhere else."""
