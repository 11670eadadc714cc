"""The commands that a person gives to a run: each is put on the run's queue, and waited for where it may be refused."""

from __future__ import annotations

import functools
import threading
from typing import TYPE_CHECKING, Any

from nbflow.core.states import Mapped, State
from nbflow.engine.breakpoint_list import BreakpointList, Places
from nbflow.engine.breakpoints import AFTER, BEFORE, EDITED, PINNED, Breakpoint, argument_names, check_condition
from nbflow.engine.nodes import DONE
from nbflow.engine.pause import Answer
from nbflow.engine.refusal import OVER, why_not_debugged, why_not_pinned
from nbflow.engine.remote_value import is_reference, looked_at
from nbflow.engine.renewal import warn_of_rivals
from nbflow.engine.state_values import held_by
from nbflow.errors import BreakpointError, NotHeldError, NothingToStepError, OptionError, SetResultError, UndoError

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

    from nbflow.core.task import Task
    from nbflow.engine.events import Event
    from nbflow.engine.execution import Execution


class PostMortem:
    """The debugger that is opened where a task failed; set by the notebook: IPython's."""

    debugger: Callable[[TracebackType], object] | None = None


class RunControl:
    """The commands of `Run`, which says what each does and raises.

    Attributes:
        places: The breakpoints that were set and not cleared, by task.
    """

    def __init__(self, execution: Execution) -> None:
        self._execution, self._loop, self._record = execution, execution.loop, execution.record
        self._graph = execution.loop.graph
        self._refusals = execution.loop.held_tasks.refusals
        self.places: dict[Task, Places] = {}

    @property
    def breakpoints(self) -> BreakpointList:
        """The same as a person is given them."""
        return BreakpointList(lambda: self.places, self.break_at, self.clear_break)

    # -- going on ---------------------------------------------------------------------------------------------

    def step(self, wait: bool, *, into: bool, block: bool) -> State:
        """Run the next task, or to the end of the current block."""
        if into and block:
            raise OptionError("a step goes into a map or to the end of a block; leave out `into` or `block`")
        schedule = self._loop.schedule
        return self._go(wait, schedule.step_block if block else functools.partial(schedule.step, into=into))

    def until(self, task: Task, wait: bool) -> State:
        """Run up to and including a task."""
        node = self._node(task)
        # By its phase: a mapped task has a finished state while its children still run.
        if self._loop.schedule.phase[node] == DONE:
            state = type(self._record.states[task]).__name__
            raise NothingToStepError(f"task {task.name!r} has ended already ({state})")
        self._go(wait, self._loop.schedule.run_until, node)
        return self._record.states[task]

    def pause(self) -> None:
        """Start no more tasks."""
        self._loop.post(self._loop.pause.go, self._loop.schedule.pause)

    def resume(self, task: Task | None) -> None:
        """Go on with the whole run, or with one task."""
        if task is None:
            self._loop.post(self._resume_all)
        else:
            self._loop.post(self._loop.pause.release, self._node(task))

    def wait(self, timeout_s: float | None, or_held: bool) -> State:
        """Wait until the run is over, or is paused."""
        loop, waiter = self._loop, self._loop.is_over
        if or_held:
            waiter = threading.Event()
            loop.post(loop.pause.tell, waiter)
        self._execution.wait(waiter, timeout_s)
        if self._execution.is_over and loop.at_end is not None:
            loop.at_end()  # once more: the caller may have held an earlier run when this one ended
        return self._record.state

    def limit_hold(self, limit_s: float | None) -> None:
        """Let the run be paused for so long at most."""
        if limit_s is not None and limit_s <= 0:
            raise OptionError(f"hold_limit_s is {limit_s!r}; give seconds above 0, or None for no limit")
        self._loop.breakpoints.limit_s = limit_s
        self._loop.post(self._loop.pause.limit)  # it may be paused already

    # -- at one task ------------------------------------------------------------------------------------------

    def held(self) -> list[Task]:
        """Return the tasks at which the run is paused."""
        task = self._loop.schedule.task
        return list(dict.fromkeys(task(node) for node in (*self._loop.breakpoints.at,)))

    def held_reasons(self) -> list[tuple[Task, int | None, str]]:
        """Return them with the number of a mapped child, and why: before it, after it, or at its failure."""
        schedule = self._loop.schedule
        found = ((node, schedule.child_index[node], why) for node, why in (*self._loop.breakpoints.at.items(),))
        return [(schedule.task(node), child if child >= 0 else None, why) for node, child, why in found]

    def break_at(self, task: Task, when: Callable[..., object] | None, after: bool) -> None:
        """Pause before a task or after it."""
        number = self._node(task)
        if why := self._refusals.why_not("break", number, is_over=self._execution.is_over):
            raise BreakpointError(task.name, why)
        if when is not None:
            check_condition(when, task, argument_names(self._graph, task), after=after)
        self.put(task, Breakpoint(AFTER if after else BEFORE, when))

    def put(self, task: Task, breakpoint: Breakpoint) -> None:
        """Pause where a breakpoint says that has been checked."""
        self.places[task] = (*self.places.get(task, ()), breakpoint)
        self._loop.post(self._loop.breakpoints.break_at, self._graph.index[task], breakpoint)
        self._loop.post(self._loop.maker.recall)  # it may have been handed over ahead, or be above one that was

    def clear_break(self, task: Task) -> None:
        """Forget the breakpoints at a task."""
        number = self._node(task)
        self.places.pop(task, None)
        self._loop.post(self._loop.breakpoints.clear_break, number)

    def retry(self, task: Task, index: int | None, wait: bool) -> State:
        """Run a held task again."""
        warn_of_rivals([task])
        node = self._refusals.node_of(task, index)
        self._ask(self._loop.held_tasks.retry, node, waits=wait)
        self._execution.code.note(task)
        return self._record.current(node)

    def set_result(self, task: Task, value: object, index: int | None) -> None:
        """Give a task a value in place of its own."""
        self._ask(self._loop.held_tasks.set_result, self._refusals.node_of(task, index), value)

    def skip(self, task: Task, index: int | None) -> None:
        """Leave a task out."""
        self._ask(self._loop.held_tasks.skip, self._refusals.node_of(task, index))

    def undo(self) -> Task:
        """Take back the last skip or set value; returns its task."""
        undone: list[Task] = []
        if self._execution.is_over:
            raise UndoError(OVER)
        self._ask(self._loop.held_tasks.undo, undone.append)
        return undone[0]

    def pin(self, task: Task) -> None:
        """Keep a task's value."""
        self._node(task)
        record, home = self._record, self._execution.home
        if why := why_not_pinned(record.states[task]):
            raise SetResultError(task.name, why)
        value = held_by(record.states[task])
        if not is_reference(value):  # one that is elsewhere never changes
            home.keep_original(task, value)
        if record.sources.get(task) == EDITED:
            home.set_by_user.add(task)  # its own function does not make this value
        record.sources[task] = PINNED

    def inputs(self, task: Task, index: int | None) -> dict[str, Any]:
        """Return what a task is given."""
        return {key: looked_at(value) for key, value in self.held_inputs(task, index).items()}

    def held_inputs(self, task: Task, index: int | None) -> dict[str, Any]:
        """Return the same without fetching what is elsewhere: something stands for it."""
        schedule, node = self._loop.schedule, self._refusals.node_of(task, index)
        return self._loop.inputs.values(schedule.task_of[node], schedule.child_index[node])

    def debug(self, task: Task, index: int | None) -> None:
        """Open the debugger where a task failed."""
        state = self._record.current(self._refusals.node_of(task, index))
        if why_not_debugged(state):
            raise NotHeldError(task.name, f"{type(state).__name__}, without an exception to look at")
        if PostMortem.debugger is not None:
            PostMortem.debugger(state.result.__traceback__)
            return
        import pdb  # the plain one, where there is no notebook

        pdb.post_mortem(state.result.__traceback__)

    # -- inside -----------------------------------------------------------------------------------------------

    def _node(self, task: Task) -> int:
        self._refusals.node_of(task)  # refuses a strange one
        return self._graph.index[task]

    def _resume_all(self) -> None:
        for node in self._loop.schedule.held():
            self._loop.pause.release(node)
        self._loop.pause.go(self._loop.schedule.resume)

    def _refuse_if_over(self) -> None:
        if self._execution.is_over:
            raise NothingToStepError(
                f"run {self._execution.number} of {self._graph.name!r} is over ({type(self._record.state).__name__}); "
                "start another one to step through it"
            )

    def _ask(self, command: Callable[..., None], *args: Any, waits: bool = False) -> None:
        """Have the run's thread carry out a command that it may refuse."""
        self._refuse_if_over()
        answer, waiter = Answer(), threading.Event()
        self._loop.post(self._loop.pause.fix, command, args, answer, waiter if waits else None)
        self._execution.wait(answer.given)
        if answer.error is not None:
            raise answer.error
        if waits:
            self._execution.wait(waiter)

    def _go(self, wait: bool, command: Callable[..., None], *args: Any) -> State:
        """Have the run's thread go on as the scheduler is told; return the state of the task that ended last."""
        self._refuse_if_over()
        seen = len(self._record.log.entries)
        waiter = threading.Event() if wait else None
        self._loop.post(self._loop.pause.go, command, args, waiter)
        if waiter is None:
            return self._record.state
        self._execution.wait(waiter)
        ended = [event for event in self._record.log.events[seen:] if event.kind == "task" and event.state]
        return self._state_after(ended[-1]) if ended else self._record.state

    def _state_after(self, event: Event) -> State:
        """Return the state that an event told of, with its value; the event's own if there is another by now."""
        assert event.task is not None
        assert event.state is not None
        state = self._record.states[event.task]
        if event.map_index is not None and isinstance(state, Mapped):
            state = state.map_states[event.map_index]
        return state if type(state) is type(event.state) else event.state
