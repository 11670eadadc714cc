"""`flow.run` from end to end: what becomes of each task, of the flow, and of what was given (flow-model 4.1 to 4.6)."""

from __future__ import annotations

import pytest

from nbflow import Flow, Parameter, Task, context, tags, task, triggers
from nbflow.signals import ENDRUN, FAIL, LOOP, SKIP, SUCCESS
from nbflow.states import (
    Failed,
    Mapped,
    Pending,
    Queued,
    Running,
    Skipped,
    Submitted,
    Success,
    TriggerFailed,
    ValidationFailed,
)
from tests.shared import SharedList


@task
def one():
    return 1


@task
def add(x, y=1):
    return x + y


@task
def fail(*, message="no"):
    raise ValueError(message)


def test_the_result_maps_every_task_to_its_state(executor):
    """4.2"""
    with Flow("sum") as flow:
        x = one()
        y = add(x, 2)

    state = flow.run(executor=executor)

    assert isinstance(state, Success)
    assert state.message == "All reference tasks succeeded."
    assert set(state.result) == flow.tasks == {x, y}
    assert state.result[y] == Success(result=3)
    assert state.result[y].message


def test_a_task_that_was_made_but_not_called_is_run_without_arguments():
    """4.2"""
    t = Task("alone")

    assert Flow("f", tasks=[t]).run().result[t].is_successful()


def test_an_empty_flow_succeeds_with_a_warning():
    """4.4"""
    with pytest.warns(UserWarning, match="flow 'empty' has no tasks") as warned:
        state = Flow("empty").run()

    assert warned[0].filename == __file__
    assert state.is_successful()
    assert state.result == {}


def test_a_failure_is_the_exception_and_fails_what_is_below(executor):
    """4.5"""
    with Flow("f") as flow:
        bad = fail()
        below = add(bad)
        last = add(below)

    state = flow.run(executor=executor)

    assert state.is_failed()
    assert type(state.result[bad]) is Failed
    assert isinstance(state.result[bad].result, ValueError)
    assert "no" in state.result[bad].message
    assert isinstance(state.result[below], TriggerFailed)
    assert isinstance(state.result[last], TriggerFailed)


def test_a_permissive_trigger_receives_the_exception_of_a_failed_task(executor):
    """4.6"""
    with Flow("f") as flow:
        bad = fail()
        seen = task(lambda x: x, name="see", trigger=triggers.all_failed)(bad)

    state = flow.run(executor=executor)

    assert state.is_successful()
    assert isinstance(state.result[seen].result, ValueError)


def test_an_unkeyed_failure_is_seen_by_the_trigger_too():
    """4.5"""
    with Flow("f") as flow:
        bad = fail()
        rescue = Task("rescue", trigger=triggers.any_failed)
        rescue.set_upstream(bad)

    assert flow.run().result[rescue].is_successful()


@pytest.mark.parametrize(
    ("error", "state_class"),
    [
        (FAIL("f"), Failed),
        (SUCCESS("s", result=5), Success),
        (SKIP("k"), Skipped),
        (ENDRUN(ValidationFailed("v")), ValidationFailed),
        (KeyError("x"), Failed),
    ],
)
def test_what_a_task_raises_decides_its_state(executor, error, state_class):
    """4.5"""

    @task
    def raises():
        raise error

    with Flow("f") as flow:
        t = raises()

    state = flow.run(executor=executor).result[t]

    assert type(state) is state_class


def test_a_signal_gives_its_message_and_result():
    """4.5, 7.1"""

    @task
    def early():
        raise SUCCESS("done early", result=5)

    with Flow("f") as flow:
        t = early()
        y = add(t)

    state = flow.run()

    assert state.result[t].message == "done early"
    assert state.result[y].result == 6


def test_a_skip_is_handed_down_until_a_task_opts_out(executor):
    """4.5, 4.6"""

    @task
    def skip():
        raise SKIP("not today")

    see = task(lambda x: type(x), name="see", skip_on_upstream_skip=False)
    with Flow("f") as flow:
        a = skip()
        b = add(a)
        c = see(a)
        d = see(b)

    state = flow.run(executor=executor)

    assert state.is_successful()
    assert state.result[a].message == "not today"
    assert isinstance(state.result[b], Skipped)
    assert "upstream" in state.result[b].message.lower()
    assert "skip_on_upstream_skip=False" in state.result[b].message
    assert state.result[c].result is SKIP
    assert state.result[d].result is type(None)


def test_a_skip_upstream_comes_before_the_trigger():
    """4.5"""
    asked = SharedList()

    def trigger(upstream_states):
        asked.append(upstream_states)
        return True

    @task
    def skip():
        raise SKIP

    with Flow("f") as flow:
        b = Task("b", trigger=trigger)
        b.set_upstream(skip())

    assert flow.run().result[b].is_skipped()
    assert not asked


def test_a_trigger_sees_edges_and_states_with_those_of_constants():
    """4.5"""
    seen = {}

    def trigger(upstream_states):
        seen.update(upstream_states)
        return True

    with Flow("f") as flow:
        a = one()
        b = task(lambda x, y: x + y, name="b", trigger=trigger)(a, 10)

    assert flow.run().result[b].result == 11
    assert {edge.key: state.result for edge, state in seen.items()} == {"x": 1, "y": 10}
    assert all(edge.downstream_task is b and state.is_successful() for edge, state in seen.items())


def test_a_trigger_may_refuse_by_returning_false_or_raising():
    """4.5"""

    def refuses(upstream_states):
        return False

    def breaks(upstream_states):
        raise ZeroDivisionError("trigger")

    a, b = Task("a", trigger=refuses), Task("b", trigger=breaks)

    state = Flow("f", tasks=[a, b]).run()

    assert type(state.result[a]) is TriggerFailed
    assert type(state.result[b]) is TriggerFailed
    assert isinstance(state.result[b].result, ZeroDivisionError)


def test_a_trigger_may_set_any_state_by_a_signal():
    """4.5"""

    def skips(upstream_states):
        raise SKIP("by trigger")

    a = Task("a", trigger=skips)

    assert Flow("f", tasks=[a]).run().result[a].is_skipped()
    assert Flow("f", tasks=[a]).run().result[a].message == "by trigger"


def test_reference_tasks_decide_the_state_of_the_flow(executor):
    """4.4"""
    with Flow("f") as flow:
        bad = fail()
        rescue = Task("rescue", trigger=triggers.all_failed)
        rescue.set_upstream(bad)

    assert flow.run(executor=executor).is_successful()

    flow.set_reference_tasks([bad])

    assert flow.run(executor=executor).is_failed()

    flow.set_reference_tasks([])

    assert flow.run(executor=executor).is_successful()


def test_a_terminal_task_left_pending_leaves_the_flow_running():
    """4.4"""

    def waits(task, old, new):
        return Pending("later") if new.is_running() else None

    with Flow("f") as flow:
        a = Task("a", state_handlers=[waits])
        b = add(a)

    state = flow.run()

    assert isinstance(state, Running)
    assert type(state.result[b]) is Pending


def test_given_states_are_used_as_they_are(executor):
    """4.3"""
    with Flow("f") as flow:
        a = fail()
        b = add(a)

    given = Success("given", result=41)
    state = flow.run(task_states={a: given}, executor=executor)

    assert state.result[a] is given
    assert state.result[b].result == 42


def test_a_given_failure_fails_what_is_below():
    """4.3"""
    with Flow("f") as flow:
        a = one()
        b = add(a)

    state = flow.run(task_states={a: Failed("given")})

    assert state.is_failed()
    assert state.result[a].message == "given"
    assert isinstance(state.result[b], TriggerFailed)


def test_a_given_pending_state_is_run():
    """4.3"""
    with Flow("f") as flow:
        a = one()

    assert flow.run(task_states={a: Pending("p")}).result[a].result == 1


def test_a_given_mapped_state_runs_only_the_children_that_have_not_finished(executor):
    """4.3, 5.5"""
    ran = SharedList()

    @task
    def note(x):
        ran.append(x)
        return x * 10

    with Flow("f") as flow:
        m = note.map([1, 2, 3])

    given = Mapped(map_states=[Success(result=10), Pending(), Success(result=30)])
    state = flow.run(task_states={m: given}, executor=executor)

    assert ran == [2]
    assert state.result[m].result == [10, 20, 30]


def test_a_finished_state_for_the_flow_is_returned_at_once():
    """4.3"""
    ran = SharedList()
    with Flow("f") as flow:
        task(lambda: ran.append(1), name="t")()

    given = Failed("given", result=5)

    assert flow.run(state=given) is given
    assert not ran


def test_an_unfinished_state_for_the_flow_is_run_from():
    """4.3"""
    with Flow("f") as flow:
        a = one()

    assert flow.run(state=Pending()).result[a].result == 1


def test_the_context_outside_is_restored():
    """4.3"""
    with Flow("f") as flow:
        a = task(lambda: context.get("special"), name="a")()

    assert flow.run(context={"special": 42}).result[a].result == 42
    assert context.get("special") is None
    assert "task_name" not in context


@pytest.mark.parametrize("value", [1, 3.5, "text", [1, 2], {"a": 1}, None, [None], set()])
def test_values_of_any_kind_go_from_task_to_task(value, executor):
    """4.2"""
    with Flow("f") as flow:
        a = task(lambda: value, name="a")()
        b = task(lambda x: x, name="b")(a)

    result = flow.run(executor=executor).result[b].result
    assert result is value or (executor not in ("inline", "threads") and result == value)


def test_collections_of_tasks_arrive_with_the_values_in_their_places(executor):
    """3.8"""
    with Flow("f") as flow:
        a = one()
        b = task(lambda x: x, name="b")({"k": [a, 2, (a, {"deep": a})], "c": {3}})

    state = flow.run(executor=executor)

    assert state.result[b].result == {"k": [1, 2, (1, {"deep": 1})], "c": {3}}


def test_operators_are_computed(executor):
    """3.9"""
    with Flow("f") as flow:
        a, b = Parameter("a", default=7), Parameter("b", default=2)
        results = [a + b, a - b, a * b, a // b, a % b, a**b, 1 - a, a > b, a <= b, a & b, (a / b).not_(), b]
        item = Parameter("l", default={"k": [5]})["k"][0]

    state = flow.run(executor=executor)

    assert [state.result[t].result for t in results] == [9, 5, 14, 3, 1, 49, -6, True, False, True, False, 2]
    assert state.result[item].result == 5


def test_unpacked_results_are_computed():
    """3.10"""

    @task(nout=2)
    def pair():
        return 1, 2

    with Flow("f") as flow:
        a, b = pair()
        c = add(a, b)

    assert flow.run().result[c].result == 3


def test_tasks_run_in_declaration_order_where_the_edges_leave_it_open():
    """4.2"""
    ran = SharedList()

    @task
    def note(name):
        ran.append(name)

    with Flow("f") as flow:
        c, a, _b = note("c"), note("a"), note("b")
        a.set_downstream(c)

    flow.run()

    assert ran == ["a", "c", "b"]


def test_async_tasks_are_awaited(executor):
    """design 4"""
    import asyncio

    @task
    async def soon(x):
        await asyncio.sleep(0)
        return x + 1

    with Flow("f") as flow:
        a = soon(soon(1))

    assert flow.run(executor=executor).result[a].result == 3


def test_the_old_arguments_that_have_no_meaning_are_refused_by_name():
    """4.1"""
    with pytest.raises(ValueError, match="`return_tasks` keyword cannot be provided"):
        Flow("f").run(return_tasks=[])
    with pytest.raises(TypeError, match="bogus"):
        Flow("f").run(bogus=1)


def test_running_inside_the_flows_own_with_is_refused():
    """4.1"""
    with Flow("f") as flow, pytest.raises(RuntimeError, match=r"flow\.run\(\)"):
        flow.run()


def test_running_another_flow_inside_a_with_is_allowed():
    """4.1"""
    with Flow("inner") as inner:
        a = one()

    with Flow("outer"):
        state = inner.run()

    assert state.result[a].result == 1


def test_a_cycle_is_found_before_anything_runs():
    """2.7"""
    ran = SharedList()
    flow = Flow("f")
    a = task(lambda: ran.append(1), name="a")
    b, c = Task("b"), Task("c")
    flow.add_task(a)
    flow.add_edge(b, c)
    flow.add_edge(c, b)

    with pytest.raises(ValueError, match=r"[Cc]ycle"):
        flow.run()
    assert not ran


def test_a_flow_may_be_run_by_a_task_of_another_flow(executor):
    """4.3: the contexts of both stay apart."""
    with Flow("inner") as inner:
        name = task(lambda: context.flow_name, name="name")()

    @task
    def run_it():
        return inner.run().result[name].result, context.flow_name

    with Flow("outer") as outer:
        t = run_it()

    assert outer.run(executor=executor).result[t].result == ("inner", "outer")


def test_a_finished_state_that_was_given_for_the_flow_still_maps_every_task():
    """4.2, 4.3"""
    with Flow("f") as flow:
        a = one()

    state = flow.run(state=Failed("given"))

    assert type(state.result[a]) is Pending
    assert state.result[a].message == "Task not run."


@pytest.mark.parametrize("wrap", [Submitted, Queued])
def test_a_given_state_that_is_wrapped_counts_as_what_it_wraps(wrap):
    """4.5, 6.1"""
    with Flow("f") as flow:
        a = one()
        b = add(a)

    assert flow.run(task_states={a: wrap(state=Success(result=4))}).result[b].result == 5
    assert flow.run(task_states={a: wrap(state=Pending())}).result[b].result == 2


def test_the_states_of_tagged_tasks_name_the_tags(executor):
    """6.4"""
    with Flow("f") as flow, tags("a", "b"):
        x = one()
        m = add.map([1])

    state = flow.run(executor=executor)

    assert set(state.result[x].context["tags"]) == {"a", "b"}
    assert set(state.result[m].map_states[0].context["tags"]) == {"a", "b"}
    assert set(state.result[x].context["tags"]) == {"a", "b"}


def test_a_flow_run_by_a_task_takes_nothing_of_that_task_over(executor):
    """4.3, 4.8, 6.4"""
    with Flow("inner") as inner:
        look = task(lambda: (context.get("task_loop_result"), context.task_loop_count, context.get("resume")))()

    @task(tags={"outer"})
    def run_it():
        if context.task_loop_count == 1:
            raise LOOP(result="outer's")
        state = inner.run()
        return state.result[look].result, state.result[look].context.get("tags"), context.task_loop_result

    with Flow("outer") as outer:
        t = run_it()

    assert outer.run(executor=executor).result[t].result == ((None, 1, None), None, "outer's")


def test_an_error_that_cannot_even_be_shown_is_a_failure_like_any_other(executor):
    """4.5"""

    class Unspeakable(Exception):
        def __repr__(self):
            raise ZeroDivisionError

        __str__ = __repr__

    @task
    def bad():
        raise Unspeakable

    with Flow("f") as flow:
        t = bad()

    assert isinstance(flow.run(executor=executor).result[t].result, Unspeakable)


def test_a_chain_may_be_longer_than_the_stack_is_deep(executor):
    """4.2"""
    with Flow("f") as flow:
        t = one()
        for _ in range(2000):
            t = add(t)

    assert flow.run(executor=executor).result[t].result == 2001


def test_a_run_may_go_on_from_the_states_of_a_former_one(executor):
    """4.3"""
    calls = SharedList()

    @task
    def shaky(x):
        calls.append(x)
        if calls.count(2) == 1 and x == 2:
            raise ValueError
        return x

    with Flow("f") as flow:
        m = shaky.map([1, 2, 3])
        total = task(lambda xs: sum(xs), name="total")(m)

    first = flow.run(executor=executor).result
    children = [child if child.is_successful() else Pending() for child in first[m].map_states]
    second = flow.run(task_states={**first, m: Mapped(map_states=children), total: Pending()}, executor=executor)

    assert second.result[total].result == 6
    assert sorted(calls) == [1, 2, 2, 3]
