"""Lists and flags that a test shares with its tasks, wherever these run.

They are in memory as long as they stay in this process. When one travels to another process for the first time, it
moves into a file that both have from then on.
"""

from __future__ import annotations

import os
import pickle
import shutil
import tempfile
import threading
import time
import weakref
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cloudpickle

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_LOOK_S = 0.005


class _Shared:
    """What has a folder as soon as it has travelled."""

    def __init__(self, folder: Path | None = None) -> None:
        self._folder = folder
        self._moving = threading.Lock()

    def __reduce__(self) -> tuple[Any, ...]:
        with self._moving:
            if self._folder is None:
                folder = Path(tempfile.mkdtemp(prefix="nbflow-shared-"))
                weakref.finalize(self, shutil.rmtree, folder, ignore_errors=True)
                self._move(folder)
                self._folder = folder
        return type(self), (self._folder,)

    def _move(self, folder: Path) -> None:
        raise NotImplementedError


class SharedList(_Shared, Sequence[Any]):
    """A list that grows by what is appended anywhere, in order.

    Example:
        >>> calls = SharedList()
        >>> there = pickle.loads(pickle.dumps(calls))  # as in a task that runs elsewhere
        >>> there.append("task")
        >>> calls.append("cleanup")
        >>> calls == ["task", "cleanup"]
        True
    """

    def __init__(self, folder: Path | None = None) -> None:
        super().__init__(folder)
        self._here: list[Any] = []

    def append(self, item: Any) -> None:
        """Add an item at the end."""
        with self._moving:
            if self._folder is None:
                self._here.append(item)
            else:
                self._write(self._folder, [item])

    def extend(self, items: Iterable[Any]) -> None:
        """Add items at the end."""
        for item in items:
            self.append(item)

    def clear(self) -> None:
        """Forget all items."""
        with self._moving:
            self._here.clear()
            if self._folder is not None:
                os.truncate(self._folder / "items", 0)

    def _move(self, folder: Path) -> None:
        self._write(folder, self._here)

    def _write(self, folder: Path, items: list[Any]) -> None:
        file = os.open(folder / "items", os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        try:
            os.write(file, b"".join(map(cloudpickle.dumps, items)))  # in one piece, or two processes mix theirs
        finally:
            os.close(file)

    def _items(self) -> list[Any]:
        if self._folder is None:
            return self._here
        with (self._folder / "items").open("rb") as file:
            return list(_unpickled(file))

    def __getitem__(self, place: Any) -> Any:
        return self._items()[place]

    def __len__(self) -> int:
        return len(self._items())

    def __iter__(self) -> Iterator[Any]:
        return iter(self._items())

    def __eq__(self, other: object) -> bool:
        return self._items() == (other._items() if isinstance(other, SharedList) else other)

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return repr(self._items())


class SharedFlag(_Shared):
    """What `threading.Event` is, also between processes."""

    def __init__(self, folder: Path | None = None) -> None:
        super().__init__(folder)
        self._here = threading.Event()

    def set(self) -> None:
        """Have everybody who waits go on."""
        with self._moving:
            self._here.set()
            if self._folder is not None:
                (self._folder / "set").touch()

    def is_set(self) -> bool:
        """Whether it was set, here or there."""
        return self._here.is_set() or (self._folder is not None and (self._folder / "set").exists())

    def wait(self, timeout: float) -> bool:
        """Wait until it is set; returns whether it was in time."""
        deadline = time.monotonic() + timeout
        while not self.is_set():
            if time.monotonic() > deadline:
                return False
            self._here.wait(_LOOK_S)
        return True

    def _move(self, folder: Path) -> None:
        if self._here.is_set():
            (folder / "set").touch()


def _unpickled(file: Any) -> Iterator[Any]:
    while True:
        try:
            yield pickle.load(file)
        except EOFError:
            return
