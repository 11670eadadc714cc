"""The parts of a flow: tasks, edges, parameters, blocks, states. Plain values; no threads, clocks or files."""
