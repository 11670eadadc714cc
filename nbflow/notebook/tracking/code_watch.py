"""Notes in which cell functions and classes are made, so that an edited cell renews its own only (rule C2)."""

from __future__ import annotations

from types import FunctionType
from typing import TYPE_CHECKING, Any

from nbflow.core.redefinition import execute_cell, leave_cell, remember
from nbflow.notebook.cells.namespace import rebound
from nbflow.notebook.shell.numbering import cell_label
from nbflow.notebook.tracking.definition_cells import DefinitionCells

if TYPE_CHECKING:
    from IPython.core.interactiveshell import ExecutionInfo, ExecutionResult, InteractiveShell

    from nbflow.core.redefinition import Execution


class CodeWatch:
    """Follows the cells of one shell; IPython calls `begin` and `end`."""

    def __init__(self, shell: InteractiveShell) -> None:
        self.shell = shell
        self.places = DefinitionCells()
        self._execution: Execution | None = None
        self._before: dict[str, Any] = {}
        self._depth = 0

    def begin(self, info: ExecutionInfo) -> None:
        """Note which cell is about to be executed."""
        self._depth += 1
        if self._depth > 1:  # a cell that executes others: they are parts of it
            return
        place = self.places.of(getattr(info, "cell_id", None), str(info.raw_cell))
        names = self.shell.user_ns
        self._execution = execute_cell(place, cell_label(self.shell), names)
        self._before = dict(names)

    def end(self, result: ExecutionResult | None) -> None:
        """Note what the cell has made and bound to names, whether it ended well or not."""
        self._depth = max(0, self._depth - 1)
        if self._depth or self._execution is None:
            return
        names, before, execution = self.shell.user_ns, self._before, self._execution
        self._execution, self._before = None, {}
        for name in rebound(before, names):
            if _is_made_in(names.get("__name__"), names[name]):
                remember(names[name], name, execution)
        leave_cell(is_whole=result is not None and bool(result.success))


def _is_made_in(module: object, value: object) -> bool:
    if not isinstance(value, (FunctionType, type)):
        value = vars(value).get("__wrapped__") if type(value).__name__ == "_lru_cache_wrapper" else None
    try:
        return value is not None and value.__module__ == module
    except Exception:  # noqa: BLE001 - a user's metaclass may raise when its classes are looked at
        return False
