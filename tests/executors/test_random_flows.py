"""Random flows come to the same on every executor; and to what they should, while their processes are killed.

`NBFLOW_KILLS=200 pytest tests/executors/test_random_flows.py` plays a whole campaign, a test run a share of it.
"""

from __future__ import annotations

import contextlib
import os
import random
import threading

import psutil
import pytest

from nbflow import Flow, mapped, resource_manager, signals, task
from nbflow.executors import ProcessExecutor
from nbflow.executors.errors import WorkerDiedError
from nbflow.states import Mapped, Success, TriggerFailed
from tests.executors.workers import workers_of_here

SEEDS = range(6)
KILLS = range(int(os.environ.get("NBFLOW_KILLS", "6")))
LIMIT_S = 60


def add(*values):
    return sum(sum(one) if isinstance(one, list) else one for one in values)


def slow(*values):
    import time

    time.sleep(0.01)
    return add(*values)


def fail(*values):
    raise ValueError(f"not {add(*values)}")


def skip(*values):
    raise signals.SKIP("not today")


def grow(*values):
    return [add(*values), 1]


def named(function, number):
    def run(**values):
        return function(*values.values())

    return task(run, name=f"t{number}")


class Counted:
    """A manager that counts in the kernel."""

    opened = 0
    closed = 0

    def setup(self):
        Counted.opened += 1
        return 1

    def cleanup(self, resource):
        assert resource == 1
        Counted.closed += 1


def random_flow(seed, kinds):
    """Return a flow of a dozen tasks, some in blocks, and what each gives if nothing goes wrong (None: it does)."""
    draw = random.Random(seed)
    made, values = [], {}
    manager = resource_manager(Counted)
    with Flow("random") as flow:

        def one_more(number, held=None):
            function = draw.choice(kinds)
            above = draw.sample(made, min(len(made), draw.randrange(3)))
            given = {f"x{place}": one for place, one in enumerate(above)}
            if held is not None:
                given["held"] = held
            new = named(function, number)(**given)
            known = [values[one] for one in above] + ([1] if held is not None else [])
            ends_well = function in (add, slow, grow) and None not in known
            values[new] = function(*known) if ends_well else None
            made.append(new)

        for number in range(6):
            one_more(number)
        with manager() as held:
            for number in range(6, 10):
                one_more(number, held)
        rows = task(lambda x: x + 1, name="rows").map(mapped([1, 2, 3]))
        values[rows] = [2, 3, 4]
        for number in range(10, 12):
            one_more(number)
    return flow, values


def told(flow, state):
    return {
        flow.slugs[one]: (type(end).__name__, end.result if isinstance(end, Success) else repr(end.result)[:60])
        for one, end in state.result.items()
        if isinstance(end.result, (int, list, type(None))) or not isinstance(end, Success)
    }


@pytest.mark.parametrize("seed", SEEDS)
def test_a_random_flow_comes_to_the_same_on_all_executors(seed):
    ends = []
    for executor in ("inline", "threads", ProcessExecutor(2)):
        flow, _ = random_flow(seed, [add, add, slow, fail, skip, grow])
        ends.append(told(flow, flow.run(executor=executor)))

    assert ends[0] == ends[1] == ends[2]


@pytest.mark.parametrize("seed", KILLS)
def test_whatever_is_killed_there_are_right_states_right_values_and_one_cleanup(seed):
    draw = random.Random(1000 + seed)
    flow, values = random_flow(seed, [add, slow, slow, grow])
    Counted.opened = Counted.closed = 0
    run = flow.start(executor=ProcessExecutor(2))
    over = threading.Event()

    def kill():
        for _ in range(draw.randrange(1, 4)):
            over.wait(draw.random() * 0.8)
            for worker in workers_of_here():
                if draw.random() < 0.5:
                    with contextlib.suppress(psutil.NoSuchProcess):
                        worker.kill()

    killer = threading.Thread(target=kill)
    killer.start()
    run.wait(LIMIT_S)
    over.set()
    killer.join()

    assert run.is_finished
    assert Counted.opened == Counted.closed <= 1
    for one, value in values.items():
        state = run.states[one]
        is_map = isinstance(state, Mapped)
        for end, wanted in zip(state.map_states, value, strict=True) if is_map else [(state, value)]:
            if isinstance(end, Success):
                assert end.result == wanted
            else:
                assert isinstance(end, TriggerFailed) or isinstance(end.result, WorkerDiedError)
