"""The time that a run still takes, as far as earlier runs of its flow, and the children of its maps, let one expect.

Nothing is said where a task is left of which nothing is known: a guess that is wrong by hours is worse than none.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

from nbflow.core.counted_tasks import is_counted
from nbflow.core.states import Mapped, State
from nbflow.engine.run_history import Durations

if TYPE_CHECKING:
    from collections.abc import Iterable

    from nbflow.core.task import Task
    from nbflow.engine.run import Run


class Left(NamedTuple):
    """A task that has not ended.

    Attributes:
        expected_s: How long it works, in seconds, all children of a mapped one together; None: not known.
        elapsed_s: How long it has gone on, in seconds; of a map since its first child.
        done: How many children of a mapped task have ended; 0 for any other.
        left: How many have not.
    """

    expected_s: float | None
    elapsed_s: float = 0.0
    done: int = 0
    left: int = 0


def remaining_s(parts: Iterable[Left], capacity: float = 1) -> float | None:
    """Return how long tasks that have not ended take from now on, in seconds; None if that is not known of one.

    Args:
        parts: The tasks.
        capacity: How many of them run at once.

    Example:
        >>> remaining_s([Left(3.0, elapsed_s=1.0), Left(4.0)]), remaining_s([Left(3.0), Left(None)])
        (6.0, None)
        >>> remaining_s([Left(None, elapsed_s=10.0, done=20, left=40)], capacity=4)
        20.0
    """
    work = longest = at_once = 0.0
    for part in parts:
        if part.done:  # by its own children, whose pace knows of the places there are
            at_once += part.elapsed_s / part.done * part.left
        elif part.expected_s is None:
            return None
        elif part.left:
            at_once += max(0.0, part.expected_s / min(capacity, part.left) - part.elapsed_s)
        else:
            own = max(0.0, part.expected_s - part.elapsed_s)
            work, longest = work + own, max(longest, own)
    return max(work / max(1.0, capacity), longest) + at_once


class RemainingTime:
    """Expects the end of one run, by the last runs of its flow; what they took is read once."""

    def __init__(self, run: Run) -> None:
        self._run = run
        before = [one for one in run.flow.runs.copy()[::-1] if one is not run and one.is_finished]
        self._durations = Durations((one.graph, one.states, one.timings) for one in before)
        self._expected: dict[Task, float | None] = {}

    def at(self, now: float) -> float | None:
        """Return the seconds that are left at the time `now`; None if they are not known, or the run is over."""
        run = self._run
        if run.is_finished:
            return None
        held = run.timings.held_until(now)
        tasks = [(task, state) for task, state in run.states.items() if is_counted(task)]
        parts = [part for task, state in tasks if (part := self._left(task, state, now, held)) is not None]
        found = remaining_s(parts, min(run._loop.schedule.queue.capacity, max(1, len(parts))))
        return None if found is None or math.isnan(found) else round(found, 1)

    def _left(self, task: Task, state: State, now: float, held: float) -> Left | None:
        timing = self._run.timings.get(task)
        elapsed = 0.0 if timing is None else max(0.0, now - timing[0] - held)
        if isinstance(state, Mapped):
            if timing is not None and timing[1] is not None:
                return None
            done = sum(1 for one in state.map_states if one is not None and one.is_finished())
            return Left(self._of(task), elapsed, done, len(state.map_states) - done)
        if state.is_finished():
            return None
        return Left(self._of(task), elapsed)

    def _of(self, task: Task) -> float | None:
        if task not in self._expected:
            self._expected[task] = self._durations.of(task, self._run.graph.slugs[task])
        return self._expected[task]
