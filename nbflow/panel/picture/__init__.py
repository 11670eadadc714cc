"""What a panel shows of a graph and a run of it: rows and nodes as data, their drawing, what is folded."""
