"""Hints how to see the value of a task that a name of the notebook stands for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nbflow.core.block import Block
from nbflow.notebook.cells.flow_cells import cells_of
from nbflow.notebook.cells.references import reached
from nbflow.registry import flows

if TYPE_CHECKING:
    from nbflow.core.graph import Graph
    from nbflow.core.task import Task
    from nbflow.flow import Flow


def flow_of(task: Task, apart_from: Graph | None = None) -> Flow | None:
    """Return the flow of the notebook that has a task; of another name than `apart_from`, if that is given."""
    for flow in list(flows.values()):
        if apart_from is not None and (flow is apart_from or flow.name == apart_from.name):
            continue
        if task in flow.tasks:
            return flow
    return None


def foreign(value: Any, flow: Graph) -> tuple[Task, Flow] | None:
    """Return the task in what a name holds that is another flow's and not this one's, and that flow."""
    for steps, one in reached(value):
        task = one.init_task if isinstance(one, Block) else one
        if len(steps) > 1 or task in flow.tasks:
            continue
        other = flow_of(task, apart_from=flow)
        if other is not None:
            return task, other
    return None


def value_hint(task: Task) -> str | None:
    """Return how to see the value of a task; None if no flow of the notebook has it."""
    flow = flow_of(task)
    if flow is None:
        return None
    name = _name_of(task, flow)
    where = f"nbflow.flows[{flow.name!r}].runs[-1].results[{name or '...'}]"
    made = next((c.label for c in cells_of(flow).index.contributions.values() if task in c.made), "")
    said = f"a task of flow {flow.name!r}" + (f", made by {made}" if made else "")
    run = flow.runs[-1] if flow.runs else None
    if run is None:
        return f"{said}; after %flow run {flow.name} its value is {where}"
    state = run.states.get(task)
    if state is None or not state.is_successful():
        word = "has not run it" if state is None else f"ended it as {type(state).__name__}"
        return f"{said}; run {run.number} {word}; after a run its value is {where}"
    return f"{said}; its value in run {run.number} is {where}"


def _name_of(task: Task, flow: Flow) -> str | None:
    """Return a name of the notebook that holds a task."""
    index = cells_of(flow).index
    return next((name for name, binders in index.binders.items() if index.value(name, binders[-1]) is task), None)
