"""Has the clicks on a panel taken while a cell blocks the kernel's main thread; see `subshell`.

A panel's callbacks only put commands on a run, on any thread.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from nbflow.panel.subshell import subshell
from nbflow.panel.widget_tree import all_widgets

if TYPE_CHECKING:
    from ipywidgets import Widget


def take_at_once(root: Widget) -> None:
    """Have the messages to a widget, and to all that it holds, taken also while the main thread is blocked."""
    for widget in all_widgets(root):
        subshell.take(widget.comm)
