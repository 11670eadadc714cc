"""Tasks that wait for a person, and what the question comes to where nobody can answer (flow-model 4.2)."""

from __future__ import annotations

import builtins
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta

import pytest

from nbflow import Flow, Task, context, resource_manager, task, triggers
from nbflow.signals import PAUSE
from nbflow.states import Cancelled, Paused, Resume, Success
from tests.patience import PATIENCE_S


@pytest.fixture
def answers(monkeypatch):
    """Answers to the questions that a blocking run asks, and the questions it asked."""
    given, asked = [], []

    def answer(prompt=""):
        asked.append(prompt)
        if not given:
            raise EOFError
        return given.pop(0)

    monkeypatch.setattr(builtins, "input", answer)
    return given, asked


@task
def one():
    return 1


@task
def pause_once():
    if not context.get("resume"):
        raise PAUSE("look at this first")
    return "went on"


def gate(**options):
    return task(lambda x: x + 1, name="gate", trigger=triggers.manual_only, **options)


def until(condition):
    end = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.002)


@pytest.mark.parametrize("make", [lambda: gate()(one()), lambda: pause_once()])
def test_a_blocking_run_asks_and_goes_on(answers, make, executor):
    """4.2, 7.2"""
    given, asked = answers
    given.append("")
    with Flow("f") as flow:
        t = make()
        below = task(lambda x: x, name="below")(t)

    state = flow.run(executor=executor)

    assert state.is_successful()
    assert state.result[below].result in (2, "went on")
    assert len(asked) == 1
    assert repr(t.name) in asked[0]


def test_a_blocking_run_is_cancelled_by_the_answer_c(answers):
    """4.2"""
    given, _ = answers
    given.append("c")
    with Flow("f") as flow:
        t = gate()(one())

    state = flow.run()

    assert isinstance(state, Cancelled)
    assert isinstance(state.result[t], Cancelled)


def test_where_nobody_can_answer_the_run_is_cancelled_and_says_why(answers, executor):
    """4.2"""
    closed = []

    @resource_manager
    class Resource:
        def setup(self):
            return 1

        def cleanup(self, resource):
            closed.append(resource)

    with Flow("f") as flow, Resource() as r:
        gate()(r)

    state = flow.run(executor=executor)

    assert isinstance(state, Cancelled)
    assert "'gate' is paused" in state.message
    assert closed == [1]


def test_a_process_without_stdin_is_not_held_up():
    """4.2"""
    code = (
        "from nbflow import Flow, Task, triggers\n"
        "print(Flow('f', tasks=[Task('t', trigger=triggers.manual_only)]).run())\n"
    )

    done = subprocess.run(
        [sys.executable, "-c", code], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60
    )

    assert "Cancelled" in done.stdout
    assert done.returncode == 0


def test_a_handler_may_turn_a_pause_into_a_resume(executor):
    """4.2"""

    def resume(task, old, new):
        return Resume() if isinstance(new, Paused) else None

    with Flow("f") as flow:
        t = gate(state_handlers=[resume])(one())

    assert flow.run(executor=executor).result[t].result == 2


def test_a_given_resume_lets_the_task_go_on():
    """4.2, 4.3"""
    with Flow("f") as flow:
        t = gate()(one())

    assert flow.run(task_states={t: Resume()}).result[t].result == 2


def test_resume_in_the_context_opens_every_gate():
    """7.2"""
    with Flow("f") as flow:
        t = gate()(one())

    assert flow.run(context={"resume": True}).result[t].result == 2


def test_a_pause_with_a_time_goes_on_by_itself():
    """6.4"""
    counts = []

    @task
    def wait():
        counts.append(1)
        if len(counts) == 1:
            raise PAUSE("a moment", start_time=datetime.now(UTC) + timedelta(seconds=0.05))

    with Flow("f") as flow:
        wait()

    assert flow.run().is_successful()
    assert len(counts) == 2


def test_other_tasks_go_on_while_one_is_paused(answers):
    """4.2"""
    given, _ = answers
    order = []
    with Flow("f") as flow:
        gate()(one())
        task(lambda: order.append("other"), name="other")()

    given.append("")
    assert flow.run().is_successful()
    assert order == ["other"]


def test_a_background_run_stands_still_with_its_resource_open_until_it_is_resumed():
    """4.2"""
    lines = []

    @resource_manager(name="r")
    class Resource:
        def setup(self):
            return 1

        def cleanup(self, resource):
            lines.append("cleanup")

    with Flow("f") as flow, Resource() as r:
        t = gate()(r)

    run = flow.start()
    until(lambda: run.is_paused)
    assert isinstance(run.states[t], Paused)
    assert run.open_resources == ["r"]
    assert lines == []

    run.resume(t)

    assert run.wait(PATIENCE_S).is_successful()
    assert run.results[t] == 2
    assert lines == ["cleanup"]


def test_resuming_the_run_resumes_its_paused_tasks():
    """4.2"""
    with Flow("f") as flow:
        a, b = gate()(one()), pause_once()

    run = flow.start()
    until(lambda: run.is_paused)
    run.resume()

    assert run.wait(PATIENCE_S).is_successful()
    assert (run.results[a], run.results[b]) == (2, "went on")


def test_a_paused_run_can_be_cancelled():
    """design 5.6"""
    with Flow("f") as flow:
        gate()(one())

    run = flow.start()
    until(lambda: run.is_paused)
    run.cancel()

    assert isinstance(run.wait(PATIENCE_S), Cancelled)


def test_mapped_children_pause_by_themselves(answers, executor):
    """5.3"""
    given, asked = answers
    given += ["", "", ""]

    @task
    def child(x):
        if x == 1 and not context.get("resume"):
            raise PAUSE("look")
        return x

    with Flow("f") as flow:
        m = child.map([0, 1, 2])

    assert flow.run(executor=executor).result[m].result == [0, 1, 2]
    assert len(asked) == 1


def test_the_changes_are_pending_paused_running_success(answers):
    """4.2, 4.11"""
    given, _ = answers
    given.append("")
    seen = []
    t = Task("t", trigger=triggers.manual_only, state_handlers=[lambda t, o, n: seen.append(type(n).__name__)])

    Flow("f", tasks=[t]).run()

    assert [name for name in seen if name != "Resume"] == ["Paused", "Running", "Success"]
    assert Success.__name__ == seen[-1]
