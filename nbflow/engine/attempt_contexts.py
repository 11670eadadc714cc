"""The number of each task's attempt, the turn of its loop, and the context that it is given (`nbflow.context`)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nbflow.core.states import Pending, Retrying, State, _MetaState

if TYPE_CHECKING:
    from nbflow.core.task import Task
    from nbflow.engine.record import Record


OF_AN_ATTEMPT = (
    *("task_name", "task_full_name", "task_slug", "task_id", "task_tags", "task_run_id", "task_run_count"),
    *("task_run_name", "task_loop_count", "task_loop_result", "map_index", "resume"),
)


class AttemptContexts:
    """Counts attempts and turns by node.

    Attributes:
        attempts: The number of the attempt, from the second on.
        loops: The turn of a loop, and its result so far.
        resumed: The nodes that go on after a pause.
    """

    def __init__(self, record: Record, values: dict[str, Any]) -> None:
        self.attempts: dict[int, int] = {}
        self.loops: dict[int, tuple[int, Any]] = {}
        self.resumed: set[int] = set()
        self._schedule, self._record, self._values = record.schedule, record, values
        self._known_to_all = {name: values[name] for name in OF_AN_ATTEMPT if name in values}

    def values(self, node: int, task: Task) -> dict[str, Any]:
        """Return the context of an attempt that begins now; asked for on the task's thread, if at all."""
        return {**self._values, "_task": task, **self.own(node, task)}

    def own(self, node: int, task: Task) -> dict[str, Any]:
        """Return what an attempt that begins now knows of itself: the values of `OF_AN_ATTEMPT`."""
        child = self._schedule.child_index[node]
        slug = self._record.graph.slugs.get(task, task.name)
        values: dict[str, Any] = {
            **self._known_to_all,
            "task_name": task.name,
            "task_full_name": task.name if child < 0 else f"{task.name}[{child}]",
            "task_slug": slug,
            "task_id": slug,
            "task_tags": task.tags,
            "task_run_id": f"{self._record.id}-{slug}" if child < 0 else f"{self._record.id}-{slug}[{child}]",
            "task_run_count": self.attempts.get(node, 1),
            "map_index": None if child < 0 else child,
        }
        loop = self.loops.get(node)
        if loop is not None:  # else the run's own stand, which say that it is the first turn
            values["task_loop_count"], values["task_loop_result"] = loop
        if node in self.resumed:
            values["resume"] = True
        return values

    def retries(self, node: int, state: Retrying) -> None:
        """Count the attempt that follows from a state, which may be one that an earlier run was left in."""
        self.attempts[node] = state.run_count + 1
        self._note_loop(node, state)

    def taken_over(self, node: int, state: State) -> State:
        """Return the state to start from for one that was given: what a meta state wraps; attempts and loops go on."""
        state = unwrapped(state)
        if isinstance(state, Pending):
            # A retry that was given is counted when it starts, by the same way as one of this run.
            if state.context.get("task_run_count") and not isinstance(state, Retrying):
                self.attempts[node] = state.context["task_run_count"]
            self._note_loop(node, state)
        return state

    def _note_loop(self, node: int, state: State) -> None:
        if "task_loop_count" in state.context:
            self.loops[node] = (state.context["task_loop_count"], state.context.get("task_loop_result"))


def unwrapped(state: State) -> State:
    """Return what a meta state wraps, a state of its own as it is."""
    while isinstance(state, _MetaState) and state.state is not None:
        state = state.state
    return state
