"""The execution of a run as the rooms of nbflow see it; what users hold of it is `Run`."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Any

from nbflow.core.codehash.code_fingerprint import fingerprint_of
from nbflow.core.context import context_without_work
from nbflow.engine.events import warn_safely
from nbflow.engine.interrupts import Guard
from nbflow.engine.run_history import CodeNotes
from nbflow.errors import CleanupRunningError

if TYPE_CHECKING:
    from collections.abc import Callable

    from nbflow.core.task import Task
    from nbflow.engine.run_loop import RunLoop
    from nbflow.engine.values import Values

_SLICE_S = 0.25
_PATIENCE = 3  # the third interrupt gives the resources up; the fourth does not even wait for that


class Interrupted:
    """The listener that is told of an interrupt before it is raised where a run is waited for; set by the notebook."""

    listener: Callable[[Execution, KeyboardInterrupt], None] | None = None


class Execution:
    """The loop of a run, the thread that turns it, and what reruns and the store take from it.

    Attributes:
        loop: The loop.
        record: The states of its tasks, its events and times.
        home: The home of its values.
        draws: The states of global generators of random numbers that its tasks met.
        code: What is known of its tasks' code, to tell what is stale.
        thread: The thread of its own; None while it is performed by the thread that waits for it.
    """

    def __init__(self, loop: RunLoop, number: int) -> None:
        self.loop, self.number, self.record = loop, number, loop.record
        self.home: Values = loop.home
        self.draws = loop.draws
        self.code = CodeNotes(loop.graph.tasks)
        loop.on_end = self.code.settle
        self.thread: threading.Thread | None = None
        self._cleaning = threading.Lock()

    @property
    def is_over(self) -> bool:
        """True once everything is done and cleaned up, or named as left."""
        return self.loop.is_over.is_set()

    @property
    def is_released(self) -> bool:
        """True once its values were given back as a whole."""
        return self.loop.retention.is_released

    @property
    def is_blocking(self) -> bool:
        """True if it is performed by the thread that waits for it."""
        return self.thread is None

    @property
    def has_open_blocks(self) -> bool:
        """True while a block is being set up, is open or is being cleaned up."""
        return bool(self.record.open_resources.alive())

    def begin(self) -> None:
        """Perform it on a thread of its own."""
        self.thread = threading.Thread(
            target=context_without_work().run,
            args=(self.loop.work,),
            name=f"nbflow-run-{self.loop.graph.name}-{self.number}",
            daemon=True,
        )
        self.thread.start()

    def work(self) -> None:
        """Perform it in the caller's thread; never raises what came of it."""
        loop = self.loop
        if loop.outer is None:
            loop.work()
            return
        before = loop.outer.enter(loop)
        try:
            loop.work()
        finally:
            loop.outer.leave(before)

    def wait(self, event: threading.Event, timeout_s: float | None = None) -> None:
        """Wait for an event, or the end of the run; an interrupt cancels the run and is raised when it is over."""
        if event.is_set() or threading.current_thread() is self.thread:
            return
        guard = Guard(self.loop.note_interrupt)
        until = None if timeout_s is None else time.monotonic() + timeout_s
        with guard.installed():
            # In slices: our handler only counts, and a run whose own thread hangs must not hold the user for ever.
            while not event.wait(_SLICE_S if until is None else min(_SLICE_S, max(0.0, until - time.monotonic()))):
                if self.is_over:  # the run ended without reading the command whose end is waited for
                    break
                if guard.count:
                    event, until = self.loop.is_over, None
                if guard.count > _PATIENCE or (until is not None and time.monotonic() >= until):
                    break
        self.pass_on(guard)

    def pass_on(self, guard: Guard) -> None:
        """Let the signal that a guard has taken have its usual effect, now that the run has seen to it.

        Raises:
            KeyboardInterrupt: After Ctrl-C or the stop button; it has been told to `Interrupted.listener`.
        """
        try:
            guard.pass_on()
        except KeyboardInterrupt as error:
            if Interrupted.listener is not None:
                Interrupted.listener(self, error)
            raise

    def end_soon(self, reason: str, threads_s: float) -> None:
        """Cancel it because its process is to end: threads that do not stop are waited for `threads_s` seconds only."""
        if not self.is_over:
            self.loop.end_soon(reason, threads_s)

    def clean_again(self) -> None:
        """Try each cleanup that failed once more, in the caller's thread."""
        with self._cleaning:
            for held in self.record.open_resources.failed():
                error = self.loop.cleanup.again(held)
                if isinstance(error, CleanupRunningError):
                    warn_safely(str(error))
                elif error is not None and not isinstance(error, Exception):  # the stop button, most likely
                    raise error

    def source_of(self, task: Task) -> str:
        """Return where the value of a task comes from; for drawings, which ask at each change."""
        return self.record.sources.get(task, "computed")

    def code_of(self, task: Task) -> str:
        """Return a short text that is equal for equal code: that of `task` when this run called it."""
        began: Any = self.record.timings.get(task)
        memory, then = self.code.origin_of(task, time.time() if began is None else began[0])
        return fingerprint_of(then, memory)
