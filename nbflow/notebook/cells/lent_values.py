"""The values that `%flow values` lent to names of the notebook: to look at, until a flow needs the names again.

A name that a cell of a flow reads means the task, and a name that a task's function reads means what the notebook's
cells gave it. So what was lent is taken back before a cell of a flow is executed, and a name that held a value of the
notebook's also before a run begins or goes on.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nbflow.engine.state_values import has_shown
from nbflow.notebook.cells.contribution import ABSENT
from nbflow.notebook.cells.graph_diff import is_made

if TYPE_CHECKING:
    from collections.abc import Mapping, MutableMapping

    from nbflow.notebook.cells.flow_cells import Cells
    from nbflow.notebook.cells.index import ContributionIndex

_KEY = "_nbflow_lent"  # in the notebook's own names, with which it goes


def lend(namespace: MutableMapping[str, Any], values: Mapping[str, Any]) -> None:
    """Give names values to be looked at, and note what the names held."""
    lent = namespace.setdefault(_KEY, {})
    for name, value in values.items():
        former = namespace.get(name, ABSENT)
        known = lent.get(name)
        if known is not None and known[0] is former:
            former = known[1]
        lent[name] = (value, former)
        namespace[name] = value


def give_back(namespace: MutableMapping[str, Any], *, only_values: bool = False) -> list[str]:
    """Let the names hold again what they held before, those that the user has not given anything else since.

    With `only_values` only those names are given back that held a value, which functions may read; the others can still
    be looked at. Returns the names that are gone now.
    """
    lent = namespace.get(_KEY) or {}
    gone = []
    for name, (value, former) in list(lent.items()):
        is_new = former is ABSENT
        if only_values and (is_new or is_made(former)):
            continue
        del lent[name]
        if namespace.get(name, ABSENT) is not value:
            continue
        if is_new:
            del namespace[name]
            gone.append(name)
        else:
            namespace[name] = former
    return gone


def give_results_back(cells: Cells, namespace: MutableMapping[str, Any]) -> list[str]:
    """Let names that hold their task's result hold the task again; returns those that may be to hold something else.

    `table = run.results[table]` has put it there to be looked at. Read by a cell of the flow, it would be a value that
    is no task's, and what the cell adds would not be tied to anything.
    """
    index: ContributionIndex = cells.index
    unsettled = index.unsettled(namespace)
    for name in unsettled:
        binders = index.binders[name]
        held = namespace.get(name)
        if held is None or is_made(held):
            continue
        for binder in binders:
            task = index.value(name, binder)
            runs = getattr(cells.graph, "runs", None)
            if runs is not None and any(has_shown(run.states[task], held) for run in runs.copy() if task in run.states):
                namespace[name] = index.value(name, binders[-1])
                break
    return unsettled
