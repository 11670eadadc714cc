"""Runs that a store has kept of earlier kernels, as plain data for a list. They are read from disk, which may fail."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nbflow.engine.task_counts import task_counts
from nbflow.errors import NbflowError
from nbflow.flow.storage import earlier_runs
from nbflow.panel.runs.runs_json import label_json, parameters_json
from nbflow.render.names import one_line
from nbflow.render.palette import state_look

if TYPE_CHECKING:
    from nbflow.flow import Flow
    from nbflow.panel.part import Json
    from nbflow.store import StoredRun

_MOST_TROUBLE = 5


def earlier_json(flow: Flow) -> tuple[list[Json], list[str]]:
    """Describe the stored runs of earlier kernels, oldest first; and in words what of them cannot be read."""
    runs, trouble = earlier_runs(flow)
    found = []
    for run in runs:
        try:
            found.append(stored_json(run))
        except NbflowError as error:
            trouble.append(f"run {run.number} cannot be read: {error}")
    if len(trouble) > _MOST_TROUBLE:
        trouble[_MOST_TROUBLE:] = [f"and {len(trouble) - _MOST_TROUBLE} more"]
    return found, [one_line(words, 300) for words in trouble]


def stored_json(run: StoredRun) -> Json:
    """Describe a stored run as `run_json` does one in memory.

    Raises:
        StoreUnavailableError: If a file cannot be read, is damaged, newer, or can be somebody else's.
    """
    name = type(run.state).__name__
    started, ended = run.started_at, run.ended_at
    return {
        "id": run.id,
        "number": run.number,
        "state": name,
        "line": state_look(name).label,
        "started": started,
        "seconds": None if started is None or ended is None else round(max(0.0, ended - started), 3),
        "going": False,  # no clock that runs: it is in another process, if it goes on
        "kind": _kind(run),
        "parameters": _parameters(run),
        "held": "",
        "tasks": task_counts(run.graph, run.states).words(),
        **label_json(run),
    }


def _kind(run: StoredRun) -> str:
    if run.is_going:
        return f"still going in process {run.facts.pid}"
    what = {"run": "", "replay": "rerun"}.get(run.kind, run.kind)
    died = "its kernel ended before it did" if run.ended_at is None else ""
    return ", ".join(filter(None, ("earlier kernel", one_line(what, 20), died)))


def _parameters(run: StoredRun) -> str:
    try:
        return parameters_json(run.small_parameters())
    except NbflowError:  # a value that cannot be unpickled here: the run can be listed all the same
        return ""
