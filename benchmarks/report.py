"""The numbers as tables: for the terminal, and for the page of the docs."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from benchmarks.cases import CASES, Case

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

NAMES = {
    "loop": "plain loop",
    "nbflow": "nbflow",
    "dask": "dask",
    "hamilton": "Hamilton",
    "prefect": "Prefect 3",
    "dagster": "Dagster",
}
UNITS: dict[str, tuple[str, Callable[[dict[str, Any]], float]]] = {
    "us": ("µs a task", lambda cell: cell["per_task"] * 1e6),
    "s": ("s", lambda cell: cell["seconds"]),
    "ms": ("ms", lambda cell: cell["seconds"] * 1e3),
    "bytes": ("bytes a task", lambda cell: cell["per_task"]),
}
BEGIN, END = "<!-- benchmark: begin -->", "<!-- benchmark: end -->"
Rows = list[list[str]]


def number(value: float) -> str:
    """Three digits that mean something."""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def shown(case: Case, cell: dict[str, Any] | None) -> str:
    if cell is None:
        return "-"
    if not cell["samples"]:
        return "failed"
    text = number(UNITS[case.unit][1](cell))
    return text if cell["size"] == case.size else f"{text} (of {cell['size']:,})"


def measured(report: dict[str, Any]) -> Rows:
    """One row a case: its unit, and each engine's median."""
    engines = [name for name in NAMES if any(name in cells for cells in report["cases"].values())]
    rows = [["", "unit", *(NAMES[name] for name in engines)]]
    for case in (case for case in CASES if case.key in report["cases"]):
        cells = report["cases"][case.key]
        shown_as = at_size(case, cells)
        rows.append([case.title, UNITS[case.unit][0], *(shown(shown_as, cells.get(name)) for name in engines)])
    return rows


def at_size(case: Case, cells: dict[str, dict[str, Any]]) -> Case:
    """Return the case as it was run, which --quick makes smaller."""
    sizes = [cell["size"] for cell in cells.values()]
    return replace(case, size=max(sizes, default=case.size))


def ratios(report: dict[str, Any]) -> Rows:
    """One row a case: how many times each other engine nbflow takes, for each task."""
    engines = [name for name in NAMES if name != "nbflow" and any(name in cells for cells in report["cases"].values())]
    rows = [["nbflow, as a multiple of", *(NAMES[name] for name in engines)]]
    for case in (case for case in CASES if case.key in report["cases"]):
        cells = report["cases"][case.key]
        ours = cells.get("nbflow", {}).get("per_task")
        theirs = [cells.get(name, {}).get("per_task") for name in engines]
        rows.append([case.title, *(number(ours / other) if ours and other else "-" for other in theirs)])
    return rows


def targets(report: dict[str, Any]) -> Rows:
    titles = {case.key: case.title for case in CASES}
    rows = [["target", "beside", "at most", "found", ""]]
    rows += [
        [
            titles[one["case"]],
            one["text"],
            f"{one['limit']:g}",
            number(one["ratio"]),
            "met" if one["met"] else "not met",
        ]
        for one in report["targets"]
    ]
    return rows


def table(report: dict[str, Any]) -> str:
    """Return the tables in columns."""
    parts = [columns(rows) for rows in (measured(report), ratios(report), targets(report))]
    if failed := failures(report):
        parts.append("\n".join(failed))
    if report["quick"]:
        parts.append("These were tiny graphs, to see that everything works: the numbers say nothing of speed.")
    return "\n\n".join(parts)


def failures(report: dict[str, Any]) -> list[str]:
    """Say what did not run, and why."""
    missing = [f"{NAMES[name]}: missing" for name, word in report["machine"]["engines"].items() if word == "missing"]
    titles = {case.key: case.title for case in CASES}
    return missing + [
        f"{NAMES[name]}, {titles[key]}: {cell['error']}"
        for key, cells in report["cases"].items()
        for name, cell in cells.items()
        if "error" in cell
    ]


def columns(rows: Rows) -> str:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ["  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)) for row in rows]
    return "\n".join(line.rstrip() for line in [lines[0], "-" * len(lines[0]), *lines[1:]])


def markdown(report: dict[str, Any]) -> str:
    """Return the tables for the docs."""
    machine = report["machine"]
    versions = ", ".join(
        f"{NAMES[name]} {version}".strip() for name, version in machine["engines"].items() if name != "loop"
    )
    about = (
        f"Medians of {report['rounds']} rounds; {machine['cores']} cores, {machine['system']}, "
        f"Python {machine['python']}; {versions}."
    )
    met = sum(one["met"] for one in report["targets"])
    return "\n\n".join(
        [
            about,
            piped(measured(report)),
            "## Ratios\n\nBelow 1, nbflow is the faster (or smaller) one.",
            piped(ratios(report)),
            f"## Targets\n\n{met} of {len(report['targets'])} are met.",
            piped(targets(report)),
        ]
    )


def piped(rows: Rows) -> str:
    head, *rest = [f"| {' | '.join(row)} |" for row in rows]
    return "\n".join([head, "|" + "---|" * len(rows[0]), *rest])


def write_docs(page: Path, text: str, begin: str = BEGIN, end: str = END) -> None:
    """Put `text` between the markers of the page."""
    before, _, rest = page.read_text(encoding="utf-8").partition(begin)
    _, _, after = rest.partition(end)
    page.write_text(f"{before}{begin}\n\n{text}\n\n{end}{after}", encoding="utf-8")
