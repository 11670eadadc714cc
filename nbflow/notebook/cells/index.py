"""All contributions to one flow, in their order, and where a name leads for each of them.

A name that several cells bind means, in each cell, what the nearest cell before it bound; and to the user, what the
last one did. The order is that of the cells' first executions.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import compress
from operator import is_not
from typing import TYPE_CHECKING, Any

from nbflow.core.placeholder_task import PlaceholderTask
from nbflow.errors import DanglingTaskError
from nbflow.notebook.cells.contribution import ABSENT, Contribution
from nbflow.notebook.cells.identity import cell_of
from nbflow.notebook.cells.references import CellReference, Made

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterable, Mapping, Set

    from nbflow.core.edge import Edge

    Resolved = dict[str, tuple[Contribution, list[Edge]]]

_DEEPEST = 50


@dataclass(frozen=True, slots=True)
class Dangling:
    """A place that leads nowhere: `user` is the contribution that needs it."""

    user: str
    place: CellReference


class ContributionIndex:
    """An ordered `{id: contribution}` with its indexes; a value that is never changed.

    Attributes:
        contributions: By their id.
        position: The place of each.
        binders: Who binds a name, in order.
        plain: What each name holds that only one binds, and binds to something of its own.
        owners: Who made a task or block.
    """

    def __init__(self, contributions: Mapping[str, Contribution] | None = None) -> None:
        self.contributions = dict(contributions or {})
        self.position = {one: i for i, one in enumerate(self.contributions)}
        self.binders: dict[str, list[str]] = {}
        self.plain: dict[str, Any] = {}
        self.owners: dict[Made, str] = {}
        self._cells: dict[str, str] = {}
        self._of_cell: dict[str, tuple[str, ...]] = {}
        self._with_aliases: frozenset[str] = frozenset()
        self._leaning: frozenset[str] = frozenset()
        self._users: dict[str | None, frozenset[str]] = {}  # by the names of their ties; None for all that has none
        for one, contribution in self.contributions.items():
            for name in contribution.binds:
                self.binders.setdefault(name, []).append(one)
            self._add(one, contribution, contribution.cells)
        for name in self.binders:
            self._look_at(name)

    def _add(self, one: str, c: Contribution, keys: Iterable[str]) -> None:
        for key in keys:
            self._cells.setdefault(key, one)
            cell = cell_of(key)
            self._of_cell[cell] = (*self._of_cell.get(cell, ()), one)
        for made in _made_by(c):
            self.owners.setdefault(made, one)
        for name in (None,) if c.uses is None else c.uses:
            self._users[name] = self._users.get(name, frozenset()) | {one}
        if c.has_aliases:
            self._with_aliases |= {one}
        if c.leans is None or c.leans:
            self._leaning |= {one}

    def _look_at(self, name: str) -> None:
        """Bring `plain` up to date for a name."""
        binders = self.binders.get(name, ())
        bound = self.contributions[binders[0]].binds[name] if len(binders) == 1 else None
        if bound is not None and not isinstance(bound.reached.get(()), CellReference):
            self.plain[name] = bound.value
        else:
            self.plain.pop(name, None)

    def with_(self, one: str, contribution: Contribution) -> ContributionIndex:
        """Return the index with this contribution, in its place or at the end."""
        old = self.contributions.get(one)
        if old is not None and old.cells not in ((), contribution.cells):
            return ContributionIndex({**self.contributions, one: contribution})
        # What does not change is shared: a index is made for each execution of a cell.
        index = object.__new__(ContributionIndex)
        vars(index).update(vars(self))
        index.contributions = {**self.contributions, one: contribution}
        if one not in index.position:
            index.position = {**index.position, one: len(index.position)}
        bound = () if old is None else old.binds.keys()
        index.plain, index.owners, index._users = dict(self.plain), dict(self.owners), dict(self._users)
        if old is not None:
            for made in _made_by(old):
                if index.owners.get(made) == one:
                    del index.owners[made]
            for name in (None,) if old.uses is None else old.uses:
                index._users[name] = index._users[name] - {one}
            index._with_aliases -= {one}
            index._leaning -= {one}
        is_known = old is not None and bool(old.cells)
        if not is_known:
            index._cells, index._of_cell = dict(self._cells), dict(self._of_cell)
        index._add(one, contribution, () if is_known else contribution.cells)
        changed = contribution.binds.keys() ^ set(bound)
        if changed:
            index.binders = dict(index.binders)
        for name in changed:
            binders = [other for other in index.binders.get(name, ()) if other != one]
            if name in contribution.binds:
                binders.append(one)
                binders.sort(key=index.position.__getitem__)
            index.binders[name] = binders
            if not binders:
                del index.binders[name]
        for name in contribution.binds.keys() | bound:
            index._look_at(name)
        return index

    def without(self, *gone: str) -> ContributionIndex:
        """Return the index without these contributions."""
        return ContributionIndex({one: c for one, c in self.contributions.items() if one not in gone})

    def id_of(self, cell: str) -> str | None:
        """Return the contribution that this cell says."""
        return self._cells.get(cell)

    def place_of(self, cell: str) -> int:
        """Return the place of what this cell says; that behind all others if it says nothing yet."""
        return self.position.get(self._cells.get(cell, ""), len(self.position))

    def of_cell(self, cell: str) -> tuple[str, ...]:
        """Return the contributions that this cell says: of what it adds, and of each part of that."""
        return self._of_cell.get(cell, ())

    def changed_with(self, names: Iterable[str]) -> frozenset[str] | None:
        """Return the names that may lead to something else when `names` do: these, and those that stand for them.

        Returns None if any may.
        """
        changed = frozenset(names)
        aliases = [self.contributions[one] for one in self._with_aliases]
        while True:
            following = [c for c in aliases if c.aliased is None or not c.aliased.isdisjoint(changed)]
            if any(c.aliased is None for c in following):
                return None
            more = changed.union(*(c.binds for c in following))
            if more == changed:
                return changed
            changed = more

    def users_of(self, names: Iterable[str]) -> frozenset[str]:
        """Return the contributions with a tie that one of `names` leads to, or that no name does."""
        return frozenset().union(*(self._users.get(name, frozenset()) for name in (*names, None)))

    def leans_on(self, names: Set[str]) -> bool:
        """Tell whether a contribution has more than ties that `names` lead to."""
        leaning = (self.contributions[one].leans for one in self._leaning)
        return any(leans is None or not leans.isdisjoint(names) for leans in leaning)

    def unsettled(self, namespace: Mapping[str, Any]) -> list[str]:
        """Return the names that may be to hold something else than they do in `namespace`."""
        plain = self.plain
        found = list(compress(plain, map(is_not, map(namespace.get, plain), plain.values())))
        if len(plain) < len(self.binders):
            found += [name for name in self.binders if name not in plain]
        return found

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
        if isinstance(direct, CellReference):
            found = self.resolve(direct, binder)
            return ABSENT if found is None else found
        return bound.value

    def resolve(self, place: CellReference, reader: str, depth: int = 0) -> Made | None:
        """Return what `place` leads to for the contribution `reader`; None if it leads nowhere."""
        if place.name is None:
            return self._numbered(place)
        binder = self.binder(place.name, reader)
        if binder is None or depth > _DEEPEST:
            return None
        found = self.contributions[binder].binds[place.name].reached.get(place.steps)
        return self.resolve(found, binder, depth + 1) if isinstance(found, CellReference) else found

    def _numbered(self, place: CellReference) -> Made | None:
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
        return DanglingTaskError(str(dangling.place), self.label(dangling.user), self.label(dangling.place.owner))


def _made_by(contribution: Contribution) -> list[Made]:
    return [*contribution.made, *contribution.blocks]


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

    index: ContributionIndex
    kept: dict[Hashable, PlaceholderTask] = field(default_factory=dict)
    tasks: dict[Hashable, PlaceholderTask] = field(default_factory=dict)
    found: dict[tuple[str, Hashable], Dangling] = field(default_factory=dict)
    changed: Set[str] | None = None
    resolved_before: Resolved = field(default_factory=dict)
    resolved: Resolved = field(default_factory=dict)

    def is_as_before(self, contribution: Contribution) -> bool:
        """Tell whether all places of a contribution lead to where they led the last time."""
        uses = contribution.uses
        return self.changed is not None and uses is not None and uses.isdisjoint(self.changed)

    def task(self, place: CellReference, user: str) -> PlaceholderTask:
        """Return what stands for `place`, and note that `user` needs it."""
        place = place.base
        if place.id not in self.tasks:
            number = sum(1 for other in self.tasks.values() if other.name == str(place))
            slug = f"{place}?" + (f"-{number + 1}" if number else "")
            kept = self.kept.get(place.id)
            same = kept is not None and kept.slug == slug
            self.tasks[place.id] = kept if kept is not None and same else PlaceholderTask(str(place), slug)
        self.found.setdefault((user, place.id), Dangling(user, place))
        return self.tasks[place.id]

    def tell(self) -> None:
        """Let each stand-in know who needs it; only when the flow is kept, as they may be those of the one before."""
        for id_, task in self.tasks.items():
            task.errors = tuple(self.index.error(d) for (_, place), d in self.found.items() if place == id_)
