"""IPython in a terminal, which has no widgets: a panel is printed once."""

from __future__ import annotations

import os
import subprocess
import sys

SESSION = """
get_ipython().run_line_magic("load_ext", "nbflow")
from nbflow import Flow, flows, task
with Flow("f") as f:
    y = task(lambda x: x + 1, name="two")(task(lambda: 1, name="one")())
flows["f"] = f
get_ipython().run_line_magic("flow", "panel f")
print("---")
get_ipython().run_line_magic("flow", "step f")
print("---")
f.runs[-1].cancel()
f.runs[-1].wait()
f.panel().wait_drawn(30)
"""


def test_a_panel_is_printed_once_and_not_with_each_change(tmp_path):
    script = tmp_path / "session.py"
    script.write_text(SESSION)
    environment = {
        **os.environ,
        "IPYTHONDIR": str(tmp_path),
        "NBFLOW_HOME": str(tmp_path / "home"),
        "TERM": "dumb",
    }

    ended = subprocess.run(
        [sys.executable, "-m", "IPython", "--simple-prompt", "--no-banner", "--colors=NoColor", str(script)],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )

    panel, *later = ended.stdout.split("---")
    assert panel.count("\n  one") == 1
    assert "a terminal has no live panel" in panel
    assert "execute the cell" not in panel
    assert not any("\n  one" in part for part in later)  # a run is shown as a table
