"""The live panel of a flow: graph, states, progress and buttons, as a widget.

`Flow.panel()`, `Run.panel()` and `%flow panel` come here. Importing this loads ipywidgets and anywidget.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nbflow.panel.panel import Panel

if TYPE_CHECKING:
    from collections.abc import Mapping

    from nbflow.engine.handle import Run
    from nbflow.flow import Flow

__all__ = ["Panel", "panel"]


def panel(source: Flow | Run, parameters: Mapping[str, Any] | None = None, **options: Any) -> Panel:
    """Make the panel of a flow (with its newest run, if there is one) or of one run.

    Args:
        source: A flow or a run.
        parameters: The parameters of the runs that its Run and Step buttons start.
        options: More keyword arguments of `flow.start`, such as `executor`.
    """
    run: Run | None
    if hasattr(source, "runs"):
        flow, run = source, next(reversed(source.runs), None)
    else:
        flow, run = source.flow, source
    return Panel(flow, run, parameters=parameters, options=options)
