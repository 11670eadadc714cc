"""One module for each engine, written as its users would.

Each has `IMPORT`, the statement that loads the engine; `DISTRIBUTION`, what pip calls it; `build(shape)`, which makes
the graph; and `prepare(shape, threads)`, which makes the graph and returns a function that runs all of it once and
returns the sum of the last tasks. `threads` is 0 for no threads. A module may have `draw(shape)`, which returns a
function that draws the graph as SVG and returns the seconds that the layout engine took. What an engine cannot do
raises NotImplementedError.
"""
