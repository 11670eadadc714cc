"""The breakpoints of a flow: the run that is going pauses at them, and so does every one to come.

They are kept by the slugs of the tasks, so that they stay when a cell is executed again and its tasks are others.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

from nbflow.engine.breakpoint_list import BreakpointList, Places
from nbflow.engine.breakpoints import AFTER, BEFORE, Breakpoint, check_condition
from nbflow.engine.refusal import NO_CLEANUP
from nbflow.errors import BreakpointError, UnknownTaskError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from nbflow.core.task import Task
    from nbflow.engine.run import Run
    from nbflow.flow.flow import Flow


def breakpoints(flow: Flow) -> BreakpointList:
    """Return the places at which runs pause: `flow.breakpoints.add(task)`, `.clear(task)`; it prints as a list."""
    return BreakpointList(
        functools.partial(_places, flow), functools.partial(_add, flow), functools.partial(_clear, flow)
    )


def breakpoints_for(flow: Flow, run: Run | None, task: Task) -> tuple[BreakpointList, Task]:
    """Return where the breakpoints of a task of a run belong, or of a flow without one, and the task there.

    They are the flow's, so that later runs pause there as well; of a task that the flow has no more, the run's.
    """
    if run is None:
        return flow.breakpoints, task
    slug = run.graph.slugs[task]
    now = next((one for one, its in flow.slugs.items() if its == slug), None)
    return (run.breakpoints, task) if now is None else (flow.breakpoints, now)


def set_breakpoints(flow: Flow, run: Run) -> None:
    """Have a run that is to begin pause where its flow says so."""
    for slug, places in flow._breakpoints.items():
        for task in _named(run, slug):
            for one in places:
                run._control.put(task, one)


def argument_names_of(flow: Flow, task: Task) -> set[str]:
    """Return the names of the arguments that a task of a flow is given."""
    return {edge.key for edge in flow.edges_to(task) if edge.key} | {*flow.constants.get(task, ())}


def _places(flow: Flow) -> dict[Task, Places]:
    tasks = {slug: task for task, slug in flow.slugs.items()}
    return {tasks[slug]: places for slug, places in flow._breakpoints.copy().items() if slug in tasks}


def _add(flow: Flow, task: Task, when: Callable[..., object] | None, after: bool) -> None:
    slug = _slug(flow, task)
    if any(block.cleanup_task is task for block in flow.blocks):
        raise BreakpointError(task.name, NO_CLEANUP)
    if when is not None:
        check_condition(when, task, argument_names_of(flow, task), after=after)
    made = Breakpoint(AFTER if after else BEFORE, when)
    flow._breakpoints[slug] = (*flow._breakpoints.get(slug, ()), made)
    for run, one in _going(flow, slug):
        run._control.put(one, made)


def _clear(flow: Flow, task: Task) -> None:
    slug = _slug(flow, task)
    flow._breakpoints.pop(slug, None)
    for run, one in _going(flow, slug):
        run._control.clear_break(one)


def _slug(flow: Flow, task: Task) -> str:
    slug = flow.slugs.get(task)
    if slug is None:
        raise UnknownTaskError(task, flow.name)
    return slug


def _going(flow: Flow, slug: str) -> Iterator[tuple[Run, Task]]:
    for run in flow.runs.copy():
        if not run.is_finished:
            yield from ((run, task) for task in _named(run, slug))


def _named(run: Run, slug: str) -> list[Task]:
    return [task for task, one in run.graph.slugs.items() if one == slug]
