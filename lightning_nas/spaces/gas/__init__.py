"""The space of GAS."""
