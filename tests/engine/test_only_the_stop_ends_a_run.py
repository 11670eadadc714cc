"""Rule 17 of the cleanup guarantee: what the user's code raises or returns fails what it belongs to, never the run."""

from __future__ import annotations

import asyncio
import threading
import warnings
from datetime import timedelta

import pytest

from nbflow import Flow, ledger, resource_manager, task
from nbflow.signals import ENDRUN
from nbflow.states import Failed, Pending, Skipped, TriggerFailed
from tests.patience import PATIENCE_S
from tests.shared import SharedList


class Panic(BaseException):
    """As extensions raise them."""


@pytest.fixture
def diary():
    return SharedList()


@pytest.fixture
def server(diary):
    @resource_manager(name="server")
    class Server:
        def setup(self):
            diary.append("setup")
            return "server"

        def cleanup(self, server):
            diary.append("cleanup")

    return Server


@pytest.mark.parametrize(
    "error", [Panic, asyncio.CancelledError, GeneratorExit, lambda: BaseExceptionGroup("some", [Panic()])]
)
def test_a_base_exception_of_a_library_fails_its_task_alone(diary, server, executor, error):
    """Rule 17."""

    @task
    def fails(server):
        raise error()

    @task
    def works(server):
        diary.append("other task")

    with Flow("f") as flow, server() as resource:
        failing, working = fails(resource), works(resource)

    state = flow.run(executor=executor)

    assert type(state) is Failed
    assert type(state.result[failing]) is Failed
    assert state.result[working].is_successful()
    assert diary == ["setup", "other task", "cleanup"]


def test_a_base_exception_is_tried_again_like_an_exception(executor):
    """Rule 17."""
    tries = SharedList()

    @task(max_retries=1, retry_delay=timedelta(0))
    def fails_once():
        tries.append(1)
        if len(tries) == 1:
            raise Panic

    with Flow("f") as flow:
        fails_once()

    assert flow.run(executor=executor).is_successful()


@pytest.mark.parametrize("place", ["setup", "cleanup"])
def test_a_base_exception_in_a_setup_or_cleanup_fails_that(executor, place):
    """Rule 17."""

    @resource_manager
    class Server:
        def setup(self):
            if place == "setup":
                raise Panic

        def cleanup(self, server):
            if place == "cleanup":
                raise Panic

    with Flow("f") as flow, Server() as resource:
        task(lambda server: 1, name="use")(resource)

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        state = flow.run(executor=executor)

    assert state.is_failed() == (place == "setup")
    failed = flow.blocks[0].setup_task if place == "setup" else flow.blocks[0].cleanup_task
    assert isinstance(state.result[failed].result, Panic)


@pytest.mark.parametrize("stop", [KeyboardInterrupt, SystemExit, lambda: BaseExceptionGroup("g", [SystemExit()])])
def test_a_stop_still_ends_the_run_and_reaches_the_caller_after_the_cleanup(diary, server, executor, stop):
    """Rules 6 and 17."""

    @task
    def stops(server):
        raise stop()

    with Flow("f") as flow, server() as resource:
        stops(resource)

    with pytest.raises(type(stop())):
        flow.run(executor=executor)

    assert diary == ["setup", "cleanup"]


class Response:
    """What a web hook answers."""


def answer_when_over(answer):
    return lambda flow, old, new: answer if new.is_finished() else None


HANDLERS = {
    "no state": {"state_handlers": [answer_when_over(Response())]},
    "True": {"state_handlers": [answer_when_over(True)]},
    "an unfinished state": {"state_handlers": [answer_when_over(Pending("?"))]},
    "no state at the end": {"terminal_state_handler": lambda flow, state, reference: Response()},
    "an unfinished state at the end": {"terminal_state_handler": lambda flow, state, reference: Pending("?")},
}


@pytest.mark.parametrize("options", HANDLERS.values(), ids=HANDLERS)
@pytest.mark.parametrize("is_blocking", [True, False])
def test_a_flow_handler_that_returns_nonsense_fails_the_run(diary, server, options, is_blocking):
    """Rule 17."""
    with Flow("f", **options) as flow, server() as resource:
        task(lambda server: 1, name="use")(resource)

    state = flow.run() if is_blocking else flow.start().wait(timeout_s=PATIENCE_S)

    assert state.is_failed()
    assert flow.runs[-1].is_finished
    assert flow.runs[-1].state is state
    assert diary == ["setup", "cleanup"]


def test_a_flow_handler_that_raises_while_the_run_stands_still_ends_it(diary, server):
    """Rule 17."""

    def breaks(flow, old, new):
        if type(new).__name__ == "Paused":
            raise ValueError("no")

    with Flow("f", state_handlers=[breaks]) as flow, server() as resource:
        task(lambda server: 1, name="use")(resource)

    run = flow.start(paused=True)
    state = run.wait(timeout_s=PATIENCE_S)

    assert run.is_finished
    assert state.is_failed()
    assert diary in ([], ["setup", "cleanup"])


@pytest.mark.parametrize("answer", [Response(), True, "done"])
def test_a_task_handler_that_returns_nonsense_fails_its_task(executor, answer):
    """Rule 17."""

    @task(state_handlers=[answer_when_over(answer)])
    def told():
        pass

    with Flow("f") as flow:
        one, other = told(), task(lambda: 1, name="other")()

    state = flow.run(executor=executor)

    assert type(state.result[one]) is Failed
    assert "no state" in state.result[one].message
    assert state.result[other].is_successful()


def test_a_handler_that_raises_a_base_exception_fails_its_task(executor):
    """Rule 17."""

    def breaks(task, old, new):
        raise Panic

    with Flow("f") as flow:
        one, other = task(lambda: 1, name="one", state_handlers=[breaks])(), task(lambda: 1, name="other")()

    state = flow.run(executor=executor)

    assert type(state.result[one]) is Failed
    assert state.result[other].is_successful()


def test_a_trigger_that_raises_a_base_exception_fails_its_task(executor):
    """Rule 17."""

    def breaks(upstream):
        raise Panic

    with Flow("f") as flow:
        one, other = task(lambda: 1, name="one", trigger=breaks)(), task(lambda: 1, name="other")()

    state = flow.run(executor=executor)

    assert type(state.result[one]) is TriggerFailed
    assert state.result[other].is_successful()


def test_a_signal_with_something_else_than_a_state_fails_its_task(executor):
    """Rule 17."""

    @task
    def ends():
        raise ENDRUN(Response())

    with Flow("f") as flow:
        one = ends()

    assert type(flow.run(executor=executor).result[one]) is Failed


def proxy(diary):
    class Proxy:
        def __getattr__(self, name):
            raise RuntimeError(f"the client is closed ({name})")

        def setup(self):
            diary.append("setup")
            return "resource"

        def cleanup(self, resource):
            diary.append("cleanup")

    return Proxy


def with_handle(diary, handle):
    class Odd(proxy(diary)):
        def __getattr__(self, name):
            raise AttributeError(name)

        @staticmethod
        def reclaim(handle):
            pass

    Odd.handle = handle
    return Odd


def panics(*args):
    raise Panic


MANAGERS = {
    "__getattr__ raises": proxy,
    "handle raises": lambda diary: with_handle(diary, panics),
    "handle is a property that raises": lambda diary: with_handle(diary, property(panics)),
    "handle returns no plain data": lambda diary: with_handle(diary, lambda self, resource: object()),
}


@pytest.mark.parametrize("make", MANAGERS.values(), ids=MANAGERS)
def test_a_manager_whose_handle_raises_is_set_up_used_and_cleaned(diary, executor, make):
    """Rule 17: it is warned that nobody will reclaim it."""
    with Flow("f") as flow, resource_manager(make(diary))() as resource:
        task(lambda r: diary.append("use"), name="use")(resource)

    with pytest.warns(RuntimeWarning, match="nobody reclaims it"):
        state = flow.run(executor=executor)

    assert state.is_successful()
    assert diary == ["setup", "use", "cleanup"]
    assert ledger.resources() == []


@pytest.mark.parametrize("early_handle", [panics, property(panics)])
def test_an_early_handle_that_raises_costs_the_handle_only(diary, early_handle):
    """Rule 17."""
    manager = with_handle(diary, lambda self, resource: "handle")
    manager.early_handle = early_handle
    rows = SharedList()
    with Flow("f") as flow, resource_manager(manager)() as resource:
        task(lambda r: rows.extend(ledger.resources()), name="use")(resource)

    with pytest.warns(RuntimeWarning, match="early_handle"):
        state = flow.run()

    assert state.is_successful()
    assert diary == ["setup", "cleanup"]
    assert [row.handle for row in rows] == ["handle"]


@pytest.mark.parametrize("hook", ["on_success", "on_failure"])
def test_a_hook_that_is_a_property_that_raises_cannot_prevent_the_cleanup(diary, executor, hook):
    """Rules 11 and 17."""
    manager = with_handle(diary, lambda self, resource: None)
    setattr(manager, hook, property(panics))
    with Flow("f") as flow, resource_manager(manager)() as resource:
        task(lambda r: diary.append("use"), name="use")(resource)

    with pytest.warns(RuntimeWarning, match="a hook of"):
        flow.run(executor=executor)

    assert diary == ["setup", "use", "cleanup"]


def test_a_run_whose_end_fails_gets_a_final_state_and_names_what_is_left(diary, server, monkeypatch):
    """Rule 17: what cannot happen, happens."""
    from nbflow.engine.run_end import RunEnd

    def breaks(self):
        raise RuntimeError("can not happen")

    monkeypatch.setattr(RunEnd, "state", breaks)
    monkeypatch.setattr(threading, "excepthook", lambda args: None)
    with Flow("f") as flow, server() as resource:
        task(lambda server: 1, name="use")(resource)

    run = flow.start()

    assert run.wait(timeout_s=PATIENCE_S).is_failed()
    assert run.is_finished
    assert diary == ["setup", "cleanup"]


def test_a_task_handler_may_still_leave_its_state():
    """Rule 17 takes nothing from 4.11: an answer that is a state, or nothing."""
    with Flow("f") as flow:
        one = task(lambda: 1, name="one", state_handlers=[answer_when_over(Skipped("no"))])()
        two = task(lambda: 1, name="two", state_handlers=[answer_when_over(False)])()

    state = flow.run()

    assert state.result[one].is_skipped()
    assert state.result[two].is_successful()
