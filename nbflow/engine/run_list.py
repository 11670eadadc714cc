"""The newest runs of a flow, as a sequence."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, overload

from nbflow.errors import UnknownRunError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from nbflow.engine.run import Run


class RunList(Sequence["Run"]):
    """The runs that a flow keeps, the newest last; read from any thread.

    Args:
        maxlen: How many there are at most; older ones are left out.

    Example:
        >>> runs = RunList(2)
        >>> for one in "abc":
        ...     runs.append(one)
        >>> runs[-1], runs[-2:], len(runs), runs.maxlen
        ('c', ['b', 'c'], 2, 2)

    A text finds the newest run of that name, and `numbered` one by its number:

        >>> from nbflow import Flow, Parameter
        >>> flow = Flow("ask", tasks=[Parameter("x", default=1)])
        >>> states = flow.run(flow_run_name="baseline"), flow.run()
        >>> flow.runs["baseline"], flow.runs.numbered(2)
        (<Run 1 of 'ask': Success>, <Run 2 of 'ask': Success>)
    """

    def __init__(self, maxlen: int) -> None:
        self.maxlen = maxlen
        self._runs: tuple[Run, ...] = ()

    def append(self, run: Run) -> None:
        """Add the newest run."""
        self._runs = (*self._runs, run)[-self.maxlen :]

    def clear(self) -> None:
        """Leave all runs out."""
        self._runs = ()

    def copy(self) -> list[Run]:
        """Return the runs of now."""
        return list(self._runs)

    def numbered(self, number: int) -> Run:
        """Return the run of this number, which is not its place.

        Raises:
            UnknownRunError: If there is none, or none any more.
        """
        return self._newest(number, lambda run: run.number == number)

    @overload
    def __getitem__(self, index: int | str) -> Run: ...

    @overload
    def __getitem__(self, index: slice) -> list[Run]: ...

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, str):
            return self._newest(index, lambda run: run.name == index)
        found = self._runs[index]
        return list(found) if isinstance(index, slice) else found

    def __len__(self) -> int:
        return len(self._runs)

    def __iter__(self) -> Iterator[Run]:
        return iter(self._runs)

    def _newest(self, asked: int | str, is_meant: Callable[[Run], bool]) -> Run:
        runs = self._runs
        for run in reversed(runs):
            if is_meant(run):
                return run
        raise UnknownRunError(asked, tuple(run.number for run in runs), tuple(run.name for run in runs))

    def __repr__(self) -> str:
        return repr(list(self._runs))
