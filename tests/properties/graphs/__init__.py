"""Random graphs: blocks in blocks, maps, cases, merges and edges between any two tasks, also of blocks.

Each is refused when it is built, with words that name the tasks, or its run ends and cleans up what it has set up.
`build` makes one from a seed, `play` runs it and judges; ``python -m tests.properties.graphs N --seed S`` plays many.
"""
