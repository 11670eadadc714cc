"""Where nbflow's time goes on one shape: the top lines of cProfile.

python benchmarks/profile.py SHAPE [--size 1000] [--threads 0] [--build] [--top 30] [--by tottime]
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
# Started as a script, this file would otherwise be taken for the `profile` that cProfile imports.
sys.path[:] = [str(ROOT), *(entry for entry in sys.path if Path(entry).resolve() != ROOT / "benchmarks")]


def main() -> None:
    import cProfile
    import pstats

    from benchmarks.runners import nbflow
    from benchmarks.shapes import SHAPES

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("shape", choices=SHAPES)
    parser.add_argument("--size", type=int, default=1_000)
    parser.add_argument("--threads", type=int, default=0)
    parser.add_argument("--repeat", type=int, default=5)
    parser.add_argument("--build", action="store_true", help="making the flow instead of running it")
    parser.add_argument("--draw", action="store_true", help="drawing it instead")
    parser.add_argument("--top", type=int, default=30)
    parser.add_argument("--by", default="tottime", choices=("tottime", "cumtime", "ncalls"))
    options = parser.parse_args()

    shape = SHAPES[options.shape](options.size)
    if options.build:
        action = lambda: nbflow.build(shape)  # noqa: E731
    elif options.draw:
        action = nbflow.draw(shape)
    else:
        action = nbflow.prepare(shape, options.threads)
    action()  # warms up
    profiler = cProfile.Profile()
    for _ in range(options.repeat):
        profiler.runcall(action)
    print(f"{options.repeat} times {shape.name}, {shape.count:,} tasks each")
    pstats.Stats(profiler).strip_dirs().sort_stats(options.by).print_stats(options.top)


if __name__ == "__main__":
    main()
