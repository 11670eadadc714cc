"""The cleanup guarantee in real runs: random flows, random failures, interrupts and cancels, real managers that count.

The numbers are those of the rules of the cleanup guarantee in the design.
"""

from __future__ import annotations

import random
import signal
import warnings
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nbflow import states
from nbflow.engine.open_resources import BlockStatus
from nbflow.executors import DaskExecutor, ProcessExecutor, ThreadExecutor
from nbflow.executors.errors import CannotReturnError, CannotTravelError, UnreadableCallError, WorkerDiedError
from tests.executors.workers import workers_of_here
from tests.patience import PATIENCE_S
from tests.properties.handlers import HANDLERS
from tests.properties.strategies import BlockPlan, Built, FlowPlan, budget, flow_plans
from tests.properties.world import SharedWorld, World, act_plainly

if TYPE_CHECKING:
    from nbflow.engine.run import Run

ORDINARY = ("raise", "raise", "skip", "fail", "retry", "loop", "false", "success")
ENDING = ("interrupt", "exit")
LIFECYCLE = ("raise", "raise", "skip", "fail")
FAULTS = (CannotTravelError, CannotReturnError, UnreadableCallError, WorkerDiedError)  # of the way to a process
SEEDS = st.integers(0, 2**32)
TIMEOUT_S = PATIENCE_S
PLANS = flow_plans(
    size=12,
    outcomes=ORDINARY,
    lifecycle=LIFECYCLE,
    handlers=("plain", "raise", "fail", "succeed", "skip", "retry"),
)
ROUGH_PLANS = flow_plans(size=12, outcomes=ORDINARY + ENDING, lifecycle=LIFECYCLE + ENDING, handlers=tuple(HANDLERS))


@contextmanager
def quiet():
    """Failed cleanups warn; here they are meant to fail."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        yield


def run_blocking(built: Built, **kwargs: Any) -> tuple[Run, BaseException | None]:
    error = None
    with quiet():
        try:
            built.flow.run(**kwargs)
        except (KeyboardInterrupt, SystemExit) as raised:
            error = raised
    return built.flow.runs[-1], error


def check(run: Run, world: World) -> None:
    """What holds of every run that is over."""
    assert run.is_finished
    assert run.state.is_finished() or run.state.is_running(), run.state  # Running: a task was left unfinished
    assert world.wrong == []
    assert run.open_resources == []
    failed = {block.name for block in run.cleanup_failures}
    for resource in world.resources:
        tries = 1 + retries_of(world.plan, resource.key)
        assert 1 <= resource.cleaned <= tries, f"{resource} was not cleaned up exactly once (rule 1)"
        assert resource.cleaned == 1 or resource.key in world.plan.does_of_cleanup
        assert resource.cleaned_well == 1 or resource.key in failed, f"{resource} failed silently (rule 7)"
        assert resource.users == 0
    for block in failed:
        assert any(r.key == block and not r.cleaned_well for r in world.resources)
    check_order(world)
    check_events(run)
    for block, status in run.block_status.items():
        if not block.mapped:
            mine = [r for r in world.resources if r.key == block.name]
            if status is BlockStatus.LEAKED and not mine:
                assert set(world.plan.does[f"{block.name}.setup"]) & set(ENDING), "nothing cut this setup (rule 13)"
            else:
                assert (status in (BlockStatus.CLEANED, BlockStatus.LEAKED)) == bool(mine), (
                    block.name,
                    status,
                )


def check_order(world: World) -> None:
    """Rule 4: cleaned up inside out. Names of the log carry the element's number, if there is one."""
    begun = {}
    for at, name in enumerate(world.log):
        begun.setdefault(name, at)
    for inner, outer in nested(world.plan.items):
        for name, at in begun.items():
            if name.startswith(f"{inner}.cleanup"):
                outer_name = name.replace(inner, outer, 1)
                around = begun.get(outer_name, begun.get(f"{outer}.cleanup"))
                assert around is None or at < around, f"{outer} was cleaned up before {inner} (rule 4)"


def nested(items: tuple[Any, ...], around: tuple[str, ...] = ()) -> list[tuple[str, str]]:
    found = []
    for item in items:
        inside = around
        if isinstance(item, BlockPlan):
            found += [(item.key, outer) for outer in around]
            inside = (*around, item.key)
        if hasattr(item, "body") and not hasattr(item, "block"):
            found += nested(item.body, inside)
    return found


def retries_of(plan: FlowPlan, key: str) -> int:
    def find(items: tuple[Any, ...]) -> int:
        for item in items:
            if isinstance(item, BlockPlan) and item.key == key:
                return item.retries
            found = find(getattr(item, "body", ()))
            if found:
                return found
        return 0

    return find(plan.items)


def check_events(run: Run) -> None:
    """Replaying the events gives the final states."""
    seen: dict[Any, states.State] = dict.fromkeys(run.graph.tasks, None)
    children: dict[tuple[Any, int], states.State] = {}
    last: states.State | None = None
    for number, event in enumerate(run.events):
        assert event.seq == number
        if event.kind == "task" and event.map_index is None:
            seen[event.task] = event.state
        elif event.kind == "task":
            children[event.task, event.map_index] = event.state
        elif event.kind == "run":
            last = event.state
    assert (type(last), last.message) == (type(run.state), run.state.message)
    for task, state in run.states.items():
        assert is_told(seen[task], state) or (seen[task] is None and type(state) in (states.Pending,)), task
        if isinstance(state, states.Mapped):
            for index, child in enumerate(state.map_states):
                assert is_told(children.get((task, index), child), child)


def is_told(one: states.State | None, other: states.State) -> bool:
    """Whether an event told of a state: it says the same, and carries no value."""
    return one is other or (type(one) is type(other) and one is not None and one.message == other.message)


@budget(150)
@given(PLANS)
def test_whatever_fails_everything_set_up_is_cleaned_up_once(plan):
    built = Built(plan, handlers=HANDLERS)

    run, error = run_blocking(built)

    assert error is None
    check(run, built.world)


@budget(100)
@given(ROUGH_PLANS)
def test_an_exit_or_interrupt_raised_anywhere_reaches_the_caller_after_cleanup(plan):
    built = Built(plan, handlers=HANDLERS)

    run, _ = run_blocking(built)

    check(run, built.world)


@budget(100)
@given(PLANS)
def test_the_shortcut_tells_what_the_long_way_tells(plan):
    short, long = Built(plan, handlers=HANDLERS), Built(plan, handlers=HANDLERS)
    for task in long.flow.tasks:
        task.tags = {"watched"}  # a state has to carry it, so no task of these is a simple one

    told = [
        [
            (
                event.kind,
                event.task and event.task.name,
                event.map_index,
                type(event.old),
                event.state and (type(event.state), event.state.message),
                event.attempt,
                event.note,
            )
            for event in run_blocking(built)[0].events
        ]
        for built in (short, long)
    ]

    assert told[0] == told[1]


@budget(60)
@given(ROUGH_PLANS, st.integers(1, 4))
def test_threads_keep_the_guarantee(plan, workers):
    built = Built(plan, handlers=HANDLERS)

    run, _ = run_blocking(built, executor=ThreadExecutor(workers))

    check(run, built.world)


@budget(60)
@given(ROUGH_PLANS, st.sampled_from((None, 1, 3)))
def test_background_runs_keep_the_guarantee(plan, workers):
    built = Built(plan, handlers=HANDLERS)

    with quiet():
        run = built.flow.start(executor=ThreadExecutor(workers) if workers else "inline")
        run.wait(TIMEOUT_S)

    check(run, built.world)


@budget(120)
@given(PLANS, st.integers(0, 60), st.booleans())
def test_a_cancel_at_any_event_cleans_up_once(plan, at, twice):
    built = Built(plan, handlers=HANDLERS)
    run = built.flow._prepare(None, {}, blocking=True)

    def cancel(event: Any) -> None:
        if event.seq == at or (twice and event.seq == at + 3):
            run.cancel()

    run.listen(cancel)
    with quiet():
        run._work()

    check(run, built.world)
    starts_after(run, at)


@budget(60)
@given(PLANS, st.integers(0, 60), st.sampled_from((None, 1, 3)))
def test_a_cancel_of_a_background_run_at_any_event_cleans_up_once(plan, at, workers):
    built = Built(plan, handlers=HANDLERS)
    run = built.flow._prepare(None, {"executor": ThreadExecutor(workers) if workers else "inline"})
    run.listen(lambda event: run.cancel() if event.seq == at else None)

    with quiet():
        run._begin()
        run.wait(TIMEOUT_S)

    check(run, built.world)


def starts_after(run: Run, at: int) -> None:
    """Nothing but cleanups starts once a cancel was asked for."""
    if not any(isinstance(event.state, states.Cancelling) for event in run.events):
        return
    for event in run.events[at + 2 :]:
        if event.kind == "task" and type(event.state) is states.Running:
            assert event.task.name.endswith(".cleanup"), f"{event.task.name} started after the cancel (rule 6)"


@budget(80)
@given(PLANS, st.integers(1, 25))
def test_a_real_interrupt_in_the_middle_of_any_call_cleans_up_once(plan, at):
    count = 0

    def act(action: str, name: str) -> Any:
        nonlocal count
        count += 1
        if count == at:
            signal.raise_signal(signal.SIGINT)
        return act_plainly(action, name)

    built = Built(plan, World(plan, act), handlers=HANDLERS)

    run, error = run_blocking(built)

    check(run, built.world)
    assert isinstance(error, KeyboardInterrupt) == (count >= at)
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


@budget(80)
@given(PLANS, SEEDS, st.sampled_from((None, 2)))
def test_any_sequence_of_steps_keeps_the_guarantee(plan, seed, workers):
    built = Built(plan, handlers=HANDLERS)

    run = stepped(built, random.Random(seed), ThreadExecutor(workers) if workers else "inline")

    check(run, built.world)


def stepped(built: Built, chosen: random.Random, executor: Any) -> Run:
    with quiet():
        run = built.flow.start(paused=True, executor=executor)
        for _ in range(200):
            if run.is_finished:
                break
            move = chosen.choice(("step", "step", "step", "step_block", "until", "resume", "cancel"))
            if move == "step":
                run.step_nowait() if chosen.random() < 0.3 else step(run)
            elif move == "step_block":
                step(run, "step_block")
            elif move == "until":
                step(run, "until", chosen.choice(run.graph.tasks))
            elif move == "resume" and chosen.random() < 0.3:
                run.resume()
            elif move == "cancel" and chosen.random() < 0.1:
                run.cancel()
        run.resume()
        run.wait(TIMEOUT_S)
    return run


def step(run: Run, command: str = "step", *args: Any) -> None:
    from nbflow.errors import NothingToStepError

    try:
        getattr(run, command)(*args)
    except NothingToStepError:
        return


@budget(60)
@given(PLANS, st.data())
def test_a_run_from_given_states_sets_up_and_cleans_up_again(plan, data):
    built = Built(plan, handlers=HANDLERS)
    first, _ = run_blocking(built)
    given = {task: state for task, state in first.states.items() if state.is_finished() and data.draw(st.booleans())}
    world = built.world
    world.calls.clear()
    world.log.clear()
    world.resources.clear()

    run, _ = run_blocking(built, task_states=given)

    assert run.is_finished
    assert run.open_resources == []
    assert [r for r in world.resources if r.cleaned == 0] == []


# -- tasks in other processes: each run starts some, so a test run plays few of these ------------------------------


def built_elsewhere(plan: FlowPlan) -> Built:
    return Built(plan, SharedWorld(plan), handlers=HANDLERS)


def check_elsewhere(run: Run, world: World) -> None:
    assert isinstance(world, SharedWorld)
    check(run, world)
    assert world.misuses() == []
    assert workers_of_here() == world.workers_before
    ends = [end for state in run.states.values() for end in (state, *getattr(state, "map_states", ()))]
    assert [end for end in ends if isinstance(end.result, FAULTS)] == []


ELSEWHERE = pytest.mark.parametrize(
    "place",
    [pytest.param("processes", marks=pytest.mark.elsewhere), pytest.param("dask", marks=pytest.mark.cluster)],
)


@pytest.fixture(scope="session")
def executor_at(request):
    """Return an executor of two workers: processes, or the cluster that the tests share."""

    def executor(place):
        if place == "processes":
            return ProcessExecutor(2)
        return DaskExecutor(client=request.getfixturevalue("dask_client"))

    return executor


@ELSEWHERE
@budget(20)
@given(ROUGH_PLANS)
def test_workers_keep_the_guarantee(executor_at, place, plan):
    built = built_elsewhere(plan)

    run, _ = run_blocking(built, executor=executor_at(place))

    check_elsewhere(run, built.world)


@ELSEWHERE
@budget(20)
@given(PLANS, st.integers(0, 60))
def test_a_cancel_of_a_run_on_workers_at_any_event_cleans_up_once(executor_at, place, plan, at):
    built = built_elsewhere(plan)
    run = built.flow._prepare(None, {"executor": executor_at(place)})
    run.listen(lambda event: run.cancel() if event.seq == at else None)

    with quiet():
        run._begin()
        run.wait(TIMEOUT_S)

    check_elsewhere(run, built.world)
    starts_after(run, at)


@ELSEWHERE
@budget(10)
@given(PLANS, SEEDS)
def test_any_sequence_of_steps_on_workers_keeps_the_guarantee(executor_at, place, plan, seed):
    built = built_elsewhere(plan)

    run = stepped(built, random.Random(seed), executor_at(place))

    check_elsewhere(run, built.world)
