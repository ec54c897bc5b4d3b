"""Trials, their study and its storage."""
