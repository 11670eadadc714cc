"""The values on their way into a call and out of it: what must be noted before it begins and when it has ended."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nbflow.core.data.value_type import identity
from nbflow.core.effects.mutation import may_ask_again
from nbflow.engine.events import warn_safely
from nbflow.engine.object_versions import NUMBERS
from nbflow.engine.remote_value import RemoteValue, is_reference

if TYPE_CHECKING:
    from collections.abc import Sequence

    from nbflow.core.task import Task
    from nbflow.engine.attempt import Call
    from nbflow.engine.breakpoints import Breakpoints
    from nbflow.engine.compiled_graph import CompiledGraph
    from nbflow.engine.inputs import Inputs
    from nbflow.engine.object_versions import Watch
    from nbflow.engine.random_state import Draws
    from nbflow.engine.record import Record
    from nbflow.engine.retention import Retention
    from nbflow.engine.values import Values


class ValueHandover:
    """Hands values over to calls, and takes in what they return."""

    def __init__(
        self,
        record: Record,
        inputs: Inputs,
        home: Values,
        retention: Retention,
        breakpoints: Breakpoints,
        draws: Draws,
    ) -> None:
        self._schedule, self._record, self._inputs, self._home = record.schedule, record, inputs, home
        self._draws, self._retention = draws, retention
        self._may_stand_at, self.original_of = breakpoints.may_stand_at, home.original_of
        self._said: set[tuple[Task, str]] = set()

    def hand_over(
        self, node: int, task: Task, inputs: dict[str, Any], *, is_turn: bool = False, also: tuple[Any, ...] = ()
    ) -> Watch | None:
        """Have the home of values look at what a call is about to take; see `Values.hand_over`."""
        number = self._schedule.task_of[node]

        def again() -> bool:  # asked only for what can be changed: to answer it takes a look at the task's code
            return task.max_retries > 0 or self._may_stand_at(number) or may_ask_again(task.run)

        return self._home.hand_over(
            number, self._schedule.child_index[node], task.run, inputs, comes_again=again, is_turn=is_turn, also=also
        )

    def begin_draws(self, node: int, inputs: dict[str, Any]) -> None:
        """Look at the generators of random numbers from which a call is about to draw."""
        if self._draws.names:
            self._draws.begin(self._schedule.task_of[node], self._schedule.child_index[node], inputs)

    def ended(self, call: Call) -> None:
        """Look at what the call of an ordinary task has changed of what it took, whether it ended well or not."""
        if call.watch is not None:
            self._home.ended(call.watch)
        if self._draws.names:
            self._draws.ended(self._schedule.task_of[call.node], self._schedule.child_index[call.node])

    def keep(self, task: Task, value: Any) -> Any:
        """Take in what a call returned; returns what the run goes on with."""
        if identity(type(value)) in NUMBERS:  # nothing to follow, and too small to count
            return value
        if is_reference(value):
            return self._keep_reference(task, value)
        value = self._home.made(task, value)
        self._retention.made(value)
        return value

    def _keep_reference(self, task: Task, value: Any) -> Any:
        """Take in what stands for a value: that never changes, and takes no memory here."""
        self._inputs.meet_references = True
        if type(value) is RemoteValue and not value.task:
            value.task = task.name
        return self._home.kept.get(task, value)

    def forget_ahead(self, node: int) -> None:
        """Let go of what was kept for a further attempt of a node that has ended well."""
        if self._home.keeps_ahead:
            number = self._schedule.task_of[node]
            if not self._may_stand_at(number):  # where a person may ask for one more attempt, there may be one
                self._home.is_done(number, self._schedule.child_index[node])

    def note_change(self, task: Task, key: str, source: Task) -> None:
        """Say once that tasks share a value which one of them changes, if nothing says which comes first."""
        others = _unordered_takers(self._record.graph, task, source)
        if others and not task._input_mode and (task, key) not in self._said:
            self._said.add((task, key))
            text = _said_of_sharing(task, key, source, others)
            self._record.note(text, task)
            warn_safely(text)


def _unordered_takers(graph: CompiledGraph, task: Task, source: Task) -> list[Task]:
    """Return the tasks that take the value of `source` as well, and come neither before nor after `task`.

    Cells that were made tasks are left out: their order is that of the notebook.
    """
    takers = dict.fromkeys(graph.takers(source))
    if any(hasattr(vars(taker).get("run"), "changes") for taker in takers):
        return []
    number = graph.index[task]
    around = {number, *graph.above(number), *_below(graph, number)}
    return [taker for taker in takers if graph.index[taker] not in around]


def _said_of_sharing(task: Task, key: str, source: Task, others: Sequence[Task]) -> str:
    """Return the warning: who changes what, who takes it too, and what can be done."""
    names = ", ".join(repr(other.name) for other in others[:3])
    return (
        f"task {task.name!r} changes its argument {key!r} in place, the value of {source.name!r}, which {names} takes "
        f"too: nothing says which comes first. Take what {task.name!r} returns, or order them with "
        f"upstream_tasks=[...], or let it change a copy: @task(inputs='copy')"
    )


def _below(graph: CompiledGraph, number: int) -> set[int]:
    found = {number}
    for node in range(number + 1, len(graph.tasks)):  # in topological order
        if not found.isdisjoint(graph.upstream[node]):
            found.add(node)
    return found
