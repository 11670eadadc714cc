"""What the outputs of cells weigh in a saved notebook, and how long a step takes to show, in a real kernel.

    python -m benchmarks.weights

Prints a table: what, found, at most, met. A kernel executes the cells; bytes are those of the outputs as a notebook
holds them, all mime types together. Ends with status 1 if a target is missed.
"""

from __future__ import annotations

import json
import statistics
import sys
import time
from typing import TYPE_CHECKING, Any, NamedTuple

from jupyter_client.manager import KernelManager

if TYPE_CHECKING:
    from collections.abc import Callable

LAYERS, WIDTH, STEPS = 30, 10, 12
CELLS, TASKS = 20, 10
PATIENCE_S = 120.0


class Weight(NamedTuple):
    """One thing that is measured: what it is, how much was found, and how much it may be at most."""

    what: str
    found: float
    most: float
    unit: str

    @property
    def is_met(self) -> bool:
        """True if it is not more than it may be."""
        return self.found <= self.most


class Notebook:
    """Cells executed in a kernel of its own; remembers the outputs as a saved notebook would."""

    def __init__(self) -> None:
        self._manager = KernelManager(kernel_name="python3")
        self._manager.start_kernel()
        self._client = self._manager.client()
        self._client.start_channels()
        self._client.wait_for_ready(timeout=PATIENCE_S)
        self._shown: dict[str, list[dict[str, Any]]] = {}
        self.cells: list[list[dict[str, Any]]] = []

    def __enter__(self) -> Notebook:
        return self

    def __exit__(self, *_: object) -> None:
        self._client.stop_channels()
        self._manager.shutdown_kernel(now=True)

    def execute(self, source: str) -> tuple[int, float]:
        """Execute a cell; return the bytes of its outputs, and the seconds from the request to its last output."""
        began = time.perf_counter()
        asked = self._client.execute(source)
        outputs: list[dict[str, Any]] = []
        self.cells.append(outputs)
        seconds = 0.0
        while True:
            message = self._client.get_iopub_msg(timeout=PATIENCE_S)
            if message["parent_header"].get("msg_id") != asked:
                continue
            kind, content = message["msg_type"], message["content"]
            if kind == "status" and content["execution_state"] == "idle":
                return weight(outputs), seconds
            if kind == "error":
                raise RuntimeError(f"{source!r} raised {content['ename']}: {content['evalue']}")
            if kind in ("display_data", "execute_result", "stream", "update_display_data"):
                seconds = time.perf_counter() - began
                self._take(kind, content, outputs)

    def _take(self, kind: str, content: dict[str, Any], outputs: list[dict[str, Any]]) -> None:
        name = content.pop("transient", {}).get("display_id")
        if kind == "update_display_data":
            for output in self._shown.get(name, ()):
                output.update(data=content["data"], metadata=content["metadata"])
            return
        outputs.append({"output_type": kind, **content})
        if name is not None:
            self._shown.setdefault(name, []).append(outputs[-1])


def weight(outputs: list[dict[str, Any]]) -> int:
    """Return how many bytes outputs take in a notebook's file."""
    return len(json.dumps(outputs, indent=1, ensure_ascii=False).encode())


def large_flow(layers: int = LAYERS, width: int = WIDTH) -> str:
    """Return a cell that makes a flow of `layers` times `width` tasks, each of which takes two of the layer before."""
    return f"""
from nbflow import Flow, task

@task
def work(left=None, right=None):
    return 1

with Flow("large") as flow:
    above = [work(task_args={{"name": f"read_{{i}}"}}) for i in range({width})]
    for layer in range(1, {layers}):
        above = [
            work(above[i], above[(i + 1) % {width}], task_args={{"name": f"work_{{layer}}_{{i}}"}})
            for i in range({width})
        ]
"""


def cells_of_tasks(cells: int = CELLS, tasks: int = TASKS) -> list[str]:
    """Return the cells of a notebook, each of which adds some tasks to one flow: a chain on the last of the others."""
    found = []
    for cell in range(cells):
        lines = ["%%flow many"]
        for i in range(tasks):
            before = f"step_{cell}_{i - 1}" if i else f"step_{cell - 1}_{tasks - 1}" if cell else ""
            lines.append(f'step_{cell}_{i} = work({before or None}, task_args={{"name": "step_{cell}_{i}"}})')
        found.append("\n".join(lines))
    return found


def of_steps() -> list[Weight]:
    """Step through a large flow and measure each step."""
    with Notebook() as notebook:
        notebook.execute("%load_ext nbflow")
        notebook.execute(large_flow())
        steps = [notebook.execute("%flow step large") for _ in range(STEPS)]
    heaviest = max(size for size, _ in steps)
    first, later = steps[0][1], statistics.median(seconds for _, seconds in steps[1:])
    return [
        Weight(f"a step of {LAYERS * WIDTH} tasks", heaviest / 1000, 30, "kB"),
        Weight("until it shows", later, 0.15, "s"),
        Weight("until the first one shows", first, 1.0, "s"),
    ]


def of_cells() -> list[Weight]:
    """Execute a notebook of `%%flow` cells and weigh its outputs."""
    with Notebook() as notebook:
        notebook.execute("%load_ext nbflow\nfrom nbflow import task\n\n@task\ndef work(value=None):\n    return 1")
        for cell in cells_of_tasks():
            notebook.execute(cell)
        whole = weight([output for outputs in notebook.cells for output in outputs])
    return [Weight(f"a notebook of {CELLS} cells of {TASKS} tasks", whole / 1000, 300, "kB")]


def table(weights: list[Weight]) -> str:
    """Return the weights as lines of text."""
    rows = [("what", "found", "at most", "met")]
    rows += [
        (one.what, f"{one.found:.3g} {one.unit}", f"{one.most:g} {one.unit}", "yes" if one.is_met else "NO")
        for one in weights
    ]
    widths = [max(len(row[i]) for row in rows) for i in range(3)]
    return "\n".join(
        "  ".join([*(cell.ljust(n) for cell, n in zip(row, widths, strict=False)), row[3]]) for row in rows
    )


def main() -> int:
    """Measure everything and say whether all targets are met."""
    measures: list[Callable[[], list[Weight]]] = [of_steps, of_cells]
    weights = [one for measure in measures for one in measure()]
    print(table(weights))
    return 0 if all(one.is_met for one in weights) else 1


if __name__ == "__main__":
    sys.exit(main())
