"""A cell that is a task: what becomes of its code, and the order that it has with others."""
