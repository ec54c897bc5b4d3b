"""The parts of ``auto``: what was asked for, the clock, the overrides of the commands that it starts."""
