"""The number of the cell that is being executed, as the front end shows it: `[3]`."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell


def cell_number(shell: InteractiveShell) -> int:
    """Return the number of the cell that `shell` is executing.

    The shell's own count is that of this cell or already that of the next one, by the version of IPython. The list of
    inputs has grown by this cell in either.
    """
    history = shell.history_manager
    inputs = len(history.input_hist_parsed) if history is not None else 0
    return (
        inputs - 1 if inputs in (shell.execution_count, shell.execution_count + 1) else shell.execution_count
    )


def cell_label(shell: InteractiveShell) -> str:
    """Return what the cell that `shell` is executing is called in messages."""
    return f"cell In [{cell_number(shell)}]"
