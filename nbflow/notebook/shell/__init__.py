"""What nbflow knows of the shell that executes the cells: numbers, outputs, figures, errors, interrupts."""
