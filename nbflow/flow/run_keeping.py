"""The runs that a flow keeps: how many, whose values are given back, and their handing over to another flow."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nbflow.engine.events import warn_safely
from nbflow.engine.holders import is_held
from nbflow.engine.retention import ALL_KEPT, NEWER
from nbflow.engine.run_list import RunList

if TYPE_CHECKING:
    from nbflow.flow.flow import Flow

__all__ = ["KEPT_RUNS", "nothing_run", "release_older", "take_over_runs"]

KEPT_RUNS = 20


def nothing_run() -> dict[str, Any]:
    """Return what a flow holds of its runs when none has begun."""
    return {"runs": RunList(KEPT_RUNS), "_start_listeners": (), "_flow_store": None}


def take_over_runs(flow: Flow, former: Flow) -> None:
    """Take over the runs of a flow whose place this one takes, as their cell was executed again."""
    flow.runs = RunList(KEPT_RUNS)
    for run in former.runs.copy():
        run.flow = flow
        flow.runs.append(run)
    flow._run_numbers = former._run_numbers


def release_older(runs: RunList, run_id: str) -> None:
    """Give back the values of the runs before one that has ended, but where the user's program holds them."""
    try:
        ids = [
            run.id for run in runs if run.is_finished and not run.is_released and run.flow.keep != ALL_KEPT
        ]
        for one in dict.fromkeys((ids[-1:] if ids[-1:] != [run_id] else ids[-2:-1]) + ids[:1]) if ids else ():
            run = next((run for run in runs if run.id == one != run_id), None)
            if run is not None and not is_held(run, variables=1, kept=1):
                run.release(NEWER)
            run = None
    except Exception as error:  # noqa: BLE001 - of a user's object that was looked at: the run has ended all the same
        warn_safely(f"the values of earlier runs could not be given back: {error!r}")
