"""The shell that executes the cells: their numbers, outputs, figures, errors and interrupts."""
