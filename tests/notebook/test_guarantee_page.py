"""The examples of the page on the cleanup guarantee do what the page says."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
import time
from pathlib import Path

from tests.patience import PATIENCE_S

PAGE = (Path(__file__).parents[2] / "docs" / "guarantee.md").read_text(encoding="utf-8")
CELL = re.compile(r"^```python\n(.*?)^```\n(?:```text\n(.*?)^```\n)?", re.DOTALL | re.MULTILINE)


def test_each_example_prints_what_stands_below_it(notebook):
    cells = CELL.findall(PAGE)
    assert len(cells) > 9

    for source, printed in cells:
        cell = notebook(source)

        assert cell.error is None, source
        assert cell.out == printed, source
        assert cell.outputs == []


def test_the_example_with_an_early_handle_survives_kill_9(tmp_path):
    cells = [source for source, _ in CELL.findall(PAGE)]
    (example,) = (source for source in cells if "early_handle" in source)
    held = (
        "run = flow.start(paused=True)\n"
        "run.until(flow.get_tasks('fill')[0])\n"
        "print([value for value in run.results.values() if isinstance(value, Path)][0], flush=True)\n"
        "threading.Event().wait()\n"
    )
    script = tmp_path / "example.py"
    script.write_text(cells[0] + example.replace("print(type(flow.run()).__name__)\n", held), encoding="utf-8")

    with subprocess.Popen([sys.executable, script], stdout=subprocess.PIPE, text=True) as kernel:
        folder = Path(kernel.stdout.readline().strip())
        was_there = (folder / "numbers.txt").exists()
        kernel.send_signal(signal.SIGKILL)

    until = time.monotonic() + PATIENCE_S
    while folder.exists() and time.monotonic() < until:
        time.sleep(0.05)
    assert was_there
    assert not folder.exists()


def test_the_page_has_a_heading_for_each_rule():
    found = [int(number) for number in re.findall(r"^### (\d+)\. ", PAGE, re.MULTILINE)]

    assert found == sorted(set(found))
    assert found == list(range(1, 21))
