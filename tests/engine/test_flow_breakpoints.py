"""`Flow.breakpoints`: set before a run, they count for the one that is going and for all to come."""

from __future__ import annotations

import pickle

import pytest

from nbflow import Flow, Parameter, resource_manager, task
from nbflow.errors import BreakpointError, UnknownTaskError

LIMIT_S = 20


@pytest.fixture
def flow():
    with Flow("f") as flow:
        x = Parameter("x", default=1)
        one = task(lambda x: x + 1, name="one")(x)
        task(lambda y: y * 10, name="two")(one)
    yield flow
    for run in flow.runs:
        run.cancel()
        run.wait(LIMIT_S)


def named(flow, name):
    return flow.get_tasks(name)[0]


def paused(run):
    run.wait(LIMIT_S, or_held=True)
    return [task.name for task in run.held]


@pytest.mark.parametrize("executor", ["inline", "threads", "processes"])
def test_every_run_that_begins_pauses_there(flow, executor):
    flow.breakpoints.add(named(flow, "two"))

    first, second = flow.start(executor=executor), flow.start(executor=executor)

    assert paused(first) == paused(second) == ["two"]
    first.resume()
    assert first.wait(LIMIT_S).is_successful()


def test_a_rerun_pauses_there_too(flow):
    first = flow.start()
    first.wait(LIMIT_S)
    flow.breakpoints.add(named(flow, "one"))

    assert paused(first.rerun("all")) == ["one"]


def test_the_run_that_is_going_heeds_what_is_set_and_cleared_meanwhile(flow):
    run = flow.start(paused=True)
    flow.breakpoints.add(named(flow, "one"))
    flow.breakpoints.add(named(flow, "two"))
    run.resume()
    assert paused(run) == ["one"]

    flow.breakpoints.clear()
    run.resume()

    assert run.wait(LIMIT_S).is_successful()
    assert not run.breakpoints


def test_a_condition_is_asked_and_checked_when_it_is_set(flow):
    one = named(flow, "one")
    flow.breakpoints.add(one, when=lambda x: x > 1)

    assert flow.start(x=1).wait(LIMIT_S).is_successful()
    assert paused(flow.start(x=2)) == ["one"]
    with pytest.raises(BreakpointError, match="its condition asks for 'z'; the task takes x"):
        flow.breakpoints.add(one, when=lambda z: z)
    with pytest.raises(BreakpointError, match="leave out `after`"):
        flow.breakpoints.add(one, when=lambda x: x, after=True)


def test_a_task_of_another_flow_and_a_cleanup_are_refused(flow):
    @resource_manager
    class Server:
        def cleanup(self, resource): ...

    with Flow("blocks") as other, Server():
        pass

    with pytest.raises(UnknownTaskError):
        flow.breakpoints.add(other.blocks[0].init_task)
    with pytest.raises(BreakpointError, match="a cleanup is never held up"):
        other.breakpoints.add(other.blocks[0].cleanup_task)


def test_they_print_as_a_list_and_can_be_looked_up_by_task(flow):
    one, two = named(flow, "one"), named(flow, "two")
    flow.breakpoints.add(two, when=lambda y: y)
    flow.breakpoints.add(one, after=True)

    assert repr(flow.breakpoints) == "before two, if its condition holds\nafter one"
    assert list(flow.breakpoints) == [two, one]
    flow.breakpoints.clear(two)
    assert two not in flow.breakpoints
    assert len(flow.breakpoints[one]) == 1


def test_a_copy_and_a_pickled_flow_have_none(flow):
    flow.breakpoints.add(named(flow, "one"), when=lambda x: x)

    assert not flow.copy().breakpoints
    with Flow("plain", tasks=[Parameter("x", default=1)]) as plain:
        pass
    plain.breakpoints.add(plain.get_tasks("x")[0], when=lambda: True)
    assert not pickle.loads(pickle.dumps(plain)).breakpoints


def test_one_whose_condition_fits_no_more_pauses_and_says_why(flow):
    flow.breakpoints.add(named(flow, "one"), when=lambda x: x > 5)
    with Flow("f") as newer:
        z = Parameter("z", default=1)
        task(lambda z: z, name="one")(z)
    newer._breakpoints = flow._breakpoints

    run = newer.start()

    assert paused(run) == ["one"]
    assert any("the breakpoint at 'one' raised TypeError" in event.note for event in run.events)
    run.cancel()
