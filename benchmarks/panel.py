"""Measure the live panel in a real JupyterLab and a real browser: what it costs the kernel, how it keeps up.

    python -m benchmarks.panel [--quick] [--rounds 5] [--docs] [--profile FILE] [--only busy|first|memory|patch]

The kernel's share is the processor time of its whole process with the panel shown, less that of the same without it.
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

from benchmarks.report import columns, piped, write_docs

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.browser.conftest import NotebookPage

ROOT = Path(__file__).resolve().parent.parent
BUILD = ROOT / "build" / "benchmarks"
PAGE = ROOT / "docs" / "benchmarks.md"
BEGIN, END = "<!-- panel: begin -->", "<!-- panel: end -->"

TASKS, RATE, SECONDS = 2_000, 5_000, 10
CHATTY, CHILDREN = 200, 50_000
# What each number may be at most, its unit and how many of the unit it is.
TARGETS = {
    "share": ("processor of the kernel, for the panel", 5.0, "%"),
    "frame": ("longest frame of the browser", 100.0, "ms"),
    "latency": ("from the last change to the page", 300.0, "ms"),
    "first-500": ("first picture, 500 tasks", 1.5, "s"),
    "first-2000": ("first picture, 2,000 tasks, folded", 3.0, "s"),
    "memory": ("memory of a panel, long log", 10.0, "MB"),
}

IMPORT = "from benchmarks import panel_kernel"
DRIVE = "panel_kernel.drive(held.run, {rate}, {seconds}).print()"
UNSEEN = "held = panel_kernel.hold({tasks}); " + DRIVE + "; held.end()"
MEMORY = "import json; print(json.dumps(panel_kernel.memory_of_panel({tasks}, {children})))"


def busy(rate: int, seconds: int, rounds: int, profile: Path | None = None) -> dict[str, Any]:
    """Measure a panel while the tasks of its run change all the time."""
    from benchmarks.panel_page import execute, notebook

    unseen, drive = (text.format(tasks=TASKS, rate=rate, seconds=seconds) for text in (UNSEEN, DRIVE))
    cells = [
        *(IMPORT, unseen, f"held = panel_kernel.hold({TASKS})"),
        *("panel = held.flow.panel()\npanel", drive, "panel.close(); held.end()"),
    ]
    with notebook(*cells) as page:
        execute(page, 0)
        found = []
        for number in range(rounds):
            without = driven(page, 1, seconds)
            execute(page, 2)
            execute(page, 3)
            page.outputs(3).locator(".nbflow-graph svg").wait_for(timeout=60_000)
            page.page.wait_for_timeout(1_000)  # its own first moments are measured apart
            if profile is not None and number == 0:
                page.page.context.browser.start_tracing(page=page.page, path=profile)
            found.append(one_round(page, 4, without, seconds))
            if profile is not None and number == 0:
                page.page.context.browser.stop_tracing()
            execute(page, 5)
    return {key: [one[key] for one in found] for key in found[0]}


def one_round(page: NotebookPage, cell: int, without: dict[str, Any], seconds: int) -> dict[str, Any]:
    from benchmarks.panel_page import watch, watched

    watch(page, 3)
    with_panel = driven(page, cell, seconds)
    last = str(len(with_panel["told_at"]))
    page.page.wait_for_function("last => last in window.nbflowWatch.seen", arg=last, timeout=30_000)
    seen = watched(page)
    lags = [
        seen["seen"][number] - told
        for number, told in enumerate_from_1(with_panel["told_at"])
        if number in seen["seen"]
    ]
    shares = [one["cpu_s"] / one["seconds"] for one in (with_panel, without)]
    return {
        "share": (shares[0] - shares[1]) * 100,
        "frame": max(seen["frames"]),
        "long frames": len([gap for gap in seen["frames"] if gap > 50]),
        "latency": lags[-1] * 1e3,
        "worst latency": max(lags) * 1e3,
        "rate": with_panel["changes"] / with_panel["seconds"],
        "scripts": sorted(seen["long"], reverse=True)[:5],
    }


def driven(page: NotebookPage, cell: int, seconds: int) -> dict[str, Any]:
    from benchmarks.panel_page import execute

    found: dict[str, Any] = json.loads(execute(page, cell, seconds * 6 + 60).strip().splitlines()[-1])
    return found


def enumerate_from_1(values: list[float]) -> list[tuple[str, float]]:
    return [(str(number), value) for number, value in enumerate(values, start=1)]


def first(count: int, rounds: int) -> list[float]:
    """Measure from executing a cell to the graph in the page, for a new flow each time, the kernel being warm."""
    from benchmarks.panel_page import execute, first_picture, notebook

    make = f"flow = panel_kernel.layered({count}, f'flow {{next(numbers)}}')"
    warm = "import itertools; numbers = itertools.count()\npanel_kernel.layered(50).panel()"
    with notebook(IMPORT, warm, make, "panel = flow.panel()\npanel", "panel.close()") as page:
        for cell in (0, 1):
            execute(page, cell)
        found = []
        for _ in range(rounds):
            execute(page, 2)
            found.append(first_picture(page, 3))
            execute(page, 4)
    return found


def memory(tasks: int, children: int) -> dict[str, float]:
    """Measure what a panel of a run with a long log keeps in the kernel."""
    from benchmarks.panel_page import execute, notebook

    with notebook(IMPORT, MEMORY.format(tasks=tasks, children=children)) as page:
        execute(page, 0)
        found: dict[str, float] = json.loads(execute(page, 1, 300).strip().splitlines()[-1])
    return found


def rows(report: dict[str, Any]) -> list[list[str]]:
    """One row a target: what was found, at the median and at worst."""
    found = [["", "at most", "median", "worst", ""]]
    for key, (title, limit, unit) in TARGETS.items():
        values = report["found"].get(key)
        if values:
            middle, worst = statistics.median(values), max(values)
            word = "met" if middle <= limit else "not met"
            found.append([title, f"{limit:g} {unit}", f"{middle:.3g} {unit}", f"{worst:.3g} {unit}", word])
    return found


def markdown(report: dict[str, Any]) -> str:
    """Return the table for the docs."""
    about = (
        f"{report['rounds']} rounds; {os.cpu_count()} cores shared by the kernel and the browser, "
        f"{platform.system()} {platform.machine()}, Python {platform.python_version()}, no graphics card. "
        f'"Met" is judged by the median.'
    )
    return f"{about}\n\n{piped(rows(report))}"


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="a short look, to see that everything works")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--only", choices=["busy", "first", "memory", "patch"])
    parser.add_argument("--docs", action="store_true", help=f"write the table into {PAGE.relative_to(ROOT)}")
    parser.add_argument("--profile", type=Path, help="keep a trace of the browser, for its developer tools")
    options = parser.parse_args(arguments)
    os.environ["PYTHONPATH"] = str(ROOT)  # for the kernel
    rounds, seconds = (1, 3) if options.quick else (options.rounds, SECONDS)

    found: dict[str, Any] = {}
    if options.only in (None, "busy"):
        found |= busy(RATE, seconds, rounds, options.profile)
    if options.only in (None, "first"):
        found |= {f"first-{count}": first(count, rounds) for count in (500, 2_000)}
    if options.only in (None, "memory"):
        part = 10 if options.quick else 1
        kept = memory(CHATTY // part, CHILDREN // part)
        found |= {"memory": [kept["bytes"] / 1e6], "log": kept}
    if options.only in (None, "patch"):
        from benchmarks.panel_kernel import patch_costs

        found["patches"] = patch_costs(500, 10_000)
    report = {"rounds": rounds, "quick": options.quick, "found": found}
    BUILD.mkdir(parents=True, exist_ok=True)
    (BUILD / "panel.json").write_text(json.dumps(report, indent=1))
    print(columns(rows(report)))
    if "rate" in found:
        print(
            f"\n{statistics.median(found['rate']):,.0f} changes a second; worst latency of any change "
            f"{max(found['worst latency']):.0f} ms; frames above 50 ms: {max(found['long frames'])}"
        )
    for sort, cost_s in found.get("patches", {}).items():
        print(f"one patch of {sort}: {1e3 * cost_s:.2f} ms")
    if options.docs:
        write_docs(PAGE, markdown(report), BEGIN, END)
    return 0


if __name__ == "__main__":
    sys.exit(main())
