"""What a flow is: tasks, edges, parameters, blocks, states. Plain values; no threads, clocks or files."""
