"""Make the pictures of the panel that the README and the docs show, light and dark, in a real JupyterLab.

They are of the notebook that explains the panel, in the middle of a run. Chromium is needed, nothing else.
"""

from __future__ import annotations

import os
import struct
import sys
import zlib
from pathlib import Path
from typing import TYPE_CHECKING

import nbformat

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from benchmarks.panel_page import notebook  # noqa: E402
from tests.browser.live_panel import LivePanel  # noqa: E402

if TYPE_CHECKING:
    from collections.abc import Iterator

NOTEBOOK = ROOT / "notebooks" / "05-panel.ipynb"
IMAGES = ROOT / "docs" / "images"
MOST_BYTES = 250_000
SCALE = 1.4
# The fourth answer of the cluster is kept waiting, so that both pictures are of the same moment.
GATE = """\
import itertools, threading
from dask.distributed import Client
gate, asked, gather = threading.Event(), itertools.count(1), Client.gather
def late(self, futures):
    if next(asked) == 4:
        gate.wait(60)
    return gather(self, futures)
Client.gather = late
"""


def main() -> int:
    sources = {cell.id: cell.source for cell in nbformat.read(NOTEBOOK, as_version=4).cells}
    cells = [sources["data"], sources["steps"], sources["flow"], GATE, sources["panel"], "gate.set()"]
    os.environ["PYTHONPATH"] = str(ROOT)  # for the kernel
    IMAGES.mkdir(parents=True, exist_ok=True)
    with notebook(*cells, scale=SCALE, width=1360, height=1000) as page:
        page.page.evaluate("jupyterapp.commands.execute('application:toggle-left-area')")
        for cell in range(5):
            page.run_cell(cell)
        panel = LivePanel(page, 4)
        panel.click("Run")
        panel.expect_row("resample-1", "3/6", timeout_s=60)
        panel.element.locator(".nbflow-tasks [data-key='resample-1']").first.click()
        panel.element.locator(".nbflow-inspector").get_by_text("Children").wait_for()
        panel.element.locator(".nbflow-tasks").evaluate("tasks => { tasks.scrollTop = 0; }")
        page.page.mouse.move(0, 0)
        for theme in ("light", "dark"):
            page.set_theme(theme)
            panel.settle()
            path = IMAGES / f"panel-{theme}.png"
            picture = smaller(panel.element.screenshot(animations="disabled"))
            path.write_bytes(picture)
            print(f"{path.relative_to(ROOT)}: {len(picture):,} bytes")
            if len(picture) > MOST_BYTES:
                print(f"more than {MOST_BYTES:,}", file=sys.stderr)
                return 1
        page.run_cell(5)
        panel.expect_state("Success", timeout_s=60)
    return 0


def smaller(png: bytes) -> bytes:
    """Return the same picture packed as tightly as zlib can; Chromium packs quickly instead."""
    parts = list(chunks(png))
    pixels = zlib.decompress(b"".join(data for kind, data in parts if kind == b"IDAT"))
    kept = [(kind, data) for kind, data in parts if kind in (b"IHDR", b"PLTE", b"tRNS")]
    written = [*kept, (b"IDAT", zlib.compress(pixels, 9)), (b"IEND", b"")]
    return png[:8] + b"".join(chunk(kind, data) for kind, data in written)


def chunks(png: bytes) -> Iterator[tuple[bytes, bytes]]:
    at = 8
    while at < len(png):
        length, kind = struct.unpack_from(">I4s", png, at)
        yield kind, png[at + 8 : at + 8 + length]
        at += length + 12


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


if __name__ == "__main__":
    sys.exit(main())
