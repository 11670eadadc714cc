"""The number of the cell that is being executed, as the front end shows it: `[3]`.

Some front ends do not count (nbval, and programs that execute cells without a history). Their cells are counted here,
so that no two are called the same.
"""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from IPython.core.interactiveshell import ExecutionInfo, ExecutionResult, InteractiveShell


class CellNumbers:
    """Counts the cells of a shell that the shell does not count; IPython calls `begin` and `end`."""

    def __init__(self, shell: InteractiveShell) -> None:
        self._depth = 0
        self._last = 0
        self.uncounted: int | None = None
        _numbers[shell] = self

    def begin(self, info: ExecutionInfo) -> None:
        """Note whether the cell that is about to be executed is counted."""
        if not self._depth:  # else a cell executes another one, and both are called by its number
            self.uncounted = None if info.store_history else self._last + 1
        self._depth += 1

    def end(self, result: ExecutionResult | None) -> None:
        """Note the number of a cell that was executed."""
        self._depth = max(0, self._depth - 1)  # the cell that loads the extension has had no beginning
        if not self._depth:
            counted = 0 if result is None else result.execution_count or 0
            self._last = self.uncounted or max(self._last, counted)
            self.uncounted = None


_numbers: weakref.WeakKeyDictionary[InteractiveShell, CellNumbers] = weakref.WeakKeyDictionary()


def cell_number(shell: InteractiveShell) -> int:
    """Return the number of the cell that `shell` is executing.

    The shell's own count is that of this cell or already that of the next one, by the version of IPython. The list of
    inputs has grown by this cell in either.
    """
    numbers = _numbers.get(shell)
    if numbers is not None and numbers.uncounted is not None:
        return numbers.uncounted
    history = shell.history_manager
    inputs = len(history.input_hist_parsed) if history is not None else 0
    return inputs - 1 if inputs in (shell.execution_count, shell.execution_count + 1) else shell.execution_count


def cell_label(shell: InteractiveShell) -> str:
    """Return what the cell that `shell` is executing is called in messages."""
    return f"cell In [{cell_number(shell)}]"
