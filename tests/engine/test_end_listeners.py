"""`Run.on_end`: whoever asks is told once that a run is over, however it ends, when everything is cleaned up."""

from __future__ import annotations

import signal
import sys
import threading

import pytest

from nbflow import Flow, resource_manager, task
from tests.engine.test_termination import SCRIPT, output_after
from tests.patience import PATIENCE_S


@pytest.fixture
def flow():
    with Flow("sum") as flow:
        task(lambda: 1 + 1, name="add")()
    return flow


def run_of(flow):
    return flow.start(paused=True)


def end(run):
    run.resume()
    run.wait(timeout_s=PATIENCE_S)
    assert run._loop.end_listeners.are_told.wait(PATIENCE_S)


def test_a_listener_is_told_once_on_the_thread_of_the_run(flow):
    run, told = run_of(flow), []
    run.on_end(lambda run: told.append((run, run.is_finished, threading.current_thread())))

    end(run)

    assert told == [(run, True, run._execution.thread)]


def test_everything_is_cleaned_up_when_a_listener_is_told():
    @resource_manager
    class Server:
        def setup(self):
            return "server"

        def cleanup(self, server):
            happened.append("cleanup")

    happened = []
    with Flow("f") as flow, Server() as server:
        task(lambda server: None, name="use")(server)
    run = run_of(flow)
    run.on_end(lambda run: happened.append(f"told, open: {run.open_resources}"))

    end(run)

    assert happened == ["cleanup", "told, open: []"]


def test_of_a_run_that_is_over_a_listener_is_told_at_once(flow):
    flow.run()
    told = []

    @flow.runs[-1].on_end
    def take_back(run):
        told.append(threading.current_thread())

    assert told == [threading.current_thread()]
    take_back()


def test_a_listener_that_was_taken_back_is_not_told(flow):
    run, told = run_of(flow), []
    take_back = run.on_end(told.append)
    take_back()
    take_back()

    end(run)

    assert told == []


def test_a_listener_that_raises_is_warned_of_and_harms_nothing(flow):
    run, told = run_of(flow), []

    @run.on_end
    def _(run):
        sys.exit("nonsense")

    run.on_end(told.append)

    with pytest.warns(RuntimeWarning, match="a listener for the end of a run raised SystemExit"):
        end(run)

    assert told == [run]
    assert run.state.is_successful()


def test_a_listener_may_begin_the_next_run(flow):
    run, others = run_of(flow), []
    run.on_end(lambda run: others.append(run.rerun()))

    end(run)

    assert others[0].wait(timeout_s=PATIENCE_S).is_successful()


def test_of_a_blocking_run_the_caller_tells(flow):
    told = []
    flow._on_start(lambda run: run.on_end(lambda run: told.append((run.number, threading.current_thread()))))

    flow.run()

    assert told == [(1, threading.current_thread())]


def test_a_cancelled_run_tells(flow):
    run, told = run_of(flow), []
    run.on_end(lambda run: told.append(type(run.state).__name__))
    run.cancel()

    end(run)

    assert told == ["Cancelled"]


def test_an_interrupted_run_tells_before_the_interrupt_is_raised():
    told = []

    @task
    def work():
        signal.raise_signal(signal.SIGINT)

    with Flow("stopped") as flow:
        work()
    flow._on_start(lambda run: run.on_end(lambda run: told.append(type(run.state).__name__)))

    with pytest.raises(KeyboardInterrupt):
        flow.run()

    assert told == ["Cancelled"]


def test_who_ends_the_process_waits_for_listeners_but_not_for_itself(flow):
    seen, gate, begun = {}, threading.Event(), threading.Event()
    run = run_of(flow)
    listeners = run._loop.end_listeners

    @run.on_end
    def _(run):
        seen["inside"] = listeners.are_awaited
        begun.set()
        assert gate.wait(PATIENCE_S)

    seen["before"] = listeners.are_awaited
    run.resume()
    assert begun.wait(PATIENCE_S)
    seen["meanwhile"] = listeners.are_awaited
    gate.set()
    assert listeners.are_told.wait(PATIENCE_S)

    assert seen == {"before": True, "inside": False, "meanwhile": True}
    assert not listeners.are_awaited


def test_a_run_that_nobody_listens_to_is_not_waited_for_whatever_happened_at_its_end(flow):
    run = run_of(flow)

    assert not run._loop.end_listeners.are_awaited
    end(run)


LISTENING = SCRIPT.replace(
    "run = flow.start()",
    """
def tell(run):
    time.sleep(0.2)
    print("told", run.is_finished, flush=True)

flow._on_start(lambda run: run.on_end(tell))
run = flow.start()
""",
)


@pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGTERM to be handled")
def test_a_process_that_is_told_to_end_tells_its_listeners():
    lines, code = output_after(signal.SIGTERM, script=LISTENING)

    assert lines == ["working", "cleanup", "told True"]
    assert code == -signal.SIGTERM


def test_a_script_that_ends_waits_until_the_listeners_are_told():
    lines, _ = output_after(script=LISTENING.replace("while True:\n    time.sleep(1)", ""))

    assert lines[-1] == "told True"  # it was cancelled, most likely before its task began
