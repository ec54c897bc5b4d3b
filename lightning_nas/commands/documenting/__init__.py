"""What the command ``docs`` builds: pages of the guides, and the reference of the API beside them."""
