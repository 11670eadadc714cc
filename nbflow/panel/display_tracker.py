"""Which cells show which panels: a panel is closed when the last cell that showed it has been executed without it.

The widget library keeps every widget that is open, so a panel would stay, with its thread and listeners, each time
its cell is executed again. Front ends tell a cell's id with its code; where none is told, nothing is closed.

Where no id is told there may be no front end at all but a program that executes notebooks and hears a cell until it
ends: so panels are brought up to date before that. And where messages count from the main thread alone, as in Google
Colab, panels are sent whole when a cell ends.
"""

from __future__ import annotations

import contextlib
import sys
import weakref
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell


class Shown(Protocol):
    """What a cell shows."""

    def leave_cell(self, cell: str) -> None:
        """The cell is executed again: what it showed is not there any more."""

    def cell_ended(self) -> None:
        """A cell has been executed: what it has changed of the code is to be marked."""

    def catch_up(self, *, whole: bool) -> None:
        """Show what changed since the last time, in `whole` or only in what stays in the notebook."""

    def close(self) -> None:
        """No cell shows it."""


class DisplayTracker:
    """The cells of one IPython session, by id, and what they show; None stands for all cells without an id."""

    def __init__(self, *, is_main_only: bool = False) -> None:
        self.is_main_only = is_main_only
        self._cells: dict[str | None, weakref.WeakSet[Any]] = {}
        self._before: dict[str, list[Shown]] = {}
        self._shell: InteractiveShell | None = None

    def show(self, shown: Shown) -> str | None:
        """Note that the current cell shows this; returns the cell's id."""
        shell = _shell()
        if shell is None:
            return None
        cell = cell_of(shell)
        self._cells.setdefault(cell, weakref.WeakSet()).add(shown)
        if self._shell is None:
            self._shell = shell
            shell.events.register("pre_run_cell", self.begin)
            shell.events.register("post_run_cell", self.end)
        return cell

    def forget(self, shown: Shown) -> None:
        """Note that it is closed; without anything shown, IPython's events are left alone."""
        for cell, known in list(self._cells.items()):
            known.discard(shown)
            if not known:
                del self._cells[cell]
        if self._shell is not None and not self._cells and not self._before:
            for event, call in (("pre_run_cell", self.begin), ("post_run_cell", self.end)):
                with contextlib.suppress(ValueError):  # somebody has cleared the events
                    self._shell.events.unregister(event, call)
            self._shell = None

    def begin(self, info: Any) -> None:
        """Take note of what the cell showed before; IPython calls it when a cell begins."""
        cell = getattr(info, "cell_id", None)
        if cell is not None and (known := self._cells.pop(cell, None)):
            self._before[cell] = list(known)
            for shown in self._before[cell]:
                shown.leave_cell(cell)

    def end(self, result: Any) -> None:
        """Close what was shown before and is not any more; IPython calls it when a cell ends."""
        cell = getattr(getattr(result, "info", None), "cell_id", None)
        for shown in self._before.pop(cell, ()) if cell is not None else ():
            if not any(shown in known for known in self._cells.values()):
                shown.close()
        for shown in {one for known in self._cells.values() for one in known}:
            shown.cell_ended()
        behind = set(self._cells.get(None, ()))
        if self.is_main_only:
            behind.update(*self._cells.values())
        for shown in behind:
            shown.catch_up(whole=self.is_main_only)


def _shell() -> InteractiveShell | None:
    from IPython import get_ipython

    shell: InteractiveShell | None = get_ipython()
    return shell


def cell_of(shell: InteractiveShell) -> str | None:
    """Return the id of the cell that is being executed, from the message that asked for it."""
    get_parent = getattr(shell, "get_parent", None)  # only a kernel's shell has one
    parent: Any = get_parent() if get_parent is not None else {}
    cell = (parent.get("metadata") or {}).get("cellId") if isinstance(parent, dict) else None
    return cell if isinstance(cell, str) and cell else None


display_tracker = DisplayTracker(is_main_only="google.colab" in sys.modules)
