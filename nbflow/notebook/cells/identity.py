"""The identity of a cell: its second execution is told by its id, else by what it says, else by the names it binds.

Front ends differ: most keep a cell's id, some make up new ones at each load of a page or at each execution, some send
none. Decides from texts, ids and their order alone; nothing here knows IPython.
"""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING

from nbflow.notebook.source.infer import names_of

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

_PART = " part "


@dataclass(frozen=True, slots=True, kw_only=True)
class Names:
    """The names a cell binds at top level, and those it reads before it binds them."""

    bound: frozenset[str]
    read: frozenset[str]


NO_NAMES = Names(bound=frozenset(), read=frozenset())


@lru_cache(maxsize=128)  # several ask for those of the cell that is executed
def names_in(source: str) -> Names:
    """Find the names that `source` binds and reads at top level; none if it does not parse."""
    try:
        names = names_of(ast.parse(source))
    except SyntaxError:
        return NO_NAMES
    return Names(bound=frozenset((*names.bound, *names.maybe)), read=frozenset(names.read))


def part_key(cell: str, number: int) -> str:
    """Return the key of a part of what the cell `cell` adds; the first part has the cell's own key."""
    return cell if number == 1 else f"{cell}{_PART}{number}"


def cell_of(key: str) -> str:
    """Return the key of the cell, for what it adds and for each part of that."""
    return key.partition(_PART)[0]


def is_of_cell(key: str, cell: str) -> bool:
    """Tell whether a contribution's key is that of the cell `cell`, or of a part of what it adds."""
    return cell_of(key) == cell


def cell_key(cell_id: str | None, source: str, names: Names) -> str:
    """Return what the maker of a definition is known by: equal keys mean the same cell."""
    if cell_id:
        return f"id {cell_id}"
    if names.bound:
        again = names.bound & names.read  # `data = clean(data)` is another cell than `data = load()`
        return " ".join(["names", *sorted(names.bound), *(["again", *sorted(again)] if again else [])])
    return f"source {source.strip()}"


@dataclass(slots=True, eq=False)
class _Known:
    """A cell that has been executed.

    Attributes:
        key: What it is known by, for as long as the kernel lives.
        text: What it said the last time.
        ids: The ids under which it has come, the newest last.
        streak: The number of the streak in which it was executed last.
        turn: Grows with each execution of any cell.
        copy_of: The cell that it is a copy of, or is itself under a new id; what follows will tell.
        names: What it binds and reads; found when it is asked for.
    """

    key: str
    text: str
    ids: list[str] = field(default_factory=list)
    streak: int = 0
    turn: int = 0
    copy_of: _Known | None = None
    names: tuple[str, Names] | None = None


class Identities:
    """Tells for each execution of a cell which of the cells known so far it is, or that it is another one.

    The evidence, in this order: the same id; an unknown id and the same text; an unknown id, or none, and the same
    names. An unknown id counts as a known cell's by its names only while ids are being renewed, which is so from the
    time when known texts come under unknown ids until any id comes again.

    Args:
        names: Gives what the text of a cell binds and reads, with what else has to be equal. That ends with `by name`
            if the cell has a name of its own, which it keeps.
    """

    def __init__(self, names: Callable[[str], tuple[str, Names]]) -> None:
        self._names = names
        self._cells: list[_Known] = []
        self._positions: dict[str, int] = {}  # in that list, by key
        self._of_id: dict[str, _Known] = {}
        self._renewed: dict[str, _Known] = {}  # the cells that came under unknown ids since an id came again
        self._copies: list[_Known] = []
        self._keeps_ids = False  # the front end, as far as it has shown
        self._turn = 0

    def key(self, cell_id: str | None, text: str, streak: int) -> str:
        """Return the key of the cell that is about to be executed, by the id that the front end sends and its text.

        The cells of one `streak` follow each other without a pause.
        """
        self._turn += 1
        text = text.strip()
        if not cell_id:
            cell = self._without_id(text, streak)
        elif cell_id in self._of_id:
            cell = self._known_id(cell_id, text)
        else:
            cell = self._unknown_id(cell_id, text, streak)
        if cell.text != text:
            cell.text, cell.names = text, None
        cell.streak, cell.turn = streak, self._turn
        return cell.key

    def position_of(self, key: str) -> int:
        """Return how many cells were executed for the first time before this one."""
        return self._positions.get(key, len(self._cells))

    def original_of(self, key: str) -> str | None:
        """Return the cell that this one says the same as, if it may be that cell under a new id.

        That is the cell itself if it is known to have come under a new id, and no id has come a second time since.
        """
        if key in self._renewed:
            return key
        place = self._positions.get(key)
        copied = None if place is None else self._cells[place].copy_of
        return None if copied is None else copied.key

    def forget(self, keys: Collection[str]) -> None:
        """Forget cells: their ids will not come again."""
        for cell in [cell for cell in self._cells if cell.key in keys]:
            self._cells.remove(cell)
            for cell_id in cell.ids:
                del self._of_id[cell_id]
        self._positions = {cell.key: i for i, cell in enumerate(self._cells)}
        for cell in self._cells:
            if cell.copy_of is not None and cell.copy_of.key in keys:
                cell.copy_of = None

    def _known_id(self, cell_id: str, text: str) -> _Known:
        cell = self._of_id[cell_id]
        is_alone = len(self._renewed) < 2
        # An id that comes again shows that the ids are not being renewed: what has come under unknown ids since the
        # last one were new cells and copies. Names are no evidence then: one cell may be written after another's model.
        self._keeps_ids = True
        self._renewed.clear()
        for copy in self._copies:
            copy.copy_of = None
        self._copies.clear()
        if cell_id != cell.ids[-1]:
            return self._apart(cell, cell_id, text)  # both ids are in the notebook, and so are two cells
        if cell.copy_of is cell:
            if is_alone and cell.text != text:
                return self._apart(cell, cell_id, text)  # a copy that is edited now
            if not is_alone:
                cell.copy_of = None
        return cell

    def _unknown_id(self, cell_id: str, text: str, streak: int) -> _Known:
        # Of the same streak it is a copy that stands below its model, as nobody executes a cell twice without a pause.
        # A copied parameter would make the flow invalid, so there it is taken for the cell itself.
        alike = [c for c in self._cells if c.ids and c.text == text]
        found = self._next([c for c in alike if c.streak != streak or _CANNOT_BE_COPIED.search(text)])
        # Where ids have been kept, one known text under an unknown id may be a pasted copy; two are a page that was
        # loaded again, and then the cell that was edited before it is executed is told by its names.
        if found is None and len(self._renewed) > (1 if self._keeps_ids else 0):
            wanted = self._names(text)
            found = self._next([c for c in self._cells if c.ids and c.streak != streak and self._binds(c, wanted)])
        if found is None:
            cell = self._add(cell_id, text)
            cell.copy_of = max(alike, key=lambda c: c.turn, default=None)
            if cell.copy_of is not None:
                self._copies.append(cell)
            return cell
        self._renewed[found.key] = found
        if len(self._renewed) > 1:
            for cell in self._renewed.values():
                cell.copy_of = None
        else:
            found.copy_of = found
        found.ids.append(cell_id)
        self._of_id[cell_id] = found
        return found

    def _without_id(self, text: str, streak: int) -> _Known:
        # Never one that has come with an id: the same kernel serves two front ends then.
        cells = [c for c in self._cells if not c.ids]
        found = self._next([c for c in cells if c.text == text])
        if found is None:
            wanted = self._names(text)
            is_named = wanted[0].endswith(" by name")
            found = self._next([c for c in cells if (is_named or c.streak != streak) and self._binds(c, wanted)])
        return self._add(None, text) if found is None else found

    def _binds(self, cell: _Known, wanted: tuple[str, Names]) -> bool:
        if cell.names is None:
            cell.names = self._names(cell.text)
        (kind, names), (wanted_kind, others) = cell.names, wanted
        return (
            kind == wanted_kind
            and bool(names.bound)
            and names.bound == others.bound
            # `data = clean(data)` is another cell than `data = load()`
            and names.bound & names.read == others.bound & others.read
        )

    def _next(self, found: list[_Known]) -> _Known | None:
        """Return the first one after the cell that was executed last, else the first of all."""
        if len(found) < 2:
            return found[0] if found else None
        # Cells that say the same are told by their order: "Run all" comes to the one below the last, then starts over.
        last = max(range(len(self._cells)), key=lambda i: self._cells[i].turn)
        return next((c for c in self._cells[last + 1 :] if c in found), found[0])

    def _apart(self, cell: _Known, cell_id: str, text: str) -> _Known:
        cell.ids.remove(cell_id)
        cell.copy_of = None
        del self._of_id[cell_id]
        return self._add(cell_id, text)

    def _add(self, cell_id: str | None, text: str) -> _Known:
        taken = self._positions
        key = f"id {cell_id}" if cell_id else f"cell {len(self._cells) + 1}"
        while key in taken:  # of a cell that was forgotten, or that has given its id to another one
            key += "'"
        cell = _Known(key, text, [cell_id] if cell_id else [])
        self._positions[cell.key] = len(self._cells)
        self._cells.append(cell)
        if cell_id:
            self._of_id[cell_id] = cell
        return cell


# A flow has room for one parameter of a name.
_CANNOT_BE_COPIED = re.compile(r"\bParameter\(")
