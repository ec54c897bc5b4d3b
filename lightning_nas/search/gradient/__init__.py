"""The steps of a gradient search: weights and logits in turn."""
