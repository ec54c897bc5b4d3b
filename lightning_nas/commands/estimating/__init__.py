"""``estimate``: what another command will take, measured on this machine before it runs."""
