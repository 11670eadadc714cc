"""A set that tells its owner when somebody changes it directly, and that is iterated in the owner's order."""

from __future__ import annotations

import functools
from collections.abc import Callable, Hashable, Iterable, Iterator
from collections.abc import Set as AbstractSet
from typing import Any, TypeVar

T = TypeVar("T", bound=Hashable)
F = TypeVar("F", bound=Callable[..., Any])


def _watched(change: F) -> F:
    """Let a method of `set` that adds nothing tell the watcher that it has changed the set."""

    @functools.wraps(change)
    def tell(self: ObservedSet[Any], *args: Any) -> Any:
        found = change(self, *args)
        self._did_change()
        return found

    return tell  # type: ignore[return-value]


class ObservedSet(set[T]):
    """A set with a watcher.

    The owner adds members with `set.add`, about which nobody is told. Everybody else's changes call the owner.
    A set that nobody watches, such as a copy, is an ordinary one.
    """

    _changed: Callable[[], None] | None = None
    _in_order: Callable[[], list[T]] | None = None
    _added: list[T] | None = None

    def __init__(self, members: Iterable[T] = ()) -> None:
        # The order of arrival is kept for the owner, who will ask for it.
        self._added = list(members)
        super().__init__(self._added)

    def watch(self, changed: Callable[[], None], in_order: Callable[[], list[T]]) -> None:
        """Call `changed` after each direct change, and `in_order` for the members."""
        self._changed = changed
        self._in_order = in_order

    def has(self, member: T) -> bool:
        """Tell whether `member` is in the set."""
        return set.__contains__(self, member)

    def take_added(self) -> list[T]:
        """Return, once, the members added directly since the last call, in the order of their arrival."""
        found = [member for member in self._added or () if member in self]
        self._added = []
        return found

    def __iter__(self) -> Iterator[T]:
        return set.__iter__(self) if self._in_order is None else iter(self._in_order())

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (list(self),)

    def _did_change(self, added: Iterable[T] = ()) -> None:
        if self._changed is not None:
            if self._added is not None:
                self._added.extend(added)
            self._changed()

    def add(self, member: T) -> None:
        """Add a member."""
        super().add(member)
        self._did_change([member])

    discard = _watched(set.discard)
    remove = _watched(set.remove)
    pop = _watched(set.pop)
    clear = _watched(set.clear)
    intersection_update = _watched(set.intersection_update)
    difference_update = _watched(set.difference_update)

    def update(self, *others: Iterable[Any]) -> None:
        """Add the members of all of them."""
        added = [member for other in others for member in other]
        super().update(added)
        self._did_change(added)

    def symmetric_difference_update(self, other: Iterable[T]) -> None:
        """Keep what is in one of the two only."""
        added = [member for member in other if member not in self]
        super().symmetric_difference_update(other)
        self._did_change(added)

    def __ior__(self, other: AbstractSet[T]) -> ObservedSet[T]:  # type: ignore[override,misc]
        self.update(other)
        return self

    def __iand__(self, other: AbstractSet[object]) -> ObservedSet[T]:
        self.intersection_update(other)
        return self

    def __isub__(self, other: AbstractSet[object]) -> ObservedSet[T]:
        self.difference_update(other)
        return self

    def __ixor__(self, other: AbstractSet[T]) -> ObservedSet[T]:  # type: ignore[override,misc]
        self.symmetric_difference_update(other)
        return self

    def copy(self) -> set[T]:
        """Return an ordinary set of the members."""
        return set(self)
