"""What is asked of nbflow in the process that has the cells: a shell here, or a kernel."""

from __future__ import annotations

import base64
import pickle
from typing import TYPE_CHECKING, Any

import nbflow
from nbflow import states
from nbflow.notebook.tracking.execution_order import PAUSE_S
from tests.properties.programs.normal import Form, normal
from tests.properties.programs.player import PATIENCE_S, notes

if TYPE_CHECKING:
    from collections.abc import Sequence

FLOW = "program"


def call(name: str, *arguments: Any) -> Any:
    """Call a function of this module."""
    return globals()[name](*arguments)


def encoded(name: str, *arguments: Any) -> str:
    """Call a function of this module; returns the result as text, for who is in another process."""
    return base64.b64encode(pickle.dumps(call(name, *arguments))).decode()


def clear() -> None:
    """Forget all flows, the caches and the names of the notebook."""
    from IPython.core.getipython import get_ipython

    nbflow.flows.clear()
    nbflow.context.caches.clear()
    get_ipython().reset(new_session=False)


def pause() -> None:
    """Let the user take a while: cells that are executed at once show the order in which they stand."""
    from IPython.core.getipython import get_ipython

    passes = get_ipython().magics_manager.registry["TaskMagics"].passes
    now = passes._clock() + 2 * PAUSE_S
    passes._clock = lambda: now


def pause_after() -> None:
    """Let the user take a while when the cell that calls this has ended: a pause within a cell is none."""
    from IPython.core.getipython import get_ipython

    events = get_ipython().events

    def begin(_: Any) -> None:
        events.unregister("post_run_cell", begin)
        pause()

    events.register("post_run_cell", begin)


def number() -> int:
    """Return the number of the newest run, after it has come to an end or is paused."""
    return int(_settled().number)


def stands_still() -> bool:
    """Tell whether the newest run is not over, after it has come to an end or is paused."""
    return not _settled().is_finished


def held() -> list[str]:
    """Return the tasks at which the newest run is paused."""
    run = _settled()
    return [] if run.is_finished else [task.name for task in run.held]


def _settled() -> Any:
    run = nbflow.flows[FLOW].runs[-1]
    if not run.is_finished:  # asking a run that is over whether it is held takes a quarter of a second
        run.wait(PATIENCE_S, or_held=run.hold_on_failure)
    return run


def planned() -> set[str]:
    """Return the tasks that the newest run's plan names."""
    return {task.name for task in nbflow.flows[FLOW].runs[-1].plan.tasks}


def look(names: Sequence[str]) -> tuple[dict[str, Form], list[str], set[str]]:
    """Look at the newest run.

    Returns:
        How the values of tasks are in it, nbflow's own errors among the failures, and the tasks whose cells give other
        names by now: a held run goes on with those that it had, and a rerun makes the others.
    """
    run, forms, said = nbflow.flows[FLOW].runs[-1], {}, []
    giving = _giving(run)
    for name in names:
        state = run.states[giving[f"v_{name}"]]
        if state.is_successful():
            forms[name] = "ok", normal(state.result)
        else:
            forms[name] = "failed", type(state.result).__name__
            if isinstance(state.result, nbflow.errors.NbflowError):
                said.append(f"{name}: {state.result}")
    then, now = (
        {task.name: set(getattr(vars(task).get("run"), "outputs", ())) for task in graph.tasks}
        for graph in (run.graph, nbflow.flows[FLOW])
    )
    return forms, said, {name for name in names if then[name] != now[name]}


def _giving(run: Any) -> dict[str, Any]:
    """Return the task that gives each name to whoever comes last in a run, as the cells were when it began.

    A cell that was executed since may give other names: a held run goes on with those that it had.
    """
    found, named = {}, {task.name: task for task in run.graph.tasks}
    for task in run.graph.tasks:
        outputs = getattr(vars(task).get("run"), "outputs", ())
        for name in outputs:
            found[name] = task if len(outputs) == 1 else named[f"{task.name}[{name!r}]"]
    return found


def ran() -> tuple[set[str], list[str]]:
    """Return the tasks that ran in the newest run, and what it said."""
    events = nbflow.flows[FLOW].runs[-1].events
    running = {e.task.name for e in events if e.kind == "task" and isinstance(e.state, states.Running)}
    return running, notes(events)
