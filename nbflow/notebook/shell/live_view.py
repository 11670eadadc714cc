"""The view of a run in the cell that waits for it: how far it is, then the picture of how it ended, in one output.

A run that is over at once only shows that picture. Where an output cannot be updated in place (a terminal, a program
that executes notebooks and tells no cell's id) there are lines instead, and only once a run takes its time: what is
saved of quick runs is the picture alone, the same each time.

A thread of its own shows it, so that tasks keep theirs. Nothing in it can harm the run: what it raises is a warning.
"""

from __future__ import annotations

import contextvars
import math
import threading
import time
from typing import TYPE_CHECKING, Any, Protocol, Self

from IPython.core.getipython import get_ipython
from IPython.display import display

from nbflow.engine.events import warn_safely
from nbflow.notebook.shell.cell_display import follower_of
from nbflow.notebook.shell.cut_off import cut_off_runs, page_of
from nbflow.notebook.shell.defer_interrupt import DeferInterrupt
from nbflow.panel.display_tracker import cell_of, display_tracker
from nbflow.panel.progress_html import progress_html
from nbflow.panel.progress_lines import ProgressLines, pause_s
from nbflow.panel.run_progress import RunProgress
from nbflow.panel.static_copy import is_terminal

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

    from IPython.core.interactiveshell import InteractiveShell

    from nbflow.engine.run import Run
    from nbflow.flow import Flow

_TICK_S = 1.0  # time goes on, with or without news
_SLICE_S = 0.25
_END_S = 5.0  # so long the thread may take to send what it is about to send


class Surface(Protocol):
    """Where a run is shown while it goes on.

    Attributes:
        patience_s: So long a run goes on before anything is shown.
    """

    patience_s: float

    def show(self, progress: RunProgress, passed_s: float, since_s: float) -> bool:
        """Show how far it is if it is time to; tell whether that was done.

        Args:
            progress: How far it is.
            passed_s: How long it has been shown.
            since_s: How long ago that was done last.
        """

    def end(self, picture: object) -> None:
        """Show the picture of the run as it is now, mostly the run itself."""


class InPlace:
    """One output that is updated in place."""

    patience_s = 0.3

    def __init__(self, shell: InteractiveShell | None) -> None:
        self._follower = follower_of(shell)
        self._handle: Any = None
        self._cleared = 0

    def show(self, progress: RunProgress, passed_s: float, since_s: float) -> bool:
        """Show it when something has changed, and with each second."""
        if not progress.has_news and since_s < _TICK_S:
            return False
        now = progress.look()
        head = now.head
        plain = f"{head['flow']}, run {head['number']}: {head['line']}"
        self._put({"text/html": progress_html(now), "text/plain": plain}, raw=True)
        return True

    def end(self, picture: object) -> None:
        """Show the picture in its place."""
        self._put(picture)

    def _put(self, shown: object, **options: Any) -> None:
        if self._handle is None or self._cleared != self._clears():  # a task may have cleared the cell's output
            self._cleared = self._clears()
            self._handle = display(shown, display_id=True, **options)
        else:
            self._handle.update(shown, **options)

    def _clears(self) -> int:
        return 0 if self._follower is None else self._follower.clears


class Lines:
    """Printed lines, and the picture at the end."""

    def __init__(self, patience_s: float, print_line: Callable[[str], object] = print) -> None:
        self.patience_s = patience_s
        self._lines = ProgressLines()
        self._print = print_line

    def show(self, progress: RunProgress, passed_s: float, since_s: float) -> bool:
        """Print what has ended, the less often the longer the run takes."""
        if not progress.has_news or since_s < pause_s(passed_s):
            return False
        for line in self._lines.lines(progress.look()):
            self._print(line)
        return True

    def end(self, picture: object) -> None:
        """Show the picture."""
        display(picture)


class OnlyPicture:
    """The picture at the end and nothing before: where messages count from the main thread alone, as in Colab."""

    patience_s = math.inf

    def show(self, progress: RunProgress, passed_s: float, since_s: float) -> bool:
        """Show nothing."""
        return False

    def end(self, picture: object) -> None:
        """Show the picture."""
        display(picture)


def surface_of(shell: InteractiveShell | None) -> Surface:
    """Return where a run is shown in the cell that is being executed."""
    if is_terminal():
        return Lines(patience_s=1.0)
    if shell is None or display_tracker.is_main_only:
        return OnlyPicture()
    if cell_of(shell) is None:  # a program executes notebooks, and what it saves is compared
        return Lines(patience_s=10.0)
    return InPlace(shell)


def current_page() -> str | None:
    """Return the session of the page whose cell is being executed."""
    get_parent = getattr(get_ipython(), "get_parent", None)  # only a kernel's shell has one
    return None if get_parent is None else page_of(get_parent())


class LiveView:
    """Shows a run in the current cell for as long as it is entered, and the picture of it when it is left.

    Args:
        flow: The flow whose next run is shown, if this thread starts one.
        run: The run to show instead, which goes on already.
        surface: Where it is shown.
        picture: What shows it at the end, otherwise the run itself.

    Attributes:
        run: The run that is shown; None before it has started.
    """

    def __init__(
        self, flow: Flow, run: Run | None = None, surface: Surface | None = None, picture: object = None
    ) -> None:
        self.run, self._picture = run, picture
        self._surface = surface_of(get_ipython()) if surface is None else surface
        self._flow = flow
        self._forget: Callable[[], None] = lambda: None
        self._over = threading.Event()
        self._worker: threading.Thread | None = None

    def __enter__(self) -> Self:
        if self.run is not None:
            self._follow(self.run)
        else:
            here = threading.get_ident()
            self._forget = self._flow._on_start(lambda run: self._note(run, here))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        # Also after the stop button: the picture says what was done and what was cleaned up.
        with DeferInterrupt():
            self._forget()
            self._over.set()
            if self._worker is not None:
                self._worker.join(_END_S)
            if self.run is not None:
                self._surface.end(self.run if self._picture is None else self._picture)

    def _note(self, run: Run, thread: int) -> None:
        if self.run is None and threading.get_ident() == thread:  # a task may start one of its own
            self.run = run
            self._follow(run)

    def _follow(self, run: Run) -> None:
        cut_off_runs.watch(run, current_page())
        # In the cell's context, to which a thread's output goes by that.
        call = contextvars.copy_context().run
        self._worker = threading.Thread(target=call, args=(self._work, run), name="nbflow-view", daemon=True)
        self._worker.start()

    def _work(self, run: Run) -> None:
        try:
            if self._surface.patience_s < math.inf and not run.is_finished:
                self._show(run)
        except Exception as error:  # noqa: BLE001 - the run goes on, and its picture follows
            warn_safely(f"the view of run {run.number} of {run.graph.name!r} has stopped, it raised {error!r}")

    def _show(self, run: Run) -> None:
        progress = RunProgress(run)
        try:
            began = time.monotonic()
            last, wait_s = began - 2 * _TICK_S, self._surface.patience_s
            while not self._over.wait(wait_s) and not run.is_finished:  # its picture comes from whoever waits for it
                now = time.monotonic()
                if self._surface.show(progress, now - began, now - last):
                    last = now
                wait_s = _SLICE_S
        finally:
            progress.stop()
