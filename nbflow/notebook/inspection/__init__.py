"""What can be said of a flow's cells: what each defines, what is missing, what is wrong."""
