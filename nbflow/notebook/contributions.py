"""What each notebook cell added to a flow, so that executing a cell again replaces it and nothing else.

The rules, on a graph alone (no IPython): a cell's tasks are those that it added; when it is executed again they go
out, the new ones come in at their place, and what other cells had tied to an old task is tied to the new one of the
same name and position. Whatever fails, the graph is as it was.
"""

from __future__ import annotations

import weakref
from collections import Counter
from collections.abc import Iterable, Iterator, MutableMapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, TypeVar

from nbflow.core.edge import Edge
from nbflow.core.task import Task
from nbflow.errors import NbflowError
from nbflow.notebook.surgery import Snapshot, automatic_edges, made_inside, put_in_order, take_out, tie_again

if TYPE_CHECKING:
    from nbflow.core.block import Block
    from nbflow.core.graph import Graph

Named = TypeVar("Named", "Task", "Block")
Namespace = MutableMapping[str, Any]
_ABSENT = object()


class DanglingTaskError(NbflowError, ValueError):
    """Another cell uses a task that the executed cell no longer makes."""

    def __init__(self, task: str, cell: str) -> None:
        super().__init__(task, cell)
        self.task = task
        self.cell = cell

    def __str__(self) -> str:
        return (
            f"{self.cell} uses {self.task!r}, which this cell no longer makes; "
            f"change {self.cell} first, or keep the name"
        )


class OldTaskError(NbflowError, ValueError):
    """A cell uses a task from an execution that another one has replaced."""

    def __init__(self, task: str, cell: str) -> None:
        super().__init__(task, cell)
        self.task = task
        self.cell = cell

    def __str__(self) -> str:
        return (
            f"task {self.task!r} comes from an earlier execution of {self.cell}, which has been replaced; "
            "execute that cell again and use what it makes now"
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Contribution:
    """What one cell added.

    Attributes:
        label: What the cell is called in messages.
        tasks: Added by the cell, in declaration order.
        made: Those of them that did not exist before.
        edges: Added by the cell, without those that blocks make on their own.
        constants: `(task, argument)` that the cell gave to tasks of other cells.
        blocks: Opened by the cell.
        shadowed: What the names that now hold its tasks held before.
    """

    label: str
    tasks: tuple[Task, ...] = ()
    made: frozenset[Task] = frozenset()
    edges: tuple[Edge, ...] = ()
    constants: tuple[tuple[Task, str], ...] = ()
    blocks: tuple[Block, ...] = ()
    shadowed: dict[str, Any] = field(default_factory=dict)


class Cells:
    """The contributions to one graph, by cell key, in the order of their first execution."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.contributions: dict[str, Contribution] = {}
        self._replaced: weakref.WeakKeyDictionary[Task, str] = weakref.WeakKeyDictionary()

    def __reduce__(self) -> tuple[Any, ...]:
        # A pickled flow leaves its notebook behind.
        return type(None), ()

    @contextmanager
    def executing(self, key: str, label: str, namespace: Namespace) -> Iterator[None]:
        """Take what is added in this `with` for the contribution of the cell `key`, in place of its former one.

        It stands inside of `with graph:`, which knows what is made in it.

        Args:
            key: What the cell is known by.
            label: What it is called in messages.
            namespace: The user's names. Those that hold tasks become what they were if the cell fails.

        Raises:
            DanglingTaskError: If another cell uses a task that is gone now.
            OldTaskError: If the cell brought back a task of a replaced execution.
            NbflowError: If the graph is not valid afterwards.
        """
        snapshot, names = Snapshot(self.graph), dict(namespace)
        change = _Change(self, key, label, snapshot)
        try:
            change.begin(namespace)
            yield
            contributions = change.end(namespace)
            self.graph.validate()
        except BaseException:
            self._forget(set(self.graph.tasks) - set(snapshot.copy.tasks), label)
            snapshot.restore()
            _restore_tasks(namespace, names)
            raise
        self._forget(change.old.made - set(self.graph.tasks), label)
        self.contributions = contributions

    def _forget(self, tasks: Iterable[Task], label: str) -> None:
        for task in tasks:
            self._replaced[task] = label

    def refuse_replaced(self, tasks: Iterable[Task]) -> None:
        """Raise if one of `tasks` is from an execution that has been replaced."""
        for task in tasks:
            if task in self._replaced:
                raise OldTaskError(task.name, self._replaced[task])


def cells_of(graph: Graph) -> Cells:
    """Return the contributions to `graph`; they live as long as it does."""
    cells = vars(graph).get("_cells")
    if not isinstance(cells, Cells) or cells.graph is not graph:  # a copy of a flow begins without cells
        cells = vars(graph)["_cells"] = Cells(graph)
    return cells


class _Change:
    """One execution of one cell: take the old contribution out, find the new one, tie the others to it."""

    def __init__(self, cells: Cells, key: str, label: str, snapshot: Snapshot) -> None:
        self.cells = cells
        self.graph = cells.graph
        self.key = key
        self.label = label
        self.before = snapshot.copy
        self.old = cells.contributions.get(key, Contribution(label=label))
        self.gone = frozenset(self.old.tasks)
        self.loosened: set[Block] = set()

    def begin(self, namespace: Namespace) -> None:
        """Take the former contribution out, and give names that hold its tasks back what they held before it."""
        old, graph = self.old, self.graph
        own = set(old.edges)
        automatic = automatic_edges(graph)
        self.foreign = [
            edge
            for edge in graph.edges
            if (edge.upstream_task in self.gone or edge.downstream_task in self.gone)
            and edge not in own
            and edge not in automatic
        ]
        self.guests = {block: [t for t in block.members if t not in self.gone] for block in old.blocks}
        self.nested = [b for b in graph.blocks if b.parent in old.blocks and b not in old.blocks]
        self.loosened = take_out(graph, self.gone, old.edges, old.blocks)
        for task, argument in old.constants:
            graph.constants.get(task, {}).pop(argument, None)
        for name, value in old.shadowed.items():
            held = namespace.get(name)
            if isinstance(held, Task) and held in self.gone:
                if value is _ABSENT:
                    del namespace[name]
                else:
                    namespace[name] = value
        self.edges = set(graph.edges)
        self.arguments = {task: set(values) for task, values in graph.constants.items()}
        self.names = _tasks_in(namespace)

    def end(self, namespace: Namespace) -> dict[str, Contribution]:
        """Tie the other cells to what was added, and return all contributions as they are now."""
        new = self._found(namespace)
        self.cells.refuse_replaced(new.tasks)
        for task in new.tasks:
            if task in self.old.made:
                raise OldTaskError(task.name, "this cell")
        others = self._tie_others(new)
        order = self._spliced(self.before.tasks, self.gone, new.tasks, list(self.graph.tasks))
        blocks = self._spliced(self.before.blocks, set(self.old.blocks), new.blocks, list(self.graph.blocks))
        put_in_order(self.graph, order, blocks)
        if self.key not in others:
            return {**others, self.key: new}
        return {key: new if key == self.key else other for key, other in others.items()}

    def _found(self, namespace: Namespace) -> Contribution:
        graph, stayed = self.graph, set(self.before.tasks) - self.gone
        tasks = tuple(task for task in graph.tasks if task not in stayed)
        automatic = automatic_edges(graph)
        return Contribution(
            label=self.label,
            tasks=tasks,
            made=made_inside(graph).intersection(tasks),
            edges=tuple(e for e in graph.edges if e not in self.edges and e not in automatic),
            constants=tuple(
                (task, argument)
                for task, values in graph.constants.items()
                if task in stayed
                for argument in values
                if argument not in self.arguments.get(task, ())
            ),
            blocks=tuple(block for block in graph.blocks if block not in self.before.blocks),
            shadowed={
                name: self.names.get(name, _ABSENT)
                for name, held in _tasks_in(namespace).items()
                if self.names.get(name) is not held
            },
        )

    def _tie_others(self, new: Contribution) -> dict[str, Contribution]:
        graph, old = self.graph, self.old
        others = dict(self.cells.contributions)
        task_of = _matched(old.tasks, new.tasks)
        block_of = _matched(old.blocks, new.blocks)
        owners = {edge: key for key, c in others.items() for edge in c.edges} if self.foreign else {}
        moved: dict[Edge, Edge] = {}
        for edge in self.foreign:
            owner = owners.get(edge)
            upstream = self._now(edge.upstream_task, task_of, owner, others)
            downstream = self._now(edge.downstream_task, task_of, owner, others)
            moved[edge] = Edge(upstream, downstream, edge.key, edge.mapped, edge.flattened)
        graph.edges.update(moved.values())
        loosened = set(self.loosened) | {b for b in graph.blocks if _touches(b, moved.values())}
        for block, guests in self.guests.items():
            if guests:
                home = self._home(block, block_of, guests)
                loosened.add(home)
                for task in guests:
                    home.add_task(task, graph)
        for block in self.nested:
            block.parent = block_of[block.parent] if block.parent is not None else None
        self._give_constants_back(task_of)
        if self.before._reference_tasks and not graph._reference_tasks - self.before._reference_tasks:
            kept = (task_of.get(task, task) for task in self.before._reference_tasks)
            graph._reference_tasks = {task for task in kept if task in graph.tasks}
        tie_again(loosened)
        return {
            key: replace(
                other,
                edges=tuple(moved.get(edge, edge) for edge in other.edges),
                constants=tuple((task_of.get(task, task), argument) for task, argument in other.constants),
                shadowed={name: _mapped(value, task_of) for name, value in other.shadowed.items()},
            )
            for key, other in others.items()
        }

    def _now(
        self, task: Task, task_of: dict[Task, Task], owner: str | None, others: dict[str, Contribution]
    ) -> Task:
        """Return what stands for `task` now."""
        if task not in self.gone:
            return task
        if task in task_of:
            return task_of[task]
        if task not in self.old.made and owner is not None:
            # It existed before the cell that added it first, as a Parameter does: now it is this owner's.
            self.graph.add_task(task)
            others[owner] = replace(others[owner], tasks=(*others[owner].tasks, task))
            task_of[task] = task
            return task
        raise DanglingTaskError(task.name, self._label(owner))

    def _home(self, block: Block, block_of: dict[Block, Block], guests: list[Task]) -> Block:
        if block in block_of:
            return block_of[block]
        owner = next((k for k, c in self.cells.contributions.items() if guests[0] in c.tasks), None)
        raise DanglingTaskError(block.name, self._label(owner))

    def _label(self, owner: str | None) -> str:
        return "a cell without %%flow" if owner is None else self.cells.contributions[owner].label

    def _give_constants_back(self, task_of: dict[Task, Task]) -> None:
        for key, other in self.cells.contributions.items():
            for task, argument in other.constants if key != self.key else ():
                if task in self.gone and task in task_of and argument in self.before.constants.get(task, ()):
                    value = self.before.constants[task][argument]
                    self.graph.constants[task_of[task]].setdefault(argument, value)

    @staticmethod
    def _spliced(
        before: Iterable[Named], gone: Iterable[Named], new: Iterable[Named], now: list[Named]
    ) -> list[Named]:
        """Return `now` in the order of `before`, with what is new at the place of the first that is gone."""
        removed, present = set(gone), set(now)
        order: dict[Named, None] = {}
        for one in before:
            order.update(dict.fromkeys(new if one in removed else (one,)))
        order.update(dict.fromkeys(now))
        return [one for one in order if one in present]


def _matched(old: Iterable[Named], new: Iterable[Named]) -> dict[Named, Named]:
    """Pair old and new by name and position among those of the name."""

    def numbered(items: Iterable[Named]) -> dict[tuple[str, int], Named]:
        seen: Counter[str] = Counter()
        found = {}
        for item in items:
            found[item.name, seen[item.name]] = item
            seen[item.name] += 1
        return found

    now = numbered(new)
    return {item: now[place] for place, item in numbered(old).items() if place in now}


def _tasks_in(namespace: Namespace) -> dict[str, Task]:
    """Return the user's names that hold tasks; those with an underscore are IPython's."""
    return {n: held for n, held in namespace.items() if isinstance(held, Task) and not n.startswith("_")}


def _mapped(value: Any, task_of: dict[Task, Task]) -> Any:
    return task_of.get(value, value) if isinstance(value, Task) else value


def _touches(block: Block, edges: Iterable[Edge]) -> bool:
    members = set(block.members)
    return any(edge.upstream_task in members or edge.downstream_task in members for edge in edges)


def _restore_tasks(namespace: Namespace, names: dict[str, Any]) -> None:
    """Give names that hold tasks, or held some, back what they held; imports and plain values stay."""
    held_before = _tasks_in(names)
    for name, held in _tasks_in(namespace).items():
        if name not in names:
            del namespace[name]
        elif names[name] is not held:
            namespace[name] = names[name]
    for name, held in held_before.items():
        namespace[name] = held
