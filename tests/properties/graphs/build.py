"""Builds one random flow from a seed."""

from __future__ import annotations

import random
from collections import Counter
from typing import TYPE_CHECKING, Any

from nbflow import (
    FilterTask,
    Flow,
    apply_map,
    case,
    context,
    flatten,
    ifelse,
    merge,
    resource_manager,
    signals,
    switch,
    task,
    triggers,
    unmapped,
)
from nbflow.core.resource_tasks import ResourceCleanupTask, ResourceInitTask, ResourceSetupTask

if TYPE_CHECKING:
    from collections.abc import Callable

    from nbflow.core.block import Block
    from nbflow.core.task import Task

DEEPEST = 3
MOST_TASKS = 40
TRIGGERS = (
    triggers.all_finished,
    triggers.any_failed,
    triggers.any_successful,
    triggers.not_all_skipped,
    triggers.some_failed(at_most=1),
)


class Misuse(AssertionError):
    """A task got a resource that was not open, or a resource was cleaned up twice."""


class Resources:
    """Counts what the managers of a flow set up and clean up."""

    def __init__(self) -> None:
        self.opened: Counter[int] = Counter()
        self.closed: Counter[int] = Counter()
        self.number = 0
        self.is_users_business = False  # a task of a block was replaced by one that is none

    def open(self) -> int:
        """Set a resource up."""
        self.number += 1
        self.opened[self.number] += 1
        return self.number

    def left(self) -> list[int]:
        """Return what was not cleaned up exactly once."""
        if self.is_users_business:
            return []
        return [one for one in self.opened if self.closed[one] != 1]


class Builder:
    """Makes a flow with the random numbers of a seed.

    Attributes:
        flow: The flow.
        resources: What its managers do.
        steps: What was done, for the reader.
    """

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.resources = Resources()
        self.steps: list[str] = []
        self.tasks: list[Task] = []
        self.blocks: list[Block] = []
        self.depth = 0
        self.in_map = False
        self.flow = Flow(f"graph {seed}")

    def build(self) -> Flow:
        """Build the flow.

        Raises:
            NbflowError: If nbflow refuses a step.
        """
        with self.flow:
            self.scope(self.random.randint(2, 6))
        if self.random.random() < 0.15:
            self._note("copy")
            self.flow = self.flow.copy()
            if self.tasks and self.random.random() < 0.5:
                self._replace()
        if self.random.random() < 0.15:
            self._note("flow of tasks and edges")
            self.flow = Flow(self.flow.name, tasks=self.flow.tasks, edges=self.flow.edges)
        return self.flow

    def scope(self, count: int) -> None:
        """Do some random steps where we are."""
        self.depth += 1
        for _ in range(count):
            if len(self.flow.tasks) < MOST_TASKS:
                steps = self._steps()
                self.random.choices(list(steps), weights=list(steps.values()))[0]()
        self.depth -= 1

    def _steps(self) -> dict[Callable[[], object], int]:
        steps: dict[Callable[[], object], int] = {self._task: 6}
        if self.depth <= DEEPEST:
            steps[self._block] = 4
        if not self.tasks:
            return steps
        steps |= {self._edge: 2, self._merge: 1, self._filter: 1, self._branch: 1, self._replace: 1}
        if self.depth <= DEEPEST:
            steps[self._case] = 1
            if not self.in_map:
                steps |= {self._apply_map: 2, self._update: 1}
        if not self.in_map:
            steps[self._map] = 3
        if self.blocks:
            steps[self._again] = 1
        return steps

    def _note(self, *words: object) -> None:
        self.steps.append("  " * self.depth + " ".join(map(str, words)))

    def _add(self, *made: Task | None) -> None:
        self.tasks += [one for one in made if one is not None]

    def _pick(self) -> Task:
        return self.random.choice(self.tasks[-6:] if self.random.random() < 0.7 else self.tasks)

    def _some(self, most: int) -> list[Task]:
        return [self._pick() for _ in range(self.random.randint(0, min(most, len(self.tasks))))]

    def _work(self) -> Task:
        chance, resources, end = self.random.random, self.resources, self.random.random()
        options: dict[str, Any] = {"name": f"t{len(self.flow.tasks)}"}
        if chance() < 0.2:
            options["trigger"] = self.random.choice(TRIGGERS)
        if chance() < 0.2:
            options["skip_on_upstream_skip"] = False
        if chance() < 0.2:
            options |= {"max_retries": 1, "retry_delay": 0}

        def work(**values: Any) -> Any:
            for value in values.values():
                if isinstance(value, Resource) and resources.closed[value.number]:
                    raise Misuse(f"resource {value.number} is used after its cleanup")
            if end < 0.12:
                raise ValueError("bad")
            if end < 0.2:
                raise signals.SKIP("not wanted")
            return [0, 1] if end < 0.8 else [] if end < 0.85 else [[1], [2, 3]]

        return task(work, **options)

    def _task(self) -> None:
        arguments = {f"a{number}": one for number, one in enumerate(self._some(2))}
        before = self._some(1)
        self._note("task", f"t{len(self.flow.tasks)}", arguments, before)
        self._add(self._work()(**arguments, upstream_tasks=before, flow=self.flow))

    def _map(self) -> None:
        how = self.random.choice((lambda one: one, unmapped, flatten))
        arguments: dict[str, Any] = {"a0": self._pick() if self.random.random() < 0.7 else [0, 1, 2]}
        arguments |= {f"a{number}": how(one) for number, one in enumerate(self._some(1), start=1)}
        before = [unmapped(one) if self.random.random() < 0.5 else one for one in self._some(1)]
        self._note("map", f"t{len(self.flow.tasks)}", arguments, before)
        self._add(self._work().map(**arguments, upstream_tasks=before))

    def _manager(self) -> Any:
        resources, chance = self.resources, self.random.random
        init, setup, cleanup, has_setup = chance() < 0.05, chance() < 0.1, chance() < 0.05, chance() < 0.7
        name = f"r{len(self.blocks)}"

        class Manager:
            def __init__(self, **values: Any) -> None:
                if init:
                    raise ValueError("no init")
                self.number = 0 if has_setup else resources.open()

            def cleanup(self, resource: Any) -> None:
                if not self.number:  # its setup was replaced by something else
                    return
                resources.closed[self.number] += 1
                if resources.closed[self.number] > 1:
                    raise Misuse(f"resource {self.number} is cleaned up twice")
                if cleanup:
                    raise ValueError("no cleanup")

        if has_setup:

            def set_up(self: Any) -> Resource:
                if setup:
                    raise ValueError("no setup")
                self.number = resources.open()
                return Resource(self.number)

            Manager.setup = set_up  # type: ignore[attr-defined]
        return resource_manager(Manager, name=name, max_concurrent=self.random.choice((None, None, 1)))

    def _block(self) -> None:
        arguments = {f"a{number}": one for number, one in enumerate(self._some(1))}
        block = self._manager()(**arguments, flow=self.flow)
        self.blocks.append(block)
        self._note("block", block.name, arguments)
        self._add(block.setup_task)
        if self.random.random() < 0.4:
            self._add(block.init_task)
        with block:
            self.scope(self.random.randint(0, 3))
        if self.random.random() < 0.3:
            self._add(block.cleanup_task)

    def _again(self) -> None:
        block = self.random.choice(self.blocks)
        self._note("again in", block.name)
        with block:
            self.scope(1)

    def _case(self) -> None:
        condition, value = self._pick(), self.random.choice(([0, 1], 5))
        self._note("case", condition, value)
        with case(condition, value):
            self.scope(self.random.randint(0, 3))

    def _branch(self) -> None:
        condition, *branches = [self._pick() for _ in range(3)]
        if self.random.random() < 0.5:
            self._note("ifelse", condition, branches)
            ifelse(condition, *branches)
        else:
            self._note("switch", condition, branches)
            switch(condition, dict(zip((1, 2), branches, strict=True)))

    def _merge(self) -> None:
        found = [self._pick(), self._pick()]
        if any(isinstance(one, ResourceSetupTask) for one in found):
            return  # it would hand the resource itself on, which is the user's business
        self._note("merge", found)
        self._add(merge(*found, flow=self.flow))

    def _filter(self) -> None:
        found = [one for one in self._some(3) if not isinstance(one, ResourceSetupTask)]
        self._note("filter", found)
        self._add(FilterTask()(found, flow=self.flow))

    def _edge(self) -> None:
        every = [*self.flow.tasks]
        up, down = self.random.choice(every), self.random.choice(every)
        if self.random.random() < 0.9:
            up, down = sorted((up, down), key=every.index)
        if up is down:
            return
        self._note("edge", up, down)
        if self.random.random() < 0.5:
            self.flow.add_edge(up, down)
        else:
            down.set_upstream(up, flow=self.flow)

    def _replace(self) -> None:
        old = self._pick()
        if old not in self.flow.tasks:
            return
        if isinstance(old, ResourceInitTask | ResourceSetupTask | ResourceCleanupTask):
            self.resources.is_users_business = True
        new = self._work()
        self._note("replace", old, "by", new)
        self.tasks = [one for one in self.tasks if one is not old]
        self._add(new)
        self.flow.replace(old, new)

    def _apply_map(self) -> None:
        outer = self.flow
        over = self._pick() if self.random.random() < 0.6 else [0, 1, 2]
        self._note("apply_map", over)

        def build(x: Task) -> Task | None:
            kept, self.in_map = (list(self.tasks), list(self.blocks), self.flow), True
            self.blocks.clear()
            if self.random.random() < 0.7:
                self.tasks = [x]
            else:
                self.tasks.append(x)
            self.scope(self.random.randint(1, 3))
            made = [one for one in self.tasks if one not in kept[0] and one is not x]
            self.tasks, self.blocks, self.flow = kept
            self.in_map = False
            return made[-1] if made else None

        def on_scratch(x: Task, flow: Flow | None = None) -> Task | None:
            self.flow = context["flow"]
            return build(x)

        made = apply_map(on_scratch, over, flow=outer)  # where it is refused, the flow stays the one it built on
        self.flow, self.in_map = outer, False
        self._add(made)

    def _update(self) -> None:
        other = Builder(self.random.randrange(2**32))
        other.resources, other.depth = self.resources, self.depth + 1
        other.flow = Flow("other")
        with context(case=None, resource=None), other.flow:
            other.scope(self.random.randint(1, 3))
        self._note("update")
        self.steps += other.steps
        self.flow.update(other.flow)
        self._add(*other.tasks[-3:])


class Resource(list):  # type: ignore[type-arg]
    """What a setup gives: a list, so that it can be mapped over."""

    def __init__(self, number: int) -> None:
        super().__init__([0, 1])
        self.number = number
