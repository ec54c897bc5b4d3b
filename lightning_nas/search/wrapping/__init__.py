"""What stands around a user's own LightningModule while it is searched."""
