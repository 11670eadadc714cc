"""All contributions to one flow, in their order, and where a name leads for each of them.

A name that several cells bind means, in each cell, what the nearest cell before it bound; and to the user, what the
last one did. The order is that of the cells' first executions.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from nbflow.core.missing import MissingTask
from nbflow.errors import DanglingTaskError
from nbflow.notebook.contributions import ABSENT, Contribution
from nbflow.notebook.places import Made, Place

if TYPE_CHECKING:
    from collections.abc import Hashable, Mapping, Set

    from nbflow.core.edge import Edge

    Resolved = dict[str, tuple[Contribution, list[Edge]]]

_DEEPEST = 50


@dataclass(frozen=True, slots=True)
class Dangling:
    """A place that leads nowhere: `user` is the contribution that needs it."""

    user: str
    place: Place


class Book:
    """An ordered `{id: contribution}` with its index of names; a value that is never changed."""

    def __init__(self, contributions: Mapping[str, Contribution] | None = None) -> None:
        self.contributions = dict(contributions or {})
        self.position = {one: i for i, one in enumerate(self.contributions)}
        self.binders: dict[str, list[str]] = {}
        for one, contribution in self.contributions.items():
            for name in contribution.binds:
                self.binders.setdefault(name, []).append(one)

    def with_(self, one: str, contribution: Contribution) -> Book:
        """Return the book with this contribution, in its place or at the end."""
        book = object.__new__(Book)
        book.contributions = {**self.contributions, one: contribution}
        book.position, book.binders = self.position, self.binders
        if one not in book.position:
            book.position = {**book.position, one: len(book.position)}
        old = self.contributions.get(one)
        changed = contribution.binds.keys() ^ (old.binds.keys() if old is not None else set())
        if changed:  # the rest of the index is shared: a book is made for each execution of a cell
            book.binders = dict(book.binders)
        for name in changed:
            binders = [other for other in book.binders.get(name, ()) if other != one]
            if name in contribution.binds:
                binders.append(one)
                binders.sort(key=book.position.__getitem__)
            book.binders[name] = binders
            if not binders:
                del book.binders[name]
        return book

    def without(self, *gone: str) -> Book:
        """Return the book without these contributions."""
        return Book({one: c for one, c in self.contributions.items() if one not in gone})

    def id_of(self, cell: str) -> str | None:
        """Return the contribution that this cell says."""
        for one, contribution in self.contributions.items():
            if cell in contribution.cells:
                return one
        return None

    def binder(self, name: str, reader: str) -> str | None:
        """Return the contribution whose value of `name` the contribution `reader` sees."""
        binders = self.binders.get(name)
        if not binders:
            return None
        here = self.position.get(reader, len(self.position))
        after = None
        for one in reversed(binders):
            place = self.position[one]
            if place < here:
                return one
            if place > here:
                after = one
        return after

    def value(self, name: str, binder: str) -> Any:
        """Return what `name` holds when `binder` was the last to bind it."""
        bound = self.contributions[binder].binds[name]
        direct = bound.reached.get(())
        if isinstance(direct, Place):
            found = self.resolve(direct, binder)
            return ABSENT if found is None else found
        return bound.value

    def resolve(self, place: Place, reader: str, depth: int = 0) -> Made | None:
        """Return what `place` leads to for the contribution `reader`; None if it leads nowhere."""
        if place.name is None:
            return self._numbered(place)
        binder = self.binder(place.name, reader)
        if binder is None or depth > _DEEPEST:
            return None
        found = self.contributions[binder].binds[place.name].reached.get(place.steps)
        return self.resolve(found, binder, depth + 1) if isinstance(found, Place) else found

    def _numbered(self, place: Place) -> Made | None:
        owner = self.contributions.get(place.owner)
        if owner is None:
            return None
        made: list[Made] = [*owner.tasks, *owner.blocks]
        alike = [one for one in made if one.name == place.kind]
        return alike[place.number] if place.number < len(alike) else None

    def label(self, one: str) -> str:
        """Return what a contribution's cell is called."""
        known = self.contributions.get(one)
        return "a cell that is gone" if known is None else known.label

    def error(self, dangling: Dangling) -> DanglingTaskError:
        """Return the error that a run raises."""
        return DanglingTaskError(
            str(dangling.place), self.label(dangling.user), self.label(dangling.place.owner)
        )


@dataclass(slots=True)
class Missing:
    """The stand-ins for what is missing; the same place keeps its own. And what has been found, to be found again.

    Attributes:
        tasks: By place.
        found: Who needs what, in order.
        changed: The names that may mean something else than when the flow was put together the last time; None if
            any may.
        resolved_before: The edges of each contribution at that time.
        resolved: Its edges now.
    """

    book: Book
    kept: dict[Hashable, MissingTask] = field(default_factory=dict)
    tasks: dict[Hashable, MissingTask] = field(default_factory=dict)
    found: dict[tuple[str, Hashable], Dangling] = field(default_factory=dict)
    changed: Set[str] | None = None
    resolved_before: Resolved = field(default_factory=dict)
    resolved: Resolved = field(default_factory=dict)

    def is_as_before(self, contribution: Contribution) -> bool:
        """Tell whether all places of a contribution lead to where they led the last time."""
        uses = contribution.uses
        return self.changed is not None and uses is not None and uses.isdisjoint(self.changed)

    def task(self, place: Place, user: str) -> MissingTask:
        """Return what stands for `place`, and note that `user` needs it."""
        place = place.base
        if place.id not in self.tasks:
            number = sum(1 for other in self.tasks.values() if other.name == str(place))
            slug = f"{place}?" + (f"-{number + 1}" if number else "")
            kept = self.kept.get(place.id)
            same = kept is not None and kept.slug == slug
            self.tasks[place.id] = kept if kept is not None and same else MissingTask(str(place), slug)
        self.found.setdefault((user, place.id), Dangling(user, place))
        return self.tasks[place.id]

    def tell(self) -> None:
        """Let each stand-in know who needs it; only when the flow is kept, as they may be those of the one before."""
        for id_, task in self.tasks.items():
            task.errors = tuple(self.book.error(d) for (_, place), d in self.found.items() if place == id_)
