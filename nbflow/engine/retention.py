"""The time for which the values of a run are kept, and what stays known of them when they are given back.

docs/reruns.md, rule V6. Values are held by the states of a run's tasks; to give one back is to put in the place of its
state one that says the same and has no value, so that it lives on only where the user's program holds it.
"""

from __future__ import annotations

import os
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from nbflow.core.data.value_traits import is_fixed, size_of
from nbflow.core.data.value_type import identity
from nbflow.core.states import Failed, Mapped, Released, State, Success, without_value
from nbflow.engine.compiled_graph import ORDINARY
from nbflow.engine.holders import is_held
from nbflow.engine.nodes import DONE
from nbflow.engine.object_versions import ATOMS, NUMBERS, with_children
from nbflow.engine.state_values import reference_of
from nbflow.engine.value_facts import MEMORY, RELEASED, ValueFacts, facts_of, facts_of_reference

if TYPE_CHECKING:
    from nbflow.core.task import Task
    from nbflow.engine.inputs import Inputs
    from nbflow.engine.record import Record
    from nbflow.engine.values import Values

NEWEST, NEEDED, ALL_KEPT = "newest", "needed", "all"
_SHORT = 1_024
_SHARE = 4
AGAIN = "rerun {task!r}, or keep it with keep='all'"
NEWER = "a newer run of its flow has ended"
FORGOTTEN = "its run was told to forget its values"


class Retention:
    """Gives the values of one run back. Used on the run's thread, and by whoever ends or forgets it afterwards.

    Args:
        keep: "newest", "needed" or "all"; tasks may say otherwise.
        budget: How many bytes the values of the run may take; None: a quarter of the memory there is.

    Attributes:
        facts: What stays known of the values that were given back.
        is_released: Whether all were.
    """

    def __init__(self, record: Record, home: Values, inputs: Inputs, keep: str, budget: int | None) -> None:
        self.facts: dict[Task, ValueFacts] = {}
        self.is_released = False
        self.keep, self._record, self._home = keep, record, home
        self._inputs = inputs
        self._graph = graph = record.graph
        self._budget = _quarter() if budget is None else budget
        self._sizes: dict[int, int] = {}
        self._held = 0
        self._waited_for: dict[int, set[int]] = {}
        if keep == NEEDED or any("keep" in task.__dict__ for task in graph.tasks):
            stays = graph.reference | graph.terminal
            self._waited_for = {
                node: set()
                for node, task in enumerate(graph.tasks)
                if (task.keep or keep) == NEEDED and task not in stays and graph.role[node] == ORDINARY
            }
        if self._waited_for:
            for node, edges in enumerate(graph.edges_in):
                for edge in edges:
                    up = graph.index[edge.upstream_task]
                    if edge.key is not None and up in self._waited_for:
                        self._waited_for[up].add(node)

    @property
    def gives_back(self) -> bool:
        """True when values are given back while the run goes on."""
        return bool(self._waited_for)

    # -- while the run goes on --------------------------------------------------------------------------------------

    def ended(self, node: int) -> None:
        """A task has ended for good: what it alone still waited for may go."""
        for up in set(self._graph.upstream[node]) if self._waited_for else ():
            takers = self._waited_for.get(up)
            if takers is not None:
                takers.discard(node)
                if not takers:
                    del self._waited_for[up]
                    self.release(self._graph.tasks[up], "the last task that takes it has ended (keep='needed')")

    def takes_again(self, node: int) -> None:
        """A task that had ended is to end once more: it waits for what it takes as before."""
        for up in self._graph.upstream[node] if self._waited_for else ():
            if up in self._waited_for:
                self._waited_for[up].add(node)

    def has_given_back(self, node: int) -> bool:
        """Tell whether something that a task or child takes was given back."""
        number = self._record.schedule.task_of[node]
        return any(self._graph.tasks[up] in self.facts for up in self._graph.upstream[number])

    def made(self, value: Any) -> None:
        """Count a value, and give others back if there is no room for all of them."""
        if id(value) not in self._sizes:
            size = self._sizes[id(value)] = size_of(value) or 0
            self._held += size
            if self._held > self._budget:
                self._make_room()

    def _make_room(self) -> None:
        schedule, graph = self._record.schedule, self._graph
        free = [
            (self._sizes.get(id(value), 0), node)
            for node, task in enumerate(graph.tasks)
            if graph.role[node] == ORDINARY
            and (task.keep or self.keep) != ALL_KEPT
            and schedule.phase[node] == DONE
            and all(schedule.phase[down] == DONE for down in schedule.below(node))
            and identity(type(value := self._record.states[task].__dict__.get("result"))) not in NUMBERS
        ]
        for size, node in sorted(free, reverse=True):
            if self._held <= self._budget or not size:
                break
            self.release(graph.tasks[node], "there was no room for it, and no task waited for it")

    # -- giving back ------------------------------------------------------------------------------------------------

    def release(self, task: Task, why: str) -> None:
        """Give the value of a task back, if it is worth it."""
        record = self._record
        state = record.states[task]
        if isinstance(state, Success) and not _is_small(state):
            facts = self._facts_of(task, state)
            if facts is not None:
                self.facts[task] = facts
            for one in with_children(state):
                value = one.__dict__.get("result")
                self._held -= self._sizes.pop(id(value), 0)
                self._home.let_go(value)
            record.states[task] = _released(state, Released(task.name, why, AGAIN.format(task=task.name)))
            self._inputs.forget(task)

    def release_all(self, why: str) -> None:
        """Give all values of a run that is over back, and the frames of what failed."""
        record = self._record
        self.is_released = True
        role, index = self._graph.role, self._graph.index
        for task in record.with_values:
            state = record.states[task]
            if isinstance(state, Failed):
                drop_frames(state.__dict__.get("result"))
            elif role[index[task]] == ORDINARY and not (why == NEWER and task.keep == ALL_KEPT):
                self.release(task, why)
        self._home.forget()
        final = record.state
        if final.is_finished():
            record.state = without_value(final, None)
            record.state.result = dict(record.states)
            if not is_held(final, variables=1):  # by `Out` at most
                final.result = record.state.result

    def _facts_of(self, task: Task, state: State) -> ValueFacts | None:
        if isinstance(state, Mapped):
            return None
        reference = reference_of(state)
        if reference is not None:
            return replace(facts_of_reference(reference, source=self._source_of(task)), where=RELEASED)
        value, home = state.__dict__.get("result"), self._home
        source = self._source_of(task)
        followed = home.followed(value)
        if followed is None:
            return facts_of(value, source=source, where=RELEASED)
        return facts_of(value, source=source, where=RELEASED, print_of=lambda _: followed.print)

    def known(self, task: Task) -> ValueFacts | None:
        """Return the facts of a task's value; None if it has none."""
        if task in self.facts:
            return self.facts[task]
        state = self._record.states[task]
        if not state.is_successful() or state.is_skipped() or isinstance(state, Mapped):
            return None
        reference = reference_of(state)
        if reference is not None:
            return facts_of_reference(reference, source=self._source_of(task))
        return facts_of(state.result, source=self._source_of(task), where=MEMORY)

    def _source_of(self, task: Task) -> str:
        return self._record.sources.get(task, "computed")

    def held_bytes(self) -> int:
        """Return how many bytes the values take that are in memory, estimated; what several tasks share counts once."""
        seen: dict[int, Any] = {}
        for state in tuple(self._record.states.values()):
            for one in with_children(state):
                value = None if one is None else _here(one)
                if isinstance(one, Success) and identity(type(value)) not in NUMBERS:
                    seen[id(value)] = value
        return sum(size_of(value) or 0 for value in seen.values())


def _released(state: State, gone: Released) -> State:
    if not isinstance(state, Mapped):
        return without_value(state, gone)
    children = [one if one is None or _is_small(one) else without_value(one, gone) for one in state.map_states]
    return Mapped(state.message, map_states=children)


def _here(state: State) -> Any:
    """Return the value of a state that is in memory; None of one that is elsewhere, if nobody has looked at it."""
    reference = reference_of(state)
    if reference is None:
        return state.__dict__.get("result")
    return reference.look() if reference.is_here else None


def _is_small(state: State) -> bool:
    """Tell whether a state holds no more than its facts would take."""
    if isinstance(state, Mapped):
        return all(one is None or _is_small(one) for one in state.map_states)
    if reference_of(state) is not None:
        return False
    value = state.__dict__.get("result")
    kind = type(value)
    if identity(kind) in ATOMS:
        return kind not in (str, bytes) or len(value) <= _SHORT  # type: ignore[arg-type]
    return is_fixed(value) and (size_of(value) or 0) <= _SHORT


def drop_frames(error: Any) -> None:
    """Let go of the frames that an exception keeps alive, with all their values, and those of its causes."""
    seen: set[int] = set()
    while isinstance(error, BaseException) and id(error) not in seen:
        seen.add(id(error))
        error.__traceback__ = None
        error = error.__cause__ or error.__context__


def _quarter() -> int:
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // _SHARE
    except (ValueError, OSError, AttributeError):  # not told here
        return 1 << 62
