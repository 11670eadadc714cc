"""A value that is not in the kernel's memory: its facts are here, the value comes when somebody looks.

Such a value never changes: a task on a worker that could change what it takes in place is given a copy there. So it
needs no fingerprint to be handed on to a rerun.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from nbflow.engine.elements import element
from nbflow.errors import ValueReleasedError

if TYPE_CHECKING:
    from nbflow.core.states import Released


class RemoteFacts(NamedTuple):
    """What is known of a value without having it; taken where it is.

    Attributes:
        type: The name of its type.
        size: How many bytes it holds, estimated; None if that is not known.
        length: How many items it has; None if it has none, or that is not known without asking it.
        repr: A short text.
        elements: How many tasks a map over it makes; None: it cannot be mapped over, or is an iterator.
    """

    type: str
    size: int | None
    length: int | None
    repr: str
    elements: int | None = None


class Holder(Protocol):
    """Has values elsewhere, and says what has become of them; from any thread.

    Attributes:
        gone: Why the values are gone; None while they are there.
    """

    @property
    def gone(self) -> Released | None:
        """Why the values are gone; None while they are there."""

    def fetch(self, value: RemoteValue) -> Any:
        """Return a copy of a value; raises `ValueReleasedError` if it is gone, and whatever stops it from coming."""


class RemoteValue:
    """A value elsewhere.

    Pickled, it is the value: whoever sends it to a place that does not know its holder sends what it stands for.

    Args:
        holder: Has it.
        key: Names it there.
        facts: What is known of it.
    """

    __slots__ = ("_lock", "_seen", "facts", "holder", "key")

    def __init__(self, holder: Holder, key: Any, facts: RemoteFacts) -> None:
        self.holder, self.key, self.facts = holder, key, facts
        self._seen: list[Any] = []
        self._lock = threading.Lock()

    def __repr__(self) -> str:
        return f"<RemoteValue: {self.facts.type}>"

    def __reduce__(self) -> Any:
        return _itself, (self.fetch(),)

    def fetch(self) -> Any:
        """Return a copy of the value for a task of the kernel; may take long.

        Raises:
            ValueReleasedError: If it is gone.
        """
        gone = self.holder.gone
        if gone is not None and not self._seen:
            raise ValueReleasedError(*gone)
        return self.holder.fetch(self)

    def look(self) -> Any:
        """Return the value for a person: it is fetched once, and the same from then on."""
        with self._lock:
            if not self._seen:
                self._seen.append(self.fetch())
            return self._seen[0]

    def bring(self) -> None:
        """Fetch the value, as its holder is about to lose it; `look` gives it from now on."""
        self.look()

    @property
    def is_here(self) -> bool:
        """Whether somebody has looked at it, so that it is in the kernel too."""
        return bool(self._seen)

    @property
    def is_gone(self) -> bool:
        """Whether it can be had no more."""
        return self.holder.gone is not None and not self._seen

    def item(self, place: int) -> RemoteItem:
        """Return what stands for one of the elements that a map over it takes."""
        return RemoteItem(self, place)


class RemoteItem(NamedTuple):
    """One of the elements of a value elsewhere, which is taken from it where it is."""

    whole: RemoteValue
    place: int

    def __reduce__(self) -> Any:
        return _itself, (self.fetch(),)

    def fetch(self) -> Any:
        """Return a copy of the element."""
        return element(self.whole.fetch(), self.place)


class Expected:
    """The value that a call under way is going to return, for a call that goes after it.

    Attributes:
        call: The call.
    """

    __slots__ = ("call",)

    def __init__(self, call: Any) -> None:
        self.call = call

    def __repr__(self) -> str:
        return f"<Expected: the value of {self.call.task.name!r}>"


ELSEWHERE = (RemoteValue, RemoteItem)
"""What stands for a value that is not here."""


def _itself(value: Any) -> Any:
    return value


def is_elsewhere(value: Any) -> bool:
    """Tell whether a value, or one in a list, tuple or dictionary, is not here."""
    if type(value) in ELSEWHERE:
        return True
    if type(value) is dict:
        return any(map(is_elsewhere, value.values()))
    return type(value) in (list, tuple) and any(map(is_elsewhere, value))


def fetched(value: Any) -> Any:
    """Return a value with all of it here: copies of what is not, also in lists, tuples and dictionaries."""
    if type(value) in ELSEWHERE:
        return value.fetch()
    if not is_elsewhere(value):
        return value
    if type(value) is dict:
        return {key: fetched(part) for key, part in value.items()}
    return type(value)([fetched(part) for part in value])
