"""SIGTERM, SIGHUP and SIGQUIT in a process with background runs: they are cancelled and cleaned up first.

A blocked `Flow.run` or `Run.wait` has its own guard. The handler takes no lock, since it may interrupt a line of the
main thread that holds one.
"""

from __future__ import annotations

import signal
import threading
import time
from typing import TYPE_CHECKING, Any

from nbflow.engine.interrupts import ENDS, HANG_UP, put_under_guards

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from types import FrameType

    from nbflow.engine.run import Run

THREADS_S = 3.0  # for threads that cannot be stopped, before cleanups begin beside them
BUDGET_S = 4.0  # until the process ends if no block is open
LIMITS_S = (
    30.0,
    5.0,
    0.0,
)  # for setups, which are left to end, and cleanups: at the first SIGTERM, the second, and those after it
_SLICE_S = 0.01


class Terminator:
    """Stands before the handlers of these signals that were there, and has them called afterwards.

    Args:
        going: Gives the runs that are to be ended first.
    """

    def __init__(self, going: Callable[[], Iterable[Run]]) -> None:
        self._going = going
        self._before: dict[int, Any] = {}
        self._count = 0

    def watch(self) -> None:
        """Take the signals from now on, but for those that are ignored; does nothing away from the main thread."""
        if threading.current_thread() is not threading.main_thread():
            return
        for number in ENDS:
            before = put_under_guards(number, self._handle)
            if before is not None:
                self._before[number] = before

    def let_go(self) -> None:
        """Give the signals back, in a forked child: the runs are its parent's."""
        for number, before in self._before.items():
            if signal.getsignal(number) == self._handle:
                signal.signal(number, before)

    def _handle(self, number: int, frame: FrameType | None) -> None:
        if number == HANG_UP and self._count:  # the first is being seen to
            return
        runs = list(self._going())
        name = signal.Signals(number).name
        for run in runs:
            run._execution.end_soon(f"The process was told to end ({name}).", THREADS_S)
        limit_s = LIMITS_S[min(self._count, len(LIMITS_S) - 1)]
        self._count += bool(runs)
        wait_for_cleanups(runs, min(BUDGET_S, limit_s), limit_s)
        self._count = 0
        before = self._before.get(number, signal.SIG_DFL)
        if callable(before):
            before(number, frame)
        else:
            signal.signal(number, signal.SIG_DFL)
            signal.raise_signal(number)


def wait_for_cleanups(runs: Iterable[Run], budget_s: float, limit_s: float | None = None) -> None:
    """Wait until runs are over and those who wanted to know are told; see `Run.on_end`.

    After `budget_s` seconds only those with an open block are waited for, up to `limit_s`.
    """
    began = time.monotonic()
    until = began + budget_s
    going = list(runs)
    while going := [run for run in going if not run.is_finished or run._loop.end_listeners.are_awaited]:
        if time.monotonic() >= until and not any(run._execution.has_open_blocks for run in going):
            return
        if limit_s is not None and time.monotonic() >= began + limit_s:
            return
        time.sleep(_SLICE_S)
