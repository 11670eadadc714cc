"""SIGTERM, SIGHUP and SIGQUIT to a process with runs, in the background or not (rules 1, 6 and 14)."""

from __future__ import annotations

import signal
import subprocess
import sys
from contextlib import suppress

import pytest

from tests.patience import PATIENCE_S

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGTERM to be handled")

SCRIPT = """
import signal, sys, threading, time
from nbflow import Flow, context, resource_manager, task

@resource_manager
class Server:
    def setup(self):
        return "server"
    def cleanup(self, server):
        print("cleanup", flush=True)

@task
def work(server):
    print("working", flush=True)
    while not context.cancelled():
        time.sleep(0.01)

with Flow("f") as flow, Server() as server:
    work(server)

BEFORE
run = flow.start()
while True:
    time.sleep(1)
"""


def output_after(*numbers: int, before: str = "", script: str = SCRIPT) -> tuple[list[str], int]:
    process = subprocess.Popen(
        [sys.executable, "-c", script.replace("BEFORE", before)],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert process.stdout is not None
    lines = [process.stdout.readline().strip()]
    for number in numbers:
        process.send_signal(number)
    rest, _ = process.communicate(timeout=PATIENCE_S)
    return lines + rest.split("\n")[:-1], process.returncode


BLOCKING = SCRIPT.replace("run = flow.start()", "flow.run()")
ENDS = [signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT]


@pytest.mark.parametrize("script", [SCRIPT, BLOCKING], ids=["background", "blocking"])
@pytest.mark.parametrize("number", ENDS)
def test_what_a_run_holds_is_cleaned_up_before_the_process_ends(number, script):
    """Rules 1, 6 and 14."""
    assert output_after(number, script=script) == (["working", "cleanup"], -number)


INNER = (
    BLOCKING.replace(
        "with Flow",
        """
@task
def outer():
    inner.run(executor=ON)
    print("goes on", flush=True)

with Flow""",
    )
    .replace('Flow("f") as flow', 'Flow("f") as inner')
    .replace("flow.run()", "with Flow('outer') as flow:\n    outer()\nflow.run(executor=ON)\n")
)


@pytest.mark.parametrize("number", ENDS)
@pytest.mark.parametrize("executor", ["inline", "threads"])
def test_a_process_ends_that_was_told_so_while_a_task_ran_a_flow(number, executor):
    """Rule 14."""
    script = INNER.replace("ON", repr(executor))
    lines, code = output_after(number, script=script)

    assert (lines[:2], code) == (["working", "cleanup"], -number)


STARTS_ONE = (
    BLOCKING.replace(
        "with Flow",
        """
@task
def start():
    inner.start()

with Flow""",
    )
    .replace('Flow("f") as flow', 'Flow("f") as inner')
    .replace("flow.run()", "with Flow('outer') as flow:\n    start()\nflow.run(executor=ON)\n")
)


@pytest.mark.parametrize("executor", ["inline", "threads"])
def test_a_run_that_a_task_has_started_is_cleaned_up_after_its_own_run_as_well(executor):
    """Rule 14."""
    script = STARTS_ONE.replace("ON", repr(executor))

    assert output_after(signal.SIGTERM, script=script) == (["working", "cleanup"], -signal.SIGTERM)


@pytest.mark.parametrize("script", [SCRIPT, BLOCKING], ids=["background", "blocking"])
def test_a_terminal_that_hangs_up_from_several_sides_hurries_nobody(script):
    """Rule 6: its kernel and its shell send it, and neither is a user who presses again."""
    slow = script.replace('print("cleanup", flush=True)', 'time.sleep(1); print("cleanup", flush=True)')

    assert output_after(*[signal.SIGHUP] * 20, script=slow) == (["working", "cleanup"], -signal.SIGHUP)


def test_a_process_that_was_told_to_end_does_so_although_it_was_interrupted_then():
    """Rule 6."""
    both = (signal.SIGTERM, signal.SIGINT)

    assert output_after(*both, script=BLOCKING) == (["working", "cleanup"], -signal.SIGTERM)


@pytest.mark.parametrize("number", ENDS)
def test_a_handler_of_the_user_is_called_afterwards(number):
    handler = f"signal.signal({number:d}, lambda *_: (print('mine', flush=True), sys.exit(3)))"

    assert output_after(number, before=handler) == (["working", "cleanup", "mine"], 3)


def test_a_setup_is_left_to_end_and_is_then_cleaned_up():
    """Rule 13: however short the time for what has nothing open."""
    setup = 'print("working", flush=True); exec("while not context.cancelled(): time.sleep(0.01)"); return "server"'
    script = SCRIPT.replace('return "server"', setup)
    before = "from nbflow.engine import termination; termination.BUDGET_S = 0"

    assert output_after(signal.SIGTERM, before=before, script=script) == (
        ["working", "cleanup"],
        -signal.SIGTERM,
    )


def test_who_sends_it_again_and_again_does_not_wait_for_a_cleanup():
    """Rule 6: the first waits, the second not so long, the third not at all."""
    script = SCRIPT.replace('print("cleanup", flush=True)', 'print("cleanup", flush=True); time.sleep(3600)')
    command = [sys.executable, "-c", script.replace("BEFORE", "")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None

        assert process.stdout.readline() == "working\n"
        process.send_signal(signal.SIGTERM)
        assert process.stdout.readline() == "cleanup\n"
        process.send_signal(signal.SIGTERM)
        for _ in range(int(PATIENCE_S)):  # two that come at once are one
            with suppress(subprocess.TimeoutExpired):
                process.wait(1)
                break
            process.send_signal(signal.SIGTERM)

    assert process.returncode == -signal.SIGTERM


IGNORES = """
import os, signal
from nbflow import Flow, context, resource_manager, task
for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT):
    signal.signal(number, signal.SIG_IGN)  # as `nohup` and `&` in a script do it

@resource_manager
class Server:
    def setup(self):
        return "server"
    def cleanup(self, server):
        print("cleanup", flush=True)

@task
def work(server):
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT):
        os.kill(os.getpid(), number)
    # In one piece: two threads say it, and the end of a line is written apart otherwise.
    print("cancelled\\n" if context.cancelled() else "goes on\\n", end="", flush=True)

@task(timeout=1)
def endless(server):
    while True:
        pass

with Flow("f") as flow, Server() as server:
    work(server)
    endless(server, upstream_tasks=[work(server)])
"""


@pytest.mark.parametrize("start", ["flow.run()", "flow.start().wait()", "flow.run(executor='threads')"])
def test_signals_that_were_ignored_at_the_start_stay_ignored(start):
    """Rule 14; and a time-out, which is not the user's signal, ends its task all the same."""
    script = f"""{IGNORES}
state = {start}
print(sorted(type(one).__name__ for one in state.result.values()))
print([signal.getsignal(number).name for number in (signal.SIGINT, signal.SIGTERM)])
"""
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=PATIENCE_S, check=True
    )

    assert done.stdout.split("\n")[:-1] == [
        "goes on",
        "goes on",
        "cleanup",
        "['Success', 'Success', 'Success', 'Success', 'Success', 'TimedOut']",
        "['SIG_IGN', 'SIG_IGN']",
    ]
    assert done.stderr == ""
