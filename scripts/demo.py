"""Execute the tour in a real kernel; print the run's table and say where notebook, HTML and drawing lie."""

from __future__ import annotations

import os
import re
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError
from nbconvert import HTMLExporter

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parent.parent
TOUR = ROOT / "notebooks" / "01-tour.ipynb"
BUILD = ROOT / "build" / "demo"
SVG = re.compile(r"<svg\b.*?</svg>", re.DOTALL)


def main() -> int:
    BUILD.mkdir(parents=True, exist_ok=True)
    os.environ.setdefault("NBFLOW_HOME", str(BUILD / "home"))
    notebook = nbformat.read(TOUR, as_version=4)
    print(f"executing {TOUR.relative_to(ROOT)} in a Jupyter kernel ...", flush=True)
    began = time.perf_counter()
    try:
        # Without widget state: a page that has none shows the saved picture instead of a widget that is gone.
        NotebookClient(
            notebook,
            timeout=300,
            resources={"metadata": {"path": str(TOUR.parent)}},
            store_widget_state=False,
            extra_arguments=["--log-level=ERROR"],  # the kernel's word on its sockets would only puzzle
        ).execute()
    except CellExecutionError as error:
        print(error, file=sys.stderr)
        return 1
    finally:
        nbformat.write(notebook, BUILD / TOUR.name)
    print(f"done in {time.perf_counter() - began:.1f} s\n")

    page, _ = HTMLExporter().from_notebook_node(notebook)
    (BUILD / "01-tour.html").write_text(page, encoding="utf-8")
    if drawing := find_drawing(notebook):
        (BUILD / "01-tour.svg").write_text(drawing, encoding="utf-8")
    print((find_table(notebook) or "(no cell of the notebook shows a run's table)").rstrip())
    print("\nto look at:")
    for path in sorted(BUILD.glob("01-tour.*")):
        print(f"  {path.relative_to(ROOT)}")
    return 0


def find_table(notebook: nbformat.NotebookNode) -> str | None:
    """Return the text of the first cell tagged `run-table`."""
    texts = (data.get("text/plain") for _, data in outputs(notebook, tag="run-table"))
    return next((text for text in texts if text), None)


def find_drawing(notebook: nbformat.NotebookNode) -> str | None:
    """Return the drawing in a cell tagged `graph`, else the first drawing there is, as a file of its own."""
    for tag in ("graph", None):
        for _, data in outputs(notebook, tag=tag):
            if found := SVG.search(data.get("image/svg+xml") or data.get("text/html") or ""):
                svg = found.group()
                return svg if "xmlns=" in svg else svg.replace("<svg", '<svg xmlns="http://www.w3.org/2000/svg"', 1)
    return None


def outputs(notebook: nbformat.NotebookNode, *, tag: str | None) -> Iterator[tuple[int, dict[str, str]]]:
    """Give the mime bundles of the outputs of all code cells, or of those with a tag; streams are text."""
    for index, cell in enumerate(notebook.cells):
        if cell.cell_type != "code" or (tag is not None and tag not in cell.metadata.get("tags", [])):
            continue
        for output in cell.outputs:
            yield index, output.get("data") or {"text/plain": output.get("text", "")}


if __name__ == "__main__":
    sys.exit(main())
