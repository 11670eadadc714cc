"""Random flows: nested and mapped blocks, branches, maps, triggers, retries; and what each call in them is to do.

A plan is plain data, so that Hypothesis can shrink and print it. `build` makes a flow of a plan; its tasks and
managers ask a `World` what to do, and tell it what they did.
"""

from __future__ import annotations

import os
import random
from dataclasses import MISSING, dataclass, field, fields
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from hypothesis import HealthCheck, seed, settings
from hypothesis import strategies as st

from nbflow import Flow, Task, apply_map, case, context, resource_manager, triggers, unmapped
from tests.properties.world import Probe, Resource, World

if TYPE_CHECKING:
    from collections.abc import Callable

    from nbflow.core.resource import Block, ResourceManager

CAMPAIGN = int(os.environ.get("NBFLOW_CAMPAIGN", "0"))
SEED = int(os.environ.get("NBFLOW_SEED", "0")) or random.randrange(1, 2**32)

TRIGGERS = {
    "all_successful": triggers.all_successful,
    "all_finished": triggers.all_finished,
    "all_failed": triggers.all_failed,
    "any_successful": triggers.any_successful,
    "any_failed": triggers.any_failed,
    "not_all_skipped": triggers.not_all_skipped,
    "some_failed": triggers.some_failed(at_least=1),
}
OFTEN = ("all_successful",) * 6


def budget(examples: int) -> Callable[[Any], Any]:
    """Settings of a property: so many examples, or ``NBFLOW_CAMPAIGN=N`` fresh ones from a seed that is printed."""
    chosen = settings(
        max_examples=CAMPAIGN or examples,
        derandomize=not CAMPAIGN,
        deadline=None,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much],
    )
    return (lambda test: chosen(seed(SEED)(test))) if CAMPAIGN else chosen


def _brief(plan: Any) -> str:
    """Show only what differs from the defaults: shrunk plans are to be read."""
    parts = [
        f"{f.name}={value!r}"
        for f in fields(plan)
        if (value := getattr(plan, f.name)) != (f.default if f.default_factory is MISSING else f.default_factory())
    ]
    return f"{type(plan).__name__}({', '.join(parts)})"


@dataclass(frozen=True, kw_only=True, repr=False)
class TaskPlan:
    """A task, or a mapped one: over `size` constants, or over the children of task `over`."""

    key: str
    upstream: tuple[str, ...] = ()
    uses: str | None = None
    trigger: str = "all_successful"
    skips: bool = True
    retries: int = 0
    size: int = -1
    over: str | None = None
    handler: str | None = None

    __repr__ = _brief


@dataclass(frozen=True, kw_only=True, repr=False)
class BlockPlan:
    """A block; with `size` >= 0 it is made by `apply_map`, with one resource for each element."""

    key: str
    upstream: tuple[str, ...] = ()
    has_setup: bool = True
    body: tuple[Item, ...] = ()
    size: int = -1
    retries: int = 0  # of the cleanup
    setup_retries: int = 0
    handler: tuple[str, str] | None = None  # which of the three tasks has which handler
    fail: bool = False

    __repr__ = _brief


@dataclass(frozen=True, kw_only=True, repr=False)
class AgainPlan:
    """A block that was left is entered again."""

    block: str
    body: tuple[Item, ...] = ()

    __repr__ = _brief


@dataclass(frozen=True, kw_only=True, repr=False)
class CasePlan:
    """Tasks that run only if the task `condition` returned True."""

    condition: str
    body: tuple[Item, ...] = ()

    __repr__ = _brief


Item = TaskPlan | BlockPlan | AgainPlan | CasePlan


@dataclass(frozen=True, kw_only=True, repr=False)
class FlowPlan:
    """A flow, and what the calls in it do: `does[key]` in order of calls, "ok" when none is left."""

    items: tuple[Item, ...]
    does: dict[str, tuple[str, ...]] = field(default_factory=dict)

    __repr__ = _brief

    @property
    def does_of_cleanup(self) -> set[str]:
        """The blocks whose cleanup is to fail."""
        return {key.removesuffix(".cleanup") for key in self.does if key.endswith(".cleanup")}


# -- drawing plans --------------------------------------------------------------------------------------------


class _Names:
    def __init__(self, budget: int) -> None:
        self.left = budget
        self.tasks: list[str] = []
        self.maps: list[str] = []
        self.blocks: list[str] = []
        self.setups: list[str] = []
        self.lifecycles: list[str] = []

    def new(self, kind: str) -> str:
        self.left -= 1
        return f"{kind}{self.left}"


@st.composite
def flow_plans(
    draw: st.DrawFn,
    *,
    size: int = 12,
    outcomes: tuple[str, ...] = (),
    lifecycle: tuple[str, ...] = (),
    handlers: tuple[str, ...] = (),
) -> FlowPlan:
    """Draw a flow of up to about `size` tasks and blocks.

    Args:
        size: A limit for its size.
        outcomes: What calls of tasks may do besides "ok".
        lifecycle: What calls of init, setup and cleanup may do besides "ok".
        handlers: What state handlers of tasks may do.
    """
    names = _Names(size)
    items = _body(draw, names, depth=0, inside=(), handlers=handlers)
    does: dict[str, tuple[str, ...]] = {}
    if outcomes and names.tasks:
        for key in draw(st.lists(st.sampled_from(names.tasks), max_size=4, unique=True)):
            does[key] = tuple(draw(st.lists(st.sampled_from(("ok", *outcomes)), min_size=1, max_size=3)))
    if lifecycle and names.lifecycles:
        for key in draw(st.lists(st.sampled_from(names.lifecycles), max_size=3, unique=True)):
            does[key] = tuple(draw(st.lists(st.sampled_from(("ok", *lifecycle)), min_size=1, max_size=2)))
    return FlowPlan(items=items, does=does)


def _body(draw: st.DrawFn, names: _Names, *, depth: int, inside: tuple[str, ...], handlers: tuple[str, ...]) -> Any:
    items: list[Item] = []
    for _ in range(draw(st.integers(1 if depth else 2, 5))):
        if names.left <= 0:
            break
        kinds = ["task"] * 4 + ["map"]
        if depth < 3:
            kinds += ["block"] * 3
        if depth == 0:
            kinds += ["mapped block"]
        if names.tasks:
            kinds += ["case"]
        if names.blocks and depth == 0:
            kinds += ["again"]
        items.append(_item(draw, names, draw(st.sampled_from(kinds)), depth, inside, handlers))
    return tuple(items)


def _some(draw: st.DrawFn, keys: list[str]) -> tuple[str, ...]:
    if not keys:
        return ()
    return tuple(draw(st.lists(st.sampled_from(keys), max_size=2, unique=True)))


def _item(
    draw: st.DrawFn, names: _Names, kind: str, depth: int, inside: tuple[str, ...], handlers: tuple[str, ...]
) -> Item:
    if kind == "case":
        condition = draw(st.sampled_from(names.tasks))
        names.left -= 1
        return CasePlan(condition=condition, body=_body(draw, names, depth=depth + 1, inside=inside, handlers=handlers))
    if kind == "again":
        block = draw(st.sampled_from(names.blocks))
        names.left -= 1
        return AgainPlan(block=block, body=_body(draw, names, depth=2, inside=(block,), handlers=handlers))
    upstream = _some(draw, names.tasks)
    if kind == "block" or kind == "mapped block":
        key = names.new("b")
        mapped = kind == "mapped block"
        has_setup = draw(st.sampled_from((True, True, False)))
        if mapped:
            # What is inside a mapped function is mapped: plain tasks and blocks, used by nobody outside.
            inner = _Names(min(names.left, 4))
            inner.new = names.new  # type: ignore[method-assign]
            body = _mapped_body(draw, inner, key if has_setup else None, depth=1)
            names.lifecycles += inner.lifecycles
        else:
            body = _body(
                draw,
                names,
                depth=depth + 1,
                inside=(*inside, key) if has_setup else inside,
                handlers=handlers,
            )
        names.lifecycles += [f"{key}.init", f"{key}.setup", f"{key}.cleanup"]
        if not mapped:
            names.blocks.append(key)
        return BlockPlan(
            key=key,
            upstream=upstream,
            has_setup=has_setup,
            body=body,
            size=draw(st.integers(0, 3)) if mapped else -1,
            retries=draw(st.sampled_from((0, 0, 0, 1))),
            setup_retries=draw(st.sampled_from((0, 0, 0, 1, 2))),
            handler=_lifecycle_handler(draw, handlers),
        )
    key = names.new("t")
    size, over = -1, None
    if kind == "map":
        size = draw(st.integers(0, 3))
        if names.maps and draw(st.booleans()):
            over = draw(st.sampled_from(names.maps))
    plan = TaskPlan(
        key=key,
        upstream=upstream,
        uses=draw(st.sampled_from((None, *inside))),
        trigger=draw(st.sampled_from((*OFTEN, *TRIGGERS))),
        skips=draw(st.sampled_from((True, True, True, False))),
        retries=draw(st.sampled_from((0, 0, 0, 1, 2))),
        size=size,
        over=over,
        handler=draw(st.sampled_from((None,) * 6 + handlers)) if handlers else None,
    )
    names.tasks.append(key)
    if kind == "map":
        names.maps.append(key)
    return plan


def _lifecycle_handler(draw: st.DrawFn, handlers: tuple[str, ...]) -> tuple[str, str] | None:
    if not handlers or draw(st.integers(0, 3)):
        return None
    return draw(st.sampled_from(("init", "setup", "cleanup"))), draw(st.sampled_from(handlers))


def _mapped_body(draw: st.DrawFn, names: _Names, block: str | None, *, depth: int) -> tuple[Item, ...]:
    items: list[Item] = []
    made: list[str] = []
    for _ in range(draw(st.integers(0, 2))):
        if depth < 2 and draw(st.sampled_from((False, False, True))):
            key = names.new("b")
            has_setup = draw(st.booleans())
            body = _mapped_body(draw, names, key if has_setup else None, depth=depth + 1)
            names.lifecycles += [f"{key}.init", f"{key}.setup", f"{key}.cleanup"]
            items.append(BlockPlan(key=key, has_setup=has_setup, body=body))
            continue
        key = names.new("t")
        items.append(
            TaskPlan(
                key=key,
                upstream=_some(draw, made),
                uses=draw(st.sampled_from((None, block))),
                trigger=draw(st.sampled_from((*OFTEN, "all_finished"))),
                retries=draw(st.sampled_from((0, 0, 1))),
            )
        )
        made.append(key)
        names.tasks.append(key)
    return tuple(items)


# -- what happens when a plan is run: see also `world` --------------------------------------------------------


def manager_of(world: World, plan: BlockPlan, handlers: dict[str, Callable[..., Any]]) -> ResourceManager:
    """Return a manager that does what the plan says and counts what it did."""

    class Manager:
        def __init__(self, item: Any = None) -> None:
            self.resource: Resource | None = None
            world.do(f"{plan.key}.init", context.task_full_name)
            if not plan.has_setup:
                self.resource = self.made()

        def made(self) -> Resource:
            with world.lock:
                resource = Resource(plan.key, len(world.resources), set_up=1)
                world.resources.append(resource)
            return resource

        def cleanup(self, resource: Resource | None) -> None:
            with world.lock:
                if resource is not (self.resource if plan.has_setup else None):
                    world.wrong.append(f"cleanup of {plan.key} got {resource!r}")
                mine = self.resource
                if mine is None:
                    world.wrong.append(f"cleanup of {plan.key} although nothing was set up")
                    return
                world.begin_cleanup(mine)
            world.do(f"{plan.key}.cleanup", context.get("task_full_name", f"{plan.key}.cleanup"))
            mine.cleaned_well += 1

    if plan.has_setup:

        def setup(self: Manager) -> Resource:
            if self.resource is not None:
                world.wrong.append(f"setup of {plan.key} twice")
            world.do(f"{plan.key}.setup", context.task_full_name)
            self.resource = self.made()
            return self.resource

        Manager.setup = setup  # type: ignore[attr-defined]

    kwargs: dict[str, dict[str, Any]] = {"init": {}, "setup": {}, "cleanup": {}}
    for name, retries in (("setup", plan.setup_retries), ("cleanup", plan.retries)):
        if retries:
            kwargs[name].update(max_retries=retries, retry_delay=timedelta(0))
    if plan.handler is not None:
        kwargs[plan.handler[0]]["state_handlers"] = [handlers[plan.handler[1]]]
    return resource_manager(
        name=plan.key,
        init_task_kwargs=kwargs["init"],
        setup_task_kwargs=kwargs["setup"],
        cleanup_task_kwargs=kwargs["cleanup"],
        cleanup_failure="fail" if plan.fail else "ignore",
    )(Manager)


class Built:
    """A flow made of a plan; `tasks` and `blocks` by key."""

    def __init__(
        self,
        plan: FlowPlan,
        world: World | None = None,
        handlers: dict[str, Callable[..., Any]] | None = None,
    ) -> None:
        self.world = world or World(plan)
        self.tasks: dict[str, Task] = {}
        self.blocks: dict[str, Block] = {}
        self.handlers = handlers or {}
        with Flow("random") as flow:
            self._add(plan.items)
        self.flow = flow

    def _add(self, items: tuple[Item, ...], item: Any = None) -> None:
        for plan in items:
            match plan:
                case TaskPlan():
                    self._add_task(plan, item)
                case BlockPlan():
                    self._add_block(plan, item)
                case AgainPlan():
                    with self.blocks[plan.block]:
                        self._add(plan.body)
                case CasePlan():
                    with case(self.tasks[plan.condition], True):
                        self._add(plan.body)

    def _add_task(self, plan: TaskPlan, item: Any) -> None:
        upstream = [self.tasks[key] for key in plan.upstream]
        inputs: dict[str, Any] = {}
        if plan.uses is not None:
            inputs["resource"] = self.blocks[plan.uses].setup_task
        probe = Probe(
            self.world,
            plan.key,
            trigger=TRIGGERS[plan.trigger],
            skip_on_upstream_skip=plan.skips,
            max_retries=plan.retries,
            retry_delay=timedelta(0) if plan.retries else None,
            state_handlers=[self.handlers[plan.handler]] if plan.handler else None,
        )
        if plan.size >= 0:
            over = self.tasks[plan.over] if plan.over else list(range(plan.size))
            inputs = {key: unmapped(value) for key, value in inputs.items()}
            self.tasks[plan.key] = probe.map(item=over, upstream_tasks=[unmapped(t) for t in upstream], **inputs)
        else:
            if item is not None:
                inputs["item"] = item
            self.tasks[plan.key] = probe.bind(upstream_tasks=upstream, **inputs)

    def _add_block(self, plan: BlockPlan, item: Any) -> None:
        manager = manager_of(self.world, plan, self.handlers)
        if plan.size >= 0:

            def make(item: Any) -> None:
                self._enter(manager, plan, item)

            apply_map(make, list(range(plan.size)))
        else:
            self._enter(manager, plan, item)

    def _enter(self, manager: ResourceManager, plan: BlockPlan, item: Any) -> None:
        block = manager(item) if item is not None else manager()
        self.blocks[plan.key] = block
        for key in plan.upstream if plan.size < 0 else ():
            block.init_task.set_upstream(self.tasks[key])
        with block:
            self._add(plan.body, item)
