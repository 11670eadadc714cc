"""The states that a run starts from: those that its caller gives, and those that are taken over from an earlier run."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from nbflow.core.states import Cached, Mapped, State
from nbflow.engine.compiled_graph import CLEANUP, INIT, SETUP
from nbflow.engine.events import told
from nbflow.engine.transitions import verdict_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from nbflow.core.task import Task
    from nbflow.engine.attempt_contexts import AttemptContexts
    from nbflow.engine.lifecycle import Lifecycle
    from nbflow.engine.record import Record


class StartStates:
    """The states of a run that has not begun.

    Args:
        given: States to start from.
        reused: States that are taken over as they are; see `RunLoop`.
    """

    def __init__(self, given: Mapping[Task, State] | None, reused: Mapping[Task, State] | None) -> None:
        self._given = given or {}
        self._reused = reused or {}

    def put_into(
        self, record: Record, contexts: AttemptContexts, lifecycle: Lifecycle
    ) -> tuple[dict[int, int], dict[int, list[int]]]:
        """Put the states into the record; returns the verdicts of the nodes that have ended, and of maps' children."""
        ended = self._give(record, contexts, lifecycle)
        children = self._take_over(record, ended)
        self._given, self._reused = {}, {}  # the values are the record's alone, which may give them back
        return ended, children

    def _give(self, record: Record, contexts: AttemptContexts, lifecycle: Lifecycle) -> dict[int, int]:
        ended: dict[int, int] = {}
        for task, state in self._given.items():
            node = record.graph.index.get(task)
            if node is None:
                continue
            role = record.graph.role[node]
            if role == CLEANUP or (role == SETUP and not isinstance(state, Cached)):
                continue  # resources are set up again
            record.states[task] = state = contexts.taken_over(node, state)
            if state.is_finished() and not isinstance(state, (Cached, Mapped)):
                ended[node] = verdict_of(state)
                held = lifecycle.open_resource(node) if role == INIT else None
                if held is not None:
                    held.manager = state.result
        return ended

    def _take_over(self, record: Record, ended: dict[int, int]) -> dict[int, list[int]]:
        now = time.time()
        children: dict[int, list[int]] = {}
        for task, state in self._reused.items():
            node, old = record.graph.index[task], record.states[task]
            record.states[task] = state
            if isinstance(state, Mapped):
                if any(child is None or not child.is_finished() for child in state.map_states):
                    continue  # it is expanded once more, and runs the children that are missing
                children[node] = [verdict_of(child) for child in state.map_states]
            ended[node] = verdict_of(state)
            record.log.changed(task, None, old, told(state), 0, now)
        return children
