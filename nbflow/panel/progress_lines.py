"""The lines that tell of a run where nothing is updated in place: terminals, and programs that execute notebooks.

A line a task that has ended, none twice. When many end together one line tells how many, and the longer a run takes
the less often there are lines, so that a run of a day does not fill a log.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from nbflow.panel.picture.header import segment_of
from nbflow.panel.progress_html import counted, times
from nbflow.render.palette import state_look

if TYPE_CHECKING:
    from nbflow.panel.run_progress import Progress, TaskTime

_MOST_AT_ONCE = 5
_SHARE = 20  # between two looks passes so much of the time there was


def pause_s(passed_s: float) -> float:
    """Return how long to wait until the next lines: a second at first, a twentieth of the run's time later."""
    return max(1.0, passed_s / _SHARE)


class ProgressLines:
    """Says once what has ended, and what failed."""

    def __init__(self) -> None:
        self._failed: set[tuple[str, str]] = set()

    def lines(self, progress: Progress) -> list[str]:
        """Return what is to be said now; nothing if nothing has ended."""
        new = [one for one in progress.failed if one not in self._failed]
        self._failed.update(new)
        # An error says more than the line of its task.
        ended = [one for one in progress.ended if not (new and segment_of(one.state) == "Failed")]
        found = [_line(one) for one in ended]
        if len(found) > _MOST_AT_ONCE:
            head = progress.head
            found = [f"{state_look('Running').icon} {counted(head)} after {times(head)}"]
        for said, place in new:
            found.append(f"✗ {said}" + (f"\n    {place}" if place else ""))
        return found


def _line(one: TaskTime) -> str:
    look = state_look(one.state)
    word = "" if one.state == "Success" else f": {look.word.lower()}"
    passed = "" if one.seconds is None else f" {one.seconds:.1f} s"
    return f"{look.icon} {one.name}{word}{passed}"
