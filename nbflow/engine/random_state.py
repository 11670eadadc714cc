"""The global generators of random numbers: what tasks draw on without taking it as an input.

docs/reruns.md, rule V1. A task that draws on `random` or on `numpy.random` itself gets numbers that depend on all who
drew before. So the states that each such task met and left are noted (some kilobytes); a rerun begins with the state
that its first one met, or that the one before it left, and those that draw after it, in start order, run again as well.
"""

from __future__ import annotations

import random
import sys
from importlib import import_module
from typing import TYPE_CHECKING, Any, Protocol

from nbflow.core.codehash.introspect import is_a
from nbflow.core.data.fingerprint import known_fingerprint
from nbflow.core.data.value_type import identity, package_of, type_of
from nbflow.core.effects.code_reach import draws_random, handles_random_states, only_seeds
from nbflow.core.task import Task
from nbflow.engine.compiled_graph import ORDINARY

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping

    from nbflow.engine.compiled_graph import CompiledGraph

States = dict[str, Any]
Place = tuple[Task, int]


def drawers(graph: CompiledGraph) -> dict[int, frozenset[str]]:
    """Return the tasks that may draw on a global generator, and on which; what sets up or cleans up does not count."""
    # Asked once for each function, since many tasks have one; in most flows that is all there is to do.
    names = {
        key: found
        for key, called in graph.called.items()
        if (found := draws_random(called.run if is_a(called, type) and issubclass(called, Task) else called))
    }
    if not names:
        return {}
    return {
        number: names[key]
        for number, task in enumerate(graph.tasks)
        if graph.role[number] == ORDINARY
        and not graph.free[number]
        and (key := identity(task.__dict__.get("run") or type(task))) in names
    }


def drawing_after(
    graph: CompiledGraph, node: int, drew: Callable[[Task], frozenset[str]], own: Collection[str] = ()
) -> dict[int, str]:
    """Return the tasks that drew, after a task, on a generator that it may draw on, and what to say of them.

    Who draws after somebody has seeded the generator draws what it drew. `drew` tells on which generators a task drew
    then; `own` are the arguments of the task that are generators of the user's own.
    """
    task, found = graph.tasks[node], {}
    names = draws_random(task.run, own) | drew(task)
    for other in range(node + 1, len(graph.tasks)):
        shared = names & drew(graph.tasks[other]) if names else None
        if shared and only_seeds(graph.tasks[other].run):
            names -= shared
        elif shared:
            found[other] = f"draws on {min(shared)} after {task.name!r}"
    return found


def is_generator(value: Any) -> bool:
    """Tell whether a value is a generator of random numbers of the user's own."""
    kind = type_of(value)
    return kind is random.Random or (package_of(value) == "numpy" and kind.__name__ in ("Generator", "RandomState"))


class Earlier(Protocol):
    """What is known of the draws of an earlier run; see `Draws`."""

    @property
    def met(self) -> Mapping[Place, States]:
        """By place, the states that each met."""

    @property
    def left(self) -> Mapping[Place, States]:
        """By place, the states that each left."""


def state_of(names: Iterable[str]) -> States:
    """Return the states of generators as they are now; of those that are loaded."""
    found: States = {}
    for name in names:
        module = sys.modules.get(name)
        if module is not None:
            found[name] = module.getstate() if name == "random" else module.get_state(legacy=False)
    return found


def restore(states: Mapping[str, Any]) -> None:
    """Give generators states that they had, also in a process that has not loaded them yet; None is no state."""
    for name, state in states.items():
        if state is not None:
            module: Any = sys.modules.get(name) or import_module(name)
            (module.setstate if name == "random" else module.set_state)(state)


class Draws:
    """Who draws on which generator in a run, and the states that they met and left.

    A place is a task and the number of a child of a mapped one (-1: the task itself).

    Attributes:
        met: By place, the states that each met.
        left: By place, the states that each left.
    """

    def __init__(self, graph: CompiledGraph) -> None:
        self.met: dict[Place, States] = {}
        self.left: dict[Place, States] = {}
        self.names = drawers(graph)
        self._graph = graph
        self._earlier: dict[Place, States] = {}
        self._left_at: dict[str, dict[int, Any]] = {}  # by generator and task, how a task that is not called left it
        self._alone: frozenset[Task] = frozenset()
        self._going_on: dict[str, int] = {}  # by generator, the last task that was called and drew otherwise
        self._begun: set[Place] = set()
        self._met_by: tuple[int, dict[Task, frozenset[str]]] | None = None
        for number in self.names:
            graph.is_simple[number] = False

    def follow(
        self,
        earlier: Earlier,
        pairs: Mapping[Task, Task],
        *,
        alone: frozenset[Task] = frozenset(),
        taken_over: frozenset[Task] = frozenset(),
    ) -> None:
        """Go on from an earlier run; those `alone` run for their values only, and draw what they drew."""
        self._alone = alone
        now = {old: new for new, old in pairs.items()}
        for (old, child), states in earlier.met.items():
            if old in now:
                self.met[now[old], child] = self._earlier[now[old], child] = states
        for (old, child), states in sorted(earlier.left.items(), key=lambda one: one[0][1]):
            if now.get(old) in taken_over:
                task = now[old]
                self.left[task, child] = states
                for name, state in states.items():
                    self._left_at.setdefault(name, {})[self._graph.index[task]] = state

    def begin(self, number: int, child: int, inputs: Mapping[str, Any]) -> None:
        """Note what a task that is about to be called meets, or see to it that it meets what it met before."""
        names = self.names.get(number)
        if names is None:
            return
        task = self._graph.tasks[number]
        place = task, child
        own = {key for key, value in inputs.items() if is_generator(value)}
        if own and not (names := names & draws_random(vars(task).get("run") or type(task).run, own)):
            # It draws on what it is given. Others may draw on the global ones meanwhile, which is not its doing.
            self.met.pop(place, None)
            self.left.pop(place, None)
            return
        if place in self._begun:  # a further attempt
            restore(self.met[place])
            return
        self._begun.add(place)
        left = self._left_before(number, names)
        states = {name: state for name, (_, state) in left.items()} | self._earlier.get(place, {})
        for name, last in self._going_on.items():
            if name in states and left.get(name, (-1,))[0] < last:  # else one that seeds stands between
                del states[name]
        restore(states)
        if task not in self._alone:
            for name in names:
                self._going_on[name] = max(number, self._going_on.get(name, -1))
        self.met[place] = state_of(names)

    def ended(self, number: int, child: int) -> None:
        """Note what a task that was called has left."""
        place = self._graph.tasks[number], child
        if place in self._begun:
            self.left[place] = state_of(self.met[place])

    def _left_before(self, number: int, names: Iterable[str]) -> dict[str, tuple[int, Any]]:
        """Return the states that the tasks before one have left that are not called: those it would meet, and whose."""
        found: dict[str, tuple[int, Any]] = {}
        for name in names:
            before = [one for one in self._left_at.get(name, ()) if one < number]
            if before:
                found[name] = max(before), self._left_at[name][max(before)]
        return found

    def names_of(self, task: Task) -> frozenset[str]:
        """Return the generators that a task of the run may have drawn on."""
        if self._met_by is None or len(self.met) != self._met_by[0]:
            self._met_by = len(self.met), drawn_in(self)
        return self._met_by[1].get(task, frozenset())


def drawn_in(draws: Earlier) -> dict[Task, frozenset[str]]:
    """Return the generators that each task may have drawn on.

    One that left a state as it had met it did not, unless it can look at states.
    """
    found: dict[Task, frozenset[str]] = {}
    for place, met in draws.met.items():
        left, task = draws.left.get(place, {}), place[0]
        names = met if left.keys() != met.keys() or handles_random_states(task.run) else ()
        drawn = {*names, *(name for name in met if not _is_same_state(met[name], left.get(name)))}
        found[task] = found.get(task, frozenset()) | drawn
    return found


def _is_same_state(state: Any, other: Any) -> bool:
    print_of = known_fingerprint(state)
    return print_of is not None and print_of == known_fingerprint(other)
