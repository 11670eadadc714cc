"""One attempt of one task: the call, its outcome, and how it is asked to stop. The only code shipped to workers."""

from __future__ import annotations

import sys
import threading
from itertools import starmap
from types import CoroutineType
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from nbflow.core.context import thread, work_of
from nbflow.core.manager import take_deferred, undo
from nbflow.core.signals import TaskTimeoutSignal
from nbflow.engine import forks
from nbflow.engine.capture import end_turns
from nbflow.engine.shipped_code import show_users_lines

if TYPE_CHECKING:
    import contextvars
    from collections.abc import Callable, Coroutine
    from concurrent.futures import Future

    from nbflow.core.manager import Deferred
    from nbflow.core.task import Task
    from nbflow.engine.async_tasks import Awaited
    from nbflow.engine.executor import Session
    from nbflow.engine.file_watch import Opened
    from nbflow.engine.files import TaskFiles
    from nbflow.engine.object_versions import Watch
    from nbflow.engine.open_resources import OpenResource


AWAITED: dict[int, Awaited] = {}
"""The coroutines that are being awaited, by thread; see `nbflow.engine.async_tasks`, which is loaded when one is."""

AFTER_TASK: list[Callable[[], object]] = []
"""Called at the end of each attempt, in its thread and context. The notebook's are here."""

NO_VALUES: dict[str, Any] = {}
_new = tuple.__new__


class TaskCancelled(BaseException):
    """Raised in a task's thread when its run is cancelled; not an `Exception`, so that tasks do not swallow it."""


def was_cut(error: BaseException) -> bool:
    """Tell whether an error came from outside of the code that raised it: an interrupt, a cancel, a time-out."""
    return not isinstance(error, Exception) or isinstance(error, TaskTimeoutSignal)


class Outcome(NamedTuple):
    """The end of an attempt: a value, or an error."""

    value: Any
    error: BaseException | None


RECALLED = Outcome(None, None)
"""Stands for the outcome of a call that was handed over ahead, and taken back before it began."""


class Call:
    """One attempt: what to call, with what, in which context.

    `stop_requested` may be set from any thread; tasks read it through ``nbflow.context.cancelled()``. `shielded`
    calls (cleanups) never see it. A setup sees it, and is left to end all the same (rule 13).
    """

    attempt = 1
    shielded = False
    is_setup = False
    stop_requested = False
    is_over = False
    is_overdue = False
    was_hit = False
    hit_with: type[BaseException] | None = None
    is_simple = False
    thread_id: int | None = None
    lock: threading.Lock | None = None
    args: tuple[Any, ...] = ()
    kept: list[Any] | None = None  # a list for what a setup gives: see `keep`
    begin: Callable[[], tuple[Callable[..., Any], tuple[Any, ...]]] | None = None  # says what to keep
    deferred: list[Deferred] = []  # what is still to be undone
    undone: list[tuple[Deferred, BaseException]] | None = None  # what failed of undoing half a setup
    had_deferred = False
    has_begun = False  # only of one that keeps what it gives
    inner: Inner | None = None  # the run that blocks this call's thread
    session: Session | None = None  # that makes it; None: the run's own thread does
    is_remote = False  # whether another process makes it, or a thread of somebody else's
    where = ""  # the worker that has it, if not the kernel
    returned: Outcome | None = None  # what came of it, for calls that are to get its value
    takes_references = False  # whether some of what it takes is elsewhere
    kept_inputs: dict[str, Any] | None = None  # as the run has them, where they are sent in another form
    is_ahead = False  # whether it was handed over before a worker is free for it, and has not begun as far as is known
    expects: tuple[Call, ...] = ()  # the calls that were under way when it was handed over, and come before it
    began_at: float | None = None  # in seconds since the epoch, where a worker says so
    ended_at: float | None = None
    hook_error: BaseException | None = None
    made: dict[str, Any] | None = None
    watch: Watch | None = None  # what it may change of its inputs
    hashed_inputs: dict[str, str] | None = None  # where its result is to be cached
    helpers: tuple[Future[Any], ...] = ()  # what threads of the event loop do for it
    held: OpenResource | None = None  # the resource that it sets up or cleans up
    base: contextvars.Context | None = None  # what it runs in: that of the resource around it
    opened: Opened | None = None  # what the task does to files: see `nbflow.engine.file_watch`
    files: TaskFiles | None = None  # what has become of them

    def __init__(
        self,
        node: int,
        task: Task,
        fn: Callable[..., Any],
        inputs: dict[str, Any],
        values: Callable[[int, Task], dict[str, Any]],
        own: Callable[[int, Task], dict[str, Any]] | None = None,
    ) -> None:
        self.node = node
        self.task = task
        self.fn = fn
        self.inputs = inputs
        self.values = values
        self.own = own

    @property
    def context(self) -> dict[str, Any]:
        """The things that the task may know, made when somebody first asks (on the task's thread, as a rule)."""
        made = self.made
        if made is None:
            made = self.values(self.node, self.task)
            made["_cancel_flag"] = self.is_asked_to_stop
            self.made = made
        return made

    def forget(self) -> None:
        """Let go of what leads back here, the context and what was called: what is no circle is freed at once."""
        if self.made is not None:
            self.made = NO_VALUES
        del self.fn

    def keep(self, fn: Callable[..., Any], *args: Any) -> None:
        """Call `fn(*args)` instead, and keep its value in `kept` whatever is raised in its thread meanwhile."""
        self.fn = fn
        self.args = args
        self.kept = []

    def is_asked_to_stop(self) -> bool:
        """Tell whether the task should stop."""
        return self.stop_requested and not self.shielded

    def hit(self, error: type[BaseException]) -> bool:
        """Raise `error` in the thread that runs this call, at its next bytecode; False if it is not running.

        Only for calls that run on a worker thread (they have a lock).
        """
        if self.is_remote:  # whoever waits for it looks
            self.hit_with = error
            return not self.is_over
        if self.lock is None:
            return False
        with self.lock:
            if self.thread_id is None or self.is_over or self.undone is not None:
                return False
            if self.inner is not None:  # rule 14: it cleans up first, and raises it then
                self.inner.end_with(error)
                return True
            awaited = AWAITED.get(self.thread_id)
            if awaited is not None:
                awaited.cancel(error)
                return True
            self.was_hit = True
            self.hit_with = error
            _raise_in_thread(self.thread_id, error)
            return True

    def enter(self, inner: Inner) -> Inner | None:
        """Note a run that blocks this call's thread from now on; returns the one around it."""
        if self.lock is None:
            before, self.inner = self.inner, inner
            return before
        with self.lock:  # a hit before this was sent to the thread, one after it goes to the run
            before, self.inner = self.inner, inner
            error, self.hit_with = self.hit_with, None
            if error is not None:
                _raise_in_thread(threading.get_ident(), None)
        if error is not None:
            inner.end_with(error)
        return before

    def leave(self, before: Inner | None) -> None:
        """Note that the run is over."""
        if self.lock is None:
            self.inner = before
            return
        with self.lock:
            self.inner = before


class Inner(Protocol):
    """A run that a task has started in its own thread and waits for."""

    def end_with(self, error: type[BaseException]) -> None:
        """Cancel it, and have `error` raised when it is cleaned up; from any thread, and quickly."""


def _raise_in_thread(thread_id: int, error: type[BaseException] | None) -> None:
    import ctypes  # not at the top: few runs need it

    ctypes.pythonapi.PyThreadState_SetAsyncExc(
        ctypes.c_ulong(thread_id), None if error is None else ctypes.py_object(error)
    )


def current_call() -> Call | None:
    """Return the call that this thread makes now, whoever asks on its way; None if it makes none."""
    held = thread.held
    call = getattr(held.get("_cancel_flag"), "__self__", None) if isinstance(held, dict) else held
    if not isinstance(call, Call):
        return None
    owner = threading.main_thread().ident if call.thread_id is None else call.thread_id
    return call if owner == threading.get_ident() and not call.is_over else None


def perform(call: Call) -> Outcome:
    """Make the call in this thread; never raises, whatever the task does."""
    if call.base is not None:
        base, call.base = call.base, None
        try:
            return base.run(perform, call)
        except RuntimeError:  # a thread that has not let go is still in there
            return base.copy().run(perform, call)
    before, born = thread.held, forks.generation
    thread.held = call
    around = work_of.set(call)
    try:
        if call.stop_requested and not call.shielded:
            raise TaskCancelled
        value = call.fn(**call.inputs) if call.kept is None else _call_and_keep(call, call.kept)
        if type(value) is CoroutineType:
            value = run_coroutine(value, call.kept)
        if forks.generation != born:
            forks.end_child(None)
    except BaseException as error:  # noqa: BLE001 - whatever a task raises is its outcome
        if forks.generation != born:
            forks.end_child(error)
        outcome = outcome_of(call, error)
        if call.kept is not None and outcome.error is not None:
            _undo(call)
        return outcome
    finally:
        if AFTER_TASK:
            _tidy_up()
        if not call.is_simple and call.task.log_stdout:
            call.context["_lines"].end()
        end_turns()  # what is written in this thread from now on is not this attempt's; and nothing keeps it alive
        thread.held = before
        work_of.reset(around)
        if call.opened is not None:
            settle_files(call)
    return _new(Outcome, (value, None))


def _tidy_up() -> None:
    """Call the hooks; an interrupt that meets one is counted by the run, and loses nothing that the call gave."""
    for tidy_up in AFTER_TASK:
        try:
            tidy_up()
        except BaseException:  # noqa: BLE001 - see above
            continue


def settle_files(call: Call) -> None:
    """Look what has become of the files that the task opened; loaded here, since most tasks open none."""
    from nbflow.engine.file_watch import settle

    settle(call)


def _undo(call: Call) -> None:
    """Rule 9: setup raised, so what it had deferred until then is done, latest first, and left alone meanwhile."""
    call.shielded = True
    if call.undone is None:
        call.undone = []
        call.deferred = take_deferred(call.inputs.get("mgr"), call.made or {})
        call.had_deferred = bool(call.deferred)
    undo(call.deferred, call.undone)


def _call_and_keep(call: Call, kept: list[Any]) -> Any:
    call.has_begun = True
    if call.begin is not None:
        call.fn, call.args = call.begin()
    # In one step of the interpreter the resource is in the list: an exception that is sent to this thread comes
    # before, when there is none, or after, when it is kept.
    kept.extend(starmap(call.fn, (call.args,)))
    if not kept:
        raise RuntimeError(f"{call.task.name!r} gave no resource: it never yields, or raised StopIteration")
    if type(kept[0]) is CoroutineType:
        return kept.pop()
    return kept[0]


def outcome_of(call: Call, error: BaseException) -> Outcome:
    """Return what an error makes of a call; a setup that gave its resource before has ended well."""
    if call.kept and type(call.kept[0]) is not CoroutineType:  # it came when the setup was over
        return Outcome(call.kept[0], None)
    show_users_lines(error, call.task, (call.fn, *call.inputs.values()))
    return Outcome(None, error)


def perform_on_worker(call: Call) -> Outcome:
    """Make the call in this worker thread, open to `Call.hit` for exactly as long as it runs."""
    call.lock = threading.Lock()
    call.thread_id = threading.get_ident()
    outcome: Outcome | None = None
    begun = False
    while True:
        # An exception sent to this thread may arrive a few bytecodes after the call has ended: whatever line of
        # this loop it hits, the outcome is kept and the loop goes on until none can come any more.
        try:
            try:
                if not begun:
                    begun = True
                    outcome = perform(call)
            except BaseException as error:  # noqa: BLE001 - an exception sent to this thread may be any
                outcome = outcome or outcome_of(call, error)
            with call.lock:
                call.is_over = True
            if call.was_hit:
                _raise_in_thread(call.thread_id, None)
            outcome = outcome or outcome_of(call, TaskCancelled())
            if call.kept is not None and outcome.error is not None:
                _undo(call)  # if it was cut short
            return outcome
        except BaseException:  # noqa: BLE001 - a second one, while the first was looked at
            continue


def run_coroutine(coroutine: Coroutine[Any, Any, Any], kept: list[Any] | None) -> Any:
    """Await a coroutine in this thread; asyncio is loaded here, since most flows never need it."""
    call: Any = work_of.get()
    home = None if call is None or call.is_over else call.context.get("_event_loop")
    if home is not None:
        from nbflow.engine.event_loop import await_there

        is_done, value = await_there(home, coroutine, kept, call.held)
        if is_done:
            return value
    from nbflow.engine.async_tasks import await_here

    return await_here(coroutine, kept)


def close_loop() -> None:
    """Close this thread's event loop, if it made one; called when a run is done with the thread."""
    awaiting = sys.modules.get("nbflow.engine.async_tasks")
    if awaiting is not None:
        awaiting.close_loop()
