"""The cell that a definition was made in, also where the front end gives the cells new ids (rule C2).

In the order of evidence: the same id; an unknown id with the same text; an unknown id that binds the same names, while
no old id was executed since the ids changed. Anything else is another cell.
"""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass, field

from nbflow.notebook.cells.identity import Names, cell_key, names_in

_MAGIC_LINES = re.compile(r"\A(\s*%%[^\n]*\n)+")
_DEFINITIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Assign, ast.AnnAssign)


@dataclass(eq=False, slots=True)
class _Cell:
    """A cell, by whatever ids it came."""

    place: str
    text: str = ""
    binds: frozenset[str] = frozenset()
    ids: dict[str, int] = field(default_factory=dict)  # when each was executed last


class DefinitionCells:
    """Follows the cells of one notebook, in the order in which they are executed.

    Example:
        >>> places = DefinitionCells()
        >>> one = places.of("a", "def f(): return 1")
        >>> places.of("a", "def f(): return 2") == one, places.of("b", "def f(): return 3") == one
        (True, False)
    """

    def __init__(self) -> None:
        self._cells: dict[str, _Cell] = {}  # by id
        self._now = 0
        self._changed: int | None = None  # when the ids began to be other ones
        self._first: dict[str, int] = {}  # when each id was executed first

    def of(self, cell_id: str | None, source: str) -> str:
        """Return what the cell is known by that is executed now; equal for the same cell."""
        self._now += 1
        text = source.strip()
        if not cell_id:
            return cell_key(None, text, _names(text))
        cell = self._cells.get(cell_id)
        if cell is None:
            self._first[cell_id] = self._now
            cell = self._by_evidence(text)
        else:
            if self._changed is not None and self._first[cell_id] < self._changed:
                self._changed = None  # an old id lives: they have not changed
            if text != cell.text and len(cell.ids) > 1 and self._changed is None:
                # It began as a copy, and says something else by now than what it was copied from.
                del cell.ids[cell_id]
                cell = None
        if cell is None:
            cell = _Cell(f"id {cell_id} {self._now}")
        self._cells[cell_id] = cell
        cell.ids[cell_id] = self._now
        if text != cell.text:
            cell.text, cell.binds = text, _names(text).bound
        return cell.place

    def _by_evidence(self, text: str) -> _Cell | None:
        """Return the cell that has come under an unknown id."""
        known = list(dict.fromkeys(self._cells.values()))
        same = [cell for cell in known if cell.text == text]
        if same:
            if self._changed is None and _defines(text):
                self._changed = self._now
            # Of cells that say the same, the one that was not executed for the longest time.
            # They are executed in turn, so that is the one which comes next.
            return min(same, key=lambda cell: max(cell.ids.values()))
        if self._changed is None:
            return None
        binds = _names(text).bound
        alike = [cell for cell in known if binds and cell.binds == binds and max(cell.ids.values()) < self._changed]
        return alike[0] if len(alike) == 1 else None


def _names(text: str) -> Names:
    return names_in(_MAGIC_LINES.sub("", text).rstrip())


def _defines(text: str) -> bool:
    """Tell whether a cell makes something of its own; many import or show the same."""
    try:
        tree = ast.parse(_MAGIC_LINES.sub("", text))
    except SyntaxError:
        return False
    return any(isinstance(node, _DEFINITIONS) for node in tree.body)
