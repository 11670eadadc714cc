"""The runs that are not over, found by what ends the process or the thread that they are in (rule 14)."""

from __future__ import annotations

import atexit
import sys
import threading
import weakref
from typing import TYPE_CHECKING

from nbflow.engine.forks import in_child
from nbflow.engine.termination import THREADS_S, Terminator, wait_for_cleanups

if TYPE_CHECKING:
    from collections.abc import Callable

    from nbflow.core.states import State
    from nbflow.engine.run import Run

_LISTENERS_S = 30.0  # for those who want to know that a run is over, where a script ends by itself
_AFTER_THREADS_S = 1.0  # for a run that has given its threads up to begin its cleanups

_live: weakref.WeakSet[Run] = weakref.WeakSet()


class Aside:
    """The listener that is told of runs which block another thread than the main one; set by the notebook."""

    listener: Callable[[Run], None] | None = None


def begin(run: Run) -> None:
    """Perform a run on a thread of its own; called once, by the flow."""
    _make_known(run)
    run._execution.begin()


def work(run: Run) -> State:
    """Perform a run in the caller's thread and return its final state; called once, by the flow.

    Raises:
        BaseException: What a task raised that is not an error of its own: KeyboardInterrupt, SystemExit, or
            any error under ``context.raise_on_exception``. Everything is cleaned up before.
    """
    loop = run._execution.loop
    if loop.outer is not None or threading.current_thread() is not threading.main_thread():
        _make_known(run)
        if Aside.listener is not None:
            Aside.listener(run)
    run._execution.work()
    if _live:  # a task may have started one, in a thread where signals cannot be taken
        _terminator.watch()
    run._execution.pass_on(loop.guard)
    if loop.cancellation.failure is not None:
        raise loop.cancellation.failure
    if loop.asked_with is not None:
        raise loop.asked_with
    return run.state


def watch_for_end() -> None:
    """Take SIGTERM from now on, for the runs there may be in any thread; does nothing away from the main thread."""
    _terminator.watch()


def live_runs() -> list[Run]:
    """Return the runs that are not over, but for those that block the main thread, which takes its own signals."""
    return [run for run in _live if not run.is_finished]


def _ending_runs() -> list[Run]:
    """Return also those that are over, if somebody who wants to know that is still being told."""
    return [run for run in _live if not run.is_finished or run._loop.end_listeners.are_awaited]


def finish_live_runs(threads_s: float | None = None, limit_s: float | None = None) -> None:
    """Cancel what still runs when the interpreter or its kernel ends, and give the cleanups the time there is.

    Args:
        threads_s: How long threads that cannot be stopped are waited for, in seconds; None: for as long as their
            blocks say, as in a script that ends by itself, unless Ctrl-C has ended it.
        limit_s: How long cleanups that have begun are waited for, in seconds; None: until they end.
    """
    atexit.unregister(finish_live_runs)
    if threads_s is None and issubclass(getattr(sys, "last_type", None) or Exception, KeyboardInterrupt):
        threads_s = THREADS_S
    runs = _ending_runs()
    for run in live_runs():
        if threads_s is None:
            run.cancel("The interpreter ended.")
        else:
            run._execution.end_soon("The kernel ended.", threads_s)
    if threads_s is None:
        for run in runs:
            run.wait()
            if run._loop.end_listeners.are_awaited:
                run._loop.end_listeners.are_told.wait(_LISTENERS_S)
    else:
        wait_for_cleanups(runs, threads_s + _AFTER_THREADS_S, limit_s)


def _make_known(run: Run) -> None:
    if not _live:
        atexit.register(finish_live_runs)
    _terminator.watch()
    _live.add(run)


_terminator = Terminator(_ending_runs)


@in_child
def _let_runs_go() -> None:
    _live.clear()
    _terminator.let_go()
