"""Has the clicks on a panel taken while a cell blocks the kernel's main thread.

Front ends send the messages of widgets to a subshell of the kernel, a thread beside the one that executes cells. Since
7.4 ipykernel hands them to the thread that has last sent something to the widget instead, which is the cell's: so
they would wait for its end. A panel's callbacks only put commands on a run, on any thread.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from nbflow.panel.widget_tree import all_widgets

if TYPE_CHECKING:
    from ipywidgets import Widget

_ROUTE = "_reply_subshell_for"  # of ipykernel's comms; no kernel without it changes the way of a message


def take_as_sent(root: Widget) -> None:
    """Have the messages to a widget, and to all that it holds, handled where the front end has sent them."""
    for widget in all_widgets(root):
        comm = widget.comm
        if comm is not None and callable(getattr(comm, _ROUTE, None)):
            setattr(comm, _ROUTE, _as_sent)


def _as_sent(data: object, asked: str | None) -> str | None:
    return asked
