"""The question whether a task may run: skips upstream, its trigger, the resources around it.

Triggers are the user's code. What one raises fails the task (rule 17); only for a cleanup it is no reason (rule 19).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from nbflow.core.signals import ENDRUN, StateSignal
from nbflow.core.states import Pending, Skipped, State, Success
from nbflow.engine.error_text import error_text
from nbflow.engine.events import warn_safely
from nbflow.engine.transitions import WITHOUT_RESOURCE, refusal, skips

if TYPE_CHECKING:
    from nbflow.core.edge import Edge
    from nbflow.core.task import Task
    from nbflow.engine.attempt_contexts import AttemptContexts
    from nbflow.engine.inputs import Inputs
    from nbflow.engine.lifecycle import Lifecycle
    from nbflow.engine.record import Record
    from nbflow.engine.user_code import UserCode

_ASSUMED = Success("Not set up yet; assumed to succeed.")


class Admission:
    """Asks on behalf of the nodes that the scheduler gives. Changes no state."""

    def __init__(
        self, record: Record, inputs: Inputs, contexts: AttemptContexts, lifecycle: Lifecycle, user_code: UserCode
    ) -> None:
        self._schedule, self._record, self._graph = record.schedule, record, record.graph
        self._inputs, self._values, self._around = inputs, contexts.values, lifecycle.around
        self._user_code = user_code

    def refused(self, node: int, number: int, child: int, task: Task) -> State | None:
        """Return the state of a node that is not to run; Pending if what is upstream has been left unended."""
        is_parent = child < 0 and self._graph.is_map[number]
        if is_parent:
            upstream = {edge: self._record.states[edge.upstream_task] for edge in self._graph.edges_in[number]}
        else:
            upstream = self._inputs.states(number, child)
        # Before the trigger: one that sees a state which is not final would answer for a run that goes on.
        lifetimes = self._around(node)
        for edge, state in upstream.items():
            if not state.is_finished():
                if edge.upstream_task not in lifetimes:
                    return Pending(state.message)
                upstream[edge] = _ASSUMED  # rule 8 asks before setup has run, as if it had succeeded
        if not task.skip_on_upstream_skip and self._is_without_resource(node):
            return Skipped(WITHOUT_RESOURCE)
        if is_parent and not skips(task, upstream):
            return None  # its trigger is asked for each child, which sees the states of that child's upstream
        return self._asked(node, task, upstream)

    def _asked(self, node: int, task: Task, upstream: dict[Edge, State]) -> State | None:
        refused: State | None = self._user_code.call(self._values(node, task), refusal, task, upstream)
        return refused

    def _is_without_resource(self, node: int) -> bool:
        """Tell whether a setup around a node, or the init of a setup, was skipped: whatever the task says about skips.

        There is nothing for it to work with.
        """
        schedule = self._schedule
        lifetime = schedule.own[node]
        made_by = [] if lifetime is None or node != lifetime.setup else [lifetime.init]
        lifetime = schedule.lifetime_around(node)
        while lifetime is not None:
            if lifetime.resolved and lifetime.setup_bad:
                made_by.append(lifetime.setup if lifetime.setup >= 0 else lifetime.init)
            lifetime = lifetime.outer
        return any(self._record.current(one).is_skipped() for one in made_by)

    # -- cleanups ---------------------------------------------------------------------------------------------

    def without_cleanup(self, node: int, task: Task) -> State:
        """Return the state of a cleanup that has nothing to clean up; its trigger knows the reason best."""
        reason = self._asked(node, task, self._upstream(node))
        return reason if isinstance(reason, Skipped) else Skipped("There is nothing to clean up.")

    def cleanup_refused(self, node: int, task: Task) -> State | None:
        """Rule 19: ask the author's own trigger whether to clean up; returns its state if it says no.

        A trigger that raises has not said no: rule 1 comes before it.
        """
        refused = self._asked(node, task, self._upstream(node))
        error = None if refused is None else refused.result
        if not isinstance(error, BaseException) or isinstance(error, (StateSignal, ENDRUN)):
            return refused
        text = f"the trigger of {task.name!r} raised {error_text(error)}; the cleanup is made all the same"
        self._record.note(text, task)
        warn_safely(text)
        return None

    def _upstream(self, node: int) -> dict[Edge, State]:
        number, child = self._schedule.task_of[node], self._schedule.child_index[node]
        if child < 0 and self._graph.is_map[number]:
            return {}  # a map that was never expanded has no elements whose states its trigger could be asked about
        return self._inputs.states(number, child)
