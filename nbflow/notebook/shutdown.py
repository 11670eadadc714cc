"""Ends the runs when the kernel is shut down or restarted, in the time that a kernel manager leaves.

The interpreter's own `atexit` is not enough: a kernel with a living child process in its process group, such as the
workers of a cluster, waits for it when it should end, until it is killed. And a cell that a run blocks keeps the
kernel alive, until it is killed, for as long as a slow cleanup takes: that is the reaper's to do.
"""

from __future__ import annotations

import asyncio
import functools
import signal
import threading
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from nbflow.engine.interrupts import Guard
from nbflow.engine.live_runs import Aside, finish_live_runs, live_runs, watch_for_end

if TYPE_CHECKING:
    from collections.abc import Callable

    from IPython.core.interactiveshell import ExecutionResult, InteractiveShell

    from nbflow.engine.run import Run

_BUDGET_S = 4.0  # a kernel manager sends SIGTERM after 2.5 s, and SIGKILL after 5 s
_LIMIT_S = 10.0  # for cleanups of background runs, where nobody kills the kernel
_THREADS_S = 1.0  # for threads that cannot be stopped; SIGKILL comes 5 s after the request
_BETWEEN_S = 0.1  # two of the interrupts after that
_cell_began_at = 0.0
_TICK_S = 0.2
_LAST_INTERRUPT = 4  # the third gives the resources up, the fourth does not even wait for the end of the run


class _Shutdown:
    """Stands in for a kernel's `do_shutdown`, which is called first, before anything of the kernel has ended."""

    def __init__(self, original: Callable[[bool], Any]) -> None:
        self.original = original

    def __call__(self, restart: bool) -> Any:
        until = time.monotonic() + _BUDGET_S
        try:
            guard = _guard_of_cell()
            if guard is not None and not guard.count:
                _interrupt_cell()
            finish_live_runs(_THREADS_S, limit_s=_LIMIT_S)
            if guard is not None:
                _free_cell(guard, until)
        finally:
            answer = self.original(restart)  # may be awaitable, which is the caller's to await
        return answer


def _guard_of_cell() -> Guard | None:
    """Return what takes the interrupts of the run that blocks a cell, or waits in one; None if there is none."""
    if threading.current_thread() is threading.main_thread():
        return None  # then no cell runs
    owner = getattr(signal.getsignal(signal.SIGINT), "__self__", None)
    return owner if isinstance(owner, Guard) else None


def _interrupt_cell() -> None:
    main = threading.main_thread().ident
    if main is not None:
        signal.pthread_kill(main, signal.SIGINT)


def _free_cell(guard: Guard, until: float) -> None:
    """Let the cell's run clean up until then; later its resources are handed to the ledger, by interrupts."""
    _wait_for(guard, until)
    while _guard_of_cell() is guard and guard.count < _LAST_INTERRUPT:
        count = guard.count
        _interrupt_cell()
        _wait_for(guard, time.monotonic() + _BETWEEN_S)
        if guard.count == count:  # it cannot even take signals
            return


def _wait_for(guard: Guard, until: float) -> None:
    while _guard_of_cell() is guard and time.monotonic() < until:
        time.sleep(0.01)


def cancel_left_runs(result: ExecutionResult | None) -> None:
    """Cancel the runs that a cell was waiting for on other threads when it was interrupted (rule 14).

    They have begun since the cell has, and block their threads, as `await asyncio.to_thread(flow.run)` does.
    """
    error = None if result is None else result.error_in_exec  # of an interrupted `await` there is no result
    if result is None or isinstance(error, (KeyboardInterrupt, asyncio.CancelledError)):
        for run in live_runs():
            if run._execution.is_blocking and (run.timings.started_at or 0.0) >= _cell_began_at:
                run.cancel("The cell that waits for the run was interrupted.")


def _keep_awake(kernel: Any, run: Run) -> None:
    """Turn the kernel's event loop now and then while a run blocks another thread.

    A cell that awaits such a run leaves the loop asleep, and ipykernel notices a stop only when the loop turns.
    """

    def tick() -> None:
        while not run._loop.is_over.wait(_TICK_S):
            kernel.io_loop.add_callback(lambda: None)

    threading.Thread(target=tick, name="nbflow-awake", daemon=True).start()


def note_begin(info: object) -> None:
    """Note when a cell begins."""
    global _cell_began_at
    _cell_began_at = time.time()


class _TerminalExit:
    """Stands in for what a terminal's IPython does at its exit, which empties the user's names before `atexit`."""

    def __init__(self, original: Callable[[], Any]) -> None:
        self.original = original

    def __call__(self) -> Any:
        try:
            finish_live_runs()
        finally:
            answer = self.original()
        return answer


def watch_shutdown(shell: InteractiveShell) -> None:
    """Have the runs ended when the shell's kernel is, or when a shell in a terminal is left."""
    watch_for_end()
    kernel = getattr(shell, "kernel", None)
    if kernel is not None:
        Aside.listener = staticmethod(functools.partial(_keep_awake, kernel))
    shell.events.register("pre_run_cell", note_begin)
    shell.events.register("post_run_cell", cancel_left_runs)
    if kernel is not None and not isinstance(kernel.do_shutdown, _Shutdown):
        kernel.do_shutdown = _Shutdown(kernel.do_shutdown)
    leave = getattr(shell, "_atexit_once", None)
    if kernel is None and leave is not None and not isinstance(leave, _TerminalExit):
        shell._atexit_once = _TerminalExit(leave)  # type: ignore[method-assign]


def unwatch_shutdown(shell: InteractiveShell) -> None:
    """Give the kernel back its own `do_shutdown`, unless somebody else has put theirs around it."""
    Aside.listener = None
    for event, callback in (("pre_run_cell", note_begin), ("post_run_cell", cancel_left_runs)):
        with suppress(ValueError):
            shell.events.unregister(event, callback)
    kernel = getattr(shell, "kernel", None)
    if kernel is not None and isinstance(kernel.do_shutdown, _Shutdown):
        kernel.do_shutdown = kernel.do_shutdown.original
    if isinstance(vars(shell).get("_atexit_once"), _TerminalExit):
        del shell._atexit_once
