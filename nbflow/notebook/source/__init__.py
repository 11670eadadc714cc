"""Reading the code of cells: the names that it reads, binds and changes, and what it does to the notebook."""
