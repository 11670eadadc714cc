"""Reports about a flow's cells: what each defines, what is missing, what is wrong."""
