"""What is asked of nbflow in the process that has the cells: a shell here, or a kernel."""

from __future__ import annotations

import base64
import pickle
from typing import TYPE_CHECKING, Any

import nbflow
from nbflow import states
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


def number() -> int:
    """Return the number of the newest run, after it has come to an end or stands still."""
    return int(_settled().number)


def held() -> list[str]:
    """Return the tasks at which the newest run stands still."""
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


def look(names: Sequence[str]) -> tuple[dict[str, Form], list[str]]:
    """Return how the values of tasks are in the newest run, and nbflow's own errors among the failures."""
    from IPython.core.getipython import get_ipython

    flow, bound = nbflow.flows[FLOW], get_ipython().user_ns
    run, forms, said = flow.runs[-1], {}, []
    then = {slug: task for task, slug in run.graph.slugs.items()}
    for name in names:
        # By its slug: a cell that was executed since the run began has made another task.
        slug = flow.slugs[bound[f"v_{name}"]]
        if slug not in then:  # the name is bound by another cell than when the run began
            continue
        state = run.states[then[slug]]
        if state.is_successful():
            forms[name] = "ok", normal(state.result)
        else:
            forms[name] = "failed", type(state.result).__name__
            if isinstance(state.result, nbflow.errors.NbflowError):
                said.append(f"{name}: {state.result}")
    return forms, said


def ran() -> tuple[set[str], list[str]]:
    """Return the tasks that ran in the newest run, and what it said."""
    events = nbflow.flows[FLOW].runs[-1].events
    running = {e.task.name for e in events if e.kind == "task" and isinstance(e.state, states.Running)}
    return running, notes(events)
