"""The display of flows, runs, states and plans: who draws each, found when it is asked for.

Drawings come from the renderer, which is loaded then. Front ends are rooms above this one, which it does not know:
`nbflow` itself registers them.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from nbflow.core.states import Pending, State
from nbflow.engine.compare import Comparison
from nbflow.engine.plan import Plan

if TYPE_CHECKING:
    from nbflow.engine.run import Run
    from nbflow.flow.flow import Flow

_front_ends: dict[str, str] = {}


def register_front_end(name: str, where: str) -> None:
    """Say what opens a front end: `where` is ``module:function``, which is imported then and gets a flow or a run."""
    _front_ends[name] = where


def open_front_end(name: str, source: Flow | Run) -> Any:
    """Return what a front end shows of a flow or run."""
    module, _, function = _front_ends[name].partition(":")
    return getattr(importlib.import_module(module), function)(source)


def run_bundle(run: Run) -> dict[str, Any]:
    """Return what a notebook shows for a run, by mime type."""
    from nbflow.render.mimebundle import run_bundle as make

    return make(run)


def run_table(run: Run) -> str:
    """Return the tasks of a run and their states as a plain table."""
    from nbflow.render.text import table

    return table(run.graph, run.states)


def _plan_bundle(plan: Plan) -> dict[str, Any]:
    from nbflow.render.html import html

    states = {step.task: Pending(step.why) if step.runs else plan.reused[step.task] for step in plan.steps}
    headline, text = plan.text().partition("\n")[::2]
    page = html(plan.graph, states, title=headline, note="")
    return {"text/html": page, "text/plain": "\n".join([headline, text]) if text else headline}


def _state_bundle(state: State) -> dict[str, Any]:
    from nbflow.render.mimebundle import state_bundle

    return state_bundle(state)


def _comparison_bundle(comparison: Comparison) -> dict[str, Any]:
    from nbflow.render.comparison import comparison_bundle

    return comparison_bundle(comparison)


State.bundle_of = _state_bundle
Plan.bundle_of = _plan_bundle
Comparison.bundle_of = _comparison_bundle
