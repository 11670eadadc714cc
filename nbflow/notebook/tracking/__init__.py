"""Following the cells as they are executed: which one it is, in which order they stand, what they add."""
