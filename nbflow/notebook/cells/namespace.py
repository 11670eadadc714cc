"""The user's names while a cell is executed: each has the value that the cells before this one gave it."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import compress, islice, repeat
from operator import is_not
from typing import TYPE_CHECKING, Any

from nbflow.core.block import Block
from nbflow.core.task import Task
from nbflow.notebook.cells.contribution import ABSENT
from nbflow.notebook.cells.graph_diff import is_made
from nbflow.notebook.cells.references import CellReference, reached
from nbflow.notebook.source.infer import is_shell_name

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping, MutableMapping

    from nbflow.core.graph import Graph
    from nbflow.notebook.cells.contribution import Contribution
    from nbflow.notebook.cells.index import ContributionIndex
    from nbflow.notebook.cells.references import Made


def rebound(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """Return the names of `now` that hold another object than in `before`, or were not there.

    Example:
        >>> rebound({"a": 1, "b": 2}, {"a": 1, "b": 3, "c": 4})
        ['b', 'c']
    """
    return list(compress(now, map(is_not, now.values(), map(before.get, now, repeat(ABSENT)))))


@dataclass(eq=False, repr=False)
class CellNamespace:
    """The values of the notebook's names before, in and after the execution of one cell.

    A name is only ever touched if it holds something of a flow. A plain value that the user gave it stays.

    Args:
        namespace: The user's names.
        graph: The flow that the cell adds to.
        index: Its contributions before the cell.
        cell: The contribution of the cell.
        hidden: The names that were taken away because what they led to is gone; kept from cell to cell.
        is_replaced: Tells whether a task belongs to an execution that has been replaced.
    """

    namespace: MutableMapping[str, Any]
    graph: Graph
    index: ContributionIndex
    cell: str
    hidden: set[str]
    is_replaced: Callable[[Made], bool]

    def __post_init__(self) -> None:
        self._hidden_before = set(self.hidden)
        self.names = dict(self.namespace)
        self.inside: dict[str, Any] = {}
        self.switched: dict[str, Any] = {}

    def enter(self, old: Contribution, unsettled: Iterable[str]) -> None:
        """Give the names of the flow the values that they have at the place of this cell, which said `old` before.

        `unsettled` are the names that do not hold what the only cell that binds them bound.
        """
        contributions = self.index.contributions
        own = contributions[self.cell].binds if self.cell in contributions else ()
        for name in dict.fromkeys((*unsettled, *own)):
            held = self.namespace.get(name, ABSENT)
            if held is ABSENT and name not in self.hidden:  # the user deleted it
                continue
            wanted = self._wanted(name, old)
            if held is not wanted and self._is_a_flows(name, held):
                self.switched[name] = held
                self._set(name, wanted)
        self.inside = dict(self.namespace)

    def _wanted(self, name: str, old: Contribution) -> Any:
        binder = self.index.binder(name, self.cell)
        if name in old.before and (
            binder is None or self.index.position[binder] > self.index.position.get(self.cell, -1)
        ):
            return old.before[name]
        return ABSENT if binder is None else self.index.value(name, binder)

    def _is_a_flows(self, name: str, held: Any) -> bool:
        """Tell whether a name holds what a cell of this or another flow bound to it."""
        if held is ABSENT:
            return True
        for binder in self.index.binders[name]:
            if held is self.index.contributions[binder].binds[name].value or held is self.index.value(name, binder):
                return True
        if not isinstance(held, (Task, Block)):
            return False
        return self.is_replaced(held) or (not self._is_this_flows(held) and _is_in_another_flow(held))

    def bound(self, expected: Collection[str] = ()) -> dict[str, Any]:
        """Return the names that the cell has bound, with what they hold.

        Those that its source is `expected` to bind count even if they hold what they held before.
        """
        namespace = self.namespace
        found = {*rebound(self.inside, namespace), *expected}
        return {
            name: held
            for name, held in (namespace.items() if len(found) > 1 else _items(namespace, found))
            if name in found and not _is_hidden(name) and is_made(held)
        }

    def before(self, new: Contribution) -> dict[str, Any]:
        """Return what the names that the new contribution binds held, if it was nothing of a flow."""
        return {
            name: value
            for name in new.binds
            if (value := self.inside.get(name, ABSENT)) is not ABSENT and not is_made(value)
        }

    def leave(self, index: ContributionIndex, old: Contribution) -> None:
        """Give each name that cells of the flow bind the value of the last one, and no name a task that has gone."""
        namespace, inside = self.namespace, self.inside
        new = index.contributions[self.cell]
        for name, held in self.switched.items():
            is_rebound = namespace.get(name, ABSENT) is not inside.get(name, ABSENT)
            if name not in new.binds and not is_rebound and self._is_anothers(held):
                self._set(name, held)
        for name in index.unsettled(namespace):
            binders = index.binders[name]
            held = namespace.get(name, ABSENT)
            if held is self.switched.get(name, ABSENT) and self._is_anothers(held):
                continue
            bound = index.contributions[binders[-1]].binds[name]
            if held is bound.value and not isinstance(bound.reached.get(()), CellReference):
                continue
            value = index.value(name, binders[-1])
            if held is value or (held is ABSENT and name not in self.hidden):
                continue
            is_as_entered = held is inside.get(name, ABSENT)
            if name in new.binds or (is_as_entered and (name in self.switched or self._is_this_flows(held))):
                self._set(name, value)
        if old.made:
            self._follow(index, old)

    def _is_anothers(self, held: Any) -> bool:
        return held is not ABSENT and not self._is_this_flows(held) and _is_in_another_flow(held)

    def _is_this_flows(self, held: Any) -> bool:
        if held is ABSENT:
            return True
        tasks, blocks = self.graph.tasks, self.graph.blocks
        return any(one in tasks or one in blocks or self.is_replaced(one) for _, one in islice(reached(held), 3))

    def _follow(self, index: ContributionIndex, old: Contribution) -> None:
        """Let names of the user's own, which held a task of the former execution, hold what took its place."""
        made = set(map(id, old.made))
        for name in [*compress(self.namespace, map(made.__contains__, map(id, self.namespace.values())))]:
            if name in index.binders or _is_hidden(name):
                continue
            held = self.namespace[name]
            called = (other for other, bound in old.binds.items() if bound.reached.get(()) is held)
            other = next((other for other in called if other in index.binders), None)
            if other is not None:
                self._set(name, index.value(other, index.binders[other][-1]))

    def undo(self) -> None:
        """Give names that hold something of a flow, or did, back what they held; plain values stay."""
        self.hidden.clear()
        self.hidden.update(self._hidden_before)
        for name, held in list(self.namespace.items()):
            if _is_hidden(name):
                continue
            if name in self.names:
                before = self.names[name]
                if before is not held and (is_made(held) or is_made(before)):
                    self.namespace[name] = before
            elif is_made(held):
                del self.namespace[name]
        for name, held in self.names.items():
            if name not in self.namespace and is_made(held):
                self.namespace[name] = held

    def _set(self, name: str, value: Any) -> None:
        if value is ABSENT:
            self.namespace.pop(name, None)
            self.hidden.add(name)
        else:
            self.namespace[name] = value
            self.hidden.discard(name)


def release_names(
    namespace: MutableMapping[str, Any],
    graph: Graph,
    index: ContributionIndex,
    gone: Iterable[Contribution],
    hidden: set[str],
) -> None:
    """Let names that led to what contributions made that are gone hold what others bound to them, or nothing."""
    scope = CellNamespace(namespace, graph, index, "", hidden, set().__contains__)
    made = {one for c in gone for one in (*c.made, *c.blocks)}
    for name in {name for c in gone for name in c.binds} | index.binders.keys():
        held = namespace.get(name, ABSENT)
        if held is not ABSENT and not any(one in made for _, one in reached(held)):
            continue
        binders = index.binders.get(name)
        before = next((c.before[name] for c in gone if name in c.before), ABSENT)
        if held is not ABSENT or name in hidden:
            scope._set(name, index.value(name, binders[-1]) if binders else before)


def _items(namespace: MutableMapping[str, Any], names: Collection[str]) -> list[tuple[str, Any]]:
    return [(name, namespace[name]) for name in names if name in namespace]


def _is_hidden(name: str) -> bool:
    """Tell whether a name is IPython's own."""
    return is_shell_name(name) or name.startswith("__")


def _is_in_another_flow(held: Any) -> bool:
    from nbflow.registry import flows

    found = next(reached(held), None)
    if found is None:
        return False
    task = found[1].init_task if isinstance(found[1], Block) else found[1]
    return any(task in flow.tasks for flow in flows.values())
