"""What the benchmark of the panel watches in the browser, and the notebook it is in."""

from __future__ import annotations

import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import nbformat
from playwright.sync_api import sync_playwright

from tests.browser.conftest import FLAGS, JupyterServer, NotebookPage
from tests.conftest import find_chromium

if TYPE_CHECKING:
    from collections.abc import Iterator

# The times by the system's clock at which the counts first said "1 failed", "2 failed" and so on; the gaps between
# frames; and the browser's own word on long frames, where it gives one.
WATCH = """panel => {
  const watch = window.nbflowWatch = {seen: {}, frames: [], long: [], going: true};
  const counts = panel.querySelector(".nbflow-counts");
  const look = () => {
    const failed = counts.textContent.match(/(\\d+) failed/);
    if (failed) watch.seen[failed[1]] ??= (performance.timeOrigin + performance.now()) / 1000;
  };
  watch.observer = new MutationObserver(look);
  watch.observer.observe(counts, {subtree: true, childList: true, characterData: true});
  setTimeout(() => panel.scrollIntoView({block: "start"}), 300); // executing a cell has scrolled to that
  let before = performance.now();
  const frame = now => {
    watch.frames.push(now - before);
    before = now;
    if (watch.going) requestAnimationFrame(frame);
  };
  requestAnimationFrame(now => { before = now; requestAnimationFrame(frame); });
  watch.performance = new PerformanceObserver(list => {
    for (const entry of list.getEntries()) {
      const scripts = entry.scripts.map(each => `${each.invoker} ${each.sourceFunctionName} ${each.duration} ms`);
      watch.long.push([entry.duration, entry.renderStart ? entry.startTime + entry.duration - entry.renderStart : 0,
        ...scripts]);
    }
  });
  watch.performance.observe({type: "long-animation-frame", buffered: false});
}"""
STOP = """() => {
  const watch = window.nbflowWatch;
  watch.going = false;
  watch.observer.disconnect();
  watch.performance.disconnect();
  const {top, bottom} = document.querySelector(".nbflow-panel .nbflow-graph").getBoundingClientRect();
  if (top < 0 || bottom > innerHeight + 100) throw new Error("the graph was not in view");
  return {seen: watch.seen, frames: watch.frames, long: watch.long};
}"""
# Executes a cell and tells when its graph is in the page and has been painted, in seconds.
FIRST = """async index => {
  const notebook = jupyterapp.shell.currentWidget.content;
  notebook.activeCellIndex = index;
  const cell = notebook.widgets[index].node;
  cell.querySelector(".nbflow-panel")?.classList.add("nbflow-old");
  const began = performance.now();
  const there = new Promise((resolve, reject) => {
    const find = () => cell.querySelector(".nbflow-panel:not(.nbflow-old) .nbflow-graph svg");
    const observer = new MutationObserver(() => {
      if (!find()) return;
      observer.disconnect();
      requestAnimationFrame(() => setTimeout(() => resolve(performance.now() - began)));
    });
    observer.observe(cell, {subtree: true, childList: true});
    setTimeout(() => { observer.disconnect(); reject(new Error("no graph within a minute")); }, 60_000);
  });
  jupyterapp.commands.execute("notebook:run-cell");
  return (await there) / 1000;
}"""


@contextmanager
def notebook(*sources: str, width: int = 1280, height: int = 1000, scale: float = 1) -> Iterator[NotebookPage]:
    """Open a notebook with these cells in JupyterLab and a real browser."""
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        server = JupyterServer("lab", Path(folder) / "lab")
        try:
            browser = playwright.chromium.launch(executable_path=find_chromium(), args=FLAGS)
            page = browser.new_page(viewport={"width": width, "height": height}, device_scale_factor=scale)
            cells = [nbformat.v4.new_code_cell(source) for source in sources]
            metadata = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
            nbformat.write(nbformat.v4.new_notebook(cells=cells, metadata=metadata), server.root / "panel.ipynb")
            yield NotebookPage(page, server, Path(folder)).open("panel.ipynb")
            browser.close()
        finally:
            server.end_kernels()
            server.close()


def watch(page: NotebookPage, cell: int) -> None:
    """Begin to watch the panel in the output of a cell."""
    page.outputs(cell).locator(".nbflow-panel").evaluate(WATCH)


def watched(page: NotebookPage) -> dict[str, Any]:
    """Stop watching, and return what was seen."""
    seen: dict[str, Any] = page.page.evaluate(STOP)
    return seen


def first_picture(page: NotebookPage, cell: int) -> float:
    """Execute a cell and return the seconds until its panel's graph is in the page."""
    seconds: float = page.page.evaluate(FIRST, cell)
    page.wait_idle()
    return seconds


def execute(page: NotebookPage, cell: int, timeout_s: float = 60) -> str:
    """Execute a cell and return what it printed; raise what it raised."""
    page.run_cell(cell, timeout_s=timeout_s)
    error = page.outputs(cell).locator("[data-mime-type='application/vnd.jupyter.error']")
    if error.count():
        raise RuntimeError(f"cell {cell} failed:\n{error.first.inner_text()}")
    return page.output_text(cell)
