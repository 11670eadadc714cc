"""End real kernels with real resources at random moments, and account for everything afterwards.

`scripts/campaign.py --rounds 200` draws the rounds from a seed, which it prints; `--seed S --round N --only END` plays
one of them again. It exits with 1 if anything was left, cleaned up twice, or went wrong in another way.
"""

from __future__ import annotations

import argparse
import itertools
import os
import random
import signal
import statistics
import sys
import tempfile
import time
from collections import Counter
from dataclasses import replace
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from tests.faults.kernels import Stable
from tests.faults.plan import ENDS, EXECUTORS, draw
from tests.faults.trial import Result, play

COLUMNS = (
    ("rounds", 8),
    ("in setup", 10),
    ("resources", 11),
    ("by the run", 12),
    ("by the reaper", 15),
    ("listed", 8),
    ("LEFT", 6),
    ("TWICE", 7),
    ("ODD", 5),
    ("end s", 8),
    ("reaper s", 10),
)


def main(argv: list[str]) -> int:
    options = parse(argv)
    take_signals()
    seed = random.SystemRandom().randrange(10**6) if options.seed is None else options.seed
    numbers = [options.round] if options.round is not None else range(options.rounds)
    ends = itertools.cycle(options.only or ENDS)
    print(f"seed {seed}, {len(numbers)} rounds", flush=True)
    results = []
    with tempfile.TemporaryDirectory(prefix="nbflow-campaign-") as folder:
        keep_apart(Path(folder))
        with Stable(Path(folder), warm=min(2, len(numbers) - 1)) as stable:
            try:
                for number, end in zip(numbers, ends, strict=False):
                    plan = draw(seed, number, end)
                    plan = replace(plan, executor=options.executor or plan.executor)
                    results.append(tell(play(plan, stable)))
            except KeyboardInterrupt:
                print("interrupted", flush=True)

    print(table(results))
    failed = [result for result in results if result.problems]
    for result in failed:
        print(f"\n{result}")
    return int(bool(failed) or len(results) < len(numbers))


def parse(argv: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=200, help="how many kernels to end (200)")
    parser.add_argument("--seed", type=int, help="draw the rounds from this number; by default another each time")
    parser.add_argument("--only", action="append", choices=ENDS, help="this end only; may be given several times")
    parser.add_argument("--executor", choices=EXECUTORS, help="run all flows on this one; by default it is drawn")
    parser.add_argument("--round", type=int, help="play the round of this number only; needs --seed and --only")
    options = parser.parse_args(argv)
    if options.round is not None and (options.seed is None or not options.only):
        parser.error("--round needs --seed and --only")
    return options


def take_signals() -> None:
    """Undo for what is started here what `nohup` did to this campaign, which goes on when its terminal is closed."""
    for number in (signal.SIGHUP, signal.SIGQUIT):
        if signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, lambda number, frame: None)  # not inherited, unlike what is ignored


def keep_apart(folder: Path) -> None:
    """Keep Jupyter and IPython away from the user's own folders."""
    for name in (
        "IPYTHONDIR",
        "JUPYTER_CONFIG_DIR",
        "JUPYTER_DATA_DIR",
        "JUPYTER_RUNTIME_DIR",
        "DASK_CONFIG",
    ):
        place = folder / name.lower()
        place.mkdir()
        os.environ[name] = str(place)
    os.environ["JUPYTER_PLATFORM_DIRS"] = "1"


def tell(result: Result) -> Result:
    plan, fates = result.plan, result.account.fates
    told = ", ".join(f"{count} {fate}" for fate, count in sorted(fates.items())) or "nothing was set up"
    told += ", ended in a setup" if result.in_setup else ""
    verdict = "FAILED" if result.problems else "ok"
    print(
        f"{time.strftime('%H:%M:%S')} {plan.number:4} {plan.end:<18}{verdict:<7} {told}"
        f" ({result.end_s:.1f} s, reaper {result.settle_s:.1f} s)",
        flush=True,
    )
    for problem in result.problems:
        print(f"         {problem}", flush=True)
    return result


def table(results: list[Result]) -> str:
    """The counts for each kind of end; the times are the median and the longest."""
    head = f"{'end':<18}" + "".join(f"{name:>{width}}" for name, width in COLUMNS)
    lines = ["", head, "-" * len(head)]
    found = {end: [result for result in results if result.plan.end == end] for end in ENDS}
    lines += [row(end, rounds) for end, rounds in found.items() if rounds]
    lines += ["-" * len(head), row("all", results)] if results else []
    return "\n".join(lines)


def row(name: str, results: list[Result]) -> str:
    fates: Counter[str] = sum((result.account.fates for result in results), Counter())
    words = Counter(problem.partition(":")[0] for result in results for problem in result.problems)
    counts = [
        len(results),
        sum(result.in_setup for result in results),
        sum(fates.values()),
        fates["run"],
        fates["reclaimed"],
        fates["listed"],
        words["LEFT"],
        words["TWICE"],
        words["ODD"],
        spread([result.end_s for result in results]),
        spread([result.settle_s for result in results]),
    ]
    cells = (f"{cell:>{width}}" for cell, (_, width) in zip(counts, COLUMNS, strict=True))
    return f"{name:<18}" + "".join(cells)


def spread(seconds: list[float]) -> str:
    return f"{statistics.median(seconds):.1f}/{max(seconds):.0f}"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
