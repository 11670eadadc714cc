"""Run the layers of the test suite one after the other and close with a table of them.

`scripts/test.py` runs all, `scripts/test.py unit kernel` some. A layer whose tests could not run (no Chromium,
say) is reported as NOT RUN, which is a failure when NBFLOW_REQUIRE_ALL is set.

A test that fails is played once more, alone. One that passes then is a race, in the test or in what it tests: it is
named at the end as UNSTABLE, for somebody to look at, and does not fail the layer unless there are several of them.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
import xml.etree.ElementTree as ET
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

ROOT = Path(__file__).resolve().parent.parent
REPORTS = ROOT / "build" / "test"
APART = "not browser and not dask and not kernel and not faults and not elsewhere and not cluster"

# The panel against real runs, without a browser.
PANEL = ("tests/panel",)
# Each executes cells in a real IPython shell.
SHELL = ("tests/notebook",)
# They start processes and kill them: quick each, but too many to wait for after every change.
PROCESSES = ("tests/executors", "tests/ledger", "tests/resources", "tests/store")

# Where the tests of a mark are, so that a layer collects no others; tests/conftest.py refuses one elsewhere.
_OF_EXECUTORS = ("tests/engine", "tests/executors", "tests/properties", "tests/resources")
FOLDERS = {
    "browser": ("tests/browser",),
    "cluster": _OF_EXECUTORS,
    "dask": (
        "tests/browser",
        "tests/dask",
        "tests/executors",
        "tests/kernel",
        "tests/resources",
        "tests/test_benchmarks.py",
    ),
    "elsewhere": _OF_EXECUTORS,
    "faults": ("tests/faults",),
    "kernel": ("tests/kernel", "tests/resources", "tests/test_benchmarks.py"),
}
# All tests of these folders have the mark.
ONLY = {"tests/browser": "browser", "tests/dask": "dask", "tests/kernel": "kernel"}

# Several tests at once; each worker has servers, browsers and kernels of its own. One more than there are processors,
# since most tests wait now and then; those of the browser do not.
PROCESSORS = os.cpu_count() or 1
AT_ONCE = ("-n", str(min(PROCESSORS + 1, 4)), "--dist=worksteal")
BROWSERS_AT_ONCE = ("-n", str(min(PROCESSORS, 4)), "--dist=worksteal")

# What pytest is given for each layer; the quick ones first.
LAYERS = {
    "unit": [
        "tests",
        *(f"--ignore={folder}" for folder in ("tests/properties", *PANEL, *SHELL, *PROCESSES, *ONLY)),
        "-m",
        APART,
        *AT_ONCE,
    ],
    "doctests": ["nbflow", "--doctest-modules"],
    "panel": [*PANEL, "-m", APART, *AT_ONCE],
    "shell": [*SHELL, "-m", APART, *AT_ONCE],
    "processes": [*PROCESSES, "-m", APART, *AT_ONCE],
    "elsewhere": [*FOLDERS["elsewhere"], "-m", "elsewhere and not dask", *AT_ONCE],
    "cluster": [*FOLDERS["cluster"], "-m", "cluster", *AT_ONCE],
    "properties": ["tests/properties", "-m", APART, *AT_ONCE],
    "javascript": [],
    "clusters": ["tests/dask", "-m", "dask and not faults", *AT_ONCE],
    # One after the other: these look at all that the machine has of dask.
    "dask": [*sorted({*FOLDERS["dask"]} - {"tests/browser", "tests/dask"}), "-m", "dask and not faults"],
    "kernel": [*FOLDERS["kernel"], "-m", "kernel and not dask and not faults", *AT_ONCE],
    "faults": [*FOLDERS["faults"], "-m", "faults", *AT_ONCE],
    "notebooks": [
        "notebooks",
        *("-p", "nbval"),
        "--nbval",
        "--nbval-current-env",
        "--nbval-cell-timeout=120",
        "--nbval-sanitize-with=tests/nbval.cfg",
    ],
    "browser": [*FOLDERS["browser"], "-m", "browser", *BROWSERS_AT_ONCE],
}
MAY_BE_EMPTY = {"doctests"}
MOST_UNSTABLE = 2  # of a layer


@dataclass(frozen=True)
class Outcome:
    """What came of one layer."""

    layer: str
    passed: int
    failed: int
    skipped: int
    seconds: float = 0.0
    note: str = ""
    unstable: tuple[str, ...] = ()

    @property
    def word(self) -> str:
        """The result in a word or two."""
        if self.failed or self.note.startswith("exit"):
            return "FAILED"
        if self.passed:
            return "passed"
        return "empty" if self.layer in MAY_BE_EMPTY else "NOT RUN"


def main(names: list[str]) -> int:
    if unknown := set(names) - set(LAYERS):
        print(f"unknown layer {', '.join(sorted(unknown))}; there are {', '.join(LAYERS)}", file=sys.stderr)
        return 2
    REPORTS.mkdir(parents=True, exist_ok=True)

    outcomes = [run(layer) for layer in names or LAYERS]

    print(table(outcomes))
    words = {outcome.word for outcome in outcomes}
    if "NOT RUN" in words:
        print("some layers did NOT RUN: see the table, and above for what to install\n")
    passed, failed, skipped = (sum(getattr(o, k) for o in outcomes) for k in ("passed", "failed", "skipped"))
    print(f"{passed} passed, {failed} failed, {skipped} skipped")
    return int("FAILED" in words or ("NOT RUN" in words and bool(os.environ.get("NBFLOW_REQUIRE_ALL"))))


def run(layer: str) -> Outcome:
    print(f"\n=== {layer}", flush=True)
    began = time.perf_counter()
    outcome = run_node() if layer == "javascript" else run_pytest(layer)
    return replace(outcome, seconds=time.perf_counter() - began)


def run_pytest(layer: str) -> Outcome:
    if not (ROOT / LAYERS[layer][0]).exists():
        return Outcome(layer, 0, 0, 0, note=f"there is no {LAYERS[layer][0]}")
    first = play(layer, LAYERS[layer])
    if first.code != 1 or not 0 < len(first.failed) <= MOST_UNSTABLE:
        return outcome_of(layer, first)
    print(f"\n=== {layer}: once more what failed, alone", flush=True)
    alone = [part for part in LAYERS[layer] if part not in {*AT_ONCE, *BROWSERS_AT_ONCE}]
    second = play(layer, [*alone, "--last-failed", "--last-failed-no-failures=none"])
    if second.code or second.passed < len(first.failed):
        return outcome_of(layer, first)
    return Outcome(layer, first.passed + second.passed, 0, first.skipped, unstable=first.failed)


@dataclass(frozen=True)
class Played:
    """What pytest told of one call of it."""

    code: int
    passed: int = 0
    failed: tuple[str, ...] = ()
    skipped: int = 0
    reasons: tuple[str, ...] = ()


def play(layer: str, arguments: Sequence[str]) -> Played:
    report = REPORTS / f"{layer}.xml"
    report.unlink(missing_ok=True)
    command = [sys.executable, "-m", "pytest", "-q", f"--junitxml={report}", *arguments]
    with tempfile.TemporaryDirectory() as home:  # notebooks tell what the user's own kernels have left
        environment = {**os.environ, "NBFLOW_HOME": home}
        environment.pop("PYTHONDONTWRITEBYTECODE", None)  # or each of thousands of processes compiles nbflow anew
        code = subprocess.run(command, cwd=ROOT, check=False, env=environment).returncode
    if not report.exists():
        return Played(code)
    cases = list(ET.parse(report).iter("testcase"))
    failed = [case for case in cases if case.find("failure") is not None or case.find("error") is not None]
    skips = [skip for case in cases if case not in failed and (skip := case.find("skipped")) is not None]
    return Played(
        code,
        len(cases) - len(failed) - len(skips),
        tuple(f"{case.get('classname')}::{case.get('name')}" for case in failed),
        len(skips),
        tuple(sorted({reason for skip in skips if (reason := skip.get("message"))})),
    )


def outcome_of(layer: str, played: Played) -> Outcome:
    if played.code == 5:
        return Outcome(layer, 0, 0, 0, note="no tests found")
    nothing = not played.passed and not played.failed
    note = f"exit code {played.code}" if played.code else "; ".join(played.reasons) if nothing else ""
    return Outcome(layer, played.passed, len(played.failed), played.skipped, note=note)


def run_node() -> Outcome:
    files = sorted(str(path.relative_to(ROOT)) for path in (ROOT / "tests" / "js").glob("*.test.*js"))
    if not files:
        return Outcome("javascript", 0, 0, 0, note="no tests found")
    if shutil.which("node") is None:
        return Outcome("javascript", 0, 0, len(files), note="Node.js is not installed")
    command = ["node", "--test", "--test-reporter=tap", *files]
    done = subprocess.run(command, cwd=ROOT, check=False, stdout=subprocess.PIPE, text=True)
    counts = {key: int(n) for key, n in re.findall(r"^# (pass|fail|skipped) (\d+)$", done.stdout, re.MULTILINE)}
    print(done.stdout if done.returncode else f"{counts.get('pass', 0)} passed")
    note = f"exit code {done.returncode}" if done.returncode else ""
    passed, failed, skipped = (counts.get(key, 0) for key in ("pass", "fail", "skipped"))
    return Outcome("javascript", passed, failed, skipped, note=note)


def table(outcomes: list[Outcome]) -> str:
    lines = [
        "",
        f"{'layer':<12}{'result':<10}{'passed':>8}{'failed':>8}{'skipped':>9}{'seconds':>9}",
        "-" * 56,
    ]
    lines += [
        f"{o.layer:<12}{o.word:<10}{o.passed:>8}{o.failed:>8}{o.skipped:>9}{o.seconds:>9.1f}  {o.note}"
        for o in outcomes
    ]
    if unstable := [f"UNSTABLE {name}" for o in outcomes for name in o.unstable]:
        lines += ["", *unstable]
    return "\n".join(line.rstrip() for line in [*lines, ""])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
