"""The live panel of a flow: graph, states, progress and buttons, as a widget.

`Flow.panel()`, `Run.panel()` and `%flow panel` come here. Making one loads ipywidgets and anywidget; what counts and
draws without widgets, for the view of `%flow run`, does not.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nbflow.engine.run import Run

if TYPE_CHECKING:
    from collections.abc import Mapping

    from nbflow.flow import Flow
    from nbflow.panel.widget import Panel

__all__ = ["Panel", "panel"]


def panel(source: Flow | Run, parameters: Mapping[str, Any] | None = None, **options: Any) -> Panel:
    """Make the panel of a flow (with its newest run, if there is one) or of one run.

    Args:
        source: A flow or a run.
        parameters: The parameters of the runs that its Run and Step buttons start.
        options: More keyword arguments of `flow.start`, such as `executor`.
    """
    from nbflow.panel.widget import Panel

    if isinstance(source, Run):
        return Panel(source.flow, source, follows_flow=False, parameters=parameters, options=options)
    return Panel(source, source.runs[-1] if source.runs else None, parameters=parameters, options=options)


def __getattr__(name: str) -> Any:
    if name != "Panel":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from nbflow.panel.widget import Panel

    return Panel
