"""One object that can change, the versions it went through, and what calls took of it (docs/reruns.md, rule V2)."""

from __future__ import annotations

import operator
import os
import sys
from typing import TYPE_CHECKING, Any, NamedTuple

from nbflow.core.data.fingerprint import known_fingerprint
from nbflow.core.data.value_traits import is_one_shot
from nbflow.core.data.value_type import identity, ids_of
from nbflow.core.states import Mapped
from nbflow.engine.remote_value import Gathered

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from nbflow.core.states import State
    from nbflow.core.task import Task

ATOMS = ids_of((int, float, str, bool, bytes, complex, type(None)))
"""The types that the run loop knows to be fixed without asking, by their ids: see `value_type`."""

NUMBERS = ATOMS - ids_of((str, bytes))
"""Those of them that are always small."""

_LARGE_ARRAY = 1 << 24  # bytes
_MOST_PARTS = 1_000
MOST_ELEMENTS = 10_000  # of a list that was mapped over
PUT_OFF: Any = object()
Place = tuple["Task", int]  # a task, and which child of a mapped one (-1: the task itself)


class Change(NamedTuple):
    """A version of an object.

    Attributes:
        print: Its fingerprint; None if it cannot be known.
        by: The tasks that may have made it: one as a rule, several where the object is only part of what they took.
    """

    print: str | None
    by: tuple[Task, ...]


class Followed:
    """One object that can change, and the versions it went through.

    Attributes:
        value: The object, as it is now.
        versions: The first one is what the task that made it returned.
        looked_at: The `Values.moment` of the last look at it.
        home: The home of the newest run that has it; only that one lets the object go.
        original: A copy of the first version, if it is small and somebody may have changed the object since.
        taken_out: What it has contained and somebody else still holds.
    """

    __slots__ = ("_content", "_parts", "home", "looked_at", "original", "taken_out", "value", "versions")

    def __init__(self, value: Any, moment: int) -> None:
        self.value = value
        self.versions: list[Change] = [Change(PUT_OFF, ())]
        self.looked_at = moment
        self.original: Any = PUT_OFF
        self.home: object = None

        self._content: str | None = None
        self._parts: tuple[int, ...] = ()
        self.taken_out: tuple[Any, ...] = ()

    @property
    def print(self) -> str | None:
        """The fingerprint of the newest version; taken now if it was put off."""
        newest = self.versions[-1]
        if newest.print is PUT_OFF:
            self._content, self._parts = known_fingerprint(self.value), parts_of(self.value)
            newest = self.versions[-1] = Change(self._content, newest.by)
        return newest.print

    @property
    def print_now(self) -> str | None:
        """The fingerprint of what the object contains now, which differs from the newest version's if that changed."""
        return self._as_seen(self.print, known_fingerprint(self.value), parts_of(self.value))

    def look(self, by: tuple[Task, ...], others: Iterable[Followed]) -> bool:
        """Look whether its contents are other ones than those of the newest version; then they are a new version.

        The `others` may hold what it contains no longer. They are asked now: later the identity of an object may be
        another one's.
        """
        known = self.print
        if known is None:
            return False
        content, parts = known_fingerprint(self.value), parts_of(self.value)
        now = self._as_seen(known, content, parts)
        if now == known:
            return False
        if gone := set(self._parts).difference(parts):
            held = (one for other in others if other is not self for one in (other.value, *contents_of(other.value)))
            self.taken_out += tuple(one for one in held if identity(one) in gone)
        self._content, self._parts = content, parts
        self.versions.append(Change(now, by))
        return True

    def _as_seen(self, known: str | None, content: str | None, parts: tuple[int, ...]) -> str | None:
        """Return the fingerprint by what is seen of the object now.

        Two equal rows that have changed places are a change: who holds the first row sees what is done to it.
        """
        if known is None or content != self._content:
            return content
        if parts == self._parts:
            return known
        places = {one: place for place, one in enumerate(self._parts)}
        return f"{known} {' '.join(str(places.get(one, '-')) for one in parts)}"


def contents_of(value: Any) -> Iterable[Any]:
    """Return what is in a list or dictionary; of a long one nothing."""
    kind = type(value)  # not compared with `in`, which would ask a user's metaclass
    if (kind is not list and kind is not dict) or len(value) > _MOST_PARTS:
        return ()
    return tuple(value if kind is list else value.values())


def parts_of(value: Any) -> tuple[int, ...]:
    """Return the identities of what is in a list or dictionary and may change, in order."""
    contents = contents_of(value)
    if ATOMS.issuperset(map(identity, map(type, contents))):  # most are, and are looked through at once
        return ()
    return tuple(identity(one) for one in contents if identity(type(one)) not in ATOMS)


def take_prints(followed: Sequence[Followed]) -> None:
    """Take the fingerprints that were put off; those of several large arrays on as many threads as there are cores."""
    large = [one for one in followed if _is_large_array(one.value)]
    if len(large) > 1:
        from concurrent.futures import ThreadPoolExecutor

        # No line of a user's is called for these, and the hash lets other threads go on.
        with ThreadPoolExecutor(min(len(large), os.cpu_count() or 1)) as pool:
            for _ in pool.map(operator.attrgetter("print"), large):
                pass
    for one in followed:
        _ = one.print


def _is_large_array(value: Any) -> bool:
    numpy: Any = sys.modules.get("numpy")
    return type(value) is getattr(numpy, "ndarray", None) and not value.dtype.hasobject and value.nbytes >= _LARGE_ARRAY


class Taken(NamedTuple):
    """The objects that a call took as one argument, in their versions; many for a list of several values."""

    parts: tuple[tuple[Followed, int], ...]

    def is_as_in(self, now: Taken) -> bool:
        """Tell whether a further attempt takes what this one took; what nobody can know counts as another thing."""
        if len(self.parts) != len(now.parts):
            return False
        for (one, version), (other, newest) in zip(self.parts, now.parts, strict=True):
            if one is not other or version != newest:
                known = one.versions[version].print
                if known is None and one is other and not is_one_shot(one.value):
                    continue  # a connection, a future: what it stands for is not in it
                if known is None or known != other.versions[newest].print:
                    return False
        return True

    def is_known_to_differ(self, now: Taken | None) -> bool:
        """Tell whether another run took something else; what nobody can know counts as the same."""
        if now is None or len(self.parts) != len(now.parts):
            return now is not None
        pairs = zip(self.parts, now.parts, strict=True)
        prints = [(one.versions[v].print, other.versions[w].print) for (one, v), (other, w) in pairs]
        return any(one is not None and other is not None and one != other for one, other in prints)


class Watch(NamedTuple):
    """The objects that a call may change, by argument; looked at again when it has ended."""

    number: int
    changes: tuple[tuple[str, Followed], ...]


def trace_of(followed: Followed, version: int) -> Followed:
    """Return what is known of a version whose object is nobody's value any more."""
    trace = Followed(None, 0)
    trace.versions = [Change(followed.versions[version].print, ())]
    return trace


def taken_of(value: Any, *, gathers: bool) -> Sequence[Any]:
    """Return what a call takes as one argument: one object, or those in a list where that `gathers` several values."""
    if type(value) is Gathered:
        return value.leaves()
    return value if gathers and type(value) is list else (value,)


def with_children(state: State) -> tuple[State, ...]:
    """Return a state and, of a mapped task, those of its children."""
    return (state, *state.map_states) if isinstance(state, Mapped) else (state,)


def objects_in(states: Iterable[State | None]) -> Iterator[Any]:
    """Yield the objects that states hold and that may change, with the elements of lists."""
    for state in states:
        if isinstance(state, Mapped):
            yield from objects_in(state.map_states)
        elif state is not None and type(state.remote) is Gathered:
            yield from state.remote.leaves()
        elif state is not None and identity(type(value := state.__dict__.get("result"))) not in ATOMS:
            yield value
            if type(value) is list and len(value) <= MOST_ELEMENTS:
                yield from (one for one in value if identity(type(one)) not in ATOMS)
