"""The commands that a person gives about one task of a paused run: go on, retry, skip, set its value.

All of it happens on the run's thread; `Run` posts the commands.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from nbflow.core.states import Pending, Skipped, State, Success
from nbflow.engine.breakpoints import BEFORE, EDITED
from nbflow.engine.nodes import DONE, SKIPPED, SUCCEEDED
from nbflow.engine.plan import SET
from nbflow.engine.renewal import renew, renew_manager
from nbflow.errors import NotHeldError, SetResultError, UndoError

if TYPE_CHECKING:
    from collections.abc import Callable

    from nbflow.core.task import Task
    from nbflow.engine.attempt_contexts import AttemptContexts
    from nbflow.engine.breakpoints import Breakpoints
    from nbflow.engine.inputs import Inputs
    from nbflow.engine.lifecycle import Lifecycle
    from nbflow.engine.record import Record
    from nbflow.engine.refusal import Refusals
    from nbflow.engine.settlement import Settlement
    from nbflow.engine.undo_stack import UndoStack
    from nbflow.engine.values import Values


class HeldTasks:
    """Does what a person wants done about the tasks at which a run is paused; `Run` says what each command raises.

    Attributes:
        refusals: Says what may not be done.
        undo_stack: What was done and can be undone.
    """

    def __init__(
        self,
        record: Record,
        breakpoints: Breakpoints,
        inputs: Inputs,
        home: Values,
        contexts: AttemptContexts,
        lifecycle: Lifecycle,
        settlement: Settlement,
        refusals: Refusals,
        undo_stack: UndoStack,
    ) -> None:
        self._schedule, self._record, self._breakpoints = record.schedule, record, breakpoints
        self._inputs, self._home, self._contexts = inputs, home, contexts
        self._lifecycle, self._settlement = lifecycle, settlement
        self.refusals, self.undo_stack = refusals, undo_stack

    def let_go(self, node: int) -> None:
        """Go on from a node as it is, a failure included; one that waits for a person goes on with its resume."""
        why = self._breakpoints.leave(node)
        if why is None:
            self._settlement.resume(node)
        elif why == BEFORE:
            self._breakpoints.let_pass(node)
            self._schedule.release(node)
        else:
            self._settlement.end_for_good(node, self._record.current(node))

    def let_all_go(self) -> None:
        """Go on from wherever the run is paused."""
        self.undo_stack.forget()
        for node in tuple(self._breakpoints.at):
            self.let_go(node)

    def cancel(self) -> None:
        """Be paused nowhere any more: of what is held, only what has ended stays as it is."""
        self.undo_stack.forget()
        nodes = tuple(self._breakpoints.at)
        for node in nodes:
            self._breakpoints.leave(node)
        for node in nodes:
            state = self._record.current(node)
            if state.is_finished():
                self._settlement.end_for_good(node, state)

    def retry(self, node: int) -> None:
        """Run a held task again, with the newest definition of its function, and pause again."""
        task, at = self._schedule.task(node), self._breakpoints.at
        if self.refusals.why_not("retry", node):
            raise NotHeldError(task.name, type(self._record.current(node)).__name__)
        number, child = self._schedule.task_of[node], self._schedule.child_index[node]
        # A setup is its manager's, whose definition may be the one that was fixed in a cell.
        held = self._lifecycle.open_resource(node)
        if held is not None and held.manager is not None:
            renew_manager(held.manager)
        inputs = self._inputs.values(number, child)
        if at[node] != BEFORE:
            self._home.refuse_again(number, child, inputs)
        renew(task, inputs)
        # Only now, when nothing can refuse any more: after a refusal the run is paused there as before.
        why = self._breakpoints.leave(node)
        self._breakpoints.let_pass(node)
        if why != BEFORE:
            self._contexts.attempts[node] = self._contexts.attempts.get(node, 1) + 1
            self._record.set_task(node, self._record.current(node), Pending("To be tried again."))
        self._schedule.release(node, at_once=True)  # the run itself stays paused

    def set_result(self, node: int, value: object) -> None:
        """Give a task that does not run a value in place of what it would return, or has returned."""
        self._end_as(node, Success(SET, result=value), SUCCEEDED, EDITED)

    def skip(self, node: int) -> None:
        """Leave a task out that has not run, or go on from a failed one as if it were left out."""
        self._end_as(node, Skipped("Skipped by the user."), SKIPPED)

    def undo(self, tell: Callable[[Task], object]) -> None:
        """Take back the last skip or set value, and tell of which task."""
        if why := self.undo_stack.why_not():
            raise UndoError(why)
        tell(self._schedule.task(self.undo_stack.undo()))

    def _end_as(self, node: int, state: State, verdict: int, source: str = "") -> None:
        schedule = self._schedule
        task, phase, old = schedule.task(node), schedule.phase[node], self._record.current(node)
        if why := self.refusals.why_not_ended_as(node, verdict):
            raise SetResultError(task.name, why)
        self.undo_stack.keep(node)
        if source:
            self._record.sources[task] = source
            self._home.keep_original(task, state.result)
        if phase != DONE:
            self._breakpoints.leave(node)  # first: what it was held for is over when it has another state
        self._record.set_task(node, old, state, self._contexts.attempts.get(node, 1))
        if phase != DONE:  # else the scheduler knows the end, and what is below has read nothing of it yet
            schedule.ended(node, verdict)
