"""The user's code of a plan: what its tasks and managers do when they are called."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from nbflow import Flow, Task, apply_map, context, resource_manager, signals, triggers, unmapped
from tests.properties.simulation.aside import Killed
from tests.properties.simulation.model import identify, known
from tests.properties.simulation.plans import HANGING
from tests.properties.strategies import (
    TRIGGERS,
    BlockPlan,
    Built,
    TaskPlan,
)
from tests.properties.world import act_plainly

if TYPE_CHECKING:
    from collections.abc import Callable

    from nbflow.core.resource import ResourceManager
    from nbflow.engine.attempt import Call
    from tests.properties.simulation.model import Resource
    from tests.properties.simulation.simulator import Simulator


def _never(upstream: Any) -> bool:
    return False


def _broken(upstream: Any) -> bool:
    raise OSError("a trigger that fails")


KEEPING = {"all_successful": triggers.all_successful, "never": _never, "broken": _broken}


class UserCode:
    """What the tasks and managers of a plan do when they are called."""

    def __init__(self, simulation: Simulator) -> None:
        self.simulation = simulation
        self.does = simulation.plan.flow.does
        self.calls: Counter[str] = Counter()

    def wish(self, call: Call) -> str:
        """Tell what the user code of a call is going to do."""
        name = call.task.name if hasattr(call.task, "key") or "." in call.task.name else f"{call.task.name}.init"
        child = self.simulation.episode.loop.schedule.child_index[call.node]
        return self._wish(name, f"{name}[{child}]" if child >= 0 else name)

    def _wish(self, key: str, name: str) -> str:
        does, number = self.does.get(key, ()), self.calls[name]
        return does[number] if number < len(does) else "ok"

    def point(self) -> None:
        """A point of a setup, at which it may be cut."""
        flight = self.simulation.flight
        if flight is None:
            self.simulation.moment()
        elif flight.hit is not None and self.simulation.choose(4) == 1:
            raise flight.hit

    def do(self, key: str, index: int) -> Any:
        """Do what the plan says for this call; or be stopped in the middle of it."""
        simulation = self.simulation
        name = f"{key}[{index}]" if index >= 0 else key
        wish = self._wish(key, name)
        self.calls[name] += 1
        simulation.tell(f"{name} does {wish}")
        flight = simulation.flight
        if flight is None:
            simulation.moment()
            if wish in HANGING:
                simulation.hang_here(is_deaf=wish == "deaf")
        elif flight.is_remote:
            _stay(flight.worker, wish)
        elif flight.hit is not None and wish != "deaf" and (wish == "hang" or not simulation.choose(2)):
            raise flight.hit
        if wish == "pause":
            raise signals.PAUSE(name)
        return act_plainly(wish, name)


def _stay(worker: Any, wish: str) -> None:
    """Be busy on a worker of a cluster, where an exception may come; who is deaf hears none."""
    while True:
        try:
            worker.stay(None if wish in HANGING else 0.0)
        except Killed:
            raise
        except BaseException:
            if wish != "deaf":
                raise
        if wish not in HANGING:
            return


HANDS_ON = ("c", "w")
"""With what the keys of tasks begin that hand a list on, if they are called elsewhere, and change the one they take."""


class Step(Task):
    """A task of a plan."""

    def __init__(self, world: UserCode, key: str, **kwargs: Any) -> None:
        self.world = world
        self.key = key
        super().__init__(name=key, **kwargs)

    def __reduce__(self) -> tuple[Any, ...]:
        return known, (identify(self),)

    def run(self, resource: Any = None, item: Any = None, given: Any = None) -> Any:
        index = context.map_index
        simulation = self.world.simulation
        simulation.episode.check_use(self.key, resource)
        if self.key in simulation.plan.inner:
            simulation.run_inner(self.key)
        if not self.key.startswith(HANDS_ON):
            return self.world.do(self.key, -1 if index is None else index)
        for taken in (given, item):
            if type(taken) is list:
                if taken != [index]:
                    raise simulation.episode.broken(f"{self.key}[{index}] was given {taken}")
                taken.append("for nobody else")
        return [index] if self.world.do(self.key, -1 if index is None else index) is True else None


def manager_of(simulation: Simulator, plan: BlockPlan, handlers: dict[str, Callable[..., Any]]) -> ResourceManager:
    """Return a manager that does what the plan says, and tells the simulation what it did."""
    world, options = simulation.world, simulation.plan

    class Manager:
        def __init__(self, item: Any = None) -> None:
            index = context.map_index
            self.index = -1 if index is None else index
            self.resource: Resource | None = None
            self.hooks: list[str] = []
            if not plan.has_setup:
                simulation.episode.check_intent(plan.key, self.index)
            world.do(f"{plan.key}.init", self.index)
            if not plan.has_setup:
                self.resource = simulation.episode.made(plan.key, self.index)

        def on_success(self, resource: Any) -> None:
            self.hooks.append("on_success")

        def on_failure(self, resource: Any) -> None:
            self.hooks.append("on_failure")
            raise OSError("a hook that fails")

        def cleanup(self, resource: Any, outcome: Any) -> None:
            simulation.episode.check_hooks(plan.key, self.hooks, outcome)
            simulation.episode.check_cleanup(
                plan.key, self.index, self.resource, resource if plan.has_setup else self.resource, outcome
            )
            world.do(f"{plan.key}.cleanup", self.index)
            if self.resource is not None:
                self.resource.cleaned += 1

    if plan.has_setup:

        def setup(self: Any) -> Resource:
            episode = simulation.episode
            episode.check_intent(plan.key, self.index)
            attempt = episode.new_attempt(plan.key, self.index)
            try:
                for number in range(0 if plan.key in options.hasty else 2):
                    world.point()
                    self.defer(attempt.undone.append, number)
                    attempt.deferred.append(number)
                world.point()
            except BaseException:
                attempt.was_cut = True
                raise
            world.do(f"{plan.key}.setup", self.index)
            try:
                world.point()
            except BaseException:
                attempt.was_cut = True
                raise
            attempt.succeeded = True
            self.resource = episode.made(plan.key, self.index)
            return self.resource

        Manager.setup = setup  # type: ignore[attr-defined]

    kwargs: dict[str, dict[str, Any]] = {"init": {}, "setup": {}, "cleanup": {}}
    for role, retries in (("setup", plan.setup_retries), ("cleanup", plan.retries)):
        if retries:
            delay = timedelta(seconds=options.delays.get(f"{plan.key}.{role}", 0))
            kwargs[role].update(max_retries=retries, retry_delay=delay)
    for role, chosen in kwargs.items():
        chosen["timeout"] = options.timeouts.get(f"{plan.key}.{role}")
    if plan.key in options.keeps:
        kwargs["cleanup"]["trigger"] = KEEPING[options.keeps[plan.key]]
    if plan.handler is not None:
        kwargs[plan.handler[0]]["state_handlers"] = [handlers[plan.handler[1]]]
    return resource_manager(
        name=plan.key,
        init_task_kwargs=kwargs["init"],
        setup_task_kwargs=kwargs["setup"],
        cleanup_task_kwargs=kwargs["cleanup"],
        cleanup_failure="fail" if plan.key in options.must_clean else "ignore",
        grace_s=options.graces.get(plan.key, 30),
        max_concurrent=options.limits.get(plan.key) if plan.size >= 0 else None,
    )(Manager)


class SimulatedFlow(Built):
    """The flow of a plan, with the simulation's tasks and managers in it."""

    def __init__(self, simulation: Simulator, handlers: dict[str, Callable[..., Any]]) -> None:
        self.simulation = simulation
        self.tasks: dict[str, Task] = {}
        self.blocks: dict[str, Any] = {}
        self.handlers = handlers
        with Flow("random") as flow:
            self._add(simulation.plan.flow.items)
        self.flow = flow

    def _add_task(self, plan: TaskPlan, item: Any) -> None:
        options = self.simulation.plan
        upstream = [self.tasks[key] for key in plan.upstream]
        inputs: dict[str, Any] = {}
        if plan.uses is not None:
            inputs["resource"] = self.blocks[plan.uses].setup_task
        delay = timedelta(seconds=options.delays.get(plan.key, 0))
        step = Step(
            self.simulation.world,
            plan.key,
            trigger=TRIGGERS[plan.trigger],
            skip_on_upstream_skip=plan.skips,
            max_retries=plan.retries,
            retry_delay=delay if plan.retries else None,
            state_handlers=[self.handlers[plan.handler]] if plan.handler else None,
            timeout=options.timeouts.get(plan.key),
            max_concurrent=options.limits.get(plan.key),
        )
        if plan.key.startswith("c") and upstream:
            inputs["given"], *upstream = upstream
        if plan.size >= 0:
            over = self.tasks[plan.over] if plan.over else list(range(plan.size))
            inputs = {key: unmapped(value) for key, value in inputs.items()}
            self.tasks[plan.key] = step.map(item=over, upstream_tasks=[unmapped(t) for t in upstream], **inputs)
        else:
            if item is not None:
                inputs["item"] = item
            self.tasks[plan.key] = step.bind(upstream_tasks=upstream, **inputs)

    def _add_block(self, plan: BlockPlan, item: Any) -> None:
        manager = manager_of(self.simulation, plan, self.handlers)
        if plan.size >= 0:
            apply_map(lambda item: self._enter(manager, plan, item), list(range(plan.size)))
        else:
            self._enter(manager, plan, item)
