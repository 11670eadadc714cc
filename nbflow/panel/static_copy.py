"""The panel's copy for saved notebooks: an output of its own, shown wherever no live widget hides it.

In JupyterLab a widget wins over any HTML in the same output, and a reopened notebook only says that the model was
not found. So the copy stands before the widget, is replaced by the final picture when the run ends, and the
widget's script hides it for as long as it lives.
"""

from __future__ import annotations

import sys
from html import escape
from typing import TYPE_CHECKING, Any

from nbflow.render.html import html
from nbflow.render.palette import state_look
from nbflow.render.text import text

if TYPE_CHECKING:
    from nbflow.engine.run import Run
    from nbflow.flow import Flow
    from nbflow.panel.picture.layout_job import Sheet

# The output after the copy is the widget. Where it could not come to life it holds no panel, only an error text.
_WIDGET_CSS = ".jp-OutputArea-child:has(.nbflow-static)+.jp-OutputArea-child:not(:has(.nbflow-panel)){display:none}"


def bundle(flow: Flow, run: Run | None, sheet: Sheet | None) -> dict[str, str]:
    """Return the picture and table as HTML and text: of `run`, else of the flow alone.

    Args:
        flow: The flow.
        run: The run.
        sheet: How it is drawn. Where there is none yet the tasks are listed: a layout may take seconds.
    """
    graph = flow if run is None else run.graph
    states, statuses = (None, None) if run is None else (run.states, run.block_status)
    plain = text(graph, states, statuses)
    if sheet is None or (sheet.layout is None and sheet.json["problem"]):
        return {"text/html": _static(f"<pre>{escape(plain)}</pre>"), "text/plain": plain}
    title = note = None
    if run is not None:
        title = f"{run.graph.name}, run {run.number}"
        note = state_look(type(run.state).__name__).label
    page = html(sheet.drawing, states, statuses, title=title, note=note, layout=sheet.layout)
    return {"text/html": _static(page), "text/plain": plain}


def is_terminal() -> bool:
    """Tell whether IPython runs in a terminal, which shows text alone and prints each update of a display again."""
    from IPython import get_ipython

    module = sys.modules.get("IPython.terminal.interactiveshell")
    return module is not None and isinstance(get_ipython(), module.TerminalInteractiveShell)


def terminal_text(flow: Flow, run: Run | None) -> str:
    """Return what a panel is in a terminal: how things stand, once."""
    graph = flow if run is None else run.graph
    shown = text(graph, *((None, None) if run is None else (run.states, run.block_status)))
    return f"{shown}\na terminal has no live panel; %flow panel {flow.name} again shows how it stands then"


class StaticCopies:
    """The outputs in which copies of one panel stand; does nothing outside of IPython."""

    def __init__(self) -> None:
        self._handles: dict[str | None, list[Any]] = {}

    def show(self, flow: Flow, run: Run | None, sheet: Sheet | None, cell: str | None = None) -> None:
        """Put a copy into the current cell's output; `cell` is its id."""
        from IPython import get_ipython
        from IPython.display import display

        if get_ipython() is not None:
            handle = display(bundle(flow, run, sheet), raw=True, display_id=True)
            self._handles.setdefault(cell, []).append(handle)

    def forget(self, cell: str) -> None:
        """Drop the copies of a cell whose output is gone."""
        self._handles.pop(cell, None)

    def update(self, flow: Flow, run: Run | None, sheet: Sheet | None) -> None:
        """Replace all copies; from any thread."""
        handles = [handle for known in list(self._handles.values()) for handle in known]
        if handles:
            shown = bundle(flow, run, sheet)
            for handle in handles:
                handle.update(shown, raw=True)


def _static(page: str) -> str:
    return f'<div class="nbflow-static"><style>{_WIDGET_CSS}</style>{page}</div>'
