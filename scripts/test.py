"""Run the layers of the test suite one after the other and close with a table of them.

`scripts/test.py` runs all, `scripts/test.py unit kernel` some. A layer whose tests could not run (no Chromium,
say) is reported as NOT RUN, which is a failure when NBFLOW_REQUIRE_ALL is set.
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
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
REPORTS = ROOT / "build" / "test"
APART = "not browser and not dask and not kernel and not faults"

# The panel against real runs, without a browser.
PANEL = ("tests/panel",)
# Each executes cells in a real IPython shell.
SHELL = ("tests/notebook",)
# They start processes and kill them: quick each, but too many to wait for after every change.
PROCESSES = ("tests/ledger", "tests/resources", "tests/store")

# Several tests at once; each worker has servers, browsers and kernels of its own.
AT_ONCE = ("-n", "auto", "--maxprocesses=4", "--dist=worksteal")

# What pytest is given for each layer; the quick ones first.
LAYERS = {
    "unit": [
        "tests",
        *(f"--ignore={folder}" for folder in ("tests/properties", *PANEL, *SHELL, *PROCESSES)),
        "-m",
        APART,
        *AT_ONCE,
    ],
    "doctests": ["nbflow", "--doctest-modules"],
    "panel": [*PANEL, "-m", APART, *AT_ONCE],
    "shell": [*SHELL, "-m", APART, *AT_ONCE],
    "processes": [*PROCESSES, "-m", APART, *AT_ONCE],
    "properties": ["tests/properties", "-m", APART, *AT_ONCE],
    "javascript": [],
    # One after the other: these look at all that the machine has of dask.
    "dask": ["tests", "-m", "dask and not faults"],
    "kernel": ["tests", "-m", "kernel and not browser and not faults", *AT_ONCE],
    "faults": ["tests", "-m", "faults", *AT_ONCE],
    "notebooks": [
        "notebooks",
        "--nbval",
        "--nbval-current-env",
        "--nbval-cell-timeout=120",
        "--nbval-sanitize-with=tests/nbval.cfg",
    ],
    "browser": ["tests/browser", "-m", "browser", *AT_ONCE],
}
MAY_BE_EMPTY = {"doctests"}


@dataclass(frozen=True)
class Outcome:
    """What came of one layer."""

    layer: str
    passed: int
    failed: int
    skipped: int
    seconds: float
    note: str = ""

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
    counts, note = run_node() if layer == "javascript" else run_pytest(layer)
    return Outcome(layer, *counts, time.perf_counter() - began, note)


def run_pytest(layer: str) -> tuple[tuple[int, int, int], str]:
    report = REPORTS / f"{layer}.xml"
    report.unlink(missing_ok=True)
    if not (ROOT / LAYERS[layer][0]).exists():
        return (0, 0, 0), f"there is no {LAYERS[layer][0]}"
    command = [sys.executable, "-m", "pytest", "-q", f"--junitxml={report}", *LAYERS[layer]]
    with tempfile.TemporaryDirectory() as home:  # notebooks tell what the user's own kernels have left
        environment = {**os.environ, "NBFLOW_HOME": home}
        code = subprocess.run(command, cwd=ROOT, check=False, env=environment).returncode
    if code == 5:
        return (0, 0, 0), "no tests found"
    if not report.exists():
        return (0, 1, 0), f"exit code {code}"
    suite = ET.parse(report).getroot().find("testsuite")
    total, failed, skipped = (
        sum(int(suite.get(key, 0)) for key in keys)
        for keys in (["tests"], ["failures", "errors"], ["skipped"])
    )
    reasons = sorted({reason for node in suite.iter("skipped") if (reason := node.get("message"))})
    note = f"exit code {code}" if code else "; ".join(reasons) if total == skipped else ""
    return (max(total - failed - skipped, 0), failed, skipped), note


def run_node() -> tuple[tuple[int, int, int], str]:
    files = sorted(str(path.relative_to(ROOT)) for path in (ROOT / "tests" / "js").glob("*.test.*js"))
    if not files:
        return (0, 0, 0), "no tests found"
    if shutil.which("node") is None:
        return (0, 0, len(files)), "Node.js is not installed"
    command = ["node", "--test", "--test-reporter=tap", *files]
    done = subprocess.run(command, cwd=ROOT, check=False, stdout=subprocess.PIPE, text=True)
    counts = {
        key: int(n) for key, n in re.findall(r"^# (pass|fail|skipped) (\d+)$", done.stdout, re.MULTILINE)
    }
    print(done.stdout if done.returncode else f"{counts.get('pass', 0)} passed")
    note = f"exit code {done.returncode}" if done.returncode else ""
    return (counts.get("pass", 0), counts.get("fail", 0), counts.get("skipped", 0)), note


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
    return "\n".join(line.rstrip() for line in [*lines, ""])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
