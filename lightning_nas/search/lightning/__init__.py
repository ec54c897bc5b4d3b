"""Everything that knows Lightning: its two packages, its private names, Trainers, callbacks, checkpoints."""
