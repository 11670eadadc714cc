"""A rerun does exactly what its plan says: over random flows, failures, maps, branches, blocks, and choices."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nbflow import states
from nbflow.engine.open_resources import BlockStatus
from nbflow.engine.refusal import why_not_pinned
from nbflow.errors import NothingToRerunError
from nbflow.executors import ThreadExecutor
from tests.properties.strategies import Built, Probe, budget, flow_plans
from tests.properties.test_guarantee import TIMEOUT_S, check, quiet, run_blocking

if TYPE_CHECKING:
    from nbflow import Task
    from nbflow.engine.plan import Plan
    from nbflow.engine.run import Run

PLANS = flow_plans(
    size=14,
    outcomes=("raise", "raise", "skip", "fail", "loop", "success", "false"),
    lifecycle=("raise", "skip"),
)


def forget(built: Built) -> None:
    world = built.world
    world.calls.clear()
    world.log.clear()
    world.resources.clear()


def redefine(task: Task) -> None:
    def run(resource: Any = None, item: Any = None) -> Any:
        return Probe.run(task, resource, item)

    task.run = run


def called(built: Built, task: Task) -> set[int]:
    """The children of a task whose function was called; {-1} for one without."""
    found = set()
    for name in built.world.log:
        key, _, index = name.partition("[")
        if key == task.name:
            found.add(int(index.rstrip("]")) if index else -1)
    return found


def ends_uncalled(state: states.State) -> bool:
    """Whether a state explains that a function was not called although its task was to run."""
    if isinstance(state, states.Mapped):
        return all(ends_uncalled(child) for child in state.map_states)
    return state.is_skipped() or state.is_failed() or isinstance(state, states.Cancelled)


def check_plan(built: Built, plan: Plan, run: Run) -> None:
    for step in plan.steps:
        task, calls = step.task, called(built, step.task)
        if isinstance(task, Probe):
            if not step.runs:
                assert not calls, f"{task.name} was called although {step.why}"
                assert type(run.states[task]) is type(plan.reused[task])
                assert run.sources.get(task, "reused") == step.source
            elif step.children is not None:
                assert calls <= set(step.children), f"{task.name} was called for children it has already"
            if step.runs and not calls:
                assert ends_uncalled(run.states[task]), f"{task.name} was not called although {step.why}"
            if step.runs:
                assert run.sources.get(task, "computed") == "computed"
    for block in plan.blocks:
        key = block.block.name
        made = [resource for resource in built.world.resources if resource.key == key]
        touched = {name.partition("[")[0] for name in built.world.log}
        if not block.opens:
            assert not made, f"{key} was opened although {block.why}"
            assert not touched & {key, f"{key}.setup", f"{key}.cleanup"}
            assert run.block_status[block.block] in (BlockStatus.CLOSED, BlockStatus.SKIPPED)
        users = [task for task in block.block.members if isinstance(task, Probe) and called(built, task)]
        setup = block.block.setup_task or block.block.init_task
        if users and not any(task.trigger.__name__ != "all_successful" for task in users):
            assert block.opens
            assert made or type(run.states[setup]) is not states.Success


def check_closure(built: Built, plan: Plan) -> None:
    """What follows from what runs, runs: below it, and around it where a resource is new."""
    for step in plan.steps:
        if step.runs and step.children is None and isinstance(step.task, Probe):
            for below in built.flow.downstream_tasks(step.task):
                if not hasattr(below, "block"):
                    assert plan[below].runs or plan[below].source == "pinned", (step.task, below)
    for block in plan.blocks:
        inside = [plan[task] for task in block.block.members if not hasattr(task, "block")]
        if block.opens:
            assert all(one.runs or one.task.portable or one.source == "pinned" for one in inside)
            assert block.block.parent is None or any(
                outer.opens for outer in plan.blocks if outer.block is block.block.parent
            )
        else:
            assert not any(one.runs for one in inside)
        assert {plan[task].runs for task in block.block.lifecycle} == {block.opens}


@st.composite
def choices(draw: st.DrawFn, built: Built) -> tuple[Any, list[Task]]:
    tasks = list(built.tasks.values())
    what = draw(st.sampled_from(("failed", "stale", "tasks", "tasks", "all")))
    changed = draw(st.lists(st.sampled_from(tasks), max_size=2, unique=True)) if tasks else []
    if what != "tasks" or not tasks:
        return what if what != "tasks" else "all", changed if what == "stale" else []
    places = [*tasks, *built.blocks.values()]
    return draw(st.lists(st.sampled_from(places), min_size=1, max_size=3, unique=True)), []


@budget(100)
@given(PLANS, st.data())
def test_a_rerun_executes_exactly_its_plan(plan, data):
    built = Built(plan)
    for task in built.tasks.values():
        task.portable = data.draw(st.sampled_from((False, False, True)), label=f"{task.name} is portable")
    run, _ = run_blocking(built)
    for number in range(data.draw(st.integers(1, 2))):
        what, redefined = data.draw(choices(built), label="what")
        for task in redefined:
            redefine(task)
        if data.draw(st.booleans(), label="fixed"):
            built.world.plan = replace(plan, does={})
        having = [task for task in built.tasks.values() if not why_not_pinned(run.states[task])]
        for task in data.draw(st.lists(st.sampled_from(having), max_size=1)) if having else []:
            run.pin(task)
        dry = run.rerun(what, dry=True)
        check_closure(built, dry)
        forget(built)
        if dry.is_empty and what != "all":
            with pytest.raises(NothingToRerunError):
                run.rerun(what)
            assert built.world.log == []
            return

        with quiet():
            following = run.rerun(what, executor=data.draw(st.sampled_from(("inline", ThreadExecutor(2)))))
            following.wait(TIMEOUT_S)

        assert following.is_finished
        assert following.plan.tasks == dry.tasks
        assert following.parent is run
        assert following.kind == ("fork" if set(dry.sources.values()) & {"edited", "pinned"} else "replay")
        check(following, built.world)
        check_plan(built, dry, following)
        run, number = following, number


@budget(30)
@given(PLANS, st.data())
def test_a_cancelled_run_goes_on_where_it_was(plan, data):
    built = Built(plan)
    run = built.flow._prepare(None, {}, blocking=True)
    at = data.draw(st.integers(0, 40))
    run.listen(lambda event: run.cancel() if event.seq == at else None)
    with quiet():
        built.flow._tell_start(run)
        run._work()
    done = {
        task
        for task in built.tasks.values()
        if run.states[task].is_successful() and not isinstance(run.states[task], states.Mapped)
    }
    dry = built.flow.plan("failed")
    forget(built)
    if dry.is_empty:
        return

    with quiet():
        following = run.rerun("failed")
        following.wait(TIMEOUT_S)

    check(following, built.world)
    check_plan(built, dry, following)
    inside = {task for block in dry.blocks if block.opens for task in block.block.members}
    below = set(built.flow.sorted_tasks(root_tasks=dry.tasks)) if dry.tasks else set()
    assert not any(called(built, task) for task in done - inside - below)
