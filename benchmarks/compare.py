"""Compare nbflow with a plain loop, with dask and with other engines, in one run on this machine.

    python -m benchmarks.compare [--quick] [--only SHAPE] [--rounds 5] [--no-peers] [--docs]

In each round every engine takes one turn, so that what the machine does meanwhile falls on all of them.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.cases import CASES, Case
from benchmarks.crew import BUILD, ENGINES, PEERS, ROOT, Worker, hire
from benchmarks.report import markdown, table, write_docs
from benchmarks.shapes import SHAPES
from benchmarks.targets import judge

if TYPE_CHECKING:
    from collections.abc import Sequence

LONG_S = 8.0  # a turn longer than this is not taken again
Cell = dict[str, Any]


def measure(case: Case, workers: dict[str, Worker], rounds: int) -> dict[str, Cell]:
    """Measure one case with everyone who takes part, turn by turn."""
    cells: dict[str, Cell] = {}
    sums: dict[tuple[int, int | None], list[str]] = {}
    for engine in (name for name in case.engines if name in workers):
        size = case.size_for(engine)
        question = {"kind": case.kind, "shape": case.shape, "size": size, "threads": case.threads}
        answer = workers[engine].ask("prepare", **question)
        if "cannot" in answer:
            continue
        cells[engine] = {"size": size, "samples": [], **answer}
        if answer.get("sum") is not None:
            sums.setdefault((size, answer["sum"]), []).append(engine)
    assert len(sums) == len({size for size, _ in sums}), f"the engines disagree on {case.key}: {sums}"

    turns = list(cells)
    for number in range(rounds):
        for engine in turns[number % max(len(turns), 1) :] + turns[: number % max(len(turns), 1)]:
            cell = cells[engine]
            if "error" in cell or any(sample.get("seconds", 0) > LONG_S for sample in cell["samples"]):
                continue
            answer = workers[engine].ask("measure")
            if "cannot" in answer:
                cell["cannot"] = True
            elif "error" in answer:
                cell["error"] = answer["error"]
            else:
                cell["samples"].append(answer)
    return {engine: summed_up(case, cell) for engine, cell in cells.items() if "cannot" not in cell}


def summed_up(case: Case, cell: Cell) -> Cell:
    """Add the medians of a cell's samples, and what they come to for each task."""
    if not cell["samples"]:
        return cell
    cell |= {key: statistics.median(one[key] for one in cell["samples"]) for key in cell["samples"][0]}
    count = SHAPES[case.shape](cell["size"]).count if case.shape else 1
    cell["tasks"] = count
    cell["per_task"] = cell["bytes" if case.kind == "memory" else "seconds"] / count
    return cell


def machine(versions: dict[str, str]) -> dict[str, Any]:
    """Say on what kind of machine this ran; nothing that names one."""
    return {
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "engines": versions,
    }


def chosen(only: list[str]) -> list[Case]:
    """Return the cases of these keys or shapes; all without any."""
    cases = [case for case in CASES if not only or {case.key, case.shape, case.kind} & set(only)]
    if not cases:
        keys = ", ".join(case.key for case in CASES)
        sys.exit(f"no case is called {', '.join(only)}; there are {keys}, and the shapes {', '.join(SHAPES)}")
    return cases


def parsed(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="tiny graphs, two rounds, no peers: does it work")
    parser.add_argument("--only", action="append", default=[], metavar="SHAPE", help="a case, shape or kind")
    parser.add_argument("--rounds", type=int, default=0, help="how many (5; 2 with --quick)")
    parser.add_argument("--engines", nargs="+", choices=ENGINES, default=list(ENGINES))
    parser.add_argument("--no-peers", action="store_true", help="install and run no other engine than dask")
    parser.add_argument("--docs", action="store_true", help="write the tables into docs/benchmarks.md")
    parser.add_argument("--out", type=Path, help="the JSON file (build/benchmarks/results.json)")
    options = parser.parse_args(arguments)
    if options.docs and (options.quick or options.only):
        parser.error("--docs needs a whole run: leave out --quick and --only")
    return options


def main(arguments: Sequence[str] | None = None) -> None:
    options = parsed(arguments)
    rounds = options.rounds or (2 if options.quick else 5)
    cases = chosen(options.only)
    alone = options.no_peers or options.quick
    engines = [name for name in options.engines if not (alone and name in PEERS)]
    out = options.out or BUILD / ("quick.json" if options.quick else "results.json")

    workers, versions = hire(engines, install=not alone)
    results: dict[str, dict[str, Cell]] = {}
    try:
        for case in cases:
            print(f"{case.title} ...", file=sys.stderr, flush=True)
            results[case.key] = measure(case.quick() if options.quick else case, workers, rounds)
    finally:
        for worker in workers.values():
            worker.close()

    verdicts = judge(results)
    report = {
        "machine": machine(versions),
        "rounds": rounds,
        "quick": options.quick,
        "cases": results,
        "targets": [verdict.as_dict() for verdict in verdicts],
    }
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(json.dumps(report, indent=1) + "\n")
    print(table(report))
    print(f"\nwritten to {out.relative_to(ROOT) if out.is_relative_to(ROOT) else out}")
    if options.docs:
        write_docs(ROOT / "docs" / "benchmarks.md", markdown(report))


if __name__ == "__main__":
    main()
