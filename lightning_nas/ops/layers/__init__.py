"""What candidates and networks are built of."""
