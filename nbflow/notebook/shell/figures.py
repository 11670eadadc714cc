"""Figures of pyplot end with the task that made them, as they end with a cell: shown, and closed.

The inline backend shows and closes all open figures when a cell ends. With several tasks in one cell, or a run in the
background, they would come all at the end, or below some other cell. So each is shown when its task ends. Nothing here
imports matplotlib.
"""

from __future__ import annotations

import os
import sys
import weakref
from typing import TYPE_CHECKING, Any

from nbflow.core.context import thread
from nbflow.engine.events import warn_safely

if TYPE_CHECKING:
    from collections.abc import Iterator

    from IPython.core.interactiveshell import InteractiveShell

_HOOK = "nbflow.notebook.shell.figures:note"
_INLINE = ("inline", "module://matplotlib_inline.backend_inline")
_UNKNOWN: Any = object()


class Figures:
    """Shows and closes the figures of each task at its end.

    Attributes:
        made_by: The task that made each figure; None for one that no task made.
    """

    made_by: weakref.WeakKeyDictionary[Any, Any] = weakref.WeakKeyDictionary()

    def __init__(self, shell: InteractiveShell) -> None:
        self._shell = shell
        self._process = os.getpid()

    def begin(self, info: Any = None) -> None:
        """Have pyplot tell of the figures it makes, if it is loaded; IPython calls it when a cell begins."""
        parameters = _parameters()
        if parameters is not None and _HOOK not in parameters.get("figure.hooks", [_HOOK]):
            parameters["figure.hooks"] = [*parameters["figure.hooks"], _HOOK]
        inline = sys.modules.get("matplotlib_inline.backend_inline")
        if inline is not None and inline.flush_figures in self._shell.events.callbacks["post_execute"]:
            self._shell.events.unregister("post_execute", inline.flush_figures)
            self._shell.events.register("post_execute", self.flush_cell)

    def end(self) -> None:
        """Have pyplot tell of them no more."""
        parameters = _parameters()
        if parameters is not None and _HOOK in parameters.get("figure.hooks", ()):
            parameters["figure.hooks"] = [one for one in parameters["figure.hooks"] if one != _HOOK]
        inline = sys.modules.get("matplotlib_inline.backend_inline")
        if inline is not None and self.flush_cell in self._shell.events.callbacks["post_execute"]:
            self._shell.events.unregister("post_execute", self.flush_cell)
            self._shell.events.register("post_execute", inline.flush_figures)

    def flush_cell(self) -> None:
        """Show and close the figures of a cell that has ended, in place of the backend's own function.

        That would take those along that a task in the background is just drawing.
        """
        inline = sys.modules["matplotlib_inline.backend_inline"]
        if sys.modules["matplotlib"].get_backend() not in _INLINE:
            return
        figures = _open_figures()
        of_tasks = {figure for figure in figures if Figures.made_by.get(figure) is not None}
        if not of_tasks:
            inline.flush_figures()
        elif inline.show._draw_called:
            inline.show._to_draw, inline.show._draw_called = [], False
            self._show(inline, [figure for figure in figures if figure not in of_tasks])

    def flush(self) -> None:
        """Show the figures of the task that ends now, on its own thread, and close them; called by the engine."""
        if "matplotlib.pyplot" not in sys.modules or os.getpid() != self._process:
            return
        try:
            self._flush()
        except Exception as error:  # noqa: BLE001 - of what draws: the task has ended all the same
            warn_safely(f"the figures of a task could not be shown: {error!r}")

    def _flush(self) -> None:
        inline = sys.modules.get("matplotlib_inline.backend_inline")
        matplotlib = sys.modules["matplotlib"]
        figures = _open_figures()
        if not figures or inline is None or matplotlib.get_backend() not in _INLINE:
            return
        if matplotlib.is_interactive():
            self._show(inline, list(_of_task(figures)))
        self.begin()  # a style or a reset of the parameters may have taken the hook away

    def _show(self, inline: Any, figures: list[Any]) -> None:
        from IPython.display import display

        config = inline.InlineBackend.instance()
        for figure in figures:
            try:
                display(figure, metadata=inline._fetch_figure_metadata(figure))
            finally:
                if config.close_figures:
                    sys.modules["matplotlib.pyplot"].close(figure)


def _open_figures() -> list[Any]:
    return [one.canvas.figure for one in sys.modules["matplotlib._pylab_helpers"].Gcf.get_all_fig_managers()]


def _of_task(figures: list[Any]) -> Iterator[Any]:
    task = thread.data.get("_task")
    for figure in figures:
        maker = Figures.made_by.get(figure, _UNKNOWN)
        # Nobody told who made it: pyplot was loaded, or its parameters were reset, by the task itself.
        if task is not None and maker in (task, _UNKNOWN):
            yield figure


def note(figure: Any) -> None:
    """Note which task makes a figure; pyplot calls it."""
    Figures.made_by[figure] = thread.data.get("_task")


def _parameters() -> Any:
    matplotlib = sys.modules.get("matplotlib")
    return None if matplotlib is None else getattr(matplotlib, "rcParams", None)
