"""The runs whose cell was cut off: its page was reloaded before they ended, so that nobody has seen how they did.

Each page has a session of its own, which is in the header of all that it sends. A new page introduces itself by asking
for the kernel's info. If one does while a run blocks a cell, or is heard as soon as it ends, and the next command
comes from another page than the run did, then that page is told once. What the first page executes after
the end shows that it is still there.
"""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from nbflow.render.failures import failures
from nbflow.render.names import one_line
from nbflow.render.palette import state_look

if TYPE_CHECKING:
    from collections.abc import Callable

    from nbflow.engine.run import Run

# What was asked while a cell was executed may be heard only after it: at once, but for what the kernel still sends.
_AT_ONCE_S = 2.0
_MOST = 20


@dataclass
class _Watched:
    run: Run
    page: str
    is_cut_off: bool = False


class CutOffRuns:
    """Follows the runs that cells wait for, and which pages there are.

    Args:
        clock: Gives seconds since the epoch, as the run's timings do.
    """

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._watched: list[_Watched] = []
        self._lock = threading.Lock()  # pages are heard on the kernel's threads as well

    def watch(self, run: Run, page: str | None) -> None:
        """Note that a cell of a page waits for a run; None: there is no page, but a terminal."""
        if page is not None:
            with self._lock:
                self._watched = [*self._watched, _Watched(run, page)][-_MOST:]

    def note_page(self, page: str | None) -> None:
        """Note that a page introduces itself."""
        with self._lock:
            for one in self._watched:
                if one.page != page and self._is_going(one.run):
                    one.is_cut_off = True

    def note_cell(self, page: str | None) -> None:
        """Note that a page executes a cell, so it is still there."""
        if self._watched:
            with self._lock:
                self._watched = [one for one in self._watched if one.page != page or not one.run.is_finished]

    def tell(self, page: str | None) -> list[str]:
        """Return what is to be told to a page, once."""
        if not self._watched:
            return []
        with self._lock:
            told = [one for one in self._watched if one.is_cut_off and one.page != page and one.run.is_finished]
            self._watched = [one for one in self._watched if not one.run.is_finished]
        return [_words(one.run) for one in told]

    def _is_going(self, run: Run) -> bool:
        ended_at = run.timings.ended_at
        return not run.is_finished or ended_at is None or self._clock() - ended_at < _AT_ONCE_S


def page_of(message: Any) -> str | None:
    """Return the session of the page that has sent a message."""
    session = (message.get("header") or {}).get("session") if isinstance(message, dict) else None
    return session if isinstance(session, str) and session else None


def _words(run: Run) -> str:
    outcome = state_look(type(run.state).__name__).word
    failed = failures(run.states)
    if failed:
        outcome += f" at {one_line(failed[0].name, 60)}: {failed[0].text()}"
    return f"run {run.number} of {one_line(run.graph.name, 60)}, whose cell was cut off, ended: {outcome}"


cut_off_runs = CutOffRuns()
