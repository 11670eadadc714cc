"""An object that a run keeps: pickled once, however many tasks hand it on."""

from __future__ import annotations

import threading
import weakref
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from nbflow.core.data.value_traits import is_fixed
from nbflow.engine.state_values import reference_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from nbflow.core.states import State
    from nbflow.core.task import Task
    from nbflow.engine.object_versions import Followed
    from nbflow.engine.values import Values
    from nbflow.store.contents import Contents
    from nbflow.store.entry import Header

FIXED = "fixed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A file of a task that is to be written.

    Attributes:
        path: The file.
        header: What is known of the task.
        state: The state whose result is in it; None if no later run asks for it.
        number: How many were to be written to this path before; the newest one counts.
    """

    path: Path
    header: Header
    state: State | None
    number: int


class Kept:
    """One object in one version, and the entries that wait for its contents.

    Args:
        holder: The state that holds the object. Nothing here keeps the object itself alive.
        name: The same text for all entries that hold it.
        version: Which version of the object it is.
    """

    def __init__(self, holder: State | None, name: str, version: int) -> None:
        self.name = name
        self.version = version
        self.contents: Contents | None = None
        self.folder: Path | None = None
        self._holder = None if holder is None else weakref.ref(holder)
        self._waiting: list[Entry] = []
        self._lock = threading.Lock()

    def holds(self, value: Any) -> bool:
        """Tell whether it is of this object: what has its identity by chance came when it was gone."""
        return value is not None and self.value() is value

    def value(self) -> Any:
        """Return the object, None if it is gone."""
        return None if self._holder is None else _held(self._holder)

    def awaits(self, entry: Entry) -> bool:
        """Have an entry written with the others; False if the contents are there already."""
        with self._lock:
            if self.contents is None:
                self._waiting.append(entry)
            return self.contents is None

    def pickled(self, contents: Contents, folder: Path) -> list[Entry]:
        """Take the contents; returns the entries that can be written now."""
        with self._lock:
            if self.contents is None:
                self.contents, self.folder = contents, folder
            waiting, self._waiting = self._waiting, []
            return waiting


def _held(ref: weakref.ref[State]) -> Any:
    """Return the value of a state, or what stands for it if it is elsewhere."""
    holder = ref()
    if holder is None:
        return None
    reference = reference_of(holder)
    return vars(holder).get("result") if reference is None else reference


class Objects:
    """The objects that a run has kept, by identity and version.

    Args:
        home: The home of the run's values.
        run: The run's id.
        earlier: Finds an object that an earlier run has kept, by its identity, and its fingerprint where that is asked.
    """

    def __init__(self, home: Values, run: str, earlier: Callable[[Any, Callable[[], str | None]], Kept | None]) -> None:
        self._home = home
        self._run = run
        self._earlier = earlier
        self._kept: dict[int, Kept] = {}
        self._count = 0
        self._owners: dict[int, dict[tuple[Task, int | None], weakref.ref[State]]] = {}

    def find(self, value: Any) -> Kept | None:
        """Return what was kept of an object as it is now; None if that is not known."""
        version = self._version_of(value)
        if version is None:
            return None
        known = self._kept.get(id(value))
        if known is not None and known.version == version and known.holds(value):
            return known
        return self._earlier(value, lambda: self._print_of(value))

    def add(self, value: Any, holder: State | None) -> Kept:
        """Note an object that is about to be kept."""
        fixed, version = is_fixed(value), self._version_of(value)
        self._count += 1
        made = Kept(holder, "" if fixed else f"{self._run}.{self._count}", version or 0)
        if version is not None:
            self._kept[id(value)] = made
        return made

    def own(self, value: Any, task: Task, index: int | None, holder: State) -> None:
        """Note whose value an object is."""
        if not is_fixed(value):
            self._owners.setdefault(id(value), {})[task, index] = weakref.ref(holder)

    def owners_of(self, followed: Followed) -> Iterable[Task]:
        """Return the tasks whose value an object is."""
        for (task, _), ref in self._owners.get(id(followed.value), {}).items():
            if _held(ref) is followed.value:
                yield task

    def owned(self) -> Iterable[tuple[Task, Followed]]:
        """Return the objects that are values of tasks and still here, each with every such task."""
        for owners in self._owners.values():
            for (task, _), ref in owners.items():
                value = _held(ref)
                if value is not None and (followed := self._home.followed(value)) is not None:
                    yield task, followed

    def to_be_found(self) -> Iterable[tuple[int, Kept, str]]:
        """Return what later runs may find: identity, what was kept, fingerprint."""
        for key, kept in self._kept.items():
            value = kept.value()
            if id(value) != key or kept.contents is None or self._version_of(value) != kept.version:
                continue
            if (found := self._print_of(value)) is not None:
                yield key, kept, found

    def _version_of(self, value: Any) -> int | None:
        """Return how often an object was changed since the run knows it; None if nobody can know."""
        if is_fixed(value):
            return 0
        followed = self._home.followed(value)
        if followed is None or followed.looked_at < self._home.objects.moment or followed.versions[-1].print is None:
            return None
        return len(followed.versions) - 1

    def _print_of(self, value: Any) -> str | None:
        if is_fixed(value):
            return FIXED
        followed = self._home.followed(value)
        return None if followed is None else followed.print
