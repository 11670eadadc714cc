"""The newest runs of a flow, as a sequence."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, overload

if TYPE_CHECKING:
    from collections.abc import Iterator

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

    @overload
    def __getitem__(self, index: int) -> Run: ...

    @overload
    def __getitem__(self, index: slice) -> list[Run]: ...

    def __getitem__(self, index: Any) -> Any:
        found = self._runs[index]
        return list(found) if isinstance(index, slice) else found

    def __len__(self) -> int:
        return len(self._runs)

    def __iter__(self) -> Iterator[Run]:
        return iter(self._runs)

    def __repr__(self) -> str:
        return repr(list(self._runs))
