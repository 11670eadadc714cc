"""What a `print` costs in a task, as a multiple of a plain one to the same place.

    python -m benchmarks.prints            # files, pipes, a notebook's cell; some ten seconds
    python -m benchmarks.prints --quick    # few lines, to see that it works

Each place has a process of its own. There, prints in a plain loop and the same loop as a task take turns; the ratio is
the median of those of the pairs, in the processor's time of the thread that prints. Ends with status 1 if a target is
missed.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable

MOST = 2.0
PAIRS, LINES = 21, 20_000

# Executed in the process, or the kernel, whose prints are measured.
_MEASURE = textwrap.dedent("""
    import asyncio, json, statistics, sys, threading, time
    from nbflow import Flow, task

    def one_text(lines):
        began = time.thread_time()
        for number in range(lines):
            print("this is a line of text")
        return time.thread_time() - began

    def text_and_number(lines):
        began = time.thread_time()
        for number in range(lines):
            print("this is line number", number)
        return time.thread_time() - began

    def no_newline(lines):
        began = time.thread_time()
        for number in range(lines):
            print(number, end=" ")
        return time.thread_time() - began

    def in_thread(loop, lines):
        found = []
        thread = threading.Thread(target=lambda: found.append(loop(lines)))
        thread.start()
        thread.join()
        return found[0]

    def as_task(body, executor):
        with Flow("prints") as flow:
            printed = task(body, name="printed")()
        flow.run(executor=executor)
        return flow.runs[-1].results[printed]

    def awaited(loop, lines):
        async def body():
            return loop(lines)
        return body

    def ratios(pairs, lines, empty=lambda: None):
        ways = {
            "text and number": (text_and_number, "inline", lambda loop: lambda: loop(lines)),
            "one text": (one_text, "inline", lambda loop: lambda: loop(lines)),
            "without line breaks": (no_newline, "inline", lambda loop: lambda: loop(lines)),
            "executor threads": (text_and_number, "threads", lambda loop: lambda: loop(lines)),
            "a thread of the task's own": (text_and_number, "inline", lambda loop: lambda: in_thread(loop, lines)),
            "an async task": (text_and_number, "inline", lambda loop: awaited(loop, lines)),
        }
        found = {}
        for name, (loop, executor, body) in ways.items():
            pairs_of = []
            for _ in range(pairs):
                empty()
                plain = loop(lines)
                empty()
                pairs_of.append(as_task(body(loop), executor) / plain)
            found[name] = statistics.median(pairs_of)
        return found
""")


class Ratio(NamedTuple):
    """The cost of one way to print, to one place, as a multiple of a plain print."""

    where: str
    how: str
    found: float

    @property
    def is_met(self) -> bool:
        """True if it is not more than it may be."""
        return self.found <= MOST


def to_file(pairs: int, lines: int) -> dict[str, float]:
    """Print to a file."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "printed.txt")
        with path.open("w") as printed:
            return _in_process(pairs, lines, "lambda: (sys.stdout.seek(0), sys.stdout.truncate())", stdout=printed)


def to_pipe(pairs: int, lines: int) -> dict[str, float]:
    """Print to a pipe that somebody reads."""
    with subprocess.Popen(["cat"], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL) as reader:
        return _in_process(pairs, lines, "lambda: None", stdout=reader.stdin)


def to_cell(pairs: int, lines: int) -> dict[str, float]:
    """Print in a cell of a notebook."""
    from jupyter_client.manager import start_new_kernel

    manager, client = start_new_kernel()
    try:
        report = "\nimport json; open({!r}, 'w').write(json.dumps(ratios({}, {})))"
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, "ratios.json")
            told = client.execute_interactive(
                _MEASURE + report.format(str(path), pairs, lines), output_hook=lambda _: None, timeout=600
            )
            if told["content"]["status"] != "ok":
                raise RuntimeError("\n".join(told["content"]["traceback"]))
            found: dict[str, float] = json.loads(path.read_text())
            return found
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)


def _in_process(pairs: int, lines: int, empty: str, **streams: Any) -> dict[str, float]:
    report = f"\nsys.stderr.write(json.dumps(ratios({pairs}, {lines}, {empty})))"
    # A stream that is not buffered makes a plain print five times as slow.
    variables = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    program = [sys.executable, "-c", _MEASURE + report]
    done = subprocess.run(program, env=variables, stderr=subprocess.PIPE, text=True, check=True, **streams)
    found: dict[str, float] = json.loads(done.stderr.splitlines()[-1])
    return found


PLACES: dict[str, Callable[[int, int], dict[str, float]]] = {"a file": to_file, "a pipe": to_pipe, "a cell": to_cell}


def table(ratios: list[Ratio]) -> str:
    """Return the ratios as lines of text."""
    rows = [("to", "what is printed where", "found", "at most", "met")]
    rows += [(one.where, one.how, f"{one.found:.2f}", f"{MOST:g}", "yes" if one.is_met else "NO") for one in ratios]
    widths = [max(len(row[i]) for row in rows) for i in range(5)]
    return "\n".join("  ".join(cell.ljust(n) for cell, n in zip(row, widths, strict=True)).rstrip() for row in rows)


def main() -> int:
    """Measure everything and say whether all targets are met."""
    pairs, lines = (2, 200) if "--quick" in sys.argv else (PAIRS, LINES)
    ratios = [
        Ratio(where, how, found)
        for where, measure in PLACES.items()
        for how, found in measure(pairs, lines if where != "a cell" else lines // 20).items()
    ]
    print(table(ratios))
    return 0 if all(one.is_met for one in ratios) else 1


if __name__ == "__main__":
    sys.exit(main())
