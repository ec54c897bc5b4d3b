"""The space of MetaQNN."""
