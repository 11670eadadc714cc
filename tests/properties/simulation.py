"""Whole runs in one thread: the real run loop with a made-up executor, queue, clock and user.

Whenever the loop would wait, the simulation decides what happens next: a call ends, is performed but not reported
yet, or goes on hanging; time passes; the user does something. All decisions come from one source of small numbers,
so that Hypothesis can shrink them, and are told in words in `Simulation.told`. The rules of the cleanup guarantee
(the numbers are those of the design) are checked at every event, whenever the loop waits, and at the end.

A campaign of N simulated runs, with a table of what became of their resources::

    python -m tests.properties.simulation 10000 --seed 1
"""

from __future__ import annotations

import argparse
import heapq
import inspect
import signal
import time
import warnings
from collections import Counter, deque
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from queue import Empty
from typing import TYPE_CHECKING, Any

from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

import nbflow.core.states
import nbflow.engine.pipeline
import nbflow.engine.run
import nbflow.engine.transitions
import nbflow.flow
from nbflow import Flow, Task, apply_map, context, resource_manager, signals, states, unmapped
from nbflow.core.context import thread
from nbflow.engine.attempt import perform
from nbflow.engine.blocks import BlockStatus
from nbflow.engine.frozen import CLEANUP, INIT, ORDINARY, SETUP
from nbflow.engine.handle import Run
from nbflow.engine.nodes import DONE
from nbflow.engine.run import HURRIED_CLEANUP_S, RunLoop
from nbflow.errors import NothingToStepError
from tests.properties.strategies import (
    TRIGGERS,
    BlockPlan,
    Built,
    FlowPlan,
    TaskPlan,
    act_plainly,
    flow_plans,
)
from tests.properties.strategies import _brief as brief

if TYPE_CHECKING:
    import random
    from collections.abc import Callable, Iterator

    from nbflow.core.resource import ResourceManager
    from nbflow.engine.attempt import Call, Outcome
    from nbflow.engine.blocks import Holding
    from nbflow.engine.events import Event

EPOCH = datetime(2030, 1, 1, tzinfo=UTC)
TURNS = 3_000  # a run that needs more does not end
MOMENTS = 20_000
HAS_KEEPER = "keeper" in inspect.signature(RunLoop).parameters
HANGING = ("hang", "deaf")
MODES = ("threads", "background", "inline")
COMMANDS = ("step", "step_block", "until", "pause", "resume")
DEEDS = (*COMMANDS, "cancel", "interrupt", "listener", "end", "end")
ORDINARY_ENDS = ("raise", "raise", "skip", "fail", "retry", "loop", "false", "success", "pause")
LIFECYCLE_ENDS = ("raise", "raise", "skip", "fail", "retry", "loop", "pause")
ENDING = ("interrupt", "exit")


# -- plans ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True, repr=False)
class Plan:
    """A flow, how it is run, and what its user does, each deed at its moment (moments are counted, not timed).

    `limits`, `timeouts`, `delays` and `graces` are options of tasks and blocks by key; a lifecycle task's key is
    ``"b1.setup"``.
    """

    flow: FlowPlan
    mode: str = "threads"
    workers: int = 1
    paused: bool = False
    limits: dict[str, int] = field(default_factory=dict)
    timeouts: dict[str, int] = field(default_factory=dict)
    delays: dict[str, int] = field(default_factory=dict)
    graces: dict[str, int] = field(default_factory=dict)
    must_clean: tuple[str, ...] = ()
    deeds: tuple[tuple[int, str], ...] = ()
    after: tuple[str, ...] = ()

    __repr__ = brief

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:
        printer.text(repr(self))  # else Hypothesis would show every default


def walk(items: tuple[Any, ...]) -> Iterator[Any]:
    """Every item of a plan."""
    for item in items:
        yield item
        yield from walk(getattr(item, "body", ()))


def _options(draw: st.DrawFn, keys: list[str], values: tuple[Any, ...], most: int = 3) -> dict[str, Any]:
    if not keys:
        return {}
    chosen = draw(st.lists(st.sampled_from(keys), max_size=most, unique=True))
    return {key: draw(st.sampled_from(values)) for key in chosen}


@st.composite
def plans(
    draw: st.DrawFn, *, size: int = 10, handlers: tuple[str, ...] = (), modes: tuple[str, ...] = MODES
) -> Plan:
    """Draw a flow with its options, and what its user does meanwhile."""
    if draw(st.integers(0, 3)):
        handlers = tuple(name for name in handlers if name not in ENDING)
    more = draw(st.sampled_from(((), (), HANGING, HANGING * 2, ENDING)))
    flow = draw(
        flow_plans(
            size=size,
            outcomes=ORDINARY_ENDS + more,
            lifecycle=LIFECYCLE_ENDS + more,
            handlers=handlers,
        )
    )
    items = list(walk(flow.items))
    tasks = [item.key for item in items if isinstance(item, TaskPlan)]
    blocks = [item.key for item in items if isinstance(item, BlockPlan)]
    wide = [item.key for item in items if isinstance(item, (TaskPlan, BlockPlan)) and item.size > 1]
    lifecycle = [f"{key}.{role}" for key in blocks for role in ("init", "setup", "cleanup")]
    may_do = draw(st.sampled_from(((*COMMANDS, "listener", "end"), DEEDS)))
    deeds = draw(st.lists(st.tuples(st.integers(0, 120), st.sampled_from(may_do)), max_size=6))
    return Plan(
        flow=flow,
        mode=draw(st.sampled_from(modes)),
        workers=draw(st.integers(1, 3)),
        paused=draw(st.sampled_from((False, False, False, True))),
        limits=_options(draw, wide, (1, 2)),
        timeouts=_options(draw, tasks + lifecycle, (1, 5), most=2),
        delays=_options(draw, tasks + lifecycle, (3, 40)),
        graces=_options(draw, blocks, (0, 3)),
        must_clean=tuple(sorted(_options(draw, blocks, ("fail",), most=1))),
        deeds=tuple(sorted(deeds, key=lambda deed: deed[0])),
        after=tuple(draw(st.lists(st.sampled_from(("rerun", "retry_cleanup")), max_size=2, unique=True))),
    )


# -- what is made up ------------------------------------------------------------------------------------------


class Wrong(AssertionError):
    """A rule was broken."""


@dataclass(eq=False)
class Flight:
    """A call in the air: with its thread from the moment it was handed over until its outcome is reported."""

    call: Call
    lifecycle: bool
    asked: bool  # whether it had been asked to stop before it began
    wish: str  # what its user code will do
    rows: dict[tuple[str, int], str]  # what the keeper knew when it began
    since: float
    hit: type[BaseException] | None = None
    outcome: Outcome | None = None
    lingers_since: float | None = None


@dataclass(eq=False)
class Resource:
    """What a setup gave: alive from then on until a cleanup of it has ended well."""

    key: str
    index: int
    flight: Flight | None
    cleanups: int = 0  # begun
    cleaned: int = 0  # ended well
    was_late: bool = False

    @property
    def is_alive(self) -> bool:
        return self.cleaned == 0


@dataclass(eq=False)
class Attempt:
    """A call of setup: what it deferred, and what of it was undone."""

    name: str
    deferred: list[int] = field(default_factory=list)
    undone: list[int] = field(default_factory=list)
    succeeded: bool = False


class Clock:
    """Seconds that pass when the simulation says so."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now

    def datetime(self) -> type[datetime]:
        """Return a stand-in for `datetime` whose `now` is this clock's."""
        clock = self

        class Made(datetime):
            @classmethod
            def now(cls, tz: Any = None) -> datetime:  # type: ignore[override]
                return EPOCH + timedelta(seconds=clock.now)

        return Made


class Inbox:
    """The queue of the loop; to wait for a message is to let the simulation go on."""

    def __init__(self, simulation: Simulation) -> None:
        self._simulation = simulation
        self._messages: deque[Any] = deque()

    def put(self, item: Any) -> None:
        self._messages.append(item)

    def get(self, block: bool = True, timeout: float | None = None) -> Any:
        if block:
            clock = self._simulation.clock
            until = None if timeout is None else clock() + timeout
            while not self._messages and (until is None or clock() < until):
                self._simulation.turn(self, until)
        if not self._messages:
            raise Empty
        return self._messages.popleft()

    def empty(self) -> bool:
        simulation = self._simulation
        simulation.moment()
        if simulation.moments > MOMENTS:
            raise simulation.episode.broken("the run goes round in a circle")
        return not self._messages

    @property
    def has_message(self) -> bool:
        return bool(self._messages)


class Executor:
    """Hands calls to nobody: they stay in the air until the simulation ends them."""

    def __init__(self, simulation: Simulation, *, capacity: int, serial: bool) -> None:
        self._simulation = simulation
        self.capacity = capacity
        self.serial = serial

    def open(self, report: Any, *, name: str) -> Session:
        return Session(self._simulation, report, self)


class Session:
    def __init__(self, simulation: Simulation, report: Any, executor: Executor) -> None:
        self._simulation = simulation
        self._executor = executor
        self.report = report
        simulation.episode.session = self

    def submit(self, call: Call, *, lifecycle: bool) -> None:
        episode = self._simulation.episode
        wish, rows = self._simulation.world.wish(call), episode.keeper.rows.copy()
        flight = Flight(call, lifecycle, call.stop_requested, wish, rows, self._simulation.clock())
        call.thread_id = -1
        call.hit = lambda error: episode.hit(flight, error)  # type: ignore[method-assign]
        episode.flights.append(flight)
        running = [f for f in episode.flights if not episode.loop.is_lingering(f.call)]
        if self._executor.serial:
            assert len(running) == 1, "two calls at once on one thread"
        ordinary = sum(1 for f in running if not f.lifecycle)
        assert ordinary <= self._executor.capacity, "more tasks at once than there are workers"
        episode.check_limits()

    def free(self, *, lifecycle: bool) -> None:
        """Threads are not counted here."""

    def close(self, timeout_s: float) -> None:
        simulation = self._simulation
        for flight in tuple(simulation.episode.flights):
            if flight.wish not in HANGING and not simulation.choose(2):
                simulation.end(flight)
        simulation.clock.now += timeout_s


class Keeper:
    """Notes what the loop tells of each resource, and that it tells it in order (rule 10)."""

    MAY_FOLLOW = {
        "intent": (None, "intent", "closed"),
        "open": ("intent",),
        "closing": ("open", "closing", "failed", "abandoned"),
        "closed": ("intent", "open", "closing", "failed", "abandoned"),
        "failed": ("open", "closing", "failed", "abandoned"),
        "abandoned": ("intent", "open", "closing", "failed"),
    }

    def __init__(self) -> None:
        self.rows: dict[tuple[str, int], str] = {}
        self.is_flushed = False
        self.broken: Callable[[str], Wrong] = Wrong

    def _to(self, state: str, held: Holding) -> None:
        key = (held.block.name, held.index)
        before = self.rows.get(key)
        if before not in self.MAY_FOLLOW[state]:
            self.broken(f"rule 10: {held.name} was told {state} after {before}")
        self.rows[key] = state

    def intend(self, held: Holding) -> None:
        self._to("intent", held)

    def opened(self, held: Holding) -> None:
        self._to("open", held)

    def closing(self, held: Holding) -> None:
        self._to("closing", held)

    def closed(self, held: Holding) -> None:
        self._to("closed", held)

    def failed(self, held: Holding, error: BaseException) -> None:
        self._to("failed", held)

    def abandoned(self, held: Holding) -> None:
        self._to("abandoned", held)

    def flush(self) -> None:
        self.is_flushed = True


class Timer:
    """Stands in for `threading.Timer`, in the simulation's time."""

    is_over = False

    def cancel(self) -> None:
        self.is_over = True


class Loop(RunLoop):
    """The run loop, whose few real timers are replaced as well."""

    def __init__(self, simulation: Simulation, *args: Any, **kwargs: Any) -> None:
        self.simulation = simulation
        kwargs.pop("keeper", None)
        self.noted = Keeper()
        more = {"keeper": self.noted} if HAS_KEEPER else {}
        super().__init__(*args, inbox=Inbox(simulation), clock=simulation.clock, **more, **kwargs)
        simulation.episode = Episode(simulation, self)

    def _start_timer(self, delay_s: float, call: Call, error: type[BaseException]) -> Any:
        return self.simulation.episode.set_timer(delay_s, call, error)


class Handle(Run):
    """The handle, with everything on the one thread of the simulation: nothing waits."""

    def begin(self) -> None:
        self._loop.work()

    def _wait(self, event: Any, timeout_s: float | None = None) -> None:
        return


# -- the user's code ------------------------------------------------------------------------------------------


class World:
    """What the tasks and managers of a plan do when they are called."""

    def __init__(self, simulation: Simulation) -> None:
        self.simulation = simulation
        self.does = simulation.plan.flow.does
        self.calls: Counter[str] = Counter()

    def wish(self, call: Call) -> str:
        """Tell what the user code of a call is going to do."""
        name = (
            call.task.name if hasattr(call.task, "key") or "." in call.task.name else f"{call.task.name}.init"
        )
        child = self.simulation.episode.loop.schedule.child_index[call.node]
        return self._wish(name, f"{name}[{child}]" if child >= 0 else name)

    def _wish(self, key: str, name: str) -> str:
        does, number = self.does.get(key, ()), self.calls[name]
        return does[number] if number < len(does) else "ok"

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
        elif flight.hit is not None and wish != "deaf" and (wish == "hang" or not simulation.choose(2)):
            raise flight.hit
        if wish == "pause":
            raise signals.PAUSE(name)
        return act_plainly(wish, name)


class Step(Task):
    """A task of a plan."""

    def __init__(self, world: World, key: str, **kwargs: Any) -> None:
        self.world = world
        self.key = key
        super().__init__(name=key, **kwargs)

    def run(self, resource: Any = None, item: Any = None) -> Any:
        index = context.map_index
        self.world.simulation.episode.check_use(self.key, resource)
        return self.world.do(self.key, -1 if index is None else index)


def manager_of(
    simulation: Simulation, plan: BlockPlan, handlers: dict[str, Callable[..., Any]]
) -> ResourceManager:
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
            attempt = episode.new_attempt(f"{plan.key}.setup")
            if hasattr(self, "defer"):
                self.defer(attempt.undone.append, 0)
                attempt.deferred.append(0)
                self.defer(attempt.undone.append, 1)
                attempt.deferred.append(1)
            world.do(f"{plan.key}.setup", self.index)
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

    def __init__(self, simulation: Simulation, handlers: dict[str, Callable[..., Any]]) -> None:
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
        if plan.size >= 0:
            over = self.tasks[plan.over] if plan.over else list(range(plan.size))
            inputs = {key: unmapped(value) for key, value in inputs.items()}
            self.tasks[plan.key] = step.map(
                item=over, upstream_tasks=[unmapped(t) for t in upstream], **inputs
            )
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


# -- one run, and what must hold of it ------------------------------------------------------------------------


class Episode:
    """One run of a simulation: what is in the air, what was made, and whether the rules hold."""

    def __init__(self, simulation: Simulation, loop: Loop) -> None:
        self.simulation = simulation
        self.loop = loop
        self.keeper = loop.noted
        self.keeper.broken = self.broken
        self.session: Session | None = None
        self.run: Run | None = None
        self.flights: list[Flight] = []
        self.resources: list[Resource] = []
        self.attempts: list[Attempt] = []
        self.timers: list[tuple[float, int, Call, type[BaseException], Timer]] = []
        self.interrupts = 0
        self.hurried_at: float | None = None
        self.cancelled_at: float | None = None
        self.cleaning: set[tuple[int, int]] = set()  # cleanup of these has begun
        self.overdue: set[Task] = set()  # cleanups that an event said to go ahead
        self.late: list[str] = []
        self.opening: dict[tuple[int, int], None] = {}
        self.listened = loop.record.log.listen(self.on_event)
        self.numbers = {block.name: k for k, block in enumerate(loop.graph.blocks)}

    def broken(self, text: str) -> Wrong:
        """Note that a rule was broken; whoever swallows the error, the simulation will raise it again."""
        self.simulation.tell(f"WRONG: {text}")
        self.simulation.wrong.append(text)
        return Wrong(text)

    # -- of the graph --

    def node(self, task: Task, index: int | None) -> int:
        number = self.loop.graph.index[task]
        return number if index is None else self.loop.schedule.children[number][index]

    def around(self, node: int) -> list[tuple[int, int]]:
        """The resources that a node makes or may use, innermost first."""
        graph, schedule = self.loop.graph, self.loop.schedule
        child = schedule.child_index[node]
        shape = graph.shape_of[schedule.task_of[node]]
        return [(k, child if graph.shapes[k].mapped else -1) for k in graph.enclosing(shape)]

    def role(self, node: int) -> int:
        return self.loop.graph.role[self.loop.schedule.task_of[node]]

    def inside(self, shape: int) -> list[int]:
        """The tasks in a block and in the blocks inside it."""
        graph = self.loop.graph
        found = list(graph.shapes[shape].members)
        for k, other in enumerate(graph.shapes):
            if other.parent == shape:
                found += self.inside(k)
        return found

    def key_of(self, resource: Resource) -> tuple[int, int]:
        return self.numbers[resource.key], resource.index

    def _state(self, number: int, index: int) -> states.State:
        state = self.loop.record.states[self.loop.graph.tasks[number]]
        if index >= 0 and isinstance(state, states.Mapped):
            return state.map_states[index] if index < len(state.map_states) else states.Skipped()
        return state

    def _has_ended(self, number: int, index: int) -> bool:
        schedule = self.loop.schedule
        if index >= 0 and number in schedule.children:
            children = schedule.children[number]
            return index >= len(children) or schedule.phase[children[index]] == DONE
        return schedule.phase[number] == DONE

    # -- what happens --

    def hit(self, flight: Flight, error: type[BaseException]) -> bool:
        if flight.call.is_over:
            return False
        if flight.call.shielded:
            raise self.broken(f"rule 6: the cleanup {flight.call.task.name!r} was not shielded")
        self.simulation.tell(f"{flight.call.task.name} is sent {error.__name__}")
        flight.hit = error
        return True

    def set_timer(self, delay_s: float, call: Call, error: type[BaseException]) -> Timer:
        timer = Timer()
        at = self.simulation.clock() + delay_s
        heapq.heappush(self.timers, (at, len(self.timers), call, error, timer))
        return timer

    def made(self, key: str, index: int) -> Resource:
        for other in self.resources:
            if (other.key, other.index) == (key, index):
                raise self.broken(f"rule 2: {key}[{index}] was set up twice in one run")
        resource = Resource(key, index, self.simulation.flight)
        resource.was_late = self.loop.is_over.is_set()
        self.resources.append(resource)
        return resource

    def new_attempt(self, name: str) -> Attempt:
        attempt = Attempt(name)
        self.attempts.append(attempt)
        return attempt

    # -- checks in the user's code --

    def _row(self, key: str, index: int) -> str | None:
        """What the keeper knew of a resource when the present call began."""
        flight = self.simulation.flight
        return (self.keeper.rows if flight is None else flight.rows).get((key, index))

    def check_intent(self, key: str, index: int) -> None:
        """Rule 10: the keeper knows before a setup begins."""
        if HAS_KEEPER and self._row(key, index) != "intent":
            raise self.broken(f"rule 10: setup of {key}[{index}] begins unknown to the keeper")

    def check_use(self, key: str, resource: Any) -> None:
        """Rules 1, 3 and 10: what a task gets is set up, noted, and not cleaned up yet."""
        if not isinstance(resource, Resource):
            return
        flight = self.simulation.flight
        if flight is not None and self.loop.is_lingering(flight.call):
            return
        if resource.cleanups:
            raise self.broken(f"rule 3: {key} begins to use {resource.key}, whose cleanup has begun")
        if HAS_KEEPER and self._row(resource.key, resource.index) != "open":
            raise self.broken(f"rule 10: {key} uses {resource.key} before the keeper knows that it is open")

    def check_cleanup(self, key: str, index: int, mine: Resource | None, given: Any, outcome: Any) -> None:
        """Rules 1, 9 and 10: a cleanup gets what its setup gave, once, and the keeper knows."""
        name = f"{key}[{index}]"
        if mine is None:
            raise self.broken(f"rule 9: cleanup of {name}, whose setup gave nothing")
        if given is not mine:
            raise self.broken(f"rule 1: cleanup of {name} got {given!r}")
        if mine.cleaned:
            raise self.broken(f"rule 1: {name} was cleaned up twice")
        if HAS_KEEPER and self._row(key, index) != "closing":
            raise self.broken(f"rule 10: cleanup of {name} begins unknown to the keeper")
        mine.cleanups += 1
        if index < 0:
            self._check_outcome(key, outcome)

    def check_hooks(self, key: str, called: list[str], outcome: Any) -> None:
        """Rule 11: the hook that fits was called before the cleanup, once however often that is tried."""
        expected = "on_success" if outcome.is_successful else "on_failure"
        if called != [expected]:
            raise self.broken(f"rule 11: of {key} {called} were called, not {expected}")

    def _check_outcome(self, key: str, outcome: Any) -> None:
        """Rule 11: the outcome says how the tasks inside ended."""
        graph = self.loop.graph
        told = {task: end for end in ("succeeded", "failed", "skipped") for task in getattr(outcome, end)}
        for number in self.inside(self.numbers[key]):
            state = self._state(number, -1)
            if graph.role[number] != ORDINARY or graph.is_map[number] or not state.is_finished():
                continue
            end = "skipped" if state.is_skipped() else "succeeded" if state.is_successful() else None
            end = "failed" if state.is_failed() else end
            if told.get(graph.tasks[number]) != end:
                raise self.broken(f"rule 11: {graph.tasks[number].name} is {state}, not {told}")

    # -- checks at each event --

    def on_event(self, event: Event) -> None:
        with suppress(Wrong):  # it is noted
            self._on_event(event)
        self.simulation.moment()

    def _on_event(self, event: Event) -> None:
        if event.kind == "run" and isinstance(event.state, states.Cancelling):
            if self.cancelled_at is not None:
                raise self.broken("rule 6: cancelled twice")
            self.cancelled_at = self.simulation.clock()
        elif event.kind == "note":
            self._on_note(event)
        elif event.kind == "task" and type(event.state) is states.Running and event.task is not None:
            node = self.node(event.task, event.map_index)
            if self.role(node) == CLEANUP:
                self.check_cleanup_start(node)
            else:
                self.check_start(node)
        self.check_limits()

    def _on_note(self, event: Event) -> None:
        if "goes ahead" in event.note and event.task is not None:
            self.overdue.add(event.task)
        for flight in self.flights:
            if flight.lingers_since is None and self.loop.is_lingering(flight.call):
                flight.lingers_since = self.simulation.clock()

    def check_start(self, node: int) -> None:
        """Rules 3, 6 and 8: nothing starts after a cancel, in a block that closes, or before its setup."""
        graph, schedule = self.loop.graph, self.loop.schedule
        name = graph.tasks[schedule.task_of[node]].name
        if self.cancelled_at is not None:
            raise self.broken(f"rule 6: {name} started after the cancel")
        own = self.role(node) != ORDINARY
        for key in self.around(node):
            if key in self.cleaning:
                raise self.broken(f"rule 3: {name} started in a block whose cleanup has begun")
        for shape, index in self.around(node)[own:]:
            setup = graph.shapes[shape].setup
            if setup >= 0 and not self._has_ended(setup, index):
                raise self.broken(f"{name} started before the setup around it")
        if self.role(node) == SETUP or (self.role(node) == INIT and self._is_setup(node)):
            self.check_demand(node)

    def _is_setup(self, node: int) -> bool:
        return self.loop.graph.shapes[self.around(node)[0][0]].setup < 0

    def check_demand(self, node: int) -> None:
        """Rule 8: a resource is set up for a task that is otherwise ready; or its block is empty."""
        graph = self.loop.graph
        shape, index = self.around(node)[0]
        self.opening[shape, index] = None
        inside = self.inside(shape)
        if not inside:
            return
        if graph.shapes[shape].mapped:
            if all(self._has_ended(number, index) for number in inside):
                raise self.broken(f"rule 8: {graph.blocks[shape].name}[{index}] is set up for nobody")
            return
        if not any(self._is_otherwise_ready(number) for number in inside):
            raise self.broken(
                f"rule 8: {graph.blocks[shape].name} is set up, but no task in it is otherwise ready"
            )

    def _is_otherwise_ready(self, number: int) -> bool:
        """Whether but for the resources around it a task would run; of a map, one of its children."""
        graph, schedule = self.loop.graph, self.loop.schedule
        around = [graph.shapes[k] for k in graph.enclosing(graph.shape_of[number])]
        upstream = set(graph.upstream[number]).difference(*((one.init, one.setup) for one in around))
        pairs = [up for up in graph.pairs[number] if up in schedule.children]
        if schedule.phase[number] == DONE or not all(self._has_ended(up, -1) for up in upstream - set(pairs)):
            return False
        if not graph.is_map[number]:
            return not self._is_refused(number, upstream, -1)
        lengths = [
            len(state.map_states if isinstance(state, states.Mapped) else state.result)
            for edge in graph.edges_in[number]
            if edge.mapped and (state := self.loop.record.states[edge.upstream_task]).is_successful()
        ]
        return any(
            all(self._has_ended(up, index) for up in pairs) and not self._is_refused(number, upstream, index)
            for index in range(min(lengths, default=0))
        )

    def _is_refused(self, number: int, upstream: set[int], index: int) -> bool:
        """Whether a task (or a child of it) is sure not to run, as far as the most usual trigger goes."""
        pairs = self.loop.graph.pairs[number]
        above = [self._state(up, index if up in pairs else -1) for up in upstream]
        skips = self.loop.graph.skips[number] and any(state.is_skipped() for state in above)
        return skips or (self.loop.graph.is_plain[number] and any(state.is_failed() for state in above))

    def check_cleanup_start(self, node: int) -> None:
        """Rules 3 and 4: nobody uses the resource any more, and what was opened inside it is closed."""
        graph, schedule = self.loop.graph, self.loop.schedule
        task = graph.tasks[schedule.task_of[node]]
        key = self.around(node)[0]
        self.cleaning.add(key)
        for flight in self.flights:
            if key not in self.around(flight.call.node) or flight.call.node == node:
                continue
            if not self.loop.is_lingering(flight.call):
                raise self.broken(f"rule 3: {task.name} begins while {flight.call.task.name} is running")
            if task not in self.overdue:
                raise self.broken(
                    f"rule 3: {task.name} begins beside a late {flight.call.task.name} and says nothing"
                )
            grace_s = graph.shapes[key[0]].grace_s
            since = flight.lingers_since
            if self.interrupts < 2 and (since is None or self.simulation.clock() < since + grace_s - 1e-6):
                raise self.broken(f"rule 3: {task.name} begins before {flight.call.task.name} had its grace")
        for flight in self.flights:
            if flight.call.node == node and flight.lingers_since is not None:
                raise self.broken(f"rule 1: {task.name} is tried again beside a late one")
        for number in self.inside(key[0]):
            if (
                graph.role[number] == ORDINARY
                and not graph.is_map[number]
                and not self._has_ended(number, key[1])
            ):
                raise self.broken(f"rule 3: {task.name} begins before {graph.tasks[number].name} has ended")
        for resource in self.resources:
            shape, index = self.key_of(resource)
            inner = shape != key[0] and key in self._around_shape(shape, index)
            if inner and resource.is_alive and not self._is_named(resource) and not self._is_late(resource):
                raise self.broken(f"rule 4: {task.name} begins before {resource.key} inside it is cleaned up")

    def _around_shape(self, shape: int, index: int) -> list[tuple[int, int]]:
        graph = self.loop.graph
        return [(k, index if graph.shapes[k].mapped else -1) for k in graph.enclosing(shape)]

    def _holding(self, resource: Resource) -> Holding:
        return self.loop.record.holdings.get(*self.key_of(resource))

    def _is_named(self, resource: Resource) -> bool:
        """Whether a resource is told to be left."""
        return self._holding(resource).error is not None

    def _is_late(self, resource: Resource) -> bool:
        """Whether the loop has not been told of it yet, or only after its task had ended."""
        return resource.flight is not None and (
            resource.flight in self.flights or resource.flight.lingers_since is not None
        )

    def check_limits(self) -> None:
        """No more resources of a mapped block, and children of a map, at once than was asked for."""
        graph, schedule = self.loop.graph, self.loop.schedule
        for shape, one in enumerate(graph.shapes):
            if one.max_concurrent is None or not one.mapped:
                continue
            open_now = {
                self.key_of(r)
                for r in self.resources
                if self.key_of(r)[0] == shape
                and r.is_alive
                and not self._is_named(r)
                and not self._is_late(r)
            }
            for flight in self.flights:
                around = self.around(flight.call.node)
                opens = (
                    flight.lifecycle
                    and around
                    and around[0][0] == shape
                    and self.role(flight.call.node) != CLEANUP
                )
                is_setup = self.role(flight.call.node) == SETUP or one.setup < 0
                if opens and is_setup and not self.loop.is_lingering(flight.call):
                    open_now.add(around[0])
            if len(open_now) > one.max_concurrent:
                raise self.broken(f"{len(open_now)} resources of {graph.blocks[shape].name} are open at once")
        for number, limit in graph.limits.items():
            running = sum(
                1
                for f in self.flights
                if schedule.task_of[f.call.node] == number and not self.loop.is_lingering(f.call)
            )
            if running > limit:
                raise self.broken(f"{running} children of {graph.tasks[number].name} run at once")

    # -- checks when the loop waits, and at the end --

    def check_rest(self) -> None:
        """What holds whenever the loop has nothing more to do by itself."""
        self.simulation.raise_wrong()
        self.check_keeper()
        if self.cancelled_at is not None:
            for flight in self.flights:
                if not (flight.call.stop_requested or flight.call.shielded):
                    raise self.broken(f"rule 6: {flight.call.task.name} was not asked to stop")
        schedule, graph = self.loop.schedule, self.loop.graph
        if schedule.budget == 0 or (schedule.serial and not schedule.is_idle):
            return
        for resource in self.resources:
            key = self.key_of(resource)
            if key in self.cleaning or not resource.is_alive or not self._holding(resource).owes_cleanup:
                continue
            if any(
                key in self.around(flight.call.node)
                for flight in self.flights
                if self.hurried_at is None or not self.loop.is_lingering(flight.call)
            ):
                continue
            if self._is_late(resource) and self._has_ended(graph.shapes[key[0]].cleanup, key[1]):
                continue  # it came when its cleanup had gone ahead, and is cleaned up at the end
            if all(self._has_ended(number, key[1]) for number in self.inside(key[0])):
                raise self.broken(f"rule 8: {graph.blocks[key[0]].name} stays open after its last task")

    def check_deadlines(self, until: float | None) -> None:
        """Rule 6: a cancelled run waits for nothing without limit, a hurried one not long, one given up for nothing."""
        if self.interrupts > 2:
            raise self.broken("rule 6: the run waits although it was given up")
        if self.cancelled_at is not None and until is None:
            raise self.broken("rule 6: a cancelled run waits without limit")
        if self.hurried_at is None:
            return
        for flight in self.flights:
            limit_s = HURRIED_CLEANUP_S if self.role(flight.call.node) == CLEANUP else 0.1
            waited_s = self.simulation.clock() - max(self.hurried_at, flight.since)
            if not self.loop.is_lingering(flight.call) and waited_s > limit_s + 1e-6:
                raise self.broken(f"rule 6: a hurried run waits {waited_s:g} s for {flight.call.task.name}")

    def check_keeper(self) -> None:
        """Rule 10: what may be alive is in the keeper's open rows."""
        if not HAS_KEEPER:
            return
        for resource in self.resources:
            row = self.keeper.rows.get((resource.key, resource.index))
            if resource.is_alive and row in (None, "closed"):
                raise self.broken(f"rule 10: {resource.key} is alive, and {row} in the ledger")

    def check_over(self) -> None:
        """What holds at the moment when a run says that it is over: nothing is open but what it named."""
        self.check_keeper()
        run, record = self.run, self.loop.record
        assert run is not None
        assert run.is_finished
        assert run.open_resources == []
        if not run.state.is_finished() and not run.state.is_running():  # Running: a task was left for good
            raise self.broken(f"the run is over, and {run.state}")
        if self.cancelled_at is not None and type(run.state) is not states.Cancelled:
            allowed = run.state.is_failed() and (self.loop.failure is not None or run.cleanup_failures)
            if not allowed:
                raise self.broken(f"rule 6: a cancelled run ended {run.state}")
        failed = {block.name for block in run.cleanup_failures}
        told = [event.note for event in run.events if event.kind == "note"]
        for resource in self.resources:
            if resource.flight in self.flights:
                continue  # its thread has not let go of it; see `check_end`
            held = self._holding(resource)
            if resource.is_alive and not self._is_named(resource):
                raise self.broken(f"rule 1: {held.name} is left, and nothing says so")
            if self._is_named(resource):
                if resource.key not in failed or held.status is not BlockStatus.LEAKED:
                    raise self.broken(f"rule 7: {held.name} failed silently")
                is_told = any(repr(held.name) in text for text in told)
                if not is_told and not self._is_late(resource):  # what comes after the loop has no events
                    raise self.broken(f"rule 7: no event tells of {held.name}")
                if not any(repr(held.name) in text for text in self.simulation.warned):
                    raise self.broken(f"rule 7: no warning tells of {held.name}")
            elif held.status is not BlockStatus.CLEANED:
                raise self.broken(f"{held.name} is {held.status}")
            if not resource.cleanups and self.interrupts < 3 and not self._is_tried(resource):
                raise self.broken(f"rule 1: {held.name} was never cleaned up")
            if resource.cleanups > self._tries(resource.key):
                raise self.broken(f"rule 1: {held.name} was cleaned up {resource.cleanups} times")
        self._check_failure_fails(failed)
        check_replay(run)
        if record.ended_at is None:
            raise self.broken("a run is over that has not ended")

    def _is_tried(self, resource: Resource) -> bool:
        """Whether its cleanup hangs, so that its user code has not told anything."""
        return any(
            self.role(f.call.node) == CLEANUP and self.around(f.call.node)[0] == self.key_of(resource)
            for f in self.flights
        )

    def _tries(self, key: str) -> int:
        plan = self.simulation.plan.flow
        (block,) = (i for i in walk(plan.items) if isinstance(i, BlockPlan) and i.key == key)
        asked = sum(does in ("retry", "loop", "pause") for does in plan.does.get(f"{key}.cleanup", ()))
        return 1 + block.retries + asked

    def _check_failure_fails(self, failed: set[str]) -> None:
        """Rule 7: a failed cleanup makes the run fail where that is asked for, and only there."""
        run = self.run
        assert run is not None
        if failed.intersection(self.simulation.plan.must_clean):
            if not run.state.is_failed():
                raise self.broken("rule 7: a cleanup failed that must not, and the run did not")
        elif failed and self.cancelled_at is None and not self.simulation.has_handlers:
            ends = [run.states[task] for task in run.graph.reference]
            well = all(one.is_successful() for state in ends for one in _with_children(state))
            if well and run.state.is_failed():
                raise self.broken("rule 7: a failed cleanup changed the state of the run")

    def check_end(self) -> None:
        """What holds when the last thread has let go as well."""
        assert not self.flights
        self.check_keeper()
        for resource in self.resources:
            if resource.is_alive and not self._is_named(resource):
                raise self.broken(f"rule 1: {resource.key}[{resource.index}] came late and is left")
            if resource.cleaned > 1:
                raise self.broken(f"rule 1: {resource.key}[{resource.index}] was cleaned up twice")
            row = self.keeper.rows.get((resource.key, resource.index))
            if HAS_KEEPER and not resource.is_alive and row != "closed":
                raise self.broken(f"rule 10: {resource.key} is gone, and {row} in the ledger")
        for (name, index), row in self.keeper.rows.items():
            if row in ("intent", "open", "closing"):
                raise self.broken(f"rule 10: {name}[{index}] is {row} in the ledger after all has ended")
        for attempt in self.attempts:
            expected = [] if attempt.succeeded else attempt.deferred[::-1]
            if attempt.undone != expected:
                raise self.broken(f"rule 9: of {attempt.name} {attempt.undone} was undone, not {expected}")
        if HAS_KEEPER and not self.keeper.is_flushed:
            raise self.broken("rule 10: the keeper was not told of the end")


def _with_children(state: states.State) -> list[states.State]:
    return [state, *state.map_states] if isinstance(state, states.Mapped) else [state]


def check_replay(run: Run) -> None:
    """Replaying the events gives the final states."""
    last: dict[tuple[Task, int | None], states.State] = {}
    of_run: states.State | None = None
    for number, event in enumerate(run.events):
        if event.seq != number:
            raise Wrong(f"event {number} has the number {event.seq}")
        if event.kind == "task" and event.task is not None and event.state is not None:
            last[event.task, event.map_index] = event.state
        elif event.kind == "run":
            of_run = event.state
    if of_run is not run.state:
        raise Wrong(f"by its events the run is {of_run}, not {run.state}")
    for task, state in run.states.items():
        if last.get((task, None), state) is not state:
            raise Wrong(f"by the events {task.name} is {last[task, None]}, not {state}")
        if isinstance(state, states.Mapped):
            for index, child in enumerate(state.map_states):
                if last.get((task, index), child) is not child:
                    raise Wrong(f"by the events {task.name}[{index}] is {last[task, index]}, not {child}")


# -- the simulation -------------------------------------------------------------------------------------------


@dataclass
class Counts:
    """What became of the resources of all simulated runs."""

    runs: int = 0
    ended: Counter[str] = field(default_factory=Counter)
    resources: Counter[str] = field(default_factory=Counter)
    happened: Counter[str] = field(default_factory=Counter)

    def add(self, episode: Episode) -> None:
        run = episode.run
        assert run is not None
        self.runs += 1
        self.ended[type(run.state).__name__] += 1
        for r in episode.resources:
            self.resources["set up"] += 1
            if r.cleaned > 1:
                self.resources["cleaned twice"] += 1
            elif r.cleaned:
                self.resources["cleaned"] += 1
            elif not episode._is_named(r):
                self.resources["left"] += 1
            elif "given up" in str(episode._holding(r).error):
                self.resources["given up"] += 1
            else:
                self.resources["cleanup failed"] += 1
            self.happened["setups that came after the run was over"] += r.was_late
        self.happened["setups that raised"] += sum(not a.succeeded for a in episode.attempts)
        self.happened["cleanups that went ahead after a grace"] += len(episode.overdue)
        self.happened["runs that were interrupted"] += episode.interrupts > 0
        self.happened["runs that were cancelled"] += episode.cancelled_at is not None
        self.happened["runs that were given up"] += episode.interrupts > 2

    def table(self) -> str:
        lines = [f"{self.runs:>8} simulated runs"]
        for title, counts in (
            ("how they ended", self.ended),
            ("what became of their resources", self.resources),
            ("what happened", self.happened),
        ):
            lines += ["", title]
            names = ["set up", "cleaned", "cleanup failed", "given up", "left", "cleaned twice"]
            for name in names if counts is self.resources else sorted(counts):
                lines.append(f"{counts[name]:>8} {name}")
        return "\n".join(lines)


class Simulation:
    """Runs a plan once (and again, if the plan says so), in one thread and its own time.

    Args:
        plan: What to run.
        choose: Gives a number from 0 up to (not including) its argument; 0 is the most ordinary choice.
        handlers: The state handlers that the plan names.
        counts: What to add the result to.

    Attributes:
        told: What happened, in words.
    """

    def __init__(
        self,
        plan: Plan,
        choose: Callable[[int], int],
        *,
        handlers: dict[str, Callable[..., Any]] | None = None,
        counts: Counts | None = None,
    ) -> None:
        self.plan = plan
        self.choose = lambda n: choose(n) if n > 1 else 0
        self.counts = counts or Counts()
        self.clock = Clock()
        self.world = World(self)
        self.told: list[str] = []
        self.wrong: list[str] = []
        self.warned: list[str] = []
        self.episode: Episode
        self.flight: Flight | None = None
        self.turns = 0
        self.moments = 0
        self.deeds: deque[tuple[int, str]] = deque()
        self._is_busy = False
        items = list(walk(plan.flow.items))
        self.has_handlers = any(getattr(item, "handler", None) for item in items)
        self.built = SimulatedFlow(self, handlers or {})
        self.executor = Executor(
            self, capacity=1 if plan.mode != "threads" else plan.workers, serial=plan.mode != "threads"
        )

    def tell(self, text: str) -> None:
        self.told.append(text)

    # -- from begin to end --

    def go(self) -> None:
        """Run the plan; raises `Wrong` if a rule is broken."""
        with self._faked(), warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            self.caught = caught
            self._start_anew()
            run = self._first()
            self._over(run)
            for deed in self.plan.after:
                self.tell(f"after the end: {deed}")
                if deed == "retry_cleanup":
                    self._retry_cleanup(run)
                    self.raise_wrong()
                else:
                    self._start_anew()
                    run = run.rerun()
                    self._over(run)

    def _start_anew(self) -> None:
        self.world.calls.clear()
        self.deeds = deque(self.plan.deeds)
        self.moments = self.turns = 0
        self.caught.clear()

    def _first(self) -> Run:
        flow = self.built.flow
        is_direct = self.plan.mode == "inline"
        run = flow._prepare(
            None, {"executor": self.executor}, blocking=is_direct, paused=self.plan.paused and not is_direct
        )
        flow._tell_start(run)
        self.episode.run = run
        with suppress(KeyboardInterrupt, SystemExit):
            run.work() if is_direct else run.begin()
        return run

    def _over(self, run: Run) -> None:
        episode = self.episode
        episode.run = run
        self.warned = [str(warning.message) for warning in self.caught]
        self.raise_wrong()
        episode.check_over()
        while episode.flights:
            self.end(episode.flights[self.choose(len(episode.flights))])
        self.raise_wrong()
        episode.check_end()
        self.counts.add(episode)

    def raise_wrong(self) -> None:
        """Raise what was found wrong so far."""
        if self.wrong:
            raise Wrong("; ".join(self.wrong))

    def _retry_cleanup(self, run: Run) -> None:
        episode = self.episode
        failed = set(run._record.holdings.failed())
        begun = {resource: resource.cleanups for resource in episode.resources}
        with suppress(KeyboardInterrupt, SystemExit):
            run.retry_cleanup()
        left = run.cleanup_failures
        for resource in episode.resources:
            held = episode._holding(resource)
            if resource.is_alive and resource.cleanups == begun[resource] and not self._was_stopped(failed):
                raise self.episode.broken(f"rule 7: the cleanup of {held.name} was not tried again")
            if resource.is_alive and held.block not in left:
                raise self.episode.broken(
                    f"rule 7: {held.name} is left after its cleanup was tried again, and nothing says so"
                )
            if resource.cleaned > 1:
                raise self.episode.broken(f"rule 1: {held.name} was cleaned up again")
            if held in failed and not resource.is_alive and held.status is not BlockStatus.CLEANED:
                raise self.episode.broken(f"{held.name} was cleaned up at last, and is {held.status}")
        episode.check_keeper()

    def _was_stopped(self, failed: set[Holding]) -> bool:
        """Whether one of the cleanups that were tried again ended it all."""
        return any(held.error is not None and not isinstance(held.error, Exception) for held in failed)

    @contextmanager
    def _faked(self) -> Iterator[None]:
        """Put the simulation's clock, loop, handle and user in place."""
        made = self.clock.datetime()
        fakes: list[tuple[Any, str, Any]] = [
            (nbflow.engine.pipeline, "datetime", made),
            (nbflow.engine.transitions, "datetime", made),
            (nbflow.core.states, "datetime", made),
            (nbflow.flow, "RunLoop", lambda *args, **kwargs: Loop(self, *args, **kwargs)),
            (nbflow.flow, "Run", Handle),
            (nbflow.engine.run, "input", self._answer),
        ]
        before = [(module, name, vars(module).get(name)) for module, name, _ in fakes]
        interrupt = signal.signal(
            signal.SIGINT, signal.default_int_handler
        )  # ignored, if run in the background
        held = thread.held
        thread.held = {}
        try:
            for module, name, fake in fakes:
                setattr(module, name, fake)
            yield
        finally:
            thread.held = held
            signal.signal(signal.SIGINT, interrupt)
            for module, name, value in before:
                if value is None:
                    delattr(module, name)
                else:
                    setattr(module, name, value)

    def _answer(self, question: str) -> str:
        """Answer for the person who is asked whether to go on."""
        said = ("", "", "c", "interrupt", "eof")[self.choose(5)]
        self.tell(f"asked, the user says {said!r}")
        if said == "interrupt":
            raise KeyboardInterrupt
        if said == "eof":
            raise EOFError
        return said

    # -- turns --

    def moment(self) -> None:
        """A moment passes: the user does what is planned for it. Called in the midst of everything."""
        self.moments += 1
        if self._is_busy or self.episode.loop.is_over.is_set():
            return
        while self.deeds and self.deeds[0][0] <= self.moments:
            self._do(self.deeds.popleft()[1])

    def turn(self, inbox: Inbox, until: float | None) -> None:
        """The loop waits: something happens."""
        self.turns += 1
        if self.turns > TURNS:
            raise self.episode.broken("the run does not end")
        self.episode.check_rest()
        self.episode.check_deadlines(until)
        self.moment()
        if inbox.has_message:
            return
        flights = [flight for flight in self.episode.flights if self._may_end(flight)]
        options: list[tuple[Any, Any]] = [(self.end, flight) for flight in flights]
        options += [(self.perform, flight) for flight in flights if flight.outcome is None]
        if until is not None:
            options.append((self._pass_time, until))
            if not flights and self.deeds:
                options.append((self._hurry_user, None))
        if options:
            act, what = options[self.choose(len(options))]
            act(what)
        else:
            self._unstick()

    def _may_end(self, flight: Flight) -> bool:
        if flight.outcome is not None or flight.wish not in HANGING:
            return True
        lingers = self.episode.loop.is_lingering(flight.call)
        return lingers or (flight.wish == "hang" and flight.hit is not None)

    def perform(self, flight: Flight) -> None:
        """Call the user's code of a flight; its outcome is reported another time."""
        call = flight.call
        flag = call.stop_requested
        if flag and not flight.asked and not self.choose(2):
            call.stop_requested = False  # it had begun before it was asked
        before, self.flight = self.flight, flight
        try:
            flight.outcome = perform(call)
        finally:
            self.flight = before
            call.stop_requested = flag
            call.is_over = True
        self.tell(f"{call.task.name} was performed")

    def end(self, flight: Flight) -> None:
        """A call ends, and the run is told."""
        if flight.outcome is None:
            self.perform(flight)
        assert flight.outcome is not None
        assert self.episode.session is not None
        self.episode.flights.remove(flight)
        self.tell(f"{flight.call.task.name} is reported")
        self.episode.session.report(flight.call, flight.outcome)

    def _pass_time(self, until: float) -> None:
        part = self.choose(3)
        span = until - self.clock()
        self.clock.now = until if not part else self.clock.now + max(span * part / 4, 1e-3)
        self.tell(f"time passes: {self.clock.now:.3f}")

    def _hurry_user(self, _: Any) -> None:
        self._do(self.deeds.popleft()[1])

    def _unstick(self) -> None:
        """Nothing can happen by itself: it is for the user to do something."""
        loop = self.episode.loop
        if self.deeds:
            self._hurry_user(None)
        elif loop.schedule.is_idle and not self.episode.flights and not loop.cancelling:
            assert self.episode.run is not None
            self.tell("the user resumes")
            self.episode.run.resume()
        elif self.episode.interrupts < 3:
            self._do("interrupt")
        else:
            raise self.episode.broken("the run hangs, whatever its user does")

    # -- the user --

    def _do(self, deed: str) -> None:
        episode = self.episode
        run = episode.run or self._handle()
        self.tell(f"moment {self.moments}: {deed}")
        if deed == "interrupt":
            self._interrupt()
        elif deed == "listener":
            run.listen(_fail_at_once)
        elif deed == "end":
            for flight in episode.flights:
                if self._may_end(flight):
                    self._is_busy = True
                    try:
                        self.end(flight)
                    finally:
                        self._is_busy = False
                    return
        elif deed == "until":
            with suppress(NothingToStepError):
                run.until(run.graph.tasks[self.choose(len(run.graph.tasks))])
        else:
            with suppress(NothingToStepError):
                getattr(run, deed)()

    def _handle(self) -> Run:
        """The handle of a run that begins just now."""
        return Handle(self.episode.loop, self.built.flow, 0, {})

    def _interrupt(self) -> None:
        episode = self.episode
        guard = episode.loop.guard
        is_direct = guard.is_installed and (self.plan.mode == "inline" or guard.call is not None)
        if episode.interrupts >= 3 and not is_direct:
            return
        episode.interrupts += 1
        if episode.interrupts == 2:
            episode.hurried_at = self.clock()
        if is_direct:
            guard.count = episode.interrupts - 1
            signal.raise_signal(signal.SIGINT)
        else:
            episode.loop.note_interrupt(episode.interrupts)

    # -- a call that hangs in the loop's own thread --

    def hang_here(self, *, is_deaf: bool) -> None:
        """Hang until something is raised here; who is deaf hears it the third time."""
        heard = 0
        while True:
            try:
                self._hang_on()
            except BaseException as error:
                heard += 1
                self.tell(f"hears {type(error).__name__}")
                if not is_deaf or heard > 2:
                    raise

    def _hang_on(self) -> None:
        episode = self.episode
        guard = episode.loop.guard
        if guard.call is None:  # in the user's own thread after the end, or in one that nobody waits for
            raise KeyboardInterrupt
        timers = [timer for timer in episode.timers if not timer[4].is_over and timer[2] is guard.call]
        if timers and not (episode.interrupts < 3 and self.choose(3) == 1):
            at, _, call, error, timer = min(timers, key=lambda timer: timer[:2])
            timer.cancel()
            self.clock.now = max(self.clock.now, at)
            guard.error = (call, error)
            signal.raise_signal(signal.SIGINT)
        elif episode.interrupts < 8:
            self.tell("the user interrupts what hangs")
            self._interrupt()
        else:
            raise self.episode.broken("a task hangs, whatever its user does")


def _fail_at_once(event: Any) -> None:
    raise OSError("a listener that fails")


# -- from Hypothesis ------------------------------------------------------------------------------------------

DECISIONS = st.randoms(use_true_random=False)
"""Hypothesis decides, and shrinks its decisions to the most ordinary ones."""


def simulate(
    plan: Plan,
    decisions: random.Random,
    *,
    handlers: dict[str, Callable[..., Any]] | None = None,
    counts: Counts | None = None,
) -> Simulation:
    """Run a plan with the decisions of Hypothesis; what happened is shown with a counterexample."""
    simulation = Simulation(plan, decisions.randrange, handlers=handlers, counts=counts)
    try:
        simulation.go()
    except BaseException as error:
        error.add_note("what happened:\n  " + "\n  ".join(simulation.told))
        raise
    return simulation


def main(arguments: list[str] | None = None) -> None:
    """Simulate many runs and print what became of their resources."""
    from tests.properties.test_guarantee import HANDLERS

    parser = argparse.ArgumentParser(prog="python -m tests.properties.simulation", description=main.__doc__)
    parser.add_argument("examples", type=int, help="how many flows to simulate; some are run again")
    parser.add_argument("--seed", type=int, default=int(time.time()), help="the same again")
    options = parser.parse_args(arguments)
    counts, begun = Counts(), time.perf_counter()

    @settings(
        max_examples=options.examples,
        deadline=None,
        database=None,
        report_multiple_bugs=False,
        phases=(Phase.generate, Phase.shrink),
        suppress_health_check=list(HealthCheck),
    )
    @seed(options.seed)
    @given(plans(handlers=tuple(HANDLERS)), DECISIONS)
    def campaign(plan: Plan, decisions: random.Random) -> None:
        simulate(plan, decisions, handlers=HANDLERS, counts=counts)

    print(f"seed {options.seed}")
    try:
        campaign()
    finally:
        print(f"{counts.table()}\n\n{time.perf_counter() - begun:.0f} s")


if __name__ == "__main__":
    main()
