"""The effects of a task's code on its arguments and on the notebook, found in its bytecode without executing it."""
