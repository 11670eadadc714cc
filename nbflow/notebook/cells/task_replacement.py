"""Puts the new tasks of a cell into the place of its former ones, where nothing else of the flow changes by it.

It gives what `assemble` gives, and looks only at the tasks of the cell and their neighbours: what it does with all
tasks are copies that take no time. Wherever that would not be the same, it says so, and changes nothing.
"""

from __future__ import annotations

from collections import defaultdict
from itertools import chain
from operator import is_, itemgetter
from typing import TYPE_CHECKING, Any, TypeVar

from nbflow.core.graph_edit import automatic_edges, fill
from nbflow.notebook.cells.assemble import cell_edges_of

if TYPE_CHECKING:
    from collections.abc import Set

    from nbflow.core.edge import Edge
    from nbflow.core.graph import Graph
    from nbflow.core.graph_edit import Baseline, Constants, GraphSnapshot
    from nbflow.core.task import Task
    from nbflow.notebook.cells.contribution import Contribution
    from nbflow.notebook.cells.index import ContributionIndex, Missing, Resolved

T = TypeVar("T")
_contribution, _edges = itemgetter(0), itemgetter(1)


def exchange(
    graph: Graph,
    before: GraphSnapshot,
    without: Baseline,
    constants: Constants,
    index: ContributionIndex,
    one: str,
    former: Contribution,
    missing: Missing,
) -> bool:
    """Make `graph` what the contributions in `index` say, if only the tasks of the contribution `one` are other ones.

    Its cell has just been executed; before that the graph was `before`, as the cells with the `former` contribution had
    made it, and it was `without` that in between. `constants` are the known arguments as they are now. `missing` knows
    the changed names and the edges of before.

    Returns:
        Whether it was possible; if not, the graph is as the cell has left it.
    """
    new, changed = index.contributions[one], missing.changed
    if changed is None or not _are_alike(former, new) or index.leans_on(changed):
        return False
    if not (before.has_same_books and without.constants.is_within(constants, set(new.tasks))):
        return False
    if not _is_in_step(index, one, former, missing.resolved_before):
        return False
    found = _edges_now(before, graph, index, one, changed, missing)
    if found is None:
        return False
    now = dict(zip(former.tasks, new.tasks, strict=True))
    _put(graph, before, now, new, *found)
    return True


def _are_alike(former: Contribution, new: Contribution) -> bool:
    """Tell whether two contributions have nothing but tasks of their own, which are called the same one by one."""
    if not (new.tasks and former.is_plain and new.is_plain):
        return False
    now, before = ([(task.name, task.slug, task.tags) for task in one.tasks] for one in (new, former))
    return now == before


def _is_in_step(index: ContributionIndex, one: str, former: Contribution, resolved: Resolved) -> bool:
    """Tell whether the edges of before are those of the former book, in its order."""
    if len(resolved) != len(index.contributions) or one not in resolved or resolved[one][0] is not former:
        return False
    known = map(_contribution, resolved.values())
    return sum(map(is_, known, index.contributions.values())) == len(resolved) - 1


def _edges_now(
    before: GraphSnapshot, graph: Graph, index: ContributionIndex, one: str, changed: Set[str], missing: Missing
) -> tuple[list[Edge], set[Edge], list[Edge]] | None:
    """Return all edges, those that are gone and those that are new; None if one is not what it seems to be."""
    resolved = dict(missing.resolved_before)
    count = sum(map(len, map(_edges, resolved.values())))
    rest = before.edge_list[count:]  # which the blocks have made
    if rest and not automatic_edges(graph).issuperset(rest):
        return None
    if len(before.edge_list) < count:  # two contributions have the same edge
        return None
    again = sorted({one, *index.users_of(changed)}, key=index.position.__getitem__)
    gone: set[Edge] = set()
    fresh: list[Edge] = []
    for other in again:
        c = index.contributions[other]
        edges = list(cell_edges_of(index, other, c, None))
        if len(edges) < len(c.cell_edges):  # something is missing
            return None
        gone.update(resolved[other][1])
        fresh += edges
        resolved[other] = c, edges
    new = set(fresh)
    if len(new) < len(fresh) or not new.isdisjoint(before.edges - gone):
        return None
    missing.resolved = resolved
    edge_list = list(chain.from_iterable(map(_edges, resolved.values())))
    return edge_list + rest, gone, fresh


def _put(
    graph: Graph,
    before: GraphSnapshot,
    now: dict[Task, Task],
    new: Contribution,
    edge_list: list[Edge],
    gone: set[Edge],
    fresh: list[Edge],
) -> None:
    get = now.get

    def swapped(indexes: dict[Task, T]) -> dict[Task, T]:
        return dict(zip(map(get, indexes, indexes), indexes.values(), strict=True))

    graph._declared = swapped(before.declared)
    graph._number = before.number
    slugs = swapped(before.slugs)
    graph.slugs.clear()
    graph.slugs.update(slugs)
    graph._slug_numbers, graph._slugs_taken = dict(before.slug_numbers), set(before.slugs_taken)
    set.difference_update(graph._edges, gone)
    set.update(graph._edges, fresh)
    if len(graph._edges) != len(edge_list):  # the cell has taken some out that another one says
        fill(graph._edges, edge_list)
    graph._edge_list = edge_list
    touched = {get(task, task) for edge in gone for task in edge.tasks}.union(
        *(edge.tasks for edge in fresh), now.values()
    )
    for task in touched:
        graph._in[task], graph._out[task] = [], []
    for edge in edge_list:
        if edge.upstream_task in touched:
            graph._out[edge.upstream_task].append(edge)
        if edge.downstream_task in touched:
            graph._in[edge.downstream_task].append(edge)
    known = before.constants.tasks
    values: Any = map(graph.constants.get, known)
    graph.constants = defaultdict(dict, zip(map(get, known, known), values, strict=True))
    for task in now.values():
        graph.constants.pop(task, None)
    graph.constants.update((task, dict(values)) for task, values in new.constants.items())
    graph._reference_tasks = set(before.references)
    graph.blocks[:] = before.blocks
    graph._stale = False
    graph._changed()
    pairs = {(get(e.upstream_task, e.upstream_task), get(e.downstream_task, e.downstream_task)) for e in gone}
    if before.order is not None and pairs == {(e.upstream_task, e.downstream_task) for e in fresh}:
        order = tuple(map(get, before.order, before.order))
        graph._answer("sorted_tasks", lambda: order)
