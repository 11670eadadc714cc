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


def give_states(
    given: Mapping[Task, State], record: Record, contexts: AttemptContexts, lifecycle: Lifecycle
) -> dict[int, int]:
    """Have tasks start from the states that are given for them; returns the verdicts of those that have ended."""
    ended: dict[int, int] = {}
    for task, state in given.items():
        node = record.graph.index.get(task)
        if node is None:
            continue
        role = record.graph.role[node]
        if role == CLEANUP or (role == SETUP and not isinstance(state, Cached)):
            continue  # resources are set up again
        record.with_values[task] = None
        record.states[task] = state = contexts.taken_over(node, state)
        if state.is_finished() and not isinstance(state, (Cached, Mapped)):
            ended[node] = verdict_of(state)
            held = lifecycle.open_resource(node) if role == INIT else None
            if held is not None:
                held.manager = state.result
    return ended


def take_over(reused: Mapping[Task, State], record: Record, ended: dict[int, int]) -> dict[int, list[int]]:
    """Take over what an earlier run has computed, with an entry in `ended`; returns the verdicts of maps' children."""
    now = time.time()
    children: dict[int, list[int]] = {}
    for task, state in reused.items():
        node, old = record.graph.index[task], record.states[task]
        record.with_values[task] = None
        record.states[task] = state
        if isinstance(state, Mapped):
            if any(child is None or not child.is_finished() for child in state.map_states):
                continue  # it is expanded once more, and runs the children that are missing
            children[node] = [verdict_of(child) for child in state.map_states]
        ended[node] = verdict_of(state)
        record.log.changed(task, None, old, told(state), 0, now)
    return children
