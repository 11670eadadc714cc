"""The buttons: which there are, how they look, what they do."""
