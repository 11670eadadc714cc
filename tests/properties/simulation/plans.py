"""What is simulated: a flow, how it is run, and what its user does meanwhile."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from hypothesis import strategies as st

from tests.properties.strategies import (
    BlockPlan,
    FlowPlan,
    TaskPlan,
    flow_plans,
)
from tests.properties.strategies import _brief as brief

if TYPE_CHECKING:
    import random
    from collections.abc import Iterator

HANGING = ("hang", "deaf")
MODES = ("threads", "background", "inline", "cluster")
LONG = (4, 12, 30)  # tasks of a chain
WIDE = (8, 20, 40)  # children of a map, so that those that are short go to a worker in bundles
COMMANDS = ("step", "step_block", "until", "pause", "resume")
DEEDS = (*COMMANDS, "cancel", "interrupt", "listener", "end", "end")
ORDINARY_ENDS = ("raise", "raise", "skip", "fail", "retry", "loop", "false", "success", "pause")
LIFECYCLE_ENDS = ("raise", "raise", "skip", "fail", "retry", "loop", "pause")
ENDING = ("interrupt", "exit")


@dataclass(frozen=True, kw_only=True, repr=False)
class Plan:
    """A flow, how it is run, and what its user does, each deed at its moment (moments are counted, not timed).

    `limits`, `timeouts`, `delays` and `graces` are options of tasks and blocks by key; a lifecycle task's key is
    ``"b1.setup"``. `keeps` has the triggers of cleanups, by block; `early` what the reclaim of a block with an early
    handle does when it is first called, "ok" or "raise"; the setups of `hasty` blocks defer nothing. `inner` has the
    flows that tasks run before they do anything else. Of a cluster's workers so many may die by themselves (`deaths`).
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
    keeps: dict[str, str] = field(default_factory=dict)
    early: dict[str, str] = field(default_factory=dict)
    hasty: tuple[str, ...] = ()
    deeds: tuple[tuple[int, str], ...] = ()
    after: tuple[str, ...] = ()
    inner: dict[str, Plan] = field(default_factory=dict)
    deaths: int = 0

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
def inner_plans(draw: st.DrawFn) -> Plan:
    """Draw a flow that a task runs: a small one, in the task's own thread or on threads of its own."""
    more = draw(st.sampled_from(((), (), HANGING, HANGING * 2, ENDING)))
    flow = draw(flow_plans(size=4, outcomes=ORDINARY_ENDS + more, lifecycle=LIFECYCLE_ENDS + more))
    items = list(walk(flow.items))
    tasks = [item.key for item in items if isinstance(item, TaskPlan)]
    blocks = [item.key for item in items if isinstance(item, BlockPlan)]
    lifecycle = [f"{key}.{role}" for key in blocks for role in ("init", "setup", "cleanup")]
    return Plan(
        flow=flow,
        mode=draw(st.sampled_from(("inline", "threads"))),
        workers=draw(st.integers(1, 2)),
        timeouts=_options(draw, tasks + lifecycle, (1, 5), most=1),
        delays=_options(draw, tasks + lifecycle, (3, 40), most=1),
        graces=_options(draw, blocks, (0, 3), most=1),
        early=_options(draw, blocks, ("ok", "ok", "raise"), most=1),
        hasty=tuple(sorted(_options(draw, blocks, ("hasty",), most=1))),
    )


def _with_wide_maps(draw: st.DrawFn, flow: FlowPlan) -> FlowPlan:
    """Add maps that are wide enough for their children to go to workers in bundles."""
    first = TaskPlan(key="w0", size=draw(st.sampled_from(WIDE)))
    second = TaskPlan(key="w1", over="w0", retries=draw(st.sampled_from((0, 0, 1))))
    wide = (first, replace(second, size=first.size)) if draw(st.booleans()) else (first,)
    does = {"w0": tuple(draw(st.lists(st.sampled_from(("ok", *ORDINARY_ENDS)), max_size=1)))}
    return _with(draw, flow, wide, does)


def _with_chain(draw: st.DrawFn, flow: FlowPlan) -> FlowPlan:
    """Add a chain that is long enough to go to workers in bundles, each value of which may be taken twice."""
    count = draw(st.sampled_from(LONG))
    chain = [TaskPlan(key=f"c{n}", upstream=(f"c{n - 1}",) if n else ()) for n in range(count)]
    odd = draw(st.lists(st.integers(0, count - 1), max_size=3, unique=True))
    ends = {f"c{n}": (draw(st.sampled_from(("ok", *ORDINARY_ENDS))),) for n in odd[:2]}
    for n in odd:
        chain[n] = replace(chain[n], retries=draw(st.sampled_from((0, 1))))
    also = [TaskPlan(key=f"ca{n}", upstream=(f"c{n}", *draw(st.sampled_from(((), (f"c{count - 1}",)))))) for n in odd]
    return _with(draw, flow, (*chain, *also), ends)


def _with(draw: st.DrawFn, flow: FlowPlan, more: tuple[Any, ...], does: dict[str, tuple[str, ...]]) -> FlowPlan:
    items = (*more, *flow.items) if draw(st.booleans()) else (*flow.items, *more)
    return FlowPlan(items=items, does={**flow.does, **does})


@st.composite
def plans(draw: st.DrawFn, *, size: int = 10, handlers: tuple[str, ...] = (), modes: tuple[str, ...] = MODES) -> Plan:
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
    mode = draw(st.sampled_from(modes))
    if mode == "cluster":
        add = draw(st.sampled_from((None, _with_wide_maps, _with_chain)))
        flow = flow if add is None else add(draw, flow)
    items = list(walk(flow.items))
    tasks = [item.key for item in items if isinstance(item, TaskPlan)]
    blocks = [item.key for item in items if isinstance(item, BlockPlan)]
    wide = [item.key for item in items if isinstance(item, (TaskPlan, BlockPlan)) and item.size > 1]
    lifecycle = [f"{key}.{role}" for key in blocks for role in ("init", "setup", "cleanup")]
    alone = [item.key for item in items if isinstance(item, TaskPlan) and item.size < 0]
    runs_flows = draw(st.lists(st.sampled_from(alone), max_size=2, unique=True)) if alone and mode != "cluster" else []
    may_do = draw(st.sampled_from(((*COMMANDS, "listener", "end"), DEEDS)))
    last, most = 120, 6
    if mode == "cluster" and draw(st.booleans()):  # what went ahead is called back again and again
        may_do, last, most = ("pause", "resume", "resume", "step"), 400, 20
    deeds = draw(st.lists(st.tuples(st.integers(0, last), st.sampled_from(may_do)), max_size=most))
    return Plan(
        flow=flow,
        mode=mode,
        workers=draw(st.integers(1, 3)),
        paused=draw(st.sampled_from((False, False, False, True))),
        limits=_options(draw, wide, (1, 2)),
        timeouts=_options(draw, tasks + lifecycle, (1, 5), most=2),
        delays=_options(draw, tasks + lifecycle, (3, 40)),
        graces=_options(draw, blocks, (0, 3)),
        keeps=_options(draw, blocks, ("all_successful", "all_successful", "never", "broken"), most=1),
        early=_options(draw, blocks, ("ok", "ok", "raise")),
        hasty=tuple(sorted(_options(draw, blocks, ("hasty",)))),
        must_clean=tuple(sorted(_options(draw, blocks, ("fail",), most=1))),
        deeds=tuple(sorted(deeds, key=lambda deed: deed[0])),
        after=tuple(draw(st.lists(st.sampled_from(("rerun", "retry_cleanup", "clean_kept")), max_size=2, unique=True))),
        inner={key: draw(inner_plans()) for key in runs_flows},
        deaths=draw(st.integers(0, 3)) if mode == "cluster" else 0,
    )


def busy_plan(draw: random.Random) -> Plan:
    """Draw a run that has much to hand over to a cluster, is paused and resumed all the while, and loses workers."""
    size = draw.choice((12, 30))
    block = BlockPlan(key="b", body=(TaskPlan(key="t", uses="b"), TaskPlan(key="u", uses="b")))
    maps = (
        TaskPlan(key="w0", size=size),
        TaskPlan(key="w1", size=size, over="w0"),
        TaskPlan(key="w2", size=size, over="w0"),
    )
    chain = [TaskPlan(key=f"c{n}", upstream=(f"c{n - 1}",) if n else ()) for n in range(draw.choice((0, size)))]
    ends = {f"c{size // 2}": draw.choice(((), ("raise",), ("skip",), ("retry",), ("loop",)))}
    ends |= {"w0": draw.choice(((), (), ("raise",))), "t": draw.choice(((), (), ("hang",), ("deaf",)))}
    commands = draw.choice((("pause", "resume", "resume"), ("pause", "resume", "step"), COMMANDS))
    deeds = [(draw.randrange(600), draw.choice(commands)) for _ in range(draw.choice((4, 12, 24)))]
    return Plan(
        flow=FlowPlan(items=(TaskPlan(key="a"), *chain, *maps, block), does=ends),
        mode="cluster",
        workers=draw.choice((1, 1, 2, 3)),
        deeds=tuple(sorted(deeds, key=lambda deed: deed[0])),
        deaths=draw.choice((0, 2, 4)),
    )
