"""Blocks when a flow runs: once each, in order, whatever happens inside (flow-model 1.8 to 1.11, design 5)."""

from __future__ import annotations

import warnings
from datetime import UTC, datetime, timedelta

import pytest

from nbflow import Flow, Parameter, Task, case, context, resource_manager, task, triggers
from nbflow.signals import SKIP
from nbflow.states import Cached, Failed, Retrying, Skipped, Success, TriggerFailed
from tests.patience import PATIENCE_S
from tests.shared import SharedList

NOW = timedelta(0)


class Diary:
    """Makes resource managers that write down what is called."""

    def __init__(self):
        self.lines = SharedList()

    def manager(self, name="r", *, fail_at=None, **options):
        diary = self

        class Manager:
            def __init__(self, size=1):
                self.note("init")
                self.size = size

            def note(self, step):
                diary.lines.append(f"{name}.{step}")
                if step == fail_at:
                    raise ValueError(step)

            def setup(self):
                self.note("setup")
                return self.size * 10

            def cleanup(self, resource):
                assert resource == self.size * 10
                self.note("cleanup")
                return "dropped"

        return resource_manager(name=name, **options)(Manager)

    def task(self, name, *, error=None, **options):
        def run(x=None):
            self.lines.append(name)
            if error is not None:
                raise error
            return x

        return task(run, name=name, **options)


@pytest.fixture
def diary():
    return Diary()


def test_everything_happens_once_and_in_order(diary, executor):
    """1.3, 1.7"""
    with Flow("f") as flow, diary.manager()(Parameter("size", default=2)) as r:
        a = diary.task("a")(r)

    state = flow.run(executor=executor)

    assert state.is_successful()
    assert diary.lines == ["r.init", "r.setup", "a", "r.cleanup"]
    assert state.result[a].result == 20
    (cleanup,) = flow.get_tasks(name="r.cleanup")
    assert state.result[cleanup] == Success(result=None)


def test_each_step_in_the_life_of_a_block_is_an_event(diary, executor):
    """Rule 7: whoever follows the run sees it, the panel too."""
    with Flow("f") as flow, diary.manager()() as r:
        diary.task("use")(r)

    flow.run(executor=executor)

    notes = [event.note for event in flow.runs[-1].events if event.kind == "block"]
    assert notes == ["opening", "open", "closing", "cleaned"]


def test_a_resource_that_is_not_passed_on_is_there_all_the_same(diary, executor):
    """1.6"""
    with Flow("f") as flow, diary.manager()():
        diary.task("b").bind(diary.task("a")())

    flow.run(executor=executor)

    assert diary.lines == ["r.init", "r.setup", "a", "b", "r.cleanup"]


def test_an_empty_block_is_set_up_and_cleaned_up(diary, executor):
    """design 5.8"""
    with Flow("f") as flow, diary.manager()():
        pass

    assert flow.run(executor=executor).is_successful()
    assert diary.lines == ["r.init", "r.setup", "r.cleanup"]


def test_nested_blocks_open_outside_in_and_close_inside_out(diary, executor):
    """1.7"""
    with Flow("f") as flow, diary.manager("outer")():
        diary.task("a")()
        with diary.manager("inner")():
            diary.task("b")()

    flow.run(executor=executor)

    order = [line for line in diary.lines if not line.endswith("init") and line != "a"]
    assert order == ["outer.setup", "inner.setup", "b", "inner.cleanup", "outer.cleanup"]


def test_a_manager_without_setup_is_cleaned_up_with_none(executor):
    """1.3"""
    lines = SharedList()

    @resource_manager
    class Bare:
        def __init__(self):
            lines.append("init")

        def cleanup(self, resource):
            lines.append(("cleanup", resource))

    with Flow("f") as flow, Bare() as r:
        assert r is None
        task(lambda: lines.append("a"), name="a")()

    assert flow.run(executor=executor).is_successful()
    assert lines == ["init", "a", ("cleanup", None)]


def test_a_failed_init_fails_what_is_inside_and_skips_the_cleanup(diary, executor):
    """1.9"""
    with Flow("f") as flow:
        block = diary.manager(fail_at="init")()
        with block as r:
            a = diary.task("a")(1)
            b = Task("b").set_upstream(a)

    state = flow.run(executor=executor)

    assert state.is_failed()
    assert diary.lines == ["r.init"]
    assert type(state.result[block.init_task]) is Failed
    assert [type(state.result[t]) for t in (r, a, b)] == [TriggerFailed] * 3
    assert isinstance(state.result[block.cleanup_task], Skipped)
    assert "init failed" in state.result[block.cleanup_task].message


def test_a_failed_init_of_a_manager_without_setup_skips_the_cleanup(executor):
    """1.6, 1.9: nothing ties the members to init, so they run all the same."""
    lines = SharedList()

    @resource_manager
    class Manager:
        def __init__(self):
            raise ValueError("init")

        def cleanup(self, resource):
            lines.append("cleanup")

    with Flow("f") as flow:
        block = Manager()
        with block:
            a = task(lambda: 1, name="a")()

    state = flow.run(executor=executor)

    assert state.result[a].is_successful()
    assert isinstance(state.result[block.cleanup_task], Skipped)
    assert "init failed" in state.result[block.cleanup_task].message
    assert lines == []


def test_a_failed_setup_fails_what_is_inside_and_skips_the_cleanup(diary, executor):
    """1.9"""
    with Flow("f") as flow:
        block = diary.manager(fail_at="setup")()
        with block as r:
            a = diary.task("a")(r)

    state = flow.run(executor=executor)

    assert state.is_failed()
    assert diary.lines == ["r.init", "r.setup"]
    assert type(state.result[r]) is Failed
    assert isinstance(state.result[a], TriggerFailed)
    assert isinstance(state.result[block.cleanup_task], Skipped)
    assert "setup failed" in state.result[block.cleanup_task].message


def test_a_failed_member_is_cleaned_up_after(diary, executor):
    """1.9"""
    with Flow("f") as flow:
        block = diary.manager()()
        with block as r:
            a = diary.task("a", error=ValueError())(r)
            b = diary.task("b")(a)

    state = flow.run(executor=executor)

    assert state.is_failed()
    assert diary.lines == ["r.init", "r.setup", "a", "r.cleanup"]
    assert isinstance(state.result[b], TriggerFailed)
    assert type(state.result[block.cleanup_task]) is Success


def test_a_failed_cleanup_leaves_the_flow_successful_and_is_told(diary, executor):
    """1.9, design 5.7"""
    with Flow("f") as flow:
        block = diary.manager(fail_at="cleanup")()
        with block as r:
            a = diary.task("a")(r)

    with pytest.warns(RuntimeWarning, match="cleanup of 'r' failed"):
        state = flow.run(executor=executor)

    assert state.is_successful()
    assert state.result[a].is_successful()
    assert type(state.result[block.cleanup_task]) is Failed
    assert isinstance(flow.runs[-1].cleanup_failures[block], ValueError)


def test_a_failed_cleanup_may_be_told_to_fail_the_flow(diary, executor):
    """design 5.7"""
    with Flow("f") as flow, diary.manager(fail_at="cleanup", cleanup_failure="fail")() as r:
        a = diary.task("a")(r)

    with pytest.warns(RuntimeWarning):
        state = flow.run(executor=executor)

    assert state.is_failed()
    assert state.result[a].is_successful()


def test_a_skip_in_init_or_setup_skips_the_cleanup_too(executor):
    """1.8"""
    lines = SharedList()

    @resource_manager
    class Manager:
        def setup(self):
            raise SKIP("not needed")

        def cleanup(self, resource):
            lines.append("cleanup")

    with Flow("f") as flow:
        block = Manager()
        with block as r:
            a = task(lambda x: x, name="a")(r)

    state = flow.run(executor=executor)

    assert state.is_successful()
    assert state.result[a].is_skipped()
    assert "setup skipped" in state.result[block.cleanup_task].message
    assert lines == []


def test_a_skipped_member_does_not_keep_the_cleanup_from_running(diary, executor):
    """1.8"""
    with Flow("f") as flow, diary.manager()() as r:
        a = diary.task("a", error=SKIP())(r)

    assert flow.run(executor=executor).result[a].is_skipped()
    assert diary.lines == ["r.init", "r.setup", "a", "r.cleanup"]


def test_retries_share_the_resource(diary, executor):
    """design 5.2"""
    seen = SharedList()

    @task(max_retries=2, retry_delay=NOW)
    def shaky(r):
        seen.append(r)
        if len(seen) < 3:
            raise ValueError

    with Flow("f") as flow, diary.manager()() as r:
        shaky(r)

    assert flow.run(executor=executor).is_successful()
    assert len(seen) == 3
    assert diary.lines == ["r.init", "r.setup", "r.cleanup"]


@pytest.mark.parametrize("has_setup", [True, False])
def test_another_try_of_a_setup_that_went_well_gives_the_same_resource(executor, has_setup):
    """design 5.2: a handler may make its good state a retry; that is no reason for a second resource."""
    made, asked = SharedList(), SharedList()

    def again(task, old, new):
        if new.is_successful() and not asked:
            asked.append(task)
            return Retrying("once more", start_time=datetime.now(UTC))
        return None

    class Tool:
        def __init__(self):
            if not has_setup:
                made.append("tool")

        def cleanup(self, tool):
            made.append("cleaned up")

    if has_setup:
        Tool.setup = lambda self: made.append("tool")
    kwargs = {"state_handlers": [again]}
    manager = resource_manager(
        init_task_kwargs={} if has_setup else kwargs, setup_task_kwargs=kwargs if has_setup else {}
    )(Tool)
    with Flow("f") as flow, manager():
        task(lambda: None, name="use")()

    run = flow.start(executor=executor)
    run.wait(timeout_s=PATIENCE_S)
    run.cancel()

    assert run.is_finished
    assert asked
    assert made == ["tool", "cleaned up"]


def test_a_setup_may_be_tried_again(executor):
    """4.7, design 5.1"""
    lines = SharedList()

    @resource_manager(setup_task_kwargs={"max_retries": 1, "retry_delay": NOW})
    class Manager:
        def setup(self):
            lines.append("setup")
            if len(lines) == 1:
                raise ValueError
            return 1

        def cleanup(self, resource):
            lines.append(("cleanup", resource))

    with Flow("f") as flow, Manager() as r:
        task(lambda x: lines.append("a"), name="a")(r)

    assert flow.run(executor=executor).is_successful()
    assert lines == ["setup", "setup", "a", ("cleanup", 1)]


def test_a_cleanup_may_be_tried_again(executor):
    """4.7, design 5.1"""
    lines = SharedList()

    @resource_manager(cleanup_task_kwargs={"max_retries": 1, "retry_delay": NOW})
    class Manager:
        def setup(self):
            lines.append("setup")

        def cleanup(self, resource):
            lines.append("cleanup")
            if context.task_run_count == 1:
                raise ValueError

    with Flow("f") as flow, Manager():
        pass

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert flow.run(executor=executor).is_successful()
    assert lines == ["setup", "cleanup", "cleanup"]
    assert flow.runs[-1].cleanup_failures == {}


def test_a_block_none_of_whose_tasks_will_run_is_never_set_up(diary, executor):
    """design 5.8"""
    with Flow("f") as flow:
        bad = diary.task("bad", error=ValueError())()
        block = diary.manager()()
        with block as r:
            a = diary.task("a")(r)
            a.set_upstream(bad)

    state = flow.run(executor=executor)

    assert diary.lines.count("r.setup") == 0
    assert isinstance(state.result[a], TriggerFailed)
    assert isinstance(state.result[block.setup_task], Skipped)
    assert isinstance(state.result[block.cleanup_task], Skipped)


def test_a_block_in_a_case_that_does_not_apply_is_never_set_up(diary, executor):
    """8.1, design 5.8"""
    with Flow("f") as flow, case(Parameter("x"), 1), diary.manager()() as r:
        a = diary.task("a")(r)

    assert flow.run(x=2, executor=executor).result[a].is_skipped()
    assert diary.lines == []
    assert flow.run(x=1, executor=executor).result[a].is_successful()
    assert diary.lines == ["r.init", "r.setup", "a", "r.cleanup"]


def test_a_case_inside_a_block_that_does_not_apply_needs_no_resource(diary, executor):
    """8.1, design 5.8"""
    with Flow("f") as flow, diary.manager()():
        with case(Parameter("x"), 1):
            a = diary.task("a")()
        b = diary.task("b")()

    state = flow.run(x=2, executor=executor)

    assert state.result[a].is_skipped()
    assert state.result[b].is_successful()
    assert diary.lines == ["r.init", "r.setup", "b", "r.cleanup"]


def test_a_mapped_task_shares_the_resource_among_its_children(diary, executor):
    """design 5.3"""
    from nbflow import unmapped

    with Flow("f") as flow, diary.manager()() as r:
        m = task(lambda r, x: r + x, name="m").map(unmapped(r), [1, 2, 3])

    state = flow.run(executor=executor)

    assert state.result[m].result == [11, 12, 13]
    assert diary.lines == ["r.init", "r.setup", "r.cleanup"]


def test_what_follows_the_block_may_run_after_its_cleanup_with_derived_values(diary, executor):
    """design 5.5, 5.8"""
    with Flow("f") as flow:
        with diary.manager()() as r:
            a = diary.task("a")(r)
        b = diary.task("b")(a)

    state = flow.run(executor=executor)

    assert state.result[b].result == 10
    assert diary.lines.count("r.cleanup") == 1


def test_the_members_and_not_the_lifecycle_decide_the_state(diary, executor):
    """1.10"""
    with Flow("f") as flow, diary.manager()():
        a = diary.task("a")()

    assert flow.reference_tasks() == {a}


def test_a_permissive_member_below_a_failed_setup_runs(diary, executor):
    """1.9"""
    with Flow("f") as flow, diary.manager(fail_at="setup")() as r:
        a = diary.task("a", trigger=triggers.all_failed)(r)

    state = flow.run(executor=executor)

    assert isinstance(state.result[a].result, ValueError)
    assert "r.cleanup" not in diary.lines


def test_a_task_that_runs_because_a_setup_has_failed_waits_for_the_block_around_that(diary, executor):
    """design 5.8: at first it looks as if the task would not run, and nothing were to be set up for it."""
    with Flow("f") as flow:
        broken = diary.task("broken", error=OSError("broken"))()
        with diary.manager("outer")():
            inner = diary.manager("inner")()
            inner.init_task.set_upstream(broken, flow=flow)
            with inner:
                a = diary.task("a", trigger=triggers.all_failed)(upstream_tasks=[broken])

    state = flow.run(executor=executor)

    assert state.result[a].is_successful()
    assert [line for line in diary.lines if not line.endswith("init")] == [
        "broken",
        "outer.setup",
        "a",
        "outer.cleanup",
    ]


def test_a_run_from_given_states_sets_up_and_cleans_up_again(diary, executor):
    """1.11"""
    with Flow("f") as flow:
        block = diary.manager()()
        with block as r:
            a = diary.task("a")(r)
            b = diary.task("b")(r)

    first = flow.run(executor=executor)
    given = {**first.result, a: Success(result="kept")}
    del given[b]
    diary.lines.clear()
    second = flow.run(task_states=given, executor=executor)

    assert diary.lines == ["r.setup", "b", "r.cleanup"]
    assert second.result[a].result == "kept"
    assert second.result[b].result == 10


def test_given_states_of_setup_and_cleanup_are_not_believed(diary, executor):
    """1.11"""
    with Flow("f") as flow:
        block = diary.manager()()
        with block as r:
            a = diary.task("a")(r)

    manager = block.manager.resource_class(3)
    diary.lines.clear()
    given = {
        block.init_task: Success(result=manager),
        block.setup_task: Success(result="old"),
        block.cleanup_task: Success(),
    }
    state = flow.run(task_states=given, executor=executor)

    assert diary.lines == ["r.setup", "a", "r.cleanup"]
    assert state.result[a].result == 30


def test_a_cached_setup_that_was_given_is_believed():
    """1.11"""
    lines = SharedList()

    @resource_manager(setup_task_kwargs={"cache_for": timedelta(hours=1)})
    class Manager:
        def setup(self):
            lines.append("setup")

        def cleanup(self, resource):
            lines.append("cleanup")

    with Flow("f") as flow:
        block = Manager()
        with block as r:
            a = task(lambda x: x, name="a")(r)

    expires = datetime.now(UTC) + timedelta(hours=1)
    state = flow.run(task_states={r: Cached(result="kept", cached_result_expiration=expires)})

    assert state.result[a].result == "kept"
    assert "setup" not in lines


def test_what_a_resource_is_given_may_be_any_task(diary, executor):
    """1.2"""
    with Flow("f") as flow:
        size = task(lambda: 4, name="size")()
        with diary.manager()(size=size) as r:
            a = diary.task("a")(r)

    assert flow.run(executor=executor).result[a].result == 40


def test_a_factory_may_stand_for_a_class(executor):
    """1.1"""
    lines = SharedList()

    class Thing:
        def __init__(self, name):
            self.name = name

        def cleanup(self, resource):
            lines.append(self.name)

    def make(name):
        return Thing(name)

    with Flow("f") as flow, resource_manager(make)("thing"):
        task(lambda: 1, name="a")()

    assert flow.run(executor=executor).is_successful()
    assert lines == ["thing"]


def test_two_blocks_one_after_the_other_are_never_open_together(diary):
    """1.7"""
    with Flow("f") as flow:
        with diary.manager("a")() as r:
            x = diary.task("x")(r)
        with diary.manager("b")(x) as s:
            diary.task("y")(s)

    flow.run()

    assert diary.lines == ["a.init", "a.setup", "x", "a.cleanup", "b.init", "b.setup", "y", "b.cleanup"]


@pytest.mark.parametrize("executor", ["inline", "threads"])
def test_blocks_made_in_one_order_and_entered_in_the_other_nest_as_they_are_entered(diary, executor):
    """1.7, design 5.4: contexts made first and entered later, one inside the other, are ordered as nested."""
    with Flow("f") as flow:
        inner = diary.manager("inner")()
        outer = diary.manager("outer")()
        with outer as x, inner:
            diary.task("use")(x)

    assert flow.run(executor=executor).is_successful()
    lines = [line for line in diary.lines if not line.endswith("init")]
    assert lines == ["outer.setup", "inner.setup", "use", "inner.cleanup", "outer.cleanup"]
