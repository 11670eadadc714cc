"""Kernels of their own that make the same flow from a notebook's text: one that dies, and the next."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from tests.patience import PATIENCE_S

ROOT = Path(__file__).resolve().parents[2]
_DRIVER = """
import json, sys
def tell(**facts):
    print(json.dumps(facts), flush=True)
source = sys.stdin.readline()
exec(compile(json.loads(source), "<notebook>", "exec"), globals())
"""


class Kernel:
    """A process that executes a notebook's text in ``__main__`` and tells facts by `tell(name=value)`.

    Args:
        text: The notebook, a script.
        stops: What it finds in ``os.environ["STOPS"]``: where it is to pause. Its code is the same everywhere.
    """

    def __init__(self, text: str, stops: str = "") -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-c", _DRIVER],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=ROOT,
            env={**os.environ, "NBFLOW_REAPER": "0", "STOPS": stops},
        )
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(text) + "\n")
        self._process.stdin.flush()

    def told(self) -> dict[str, Any]:
        """Wait for the next facts that it tells."""
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        assert line, f"it ended with {self._process.wait(60)} and told nothing"
        found: dict[str, Any] = json.loads(line)
        return found

    def kill(self) -> None:
        """End it as a machine that runs out of memory does."""
        self._process.kill()
        self._process.wait(PATIENCE_S)

    def __enter__(self) -> Kernel:
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()
        for stream in (self._process.stdin, self._process.stdout):
            if stream is not None:
                stream.close()


def tell_of(text: str) -> dict[str, Any]:
    """Return the first facts that a kernel tells."""
    with Kernel(text) as kernel:
        return kernel.told()
