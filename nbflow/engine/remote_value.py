"""A value that is not in the kernel's memory: its facts are here, the value comes when somebody looks.

Such a value never changes: a task on a worker that could change what it takes in place is given a copy there. So it
needs no fingerprint to be handed on to a rerun.
"""

from __future__ import annotations

import reprlib
import threading
from typing import TYPE_CHECKING, Any, NamedTuple

from nbflow.core.data.fingerprint import known_fingerprint
from nbflow.core.data.value_traits import size_of
from nbflow.core.data.value_type import identity, ids_of
from nbflow.core.states import Released
from nbflow.engine.elements import element
from nbflow.engine.value_holder import Holder, copy_of, fetched_together
from nbflow.engine.value_holder import RemoteFacts as RemoteFacts
from nbflow.errors import ValueReleasedError

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence

    from nbflow.core.elsewhere import Elsewhere

_NOT_SEEN = object()
_BROUGHT = "brought"


class RemoteValue:
    """A value elsewhere.

    Pickled, it is the value: whoever sends it to a place that does not know its holder sends what it stands for. A
    holder that is to know when nobody refers to it any more may have a weak reference to it.

    Args:
        holder: Has it.
        key: Names it there.
        facts: What is known of it.

    Attributes:
        task: The name of the task that gave it; empty as long as no run has taken it in.
    """

    __slots__ = ("__weakref__", "_lock", "_print", "_readers", "_seen", "facts", "holder", "key", "task")

    def __init__(self, holder: Holder, key: Any, facts: RemoteFacts) -> None:
        self.holder, self.key, self.facts, self.task = holder, key, facts, ""
        self._seen: Any = _NOT_SEEN
        self._print: str | None = None  # of what a person sees, as it came
        self._readers: list[None] | None = None
        self._lock = threading.Lock()

    def __repr__(self) -> str:
        return f"<on a worker: {self.facts.repr}>"

    def __reduce__(self) -> Any:
        return _itself, (self.read(),)

    @property
    def gone(self) -> Released | None:
        """Why its holder has it no more; None while it does."""
        gone = self.holder.gone
        if gone is None or not self.task:
            return gone
        return Released(self.task, gone.why, gone.remedy.replace("{task!r}", repr(self.task)))

    @property
    def lost(self) -> Released | None:
        """Why no task can have it any more; None while one can: from its holder, or because it is here as it was."""
        gone = self.gone
        return None if gone is None or self.is_as_it_came else gone

    @property
    def is_as_it_came(self) -> bool:
        """Whether it is here, and known to be as it was fetched, whatever a person has done with it since."""
        return self._print is not None and self._print in (_BROUGHT, known_fingerprint(self._seen))

    def fetch(self) -> Any:
        """Return a copy of the value for a task of the kernel; may take long.

        Raises:
            ValueReleasedError: If it is gone.
        """
        lost = self.gone
        if lost is None:
            try:
                return self.holder.fetch(self)
            except ValueReleasedError as error:  # it went in this moment
                lost = Released(self.task or error.task, error.why, error.remedy)
        if not self.is_as_it_came:
            raise ValueReleasedError(*lost)
        return copy_of(self._seen)

    def read(self) -> Any:
        """Return the value for somebody who only reads it, as it was returned; raises as `fetch` does."""
        return self._seen if self.is_as_it_came else self.fetch()

    def look(self) -> Any:
        """Return the value for a person: it is fetched once, and the same from then on."""
        with self._lock:
            if self._seen is _NOT_SEEN:
                found = self.fetch()
                self._seen, self._print = found, known_fingerprint(found)
            return self._seen

    def look_at_all(self, values: Sequence[Elsewhere]) -> None:
        """Fetch several such values, itself among them, for `look` to return."""
        found = fetched_together([one for one in values if type(one) is RemoteValue and not one.is_here])
        for value in values:
            if value in found and type(value) is RemoteValue:
                value._show(found[value])
            else:
                value.look()

    def _show(self, found: Any) -> None:
        with self._lock:
            if self._seen is _NOT_SEEN:
                self._seen, self._print = found, known_fingerprint(found)

    def bring(self, *found: Any) -> None:
        """Fetch the value, as its holder is about to lose it; `look` gives it from now on.

        It may be given as it was `found` just now.
        """
        with self._lock:
            if not self.is_as_it_came:  # it is not here, or a person has changed what they saw
                self._seen = found[0] if found else self.fetch()
            self._print = _BROUGHT

    def await_reader(self) -> None:
        """Note that somebody is going to read it, who is not to miss it when its holder loses it."""
        self._readers = [*(self._readers or ()), None]

    def note_read(self) -> None:
        """Note that they have; from any thread."""
        if self._readers:
            self._readers.pop()

    @property
    def is_awaited(self) -> bool:
        """Whether somebody is still going to read it."""
        return bool(self._readers)

    @property
    def is_brought(self) -> bool:
        """Whether it was brought."""
        return self._print is _BROUGHT

    @property
    def is_here(self) -> bool:
        """Whether somebody has looked at it, so that it is in the kernel too."""
        return self._seen is not _NOT_SEEN

    @property
    def is_gone(self) -> bool:
        """Whether it can be had no more."""
        return self._seen is _NOT_SEEN and self.holder.gone is not None

    def item(self, place: int) -> RemoteItem:
        """Return what stands for one of the elements that a map over it takes."""
        return RemoteItem(self, place)


class RemoteItem(NamedTuple):
    """One of the elements of a value elsewhere, which is taken from it where it is."""

    whole: RemoteValue
    place: int

    def __repr__(self) -> str:
        return f"<element {self.place} of a {self.whole.facts.type} on a worker>"

    def __reduce__(self) -> Any:
        return _itself, (self.fetch(),)

    @property
    def facts(self) -> RemoteFacts:
        """What is known of it: not much."""
        return RemoteFacts(f"element of a {self.whole.facts.type}", None, None, repr(self))

    @property
    def gone(self) -> Released | None:
        """Why the holder has it no more; None while it does."""
        return self.whole.gone

    @property
    def lost(self) -> Released | None:
        """Why no task can have it any more; None while one can."""
        return self.whole.lost

    @property
    def is_gone(self) -> bool:
        """Whether it can be had no more."""
        return self.whole.is_gone

    def fetch(self) -> Any:
        """Return a copy of the element; the whole is fetched once for all of them."""
        return copy_of(self.look())

    def look(self) -> Any:
        """Return the element for a person, or for somebody who only reads it."""
        return element(self.whole.look(), self.place)

    def look_at_all(self, values: Sequence[Elsewhere]) -> None:
        """Fetch several such values, itself among them, for `look` to return."""
        self.whole.look_at_all(values)


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


def arrived(value: Any) -> Any:
    """Return a value, or the one that it stands for if that is a call's that has been reported to have ended."""
    if type(value) is Expected and value.call.returned is not None:
        return value.call.returned.value
    return value


class Gathered:
    """A list, tuple or dictionary that nbflow has made of values some of which are elsewhere.

    It takes the place of the container, also as what a task has returned (`List` and its like), so that nothing is
    fetched to hand it on. It never changes; the values in it that are here are those of other tasks, which may.

    Args:
        parts: The container, with what stands for those values in it. Nobody else has it.
    """

    __slots__ = ("__weakref__", "_lock", "_seen", "parts")

    def __init__(self, parts: Any) -> None:
        self.parts = parts
        self._seen: Any = _NOT_SEEN
        self._lock = threading.Lock()

    def __repr__(self) -> str:
        return reprlib.repr(self.parts)

    def __reduce__(self) -> Any:
        return _itself, (self.opened(),)

    @property
    def members(self) -> Collection[Any]:
        """The values, and what stands for some."""
        found: Collection[Any] = self.parts.values() if type(self.parts) is dict else self.parts
        return found

    @property
    def gone(self) -> Released | None:
        """Why a holder has one of the values no more; None while all are had."""
        return next((gone for one in self.members if is_reference(one) and (gone := one.gone) is not None), None)

    @property
    def lost(self) -> Released | None:
        """Why no task can have one of the values any more; None while one can have all."""
        return next((lost for one in self.members if is_reference(one) and (lost := one.lost) is not None), None)

    @property
    def is_gone(self) -> bool:
        """Whether it can be had no more."""
        return self._seen is _NOT_SEEN and any(one.is_gone for one in self.members if is_reference(one))

    @property
    def is_here(self) -> bool:
        """Whether somebody has looked at it, so that all of it is in the kernel too."""
        return self._seen is not _NOT_SEEN

    @property
    def facts(self) -> RemoteFacts:
        """What is known of it without fetching anything."""
        count, is_dict = len(self.parts), type(self.parts) is dict
        sizes = [one.facts.size if type(one) in (RemoteValue, Gathered) else size_of(one) for one in self.members]
        size = None if None in sizes else sum(one for one in sizes if one is not None)
        return RemoteFacts(type(self.parts).__name__, size, count, repr(self), None if is_dict else count)

    def leaves(self) -> list[Any]:
        """Return the values in it that are here: the very objects."""
        found: list[Any] = []
        for one in self.members:
            if type(one) is Gathered:
                found += one.leaves()
            elif not is_reference(one):
                found.append(one)
        return found

    def references(self) -> list[RemoteValue]:
        """Return what stands for the values that are elsewhere."""
        found: list[RemoteValue] = []
        for one in self.members:
            if type(one) is Gathered:
                found += one.references()
            elif is_reference(one):
                found.append(one.whole if type(one) is RemoteItem else one)
        return found

    def opened(self) -> Any:
        """Return the container as a call gets it, with what stands for values in it and in the containers inside."""
        return self._made(lambda one: one.opened() if type(one) is Gathered else one)

    def with_leaves(self, change: Callable[[Any], Any]) -> Gathered:
        """Return another one, with other values in the place of those that are here."""

        def changed(one: Any) -> Any:
            if type(one) is Gathered:
                return one.with_leaves(change)
            return one if is_reference(one) else change(one)

        return Gathered(self._made(changed))

    def brought(self) -> Any:
        """Return the container with the values that were brought; what stands for it if some are still elsewhere."""

        def one_of(one: Any) -> Any:
            if type(one) is Gathered:
                return one.brought()
            return one.look() if type(one) is RemoteValue and one.is_brought else one

        return gathered(self._made(one_of))

    def read(self) -> Any:
        """Return a container of the values for somebody who only reads it."""
        return self._made(lambda one: one.read() if type(one) in (RemoteValue, Gathered) else fetched(one))

    def fetch(self) -> Any:
        """Return a container of the values for a task of the kernel: copies of those that are elsewhere."""
        return self._made(lambda one: one.fetch() if is_reference(one) else one)

    def look(self) -> Any:
        """Return the container for a person: it is made once, of what the tasks' own states show."""
        references = self.references()
        if references and not self.is_here:
            references[0].look_at_all(references)
        with self._lock:
            if self._seen is _NOT_SEEN:
                self._seen = self._made(lambda one: one.look() if is_reference(one) else one)
            return self._seen

    def look_at_all(self, values: Sequence[Elsewhere]) -> None:
        """Fetch several such values, itself among them, for `look` to return."""
        for value in values:
            value.look()

    def item(self, place: int) -> Any:
        """Return one of the elements that a map over it takes, or what stands for it."""
        return self.parts[place]

    def _made(self, change: Callable[[Any], Any]) -> Any:
        if type(self.parts) is dict:
            return {key: change(one) for key, one in self.parts.items()}
        return type(self.parts)([change(one) for one in self.parts])


ELSEWHERE = (RemoteValue, RemoteItem, Gathered)
"""What stands for a value that is not here, or not all of it."""

_IDS = ids_of(ELSEWHERE)


def _itself(value: Any) -> Any:
    return value


def is_reference(value: Any) -> bool:
    """Tell whether something stands for a value that is elsewhere."""
    return identity(type(value)) in _IDS


def gathered(parts: Any) -> Any:
    """Return a list, tuple or dictionary that nobody else has, or what stands for it if some of it is elsewhere."""
    members = parts.values() if type(parts) is dict else parts
    return parts if _IDS.isdisjoint(map(identity, map(type, members))) else Gathered(parts)


def is_elsewhere(value: Any) -> bool:
    """Tell whether a value is not here, or, of the inputs of a call, one of them."""
    if type(value) is dict:
        return not _IDS.isdisjoint(map(identity, map(type, value.values())))
    return is_reference(value)


def fetched(value: Any) -> Any:
    """Return a value, or the inputs of a call, with all of it here: copies of what is not."""
    if type(value) is dict:
        return {key: one.fetch() if is_reference(one) else one for key, one in value.items()}
    return value.fetch() if is_reference(value) else value


def looked_at(value: Any) -> Any:
    """Return a value as a person sees it."""
    return value.look() if is_reference(value) else value
