"""Measure what it costs that a rerun gives what a fresh run would give: time, memory and disk, as ratios of one run.

    python -m benchmarks.values [--quick] [--only flow] [--baseline PATH] [--docs]

What is compared with the engine before, or with another one, takes turns with it in a process of its own.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tarfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.crew import BUILD, ROOT, Worker, python_for
from benchmarks.report import columns, number, piped, write_docs
from benchmarks.value_cases import BASELINE, CASES, HAMILTON, Case

if TYPE_CHECKING:
    from collections.abc import Sequence

PAGE = ROOT / "docs" / "benchmarks.md"
BEGIN, END = "<!-- values: begin -->", "<!-- values: end -->"
BEFORE = "cb1d033"  # the last commit of the engine that passed values on without a look at them
SCALES = {"ms": 1e3, "MB": 1e-6}
Found = dict[str, Any]


def baseline(given: Path | None) -> Path | None:
    """Return a checkout of the engine before, unpacked from the repository below build/; None if it is not there."""
    if given is not None:
        return given.resolve()
    folder = BUILD / f"nbflow-{BEFORE}"
    if (folder / "nbflow").is_dir():
        return folder
    folder.mkdir(parents=True, exist_ok=True)
    packed = folder / "nbflow.tar"
    try:
        command = ["git", "archive", "--output", str(packed), BEFORE, "nbflow"]
        subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
        with tarfile.open(packed) as archive:
            archive.extractall(folder, filter="data")
    except (OSError, subprocess.SubprocessError):
        shutil.rmtree(folder)
        return None
    packed.unlink()
    return folder


def measure(case: Case, checkout: Path | None, hamilton: str | None) -> Found:
    """Measure one case, turn by turn where there are two sides; returns the samples, or why there are none."""
    if (case.beside == BASELINE and checkout is None) or (case.beside == HAMILTON and hamilton is None):
        return {"error": f"{case.beside} is missing"}
    samples: list[dict[str, float]] = []
    for pair in range(case.pairs):
        workers = [_worker(case.measure, case, sys.executable)]
        if case.beside == BASELINE:
            workers.append(_worker(case.measure, case, sys.executable, str(checkout)))
        elif case.beside == HAMILTON:
            workers.append(_worker(f"{case.measure}_of_hamilton", case, str(hamilton)))
        try:
            for turn in range(case.rounds):
                sides = workers if (pair + turn) % 2 else workers[::-1]
                answers = {worker: worker.ask("measure") for worker in sides}
                if errors := [one["error"] for one in answers.values() if "error" in one]:
                    return {"error": errors[0]}
                ours = answers[workers[0]]
                samples.append(ours if len(workers) == 1 else ours | {"beside": answers[workers[1]]["value"]})
        finally:
            for worker in workers:
                worker.close()
    return summed_up(samples)


def _worker(function: str, case: Case, python: str, checkout: str = "") -> Worker:
    arguments = (function, json.dumps(case.details), *([checkout] if checkout else []))
    return Worker(
        f"values-{case.key}{'-before' if checkout else ''}",
        python,
        ("-m", "benchmarks.value_worker", *arguments),
        {"PYTHONHASHSEED": "0", "HAMILTON_TELEMETRY_ENABLED": "false"},
    )


def summed_up(samples: list[dict[str, float]]) -> Found:
    """Return the medians of the samples, and that of the ratios of each pair."""
    return {
        "value": statistics.median(one["value"] for one in samples),
        "beside": statistics.median(one["beside"] for one in samples),
        "ratio": statistics.median(one["value"] / one["beside"] for one in samples),
        "samples": samples,
    }


def verdict(case: Case, found: Found) -> str:
    """Say whether the target is reached; nothing where there is none."""
    if "error" in found:
        return "not measured"
    if case.limit is None:
        return ""
    return "met" if found["ratio"] <= case.limit else "not met"


def rows(report: dict[str, Any]) -> list[list[str]]:
    """One row a case."""
    table = [["", "nbflow", "beside", "", "ratio", "at most", ""]]
    for case in (case for case in CASES if case.key in report["found"]):
        found, scale = report["found"][case.key], SCALES[case.unit]
        limit = "-" if case.limit is None else f"{case.limit:g}"
        numbers = ["-", "-", "-"]
        if "error" not in found:
            numbers = [f"{number(scale * found[key])} {case.unit}" for key in ("value", "beside")]
            numbers.append(f"{found['ratio']:.3g}")
        ours, theirs, ratio = numbers
        table.append([case.title, ours, case.beside or case.what, theirs, ratio, limit, verdict(case, found)])
    return table


def failures(report: dict[str, Any]) -> list[str]:
    """Say what was not measured, and why."""
    titles = {case.key: case.title for case in CASES}
    return [f"{titles[key]}: {found['error']}" for key, found in report["found"].items() if "error" in found]


def markdown(report: dict[str, Any]) -> str:
    """Return the table for the docs."""
    judged = [word for row in rows(report)[1:] if (word := row[-1])]
    about = (
        f"{os.cpu_count()} cores, {platform.system()} {platform.machine()}, Python {platform.python_version()}. "
        f"{judged.count('met')} of {len(judged)} targets are met."
    )
    return "\n\n".join([about, piped(rows(report)), *failures(report)])


def chosen(only: list[str]) -> list[Case]:
    """Return the cases of these keys, or of keys that begin so; all without any."""
    cases = [case for case in CASES if not only or case.key.startswith(tuple(only))]
    if not cases:
        sys.exit(f"no case is called {', '.join(only)}; there are {', '.join(case.key for case in CASES)}")
    return cases


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="small values, few rounds: does it work")
    parser.add_argument("--only", action="append", default=[], metavar="CASE", help="a case, or how its name begins")
    parser.add_argument("--baseline", type=Path, metavar="PATH", help=f"a checkout to compare with ({BEFORE})")
    parser.add_argument("--docs", action="store_true", help=f"write the table into {PAGE.relative_to(ROOT)}")
    parser.add_argument("--out", type=Path, help="the JSON file (build/benchmarks/values.json)")
    options = parser.parse_args(arguments)
    if options.docs and (options.quick or options.only):
        parser.error("--docs needs a whole run: leave out --quick and --only")
    cases = chosen(options.only)
    checkout = baseline(options.baseline)
    is_asked = any(case.beside == HAMILTON for case in cases)
    hamilton = python_for("hamilton", install=not options.quick) if is_asked else None

    report: dict[str, Any] = {"quick": options.quick, "found": {}}
    for case in cases:
        print(f"{case.title} ...", file=sys.stderr, flush=True)
        report["found"][case.key] = measure(case.made_quick() if options.quick else case, checkout, hamilton)
    out = options.out or BUILD / ("values-quick.json" if options.quick else "values.json")
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(json.dumps(report, indent=1) + "\n")
    print("\n".join([columns(rows(report)), "", *failures(report)]))
    if options.quick:
        print("These were small values, to see that everything works: the ratios are those of small values.")
    if options.docs:
        write_docs(PAGE, markdown(report), BEGIN, END)


if __name__ == "__main__":
    main()
