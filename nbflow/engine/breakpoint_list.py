"""The list of breakpoints of a flow or a run, which prints as a table."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from nbflow.engine.breakpoints import AFTER, Breakpoint

if TYPE_CHECKING:
    from collections.abc import Callable

    from nbflow.core.task import Task

Places = tuple[Breakpoint, ...]


class BreakpointList(Mapping["Task", Places]):
    """A mapping from each task that has breakpoints to the places to pause at; it prints as a list of them.

    Those of a flow count for the run that is going and for all to come, those of a run for that one. May be used from
    any thread.

    Example:
        >>> from nbflow import Flow, task
        >>> with Flow("breaks") as flow:
        ...     one = task(lambda: 1, name="one")()
        ...     two = task(lambda x: x + one, name="two")(one)
        >>> flow.breakpoints.add(two, when=lambda x: x > 0)
        >>> flow.breakpoints.add(one, after=True)
        >>> flow.breakpoints
        before two, if its condition holds
        after one
        >>> flow.breakpoints.clear()
        >>> flow.breakpoints
        no breakpoints
    """

    def __init__(
        self,
        places: Callable[[], Mapping[Task, Places]],
        add: Callable[[Task, Callable[..., object] | None, bool], None],
        clear: Callable[[Task], None],
    ) -> None:
        self._places, self._add, self._clear = places, add, clear

    def __getitem__(self, task: Task) -> Places:
        return self._places()[task]

    def __iter__(self) -> Iterator[Task]:
        return iter(dict(self._places()))

    def __len__(self) -> int:
        return len(self._places())

    def __repr__(self) -> str:
        return "\n".join(self.lines()) or "no breakpoints"

    def lines(self) -> list[str]:
        """Return a line for each breakpoint, in the order in which they were set."""
        return [f"{words_of(one, task.name)}" for task, places in dict(self._places()).items() for one in places]

    def add(self, task: Task, when: Callable[..., object] | None = None, *, after: bool = False) -> None:
        """Pause before a task, or after it; as `Run.break_at`, also where no run is going.

        Args:
            task: A task of the flow; of a mapped one each child is looked at.
            when: Only where this is true of the task's inputs: a function whose parameters are named like arguments of
                the task.
            after: Whether to pause after it has ended well.

        Raises:
            UnknownTaskError: If it is no task of the flow or run.
            BreakpointError: If it is a cleanup, or `when` asks for what the task does not take.
        """
        self._add(task, when, after)

    def clear(self, task: Task | None = None) -> None:
        """Forget the breakpoints at a task; without one, all.

        Raises:
            UnknownTaskError: If it is no task of the flow or run.
        """
        for one in list(self) if task is None else [task]:
            self._clear(one)


def words_of(one: Breakpoint, name: str = "it") -> str:
    """Return where a breakpoint pauses, in words."""
    place = f"{'after' if one.place == AFTER else 'before'} {name}"
    if one.when is None:
        return place
    text = getattr(one.when, "text", None)  # of one that was typed as an expression
    return f"{place}, if {text if isinstance(text, str) else 'its condition holds'}"
