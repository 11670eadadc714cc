"""Cells that are no longer in the notebook, as far as a kernel can know.

No front end tells a kernel that a cell was deleted. What can be known: the server names the notebook's file, and a
file that was saved after a cell's execution, and does not have it, says that the cell is gone. Without a file, a cell
is passed over when the cells around it have been executed again since, from top to bottom.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from nbflow.notebook.cells.contribution import Contribution
    from nbflow.notebook.cells.index import ContributionIndex

_FILE = "JPY_SESSION_NAME"
_MOST_BYTES = 100_000_000


@dataclass(frozen=True, slots=True)
class Saved:
    """The notebook as it was saved: its cells' ids, and when, in seconds since the epoch."""

    ids: frozenset[str]
    time: float


def saved_notebook() -> Saved | None:
    """Read which cells the saved notebook has; None if it is not known, or cannot be read."""
    name = os.environ.get(_FILE, "")
    if not name.endswith(".ipynb"):
        return None
    path = Path(name)
    try:
        status = path.stat()
        if status.st_size > _MOST_BYTES:
            return None
        notebook = json.loads(path.read_text(encoding="utf-8"))
        ids = frozenset(str(cell["id"]) for cell in notebook["cells"] if "id" in cell)
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return Saved(ids, status.st_mtime)


def gone(index: ContributionIndex, saved: Saved | None) -> list[str]:
    """Return the contributions whose cells the saved notebook no longer has."""
    if saved is None:
        return []
    # Some front ends send ids that are not those in the file: then nothing can be told from it.
    if not any(c.cell_id in saved.ids for _, c in _said(index)):
        return []
    return [one for one, c in _said(index) if c.cell_id and c.cell_id not in saved.ids and c.time < saved.time]


def passed_over(index: ContributionIndex) -> list[str]:
    """Return the contributions that the last execution from top to bottom left out.

    These are cells between others which have, in their order, all been executed again since, and are the majority.
    """
    said = _said(index)
    latest = sorted(said, key=lambda item: -item[1].number)
    again: list[int] = []
    for one, _ in latest:
        place = index.position[one]
        if again and place > again[-1]:
            break
        again.append(place)
    if len(again) < 2:
        return []
    between = [one for one, _ in said if again[-1] < index.position[one] < again[0]]
    left_out = [one for one in between if index.position[one] not in again]
    return left_out if len(left_out) < len(again) else []


def _said(index: ContributionIndex) -> list[tuple[str, Contribution]]:
    return [(one, c) for one, c in index.contributions.items() if c.cells and not c.is_empty]
