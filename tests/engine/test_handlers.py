"""State handlers of tasks and flows, and the terminal state handler (flow-model 4.4, 4.11)."""

from __future__ import annotations

import pytest

from nbflow import Flow, Task, context, task
from nbflow.signals import FAIL, SKIP
from nbflow.states import Failed, Mapped, Pending, Running, Skipped, State, Success, TriggerFailed


class Seen:
    """A handler that remembers what it was told and may answer."""

    def __init__(self, answer=None):
        self.changes = []
        self.answer = answer or (lambda new: None)

    def __call__(self, subject, old, new):
        self.changes.append((subject, type(old), type(new)))
        return self.answer(new)

    @property
    def news(self):
        return [new for _, _, new in self.changes]


def test_a_simple_success_is_two_changes(executor):
    """4.11"""
    seen = Seen()
    t = Task("t", state_handlers=[seen])

    Flow("f", tasks=[t]).run(executor=executor)

    assert seen.changes == [(t, Pending, Running), (t, Running, Success)]


def test_a_failure_is_told_with_its_state(executor):
    """4.11"""
    seen = Seen()

    @task(state_handlers=[seen])
    def fail():
        raise ValueError

    with Flow("f") as flow:
        fail()

    flow.run(executor=executor)

    assert seen.news == [Running, Failed]


def test_a_failed_trigger_is_told():
    """4.11"""
    seen = Seen()
    t = Task("t", state_handlers=[seen], trigger=lambda states: False)

    Flow("f", tasks=[t]).run()

    assert seen.changes == [(t, Pending, TriggerFailed)]


def test_a_skip_is_told():
    """4.11"""
    seen = Seen()

    @task
    def skip():
        raise SKIP

    with Flow("f") as flow:
        t = Task("t", state_handlers=[seen])
        t.set_upstream(skip())

    flow.run()

    assert seen.changes == [(t, Pending, Skipped)]


def test_a_handler_may_return_another_state(executor):
    """4.11"""
    answer = Seen(lambda new: Success("rescued", result=7) if new.is_failed() else None)

    @task(state_handlers=[answer])
    def fail():
        raise ValueError

    with Flow("f") as flow:
        a = fail()
        b = task(lambda x: x + 1, name="b")(a)

    state = flow.run(executor=executor)

    assert state.is_successful()
    assert state.result[a].message == "rescued"
    assert state.result[b].result == 8


def test_handlers_are_chained_each_given_what_the_one_before_left():
    """4.11"""
    first = Seen(lambda new: Failed("changed") if new.is_successful() else None)
    second = Seen()
    t = Task("t", state_handlers=[first, second])

    state = Flow("f", tasks=[t]).run()

    assert state.result[t].message == "changed"
    assert second.news == [Running, Failed]


def test_a_handler_may_end_the_task_before_it_runs():
    """4.11"""
    ran = []

    @task(state_handlers=[lambda task, old, new: Skipped("no") if new.is_running() else None])
    def work():
        ran.append(1)

    with Flow("f") as flow:
        t = work()

    assert flow.run().result[t].is_skipped()
    assert not ran


@pytest.mark.parametrize("signal", [FAIL, SKIP])
def test_a_signal_raised_by_a_handler_sets_its_state(signal):
    """4.11"""

    def raises(task, old, new):
        if new.is_finished():
            raise signal("from handler")

    t = Task("t", state_handlers=[raises])

    state = Flow("f", tasks=[t]).run().result[t]

    assert state.message == "from handler"
    assert state.is_failed() == (signal is FAIL)


def test_any_other_error_of_a_handler_fails_the_task(executor):
    """4.11"""

    def breaks(task, old, new):
        raise ZeroDivisionError

    with Flow("f") as flow:
        t = Task("t", state_handlers=[breaks])
        flow.add_task(t)

    state = flow.run(executor=executor)

    assert state.is_failed()
    assert isinstance(state.result[t], Failed)
    assert isinstance(state.result[t].result, ZeroDivisionError)


def test_on_failure_is_called_for_failures_only(executor):
    """4.11"""
    called = []

    def on_failure(task, state):
        called.append((task, type(state)))

    @task(on_failure=on_failure)
    def maybe(x):
        return 1 / x

    with Flow("f") as flow:
        maybe(1)
        bad = maybe(0)
        below = maybe(bad)

    flow.run(executor=executor)

    assert called == [(bad, Failed), (below, TriggerFailed)]


def test_a_mapped_parent_and_each_child_are_told(executor):
    """5.5"""
    seen = Seen()

    with Flow("f") as flow:
        task(lambda x: x, name="m", state_handlers=[seen]).map([1, 2])

    flow.run(executor=executor)

    assert sorted(new.__name__ for new in seen.news) == ["Mapped", "Running", "Running", "Success", "Success"]
    assert seen.news[0] is Mapped


def test_task_handlers_know_the_context_of_their_task(executor):
    """4.12"""
    names = []

    def look(task, old, new):
        names.append((context.task_name, context.flow_name, context.get("map_index")))

    t = Task("t", state_handlers=[look])

    Flow("f", tasks=[t]).run(executor=executor)

    assert names == [("t", "f", None)] * 2


def test_the_flow_is_told_of_its_changes(executor):
    """4.11"""
    seen = Seen()
    flow = Flow("f", tasks=[Task("t")], state_handlers=[seen])

    flow.run(executor=executor)

    assert seen.changes == [(flow, Pending, Running), (flow, Running, Success)]


def test_a_flow_handler_may_return_another_state():
    """4.11"""
    t = Task("t")
    flow = Flow("f", tasks=[t], state_handlers=[lambda f, old, new: Failed("no") if new.is_successful() else None])

    state = flow.run()

    assert isinstance(state, Failed)
    assert state.message == "no"
    assert state.result[t].is_successful()


def test_flow_handlers_are_chained():
    """4.11"""
    first, second = Seen(lambda new: Failed() if new.is_successful() else None), Seen()

    Flow("f", tasks=[Task("t")], state_handlers=[first, second]).run()

    assert second.news == [Running, Failed]


@pytest.mark.parametrize("when", [Running, Success])
def test_an_error_of_a_flow_handler_fails_the_run(when):
    """4.11"""

    def breaks(flow, old, new):
        if isinstance(new, when):
            raise ZeroDivisionError

    ran = []
    with Flow("f", state_handlers=[breaks]) as flow:
        t = task(lambda: ran.append(1), name="t")()

    state = flow.run()

    assert state.is_failed()
    assert t in state.result
    assert bool(ran) == (when is Success)


def test_a_flow_handler_may_keep_the_run_from_beginning():
    """4.11"""
    ran = []
    with Flow("f", state_handlers=[lambda f, old, new: Skipped("not today") if new.is_running() else None]) as flow:
        t = task(lambda: ran.append(1), name="t")()

    state = flow.run()

    assert isinstance(state, Skipped)
    assert t in state.result
    assert not ran


def test_on_failure_of_a_flow_is_called_once_with_the_failed_state():
    """4.11"""
    called = []

    @task
    def fail():
        raise ValueError

    with Flow("f", on_failure=lambda flow, state: called.append((flow, state))) as flow:
        fail()

    state = flow.run()

    assert called == [(flow, state)]


def test_on_failure_of_a_flow_is_not_called_for_a_success():
    """4.11"""
    called = []

    Flow("f", tasks=[Task("t")], on_failure=lambda flow, state: called.append(state)).run()

    assert called == []


def test_the_terminal_handler_is_given_the_flow_the_state_and_those_of_the_reference_tasks():
    """4.4"""
    told = []
    t = Task("t")
    flow = Flow("f", tasks=[t], terminal_state_handler=lambda *args: told.append(args))

    state = flow.run()

    assert state.is_successful()
    assert told == [(flow, state, {state.result[t]})]


def test_the_terminal_handler_may_return_another_state():
    """4.4"""
    t = Task("t")

    def judge(flow, state, reference_states):
        return Failed("judged")

    state = Flow("f", tasks=[t], terminal_state_handler=judge).run()

    assert isinstance(state, Failed)
    assert state.message == "judged"
    assert state.result[t].is_successful()


def test_the_terminal_handler_may_change_the_state_it_is_given():
    """4.4"""

    def rename(flow, state, reference_states):
        state.message = "renamed"
        return state

    assert Flow("f", tasks=[Task("t")], terminal_state_handler=rename).run().message == "renamed"


def test_an_error_of_the_terminal_handler_fails_the_run():
    """4.4"""

    def breaks(flow, state, reference_states):
        raise ZeroDivisionError

    state = Flow("f", tasks=[Task("t")], terminal_state_handler=breaks).run()

    assert state.is_failed()
    assert isinstance(state, State)


def test_a_handler_that_raises_under_raise_on_exception_raises():
    """4.5, 4.11"""

    def breaks(task, old, new):
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        Flow("f", tasks=[Task("t", state_handlers=[breaks])]).run(context={"raise_on_exception": True})


def test_a_handler_may_return_a_mapped_state_of_its_own(executor):
    """5.5"""
    with Flow("f") as flow:
        m = task(
            lambda x: x,
            name="m",
            state_handlers=[lambda t, old, new: Mapped("mine") if new.is_mapped() else None],
        ).map([1, 2])

    state = flow.run(executor=executor)

    assert state.result[m].message == "mine"
    assert state.result[m].result == [1, 2]


def test_a_handler_may_keep_a_task_from_being_mapped():
    """5.5"""
    with Flow("f") as flow:
        m = task(
            lambda x: x,
            name="m",
            state_handlers=[lambda t, old, new: Failed("no") if new.is_mapped() else None],
        ).map([1, 2])
        below = task(lambda x: x, name="below").map(m)

    state = flow.run()

    assert state.result[m].message == "no"
    assert state.result[below].is_failed()
