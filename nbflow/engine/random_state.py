"""The global generators of random numbers: what tasks draw on without taking it as an input.

docs/reruns.md, rule V1. A task that draws on `random` or on `numpy.random` itself gets numbers that depend on all who
drew before. So the state that each such task met is noted (some kilobytes); a rerun begins with the state that its
first one met, and those that draw after it, in start order, run again as well.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from nbflow.core.mutation import draws_random

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from nbflow.core.task import Task
    from nbflow.engine.frozen import FrozenGraph

States = dict[str, Any]
_identity = object.__hash__  # and not `id`, of which every audit hook is told


def drawers(graph: FrozenGraph) -> dict[int, frozenset[str]]:
    """Return the tasks that may draw on a global generator, and on which."""
    # Asked once for each function, since many tasks have one; in most flows that is all there is to do.
    names = {
        key: found
        for key, run in {_identity(run): run for run in map(_run_of, graph.tasks)}.items()
        if (found := draws_random(run))
    }
    if not names:
        return {}
    return {
        number: names[key]
        for number, task in enumerate(graph.tasks)
        if not graph.free[number] and (key := _identity(_run_of(task))) in names
    }


def _run_of(task: Task) -> Any:
    return task.__dict__.get("run") or type(task).run


def state_of(names: Iterable[str]) -> States:
    """Return the states of generators as they are now; of those that are loaded."""
    found: States = {}
    for name in names:
        module = sys.modules.get(name)
        if module is not None:
            found[name] = module.getstate() if name == "random" else module.get_state(legacy=False)
    return found


def restore(states: Mapping[str, Any]) -> None:
    """Give generators states that they had."""
    for name, state in states.items():
        module: Any = sys.modules.get(name)
        if module is not None:
            (module.setstate if name == "random" else module.set_state)(state)


class Draws:
    """Who draws on which generator in a run, and the states that they met.

    Attributes:
        met: The states that each task (and child of a mapped one; -1: the task itself) met.
    """

    def __init__(self, graph: FrozenGraph) -> None:
        self.met: dict[tuple[Task, int], States] = {}
        self.names = drawers(graph)
        self._graph = graph
        self._earlier: dict[tuple[Task, int], States] = {}
        self._alone: frozenset[Task] = frozenset()
        self._going_on: set[str] = set()
        self._begun: set[tuple[Task, int]] = set()
        self._met_by: tuple[int, dict[Task, set[str]]] | None = None
        for number in self.names:
            graph.is_simple[number] = False

    def follow(self, earlier: Draws, pairs: Mapping[Task, Task], alone: frozenset[Task]) -> None:
        """Go on from an earlier run.

        Args:
            earlier: Its draws.
            pairs: The tasks, each with the one that had its place there.
            alone: Those that run for their values only, and draw what they drew.
        """
        self._alone = alone
        now = {old: new for new, old in pairs.items()}
        for (old, child), states in earlier.met.items():
            if old in now:
                self.met[now[old], child] = self._earlier[now[old], child] = states

    def begin(self, number: int, child: int) -> None:
        """Note what a task that is about to be called meets, or see to it that it meets what it met before."""
        names = self.names.get(number)
        if names is None:
            return
        task = self._graph.tasks[number]
        place = task, child
        if place in self._begun:  # a further attempt
            restore(self.met[place])
            return
        self._begun.add(place)
        restore({n: state for n, state in self._earlier.get(place, {}).items() if n not in self._going_on})
        if task not in self._alone:
            self._going_on.update(names)
        self.met[place] = state_of(names)

    def names_of(self, task: Task) -> frozenset[str]:
        """Return the generators that a task of the run may have drawn on."""
        if self._met_by is None or len(self.met) != self._met_by[0]:
            found: dict[Task, set[str]] = {}
            for (one, _), states in self.met.items():
                found.setdefault(one, set()).update(states)
            self._met_by = len(self.met), found
        return frozenset(self._met_by[1].get(task, ()))
