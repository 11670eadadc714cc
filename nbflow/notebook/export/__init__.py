"""A flow's cells as a Python module."""
