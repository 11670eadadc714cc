"""A thread of the kernel that takes messages of widgets while a run blocks the one that executes cells.

Front ends ask the kernel for such a thread, a subshell, once they know that it has them; a page that has just been
reloaded does not yet, and some never do. Then messages come here, for as long as the main thread is blocked.
"""

from __future__ import annotations

import sys
from typing import Any

from nbflow.engine.interrupts import is_main_thread_blocked

ROUTE = "_reply_subshell_for"
"""What ipykernel, from 7.4 on, asks a comm for the subshell that its messages go to."""


class Subshell:
    """The subshell of this kernel; made when it is first needed."""

    def __init__(self) -> None:
        self._id: str | None = None

    def take(self, comm: Any) -> None:
        """Have the messages to a comm handled where the front end has sent them, or here while that is blocked.

        By itself ipykernel hands them to the thread that has last sent something by the comm, which is a cell's.
        """
        if callable(getattr(comm, ROUTE, None)):
            setattr(comm, ROUTE, self.route)

    def route(self, data: object, asked: str | None) -> str | None:
        """Return the subshell that is to handle a message; None: the main thread. The kernel calls it."""
        if asked is not None or not is_main_thread_blocked() or not self.is_possible():
            return asked
        manager = _kernel().shell_channel_thread.manager
        if self._id is None or self._id not in manager.list_subshell():
            self._id = manager._create_subshell()  # on the thread of the shell channel, where the kernel asks
        return self._id

    def is_possible(self) -> bool:
        """Tell whether messages can be handled here."""
        kernel = _kernel()
        base = sys.modules.get("ipykernel.comm.comm")
        return bool(getattr(kernel, "shell_channel_thread", None)) and hasattr(getattr(base, "BaseComm", None), ROUTE)


def _kernel() -> Any:
    module = sys.modules.get("IPython.core.getipython")
    return None if module is None else getattr(module.get_ipython(), "kernel", None)


subshell = Subshell()
