"""Plays many programs in forked children, counts what is found, and makes small what is shown."""

from __future__ import annotations

import argparse
import gc
import importlib
import os
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.properties.programs.figures import Figures
from tests.properties.programs.flows import FlowCase
from tests.properties.programs.forks import ChildError, forked
from tests.properties.programs.player import Found

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.properties.programs.verdict import Finding

MOST_TRIALS = 250
USED = (
    "numpy.ma",
    "numpy.random",
    "pandas",
    "xxhash",
    "nbflow.engine.file_watch",
    "concurrent.futures.thread",
)
ROOT = Path(__file__).parents[3]


def families() -> dict[str, Any]:
    """Return the kinds of programs by name; those of cells need a shell, which is made here."""
    from tests.properties.programs.files import FileCase
    from tests.properties.programs.notebooks import KernelCase, NotebookCase
    from tests.properties.programs.shell import warm_shell

    warm_shell()
    for name in USED:
        importlib.import_module(name)
    gc.freeze()  # or each look for who holds a run goes through all of pandas, and each child copies it
    return {"flows": FlowCase, "notebooks": NotebookCase, "files": FileCase, "kernels": KernelCase}


def play(cases: Sequence[Any]) -> list[tuple[Any, list[Found], list[Finding]]]:
    """Play cases, with what was found in each. What was found among others is looked for again, alone."""
    found = _together(cases)
    if len(cases) > 1:
        found = [
            one if one is not None and not one[2] else _together([case])[0]
            for case, one in zip(cases, found, strict=True)
        ]
    return [one for one in found if one is not None]


def _together(cases: Sequence[Any]) -> list[Any]:
    expecting = forked(lambda: [case.expect() for case in cases])
    playing = forked(lambda: cases[0].play_all(cases), limit_s=cases[0].limit_s)
    expected = expecting()
    try:
        played = playing()
    except ChildError as error:
        if len(cases) > 1:
            return [None] * len(cases)
        found = Found(error=str(error))
        return [(cases[0], [found], cases[0].judge(expected[0][:1], [found]))]
    return [
        (case, found, case.judge(outcomes, found))
        for case, outcomes, found in zip(cases, expected, played, strict=True)
    ]


def campaign(family: Any, seeds: Sequence[int], *, jobs: int = 1) -> Figures:
    """Play the programs of these seeds."""
    if jobs > 1:
        total = Figures()
        parts = [forked(lambda part=part: campaign(family, part), limit_s=24 * 3600) for part in _dealt(seeds, jobs)]
        for part in parts:
            total.add(part())
        return total
    figures = Figures()
    for start in range(0, len(seeds), family.batch):
        for case, found, findings in play([family.make(seed) for seed in seeds[start : start + family.batch]]):
            figures.note(case, found, findings)
    return figures


def _dealt(seeds: Sequence[int], jobs: int) -> list[Sequence[int]]:
    return [seeds[part::jobs] for part in range(jobs)]


def shrink(case: Any, finding: Finding) -> tuple[Any, Finding]:
    """Return the smallest case that is found to have a finding of the same sort, after a step of the same kind."""
    trials, goes_on = 0, True
    while goes_on:
        goes_on = False
        for smaller in case.smaller():
            trials += 1
            if trials > MOST_TRIALS:
                return case, finding
            try:
                (_, _, findings) = play([smaller])[0]
            except (ChildError, IndexError):
                continue  # it is no program any more
            same = [one for one in findings if (one.sort, one.op) == (finding.sort, finding.op)]
            if same:
                case, finding, goes_on = smaller, same[0], True
                break
    return case, finding


def report(case: Any, finding: Finding) -> str:
    """Return what is needed to repeat and understand a finding."""
    where = f"after step {finding.step} ({finding.op})" if finding.step else "after the first run"
    return "\n".join(
        [
            f"=== {finding.sort} {where}: {finding.task} ({', '.join(finding.about)}); {case.family}, seed {case.seed}",
            case.text(),
            f"# expected: {finding.expected}",
            f"# got:      {finding.got}",
        ]
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Play programs and print the figures; returns how many faults there are, 99 at most."""
    parser = argparse.ArgumentParser(prog="python -m tests.properties.programs", description=__doc__)
    parser.add_argument("number", type=int, help="how many programs")
    parser.add_argument("--seed", type=int, default=1, help="of the first program")
    parser.add_argument("--jobs", type=int, default=max(1, len(os.sched_getaffinity(0))), help="processes at once")
    parser.add_argument("--family", choices=("flows", "notebooks", "files", "kernels", "all"), default="all")
    parser.add_argument("--show", type=int, default=5, help="how many findings to make small and print")
    given = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="programs-") as folder:
        tempfile.tempdir = folder  # of the children, too
        os.environ["NBFLOW_HOME"] = os.path.join(folder, "home")  # whose files are nobody's inputs
        os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH"))))
        try:
            return _play_all(given)
        finally:
            tempfile.tempdir = None


def _play_all(given: argparse.Namespace) -> int:
    faults = 0
    known = families()
    shares = {"flows": 0.8, "notebooks": 0.15, "files": 0.05} if given.family == "all" else {given.family: 1.0}
    for name, share in shares.items():
        number = max(1, round(given.number * share))
        begun = time.monotonic()
        figures = campaign(known[name], range(given.seed, given.seed + number), jobs=given.jobs)
        took = time.monotonic() - begun
        print(f"--- {name}, seeds {given.seed} to {given.seed + number - 1} ({number / took:.0f} programs a second)")
        print(figures.text(), flush=True)
        faults += figures.faults
        shown: set[Any] = set()
        for case, finding in figures.findings:
            if len(shown) < given.show and (key := (finding.sort, finding.op)) not in shown:
                shown.add(key)
                print("\n" + report(*shrink(case, finding)), flush=True)
    return min(faults, 99)
