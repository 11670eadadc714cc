"""Interrupts, cancels and late threads, one by one; and what the ancestor gets wrong, each by its name.

The numbers are those of the rules of the cleanup guarantee in the design.
"""

from __future__ import annotations

import asyncio
import io
import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
import warnings
from contextlib import contextmanager, redirect_stderr, suppress
from datetime import timedelta
from functools import partial
from typing import Any

import pytest

from nbflow import Flow, apply_map, context, ledger, resource_manager, signals, states, task
from nbflow.engine.interrupts import Guard
from nbflow.engine.open_resources import BlockStatus
from nbflow.errors import ResourceScopeError
from nbflow.executors import ThreadExecutor
from tests.patience import PATIENCE_S

LONG_S = PATIENCE_S  # nothing here takes so long, unless it hangs
NO_DELAY = timedelta(0)


class Log(list[str]):
    """What happened, in order."""

    def manager(self, name: str = "it", cleanup: Any = None, setup: Any = None, **options: Any) -> Any:
        log = self

        class Manager:
            def setup(self) -> str:
                if setup is not None:
                    setup()
                log.append(f"setup {name}")
                return name

            def cleanup(self, resource: str) -> None:
                if cleanup is not None:
                    cleanup()
                log.append(f"cleanup {resource}")

        return resource_manager(name=name, **options)(Manager)


@pytest.fixture
def log() -> Log:
    return Log()


def interrupt() -> None:
    signal.raise_signal(signal.SIGINT)


def send_to_process() -> None:
    os.kill(os.getpid(), signal.SIGINT)


@contextmanager
def interrupted(*, once: threading.Event, times: int = 1, send_one: Any = send_to_process):
    """Send real interrupts from another thread: the first when that has happened, each when the last has been taken."""

    def send() -> None:
        if not once.wait(LONG_S):
            return
        for number in range(times):
            while (guard := guard_of_run()) is None or guard.count < number:
                if done.wait(0.002):
                    return
            send_one()

    done = threading.Event()
    thread = threading.Thread(target=send)
    thread.start()
    try:
        yield
    finally:
        done.set()
        once.set()
        thread.join()


def guard_of_run() -> Any:
    """Return what takes the interrupts of the run that blocks the main thread, or None while there is none."""
    owner = getattr(signal.getsignal(signal.SIGINT), "__self__", None)  # Python's own handler has one too, its module
    return owner if isinstance(owner, Guard) else None


def nap(until: threading.Event | None = None, began: threading.Event | None = None) -> None:
    """Sleep long, in small pieces of the user's code."""
    if began is not None:
        began.set()
    end = time.monotonic() + LONG_S
    while time.monotonic() < end and not (until is not None and until.is_set()):
        time.sleep(0.005)


# -- what the ancestor gets wrong ----------------------------------------------------------------------------------


def test_retry_leak(log):
    """Rule 2: a task in a block that is tried again shares the resource."""

    def fails_twice(resource):
        log.append("task")
        if context.task_run_count < 3:
            raise ValueError

    with Flow("f") as flow, log.manager()() as r:
        task(fails_twice, max_retries=2, retry_delay=NO_DELAY)(r)

    assert flow.run().is_successful()
    assert log == ["setup it", "task", "task", "task", "cleanup it"]


def test_cleanup_retry_leak(log):
    """Rules 1 and 2: a cleanup that is tried again does not set up again."""
    tries = iter((ValueError("not yet"), None))

    def cleanup():
        log.append("try")
        error = next(tries)
        if error:
            raise error

    manager = log.manager(cleanup=cleanup, cleanup_task_kwargs={"max_retries": 1, "retry_delay": NO_DELAY})
    with Flow("f") as flow, manager() as r:
        task(lambda r: r)(r)

    assert flow.run().is_successful()
    assert log == ["setup it", "try", "try", "cleanup it"]
    assert not flow.runs[-1].cleanup_failures


@pytest.mark.parametrize("executor", ["inline", "threads"])
@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit])
def test_stop_button_leak(log, executor, error):
    """Rules 1 and 6: what a stopped task raises reaches the user only after cleanup."""

    def stops(r):
        raise error

    with Flow("f") as flow, log.manager()() as r:
        task(stops)(r)

    with pytest.raises(error):
        flow.run(executor=executor)
    assert log == ["setup it", "cleanup it"]
    assert type(flow.runs[-1].state) is states.Cancelled


def test_silent_cleanup_failure(log):
    """Rule 7: the flow succeeds, but says what may be left."""

    def cleanup():
        raise OSError("busy")

    with Flow("f") as flow, log.manager(cleanup=cleanup)() as r:
        task(lambda r: r)(r)

    with pytest.warns(RuntimeWarning, match="cleanup of 'it' failed"):
        assert flow.run().is_successful()
    run = flow.runs[-1]
    (block,) = run.graph.blocks
    assert isinstance(run.cleanup_failures[block], OSError)
    assert run.block_status[block] is BlockStatus.LEAKED
    assert any("busy" in event.note for event in run.events)


def test_a_cleanup_failure_fails_the_flow_where_that_is_asked_for(log):
    """Rule 7."""

    def cleanup():
        raise OSError

    with Flow("f") as flow, log.manager(cleanup=cleanup, cleanup_failure="fail")() as r:
        task(lambda r: r)(r)

    with pytest.warns(RuntimeWarning):
        assert flow.run().is_failed()


def test_use_after_cleanup(log):
    """Rule 5: a task outside of the block that takes the resource is refused before anything runs."""
    with Flow("f") as flow:
        with log.manager()() as r:
            task(lambda r: r)(r)
        task(lambda r: r, name="outside")(r)

    with pytest.raises(ResourceScopeError, match="outside"):
        flow.run()
    assert log == []


def test_mapped_managers_do_not_wait_for_each_other(log):
    """Rule 8: each element of `apply_map` is closed when it is done, not when all are."""

    @resource_manager
    class Each:
        def __init__(self, item):
            self.item = item

        def setup(self):
            log.append(f"setup {self.item}")

        def cleanup(self, resource):
            log.append(f"cleanup {self.item}")

    def body(item):
        with Each(item) as r:
            task(lambda item, r: log.append(f"task {item}"))(item, r)

    with Flow("f") as flow:
        apply_map(body, [0, 1])

    assert flow.run().is_successful()
    assert sorted(log) == sorted(f"{what} {i}" for what in ("setup", "task", "cleanup") for i in (0, 1))
    for i in (0, 1):
        assert log.index(f"setup {i}") < log.index(f"task {i}") < log.index(f"cleanup {i}")


def test_a_rerun_with_nothing_to_do_in_a_block_sets_nothing_up(log):
    """Rule 8."""
    with Flow("f") as flow, log.manager()() as r:
        inside = task(lambda r: r)(r)

    flow.run(task_states={inside: states.Success(result=1)})

    assert log == []


# -- interrupts ----------------------------------------------------------------------------------------------------


def test_an_interrupt_in_a_task_reaches_the_user_after_cleanup(log):
    """Rule 6."""
    began = threading.Event()
    with Flow("f") as flow, log.manager()() as r:
        task(lambda r: nap(began=began), name="slow")(r)

    with interrupted(once=began), pytest.raises(KeyboardInterrupt):
        flow.run()
    assert log == ["setup it", "cleanup it"]
    assert type(flow.runs[-1].state) is states.Cancelled
    assert not flow.runs[-1].open_resources


@pytest.mark.parametrize("kind", ["threads", "coroutine"])
def test_an_interrupt_that_does_not_wake_the_main_thread_is_noticed_all_the_same(log, kind):
    """Rule 6: it may come just before a wait begins, or to another thread."""
    began = threading.Event()

    async def waits(r):
        began.set()
        await asyncio.sleep(LONG_S)
        log.append("slept to its end")

    with Flow("f") as flow, log.manager()() as r:
        task(waits if kind == "coroutine" else lambda r: nap(began=began))(r)

    with interrupted(once=began, send_one=interrupt), pytest.raises(KeyboardInterrupt):
        flow.run(executor="threads" if kind == "threads" else "inline")
    assert log == ["setup it", "cleanup it"]
    assert any(type(state) is states.Cancelled for state in flow.runs[-1].states.values())


@pytest.mark.parametrize("executor", ["inline", "threads"])
def test_the_first_interrupt_lets_a_setup_run_to_its_end(log, executor):
    """Rule 13: it is left to end, and then cleaned up; the user is told what is waited for."""

    def setup():
        began.set()
        nap(told)

    class Told(io.StringIO):
        def write(self, text):
            if "waiting for setup of it; press again to cut it" in text:
                told.set()
            return super().write(text)

    began, told = threading.Event(), threading.Event()
    with Flow("f") as flow, log.manager(setup=setup)() as r:
        task(lambda r: log.append("task"))(r)

    with pytest.raises(KeyboardInterrupt), redirect_stderr(Told()), interrupted(once=began):
        flow.run(executor=executor)
    assert log == ["setup it", "cleanup it"]
    assert type(flow.runs[-1].state) is states.Cancelled


@pytest.mark.parametrize("executor", ["inline", "threads"])
@pytest.mark.parametrize("times", [2, 3])
def test_a_setup_is_cut_when_the_user_insists(log, executor, times, monkeypatch):
    """Rule 13: after a moment by the second interrupt, at once by the third; what may be left is said."""
    if times == 2:
        monkeypatch.setattr("nbflow.engine.cancellation.HURRIED_S", 0.05)
    began = threading.Event()
    with Flow("f") as flow, log.manager(setup=partial(nap, began=began))() as r:
        task(lambda r: r)(r)

    with (
        pytest.warns(RuntimeWarning, match="the setup of 'it' was cut short; what it had made may be left"),
        pytest.raises(KeyboardInterrupt),
        interrupted(once=began, times=times),
    ):
        flow.run(executor=executor)
    assert log == []
    assert flow.runs[-1].state.is_finished()


def test_a_cancel_from_another_thread_lets_a_setup_run_to_its_end(log):
    """Rule 13: also of a run that blocks the thread that sets up."""
    began, free = threading.Event(), threading.Event()

    def setup():
        began.set()
        nap(free)

    def cancel():
        began.wait(LONG_S)
        flow.runs[-1].cancel()
        free.set()

    with Flow("f") as flow, log.manager(setup=setup)() as r:
        task(lambda r: log.append("task"))(r)
    thread = threading.Thread(target=cancel)
    thread.start()
    state = flow.run()
    thread.join()

    assert type(state) is states.Cancelled
    assert log == ["setup it", "cleanup it"]


def test_a_setup_that_a_cancel_keeps_from_beginning_has_left_nothing(log):
    """Rule 13 speaks of setups that ran."""
    with Flow("f") as flow, log.manager()() as r:
        task(lambda r: log.append("task"))(r)
    run = flow._prepare(None, {}, blocking=True)
    run.listen(lambda event: run.cancel() if event.note == "opening" else None)

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        run._work()

    assert log == []
    assert BlockStatus.LEAKED not in run.block_status.values()


def test_the_first_interrupt_lets_a_cleanup_run_to_its_end(log):
    """Rule 6: cleanups are shielded."""
    with Flow("f") as flow, log.manager(cleanup=interrupt)() as r:
        task(lambda r: r)(r)

    with pytest.raises(KeyboardInterrupt):
        flow.run()
    assert log == ["setup it", "cleanup it"]
    assert not flow.runs[-1].cleanup_failures


@pytest.mark.parametrize("executor", ["inline", "threads"])
def test_the_second_interrupt_shortens_the_time_of_a_cleanup(log, executor, monkeypatch):
    """Rule 6."""
    monkeypatch.setattr("nbflow.engine.cancellation.HURRIED_S", 0.1)
    began, free = threading.Event(), threading.Event()
    with Flow("f") as flow, log.manager(cleanup=partial(nap, free, began))() as r:
        task(lambda r: r)(r)

    try:
        with interrupted(once=began, times=2), warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)
            with pytest.raises(KeyboardInterrupt):
                flow.run(executor=executor)
        assert len(flow.runs[-1].cleanup_failures) == 1
        assert flow.runs[-1].is_finished
    finally:
        free.set()


@pytest.mark.parametrize("executor", ["inline", "threads"])
def test_the_third_interrupt_gives_resources_up_by_name(log, executor, monkeypatch):
    """Rule 6."""
    monkeypatch.setattr("nbflow.engine.cancellation.HURRIED_S", LONG_S)
    began, free = threading.Event(), threading.Event()
    with Flow("f") as flow, log.manager(cleanup=partial(nap, free, began))() as r:
        task(lambda r: r)(r)

    try:
        with (
            interrupted(once=began, times=3),
            pytest.warns(RuntimeWarning, match="'it'"),
            pytest.raises(KeyboardInterrupt),
        ):
            flow.run(executor=executor)
        run = flow.runs[-1]
        assert [block.name for block in run.cleanup_failures] == ["it"]
        assert list(run.block_status.values()) == [BlockStatus.LEAKED]
    finally:
        free.set()


def test_an_interrupt_of_wait_cancels_a_background_run(log):
    """Rule 6."""
    began = threading.Event()
    with Flow("f") as flow, log.manager()() as r:
        task(lambda r: nap(began=began), name="slow")(r)

    run = flow.start()
    with interrupted(once=began), pytest.raises(KeyboardInterrupt):
        run.wait()
    assert run.is_finished
    assert log == ["setup it", "cleanup it"]


def test_a_handler_of_the_user_is_kept_and_called(log):
    """Rule 6: it is called once, after cleanup."""
    before = signal.signal(signal.SIGINT, lambda *_: log.append("handler"))
    try:
        handler = signal.getsignal(signal.SIGINT)
        with Flow("f") as flow, log.manager()() as r:
            task(lambda r: interrupt() or nap())(r)

        state = flow.run()

        assert type(state) is states.Cancelled
        assert log == ["setup it", "cleanup it", "handler"]
        assert signal.getsignal(signal.SIGINT) is handler
    finally:
        signal.signal(signal.SIGINT, before)


def test_a_handler_that_a_task_sets_stays():
    mine = lambda *_: None  # noqa: E731
    before = signal.getsignal(signal.SIGINT)
    try:
        with Flow("f") as flow:
            task(lambda: signal.signal(signal.SIGINT, mine) and None)()

        flow.run()

        assert signal.getsignal(signal.SIGINT) is mine
    finally:
        signal.signal(signal.SIGINT, before)


def test_a_task_that_asks_all_the_time_whether_to_stop_is_told_of_an_interrupt(log):
    """Rule 6: also when the interrupt meets the line of ours that answers."""

    def asks(r):
        threading.Timer(0.02, interrupt).start()
        end = time.monotonic() + LONG_S
        while not context.cancelled() and time.monotonic() < end:
            pass
        return context.cancelled()

    with Flow("f") as flow, log.manager()() as r:
        task(asks)(r)

    with pytest.raises(KeyboardInterrupt):
        flow.run()
    assert log == ["setup it", "cleanup it"]


def test_an_interrupt_just_before_a_task_keeps_it_from_starting(log):
    """Rule 6: nothing new starts."""
    with Flow("f") as flow, log.manager()() as r:
        task(lambda r: log.append("task"), name="t")(r)
    run = flow._prepare(None, {}, blocking=True)
    run.listen(lambda e: interrupt() if e.task and e.task.name == "t" and e.state.is_running() else None)

    with pytest.raises(KeyboardInterrupt):
        run._work()
    assert log == ["setup it", "cleanup it"]


def test_sigterm_in_a_blocking_run_cleans_up_and_then_ends_the_process(tmp_path):
    """Rule 6."""
    script = """
        import sys, time
        from nbflow import Flow, resource_manager, task

        @resource_manager
        class It:
            def setup(self):
                return 1
            def cleanup(self, resource):
                print("cleanup", flush=True)

        def slow(r):
            print("running", flush=True)
            for _ in range(2000):
                time.sleep(0.01)

        with Flow("f") as flow, It() as r:
            task(slow)(r)
        flow.run()
        print("never", flush=True)
    """
    process = subprocess.Popen([sys.executable, "-c", textwrap.dedent(script)], stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "running\n"
        process.send_signal(signal.SIGTERM)
        rest, _ = process.communicate(timeout=LONG_S)
    finally:
        process.kill()

    assert rest == "cleanup\n"
    assert process.returncode == -signal.SIGTERM


def test_an_interrupted_coroutine_ends_before_the_cleanup(log):
    """Rule 3: it does not go on beside the cleanup, on the same event loop."""

    began = threading.Event()

    async def slow(r):
        began.set()
        try:
            await asyncio.sleep(LONG_S)
        finally:
            log.append("coroutine ends")

    with Flow("f") as flow, log.manager()() as r:
        task(slow)(r)

    with interrupted(once=began), pytest.raises(KeyboardInterrupt):
        flow.run()
    assert log == ["setup it", "coroutine ends", "cleanup it"]


def test_a_coroutine_is_cancelled_in_a_background_run(log):
    """Rule 6: an await is no reason to wait."""
    began = threading.Event()

    async def slow(r):
        began.set()
        await asyncio.sleep(LONG_S)

    with Flow("f") as flow, log.manager()() as r:
        task(slow)(r)

    run = flow.start()
    assert began.wait(LONG_S)
    run.cancel()
    state = run.wait(LONG_S / 2)

    assert type(state) is states.Cancelled
    assert log == ["setup it", "cleanup it"]


def test_managers_may_be_asynchronous(log):
    @resource_manager
    class It:
        async def setup(self):
            await asyncio.sleep(0)
            log.append("setup")
            return 1

        async def cleanup(self, resource):
            await asyncio.sleep(0)
            log.append("cleanup")

    with Flow("f") as flow, It() as r:
        task(lambda r: log.append(f"task {r}"))(r)

    assert flow.run().is_successful()
    assert log == ["setup", "task 1", "cleanup"]


# -- threads that do not let go -----------------------------------------------------------------------------------


def test_a_task_that_cannot_be_stopped_is_waited_for_up_to_its_grace(log, monkeypatch):
    """Rule 3: then cleanup goes ahead, and an event says so."""
    monkeypatch.setattr("nbflow.engine.cancellation.HIT_AFTER_S", 0.0)
    monkeypatch.setattr("nbflow.engine.cancellation.LINGER_AFTER_S", 0.1)
    monkeypatch.setattr("nbflow.engine.run_end.CLOSE_TIMEOUT_S", 0.0)
    began, free = threading.Event(), threading.Event()

    def deaf(r):
        began.set()
        while not free.is_set():
            try:
                nap(free)
            except BaseException:
                continue

    with Flow("f") as flow, log.manager(grace_s=0.3)() as r:
        task(deaf)(r)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)
            run = flow.start(executor=ThreadExecutor(2))
            assert began.wait(LONG_S)
            at = time.monotonic()
            run.cancel()
            run.wait(LONG_S)

        assert time.monotonic() - at >= 0.3
        assert run.is_finished
        assert log == ["setup it", "cleanup it"]
        assert any("goes ahead" in event.note for event in run.events)
    finally:
        free.set()


def test_a_task_that_lets_go_in_its_grace_is_followed_by_the_cleanup(log, monkeypatch):
    """Rule 3."""
    monkeypatch.setattr("nbflow.engine.cancellation.HIT_AFTER_S", 60)
    monkeypatch.setattr("nbflow.engine.cancellation.LINGER_AFTER_S", 0.05)
    began, free = threading.Event(), threading.Event()

    def slow(r):
        began.set()
        nap(free)
        log.append("lets go")

    with Flow("f") as flow, log.manager()() as r:
        task(slow)(r)

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        run = flow.start(executor=ThreadExecutor(2))
        assert began.wait(LONG_S)
        run.listen(lambda event: free.set() if "has not let go" in event.note else None)
        run.cancel()
        run.wait(LONG_S)

    assert log == ["setup it", "lets go", "cleanup it"]


@pytest.mark.parametrize("has_setup", [True, False])
def test_a_setup_that_cannot_be_cut_is_cleaned_up_when_it_comes(log, monkeypatch, has_setup):
    """Rule 1: by the thread that set it up, although the run is over."""
    monkeypatch.setattr("nbflow.engine.cancellation.HURRIED_S", 0.05)
    monkeypatch.setattr("nbflow.engine.run_end.CLOSE_TIMEOUT_S", 0.0)
    began, free, cleaned = threading.Event(), threading.Event(), threading.Event()

    def slow():
        began.set()
        while not free.is_set():
            with suppress(BaseException):
                nap(free)

    class Base:
        def cleanup(self, resource):
            log.append(f"cleanup {resource}")
            cleaned.set()

    class WithSetup(Base):
        def setup(self):
            slow()
            log.append("setup")
            return "it"

    class Without(Base):
        def __init__(self):
            slow()
            log.append("setup")

    with Flow("f") as flow, resource_manager(WithSetup if has_setup else Without)() as r:
        task(lambda r=None: r)(r) if has_setup else task(lambda: 1)()

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        run = flow.start(executor=ThreadExecutor(2))
        with pytest.raises(KeyboardInterrupt), interrupted(once=began, times=2):
            run.wait(LONG_S)
        assert run.is_finished
        free.set()

        assert cleaned.wait(LONG_S)
    assert log == ["setup", "cleanup it" if has_setup else "cleanup None"]


@pytest.mark.parametrize("gives", ["an early handle", "nothing"])
def test_a_setup_that_cannot_be_cut_and_then_fails_is_reclaimed_or_named(gives, monkeypatch):
    """Rule 13: also when its run is over; and no row says closed before a reclaim has returned."""
    monkeypatch.setattr("nbflow.engine.cancellation.HURRIED_S", 0.05)
    monkeypatch.setattr("nbflow.engine.run_end.CLOSE_TIMEOUT_S", 0.0)
    began, free = threading.Event(), threading.Event()
    reclaimed: list[str] = []

    class Stubborn:
        def setup(self):
            began.set()
            try:
                free.wait(LONG_S)
            except BaseException:
                free.wait(LONG_S)
                raise

        def cleanup(self, resource):
            raise AssertionError("there is no resource")

    class Announced(Stubborn):
        def early_handle(self):
            return "it"

        @staticmethod
        def reclaim(handle):
            assert ledger.resources()[-1].state != "closed"
            reclaimed.append(handle)

    manager = resource_manager(name=f"late {gives}")(Announced if gives == "an early handle" else Stubborn)
    with Flow("f") as flow, manager() as r:
        task(lambda r: r)(r)

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        run = flow.start(executor=ThreadExecutor(2))
        with pytest.raises(KeyboardInterrupt), interrupted(once=began, times=2):
            run.wait(LONG_S)
        assert run.is_finished
        free.set()

        def row():
            return next(row for row in ledger.resources(all=True) if row.run == run.id)

        until = time.monotonic() + LONG_S
        while row().state == "intent" and time.monotonic() < until:
            time.sleep(0.005)
    if gives == "nothing":
        assert row().state == "abandoned"
        assert run.block_status[flow.blocks[0]] is BlockStatus.LEAKED
    else:
        assert (row().state, reclaimed) == ("closed", ["it"])


# -- what reading and the properties found -------------------------------------------------------------------------


def test_a_handler_that_wants_a_setup_again_gets_the_same_resource(log):
    """Rule 2: a second one would leak the first."""
    wanted = iter((states.Retrying("again"), None))

    def again(task, old, new):
        return next(wanted) if isinstance(new, states.Success) else None

    with Flow("f") as flow, log.manager(setup_task_kwargs={"state_handlers": [again]})() as r:
        used = task(lambda r: r)(r)

    assert flow.run().result[used].result == "it"
    assert log == ["setup it", "cleanup it"]


def test_a_handler_that_exits_at_the_start_keeps_the_task_from_running(log):
    """Rule 6."""

    def leave(task, old, new):
        if new.is_running():
            raise SystemExit

    with Flow("f") as flow, log.manager()() as r:
        task(lambda r: log.append("task"), state_handlers=[leave])(r)

    with pytest.raises(SystemExit):
        flow.run()
    assert log == ["setup it", "cleanup it"]


def test_a_listener_that_exits_is_dropped(log):
    def leave(event):
        raise SystemExit

    with Flow("f") as flow, log.manager()() as r:
        task(lambda r: r)(r)
    run = flow._prepare(None, {}, blocking=True)
    run.listen(leave)

    with pytest.warns(RuntimeWarning, match="listener"):
        assert run._work().is_successful()
    assert log == ["setup it", "cleanup it"]


def test_an_error_that_cannot_be_shown_is_a_failure_like_any_other(log):
    class Strange(Exception):
        def __repr__(self):
            raise ValueError

    def fail(resource=None):
        raise Strange

    with Flow("f") as flow, log.manager(cleanup=fail)() as r:
        failed = task(fail, name="failed")(r)

    with pytest.warns(RuntimeWarning, match="Strange"):
        state = flow.run()
    assert isinstance(state.result[failed].result, Strange)
    assert len(flow.runs[-1].cleanup_failures) == 1


def test_a_paused_cleanup_does_not_hold_a_cancelled_run(log):
    """Rules 6 and 7."""

    def pause():
        log.append("try")
        raise signals.PAUSE

    held = threading.Event()
    with Flow("f") as flow, log.manager(cleanup=pause)() as r:
        task(lambda r: r)(r)

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        run = flow.start()
        run.listen(lambda e: held.set() if isinstance(run.state, states.Paused) else None, replay=True)
        assert held.wait(LONG_S)
        run.cancel()
        run.wait(LONG_S)

    assert run.is_finished
    assert log == ["setup it", "try", "try"]
    assert len(run.cleanup_failures) == 1


def test_given_elements_of_a_mapped_manager_are_cleaned_up_with_their_managers(log):
    """Rule 1: a run from given states."""

    @resource_manager
    class Each:
        def __init__(self, item):
            self.item = item

        def setup(self):
            return self.item

        def cleanup(self, resource):
            log.append(f"cleanup {self.item} {resource}")

    def body(item):
        with Each(item) as r:
            task(lambda r: r)(r)

    with Flow("f") as flow:
        apply_map(body, ["a", "b"])
    first = flow.run()
    (init,) = (block.init_task for block in flow.blocks)
    log.clear()

    flow.run(task_states={init: first.result[init]})

    assert sorted(log) == ["cleanup a a", "cleanup b b"]


def test_mapping_over_a_dict_fails_the_children_only(log):
    with Flow("f") as flow, log.manager()() as r:
        data = task(lambda r: {"a": 1})(r)
        children = task(lambda x: x).map(data)

    state = flow.run()

    assert state.is_failed()
    assert state.result[children].is_mapped() or state.result[children].is_failed()
    assert log == ["setup it", "cleanup it"]


def test_an_interrupt_while_something_is_shown_at_the_end_of_a_setup_loses_no_resource(log, monkeypatch):
    """Rules 1 and 6."""

    def show():
        if log == ["setup it"]:
            log.append("shown")
            interrupt()

    monkeypatch.setattr("nbflow.engine.attempt.AFTER_TASK", [show])
    with Flow("f") as flow, log.manager()() as r:
        task(lambda r: r)(r)

    with pytest.raises(KeyboardInterrupt):
        flow.run()
    assert log == ["setup it", "shown", "cleanup it"]
