"""What managers have done, in whatever process."""

from __future__ import annotations

import os
from pathlib import Path


class Journal:
    """The lines of a file: what was done, and the process that has done it."""

    def __init__(self, path):
        self.path = Path(path)

    def note(self, what):
        """Add a line."""
        with open(self.path, "a") as file:
            file.write(f"{what} {os.getpid()}\n")

    @property
    def lines(self):
        return self.path.read_text().splitlines() if self.path.exists() else []

    @property
    def words(self):
        return [line.split()[0] for line in self.lines]

    def pids(self, what):
        """Return the processes that have done something."""
        return [line.split()[1] for line in self.lines if line.split()[0] == what]
