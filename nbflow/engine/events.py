"""The one ordered stream of events from which everything outside learns about a run."""

from __future__ import annotations

import logging
import time
import warnings
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple, overload

from nbflow.core.states import Released, State, Success, plain, without_value
from nbflow.engine.error_text import error_text

if TYPE_CHECKING:
    from nbflow.core.resource import Block
    from nbflow.core.task import Task

Listener = Callable[["Event"], None]
_new = tuple.__new__
_NO_VALUE = Released("a task", "events carry no values", "ask `run.results[task]` or `run.states[task]`")


class Event(NamedTuple):
    """One change in a run.

    `kind` is ``"run"`` (the run's state), ``"task"`` (a task's or mapped child's state), ``"block"`` (a
    block's status, in `note`) or ``"note"`` (text for the reader). `seq` counts from 0 without gaps;
    `time` is seconds since the epoch. States of events carry no values and no exceptions: those are the run's.
    """

    run_id: str
    seq: int
    time: float
    kind: str
    task: Task | None = None
    map_index: int | None = None
    block: Block | None = None
    old: State | None = None
    state: State | None = None
    attempt: int = 0
    note: str = ""


Entry = tuple["Task", int | None, State, State, int, float]
"""The change of a task's state, before it is made an event: task, child, old and new state, attempt, time."""


class EventLog:
    """Keeps a run's events in order and hands each to the listeners, on the thread that emits it.

    Only the run's own thread emits. Listeners may be added and removed from any thread; one that raises is
    dropped with a warning and never harms the run.
    """

    __slots__ = ("_made", "entries", "listeners", "run_id")

    def __init__(self, run_id: str) -> None:
        self.run_id = run_id
        # Events, and `Entry`s in place of those that nobody has looked at: most runs are over before anybody does.
        self.entries: list[Event | Entry] = []
        self._made = 0  # as many of the first ones are events
        self.listeners: tuple[Listener, ...] = ()  # asked for after an entry was appended, so that none is missed

    @property
    def events(self) -> list[Event]:
        """The events up to now; may be read from any thread."""
        entries: list[Any] = self.entries
        end = len(entries)
        for seq in range(self._made, end):
            entry = entries[seq]
            if type(entry) is not Event:
                entries[seq] = self._event_of(seq, entry)
        self._made = end
        return entries

    def _event_of(self, seq: int, entry: Entry) -> Event:
        task, map_index, old, state, attempt, at = entry
        return _new(Event, (self.run_id, seq, at, "task", task, map_index, None, old, state, attempt, ""))

    def tell_newest(self) -> None:
        """Tell the listeners of the last entry."""
        seq = len(self.entries) - 1
        entry: Any = self.entries[seq]
        event = self.entries[seq] = entry if type(entry) is Event else self._event_of(seq, entry)
        for listener in self.listeners:
            self._tell(listener, event)

    def emit(
        self,
        kind: str,
        task: Task | None = None,
        map_index: int | None = None,
        block: Block | None = None,
        old: State | None = None,
        state: State | None = None,
        attempt: int = 0,
        note: str = "",
    ) -> None:
        """Append one event of now and tell every listener."""
        now, seq = time.time(), len(self.entries)
        if state is not None:
            old, state = told(old), told(state)
        event = (self.run_id, seq, now, kind, task, map_index, block, old, state, attempt, note)
        self.entries.append(_new(Event, event))
        self.tell_newest()

    def changed(self, task: Task, map_index: int | None, old: State, state: State, attempt: int, at: float) -> None:
        """Append the change of a task's state at the time `at` and tell every listener; see `told`."""
        self.entries.append((task, map_index, old, state, attempt, at))
        if self.listeners:
            self.tell_newest()

    def listen(self, listener: Listener, *, replay: bool = False) -> Callable[[], None]:
        """Add a listener; returns a function that removes it (calling it twice is harmless).

        With `replay` the events so far are told first, on the caller's thread. None is missed; one that happens
        meanwhile may be told twice or out of order, which `seq` shows.
        """
        self.listeners = (*self.listeners, listener)
        if replay:
            for event in tuple(self.events):
                if not self._tell(listener, event):
                    break
        return lambda: self._drop(listener)

    def _drop(self, listener: Listener) -> None:
        self.listeners = tuple(kept for kept in self.listeners if kept is not listener)

    def _tell(self, listener: Listener, event: Event) -> bool:
        try:
            listener(event)
        except BaseException as error:  # noqa: BLE001 - a listener never harms the run
            self._drop(listener)
            warn_safely(f"a listener of the run was dropped, it raised {error_text(error)}")
            return False
        return True


class Events(list[Event]):
    """The events of a run up to now, in order."""

    def __init__(self, log: EventLog) -> None:
        super().__init__(log.events)
        self._log = log

    def listen(self, listener: Listener, *, replay: bool = False) -> Callable[[], None]:
        """Call `listener(event)` for each event to come, on the run's thread; returns a function that ends this.

        Args:
            listener: Should be quick; if it raises it is dropped with a warning.
            replay: Whether to tell the events so far first, on the caller's thread. `Event.seq` shows the order.
        """
        return self._log.listen(listener, replay=replay)


@overload
def told(state: State) -> State: ...


@overload
def told(state: State | None) -> State | None: ...


def told(state: State | None) -> State | None:
    """Return a state as events tell it: without its value, which would stay alive for as long as the log."""
    if state is None:
        return None
    held = state.__dict__
    if held.get("result") is None and len(held) <= 2 and "remote" not in held:  # nothing that is worth letting go of
        return state
    if type(state) is Success and len(held) == 2 and state.message == TOLD_SUCCESS.message:
        return TOLD_SUCCESS
    return without_value(state, _NO_VALUE)


TOLD_SUCCESS = without_value(plain(Success, "Task run succeeded."), _NO_VALUE)
"""Of every task that simply succeeds; it says nothing about any."""


def warn_safely(message: str, category: type[Warning] = RuntimeWarning) -> None:
    """Warn without ever raising: under ``-W error`` a warning must not break a run that holds resources."""
    try:
        warnings.warn(message, category, stacklevel=3)
    except Exception:  # noqa: BLE001 - as an error, or what a hook of the user's raises
        logging.getLogger("nbflow").warning(message)
