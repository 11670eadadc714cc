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
from nbflow.states import Mapped, Paused, Success, TriggerFailed
from tests.executors.simulated_cluster import SimulatedCluster
from tests.executors.workers import workers_of_here

SEEDS = range(6)
KILLS = range(int(os.environ.get("NBFLOW_KILLS", "6")))
SIMULATED = range(20 * len(KILLS))
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


def random_flow(seed, kinds, *, size=3):
    """Return a flow of some thirty tasks, and what each gives if nothing goes wrong (None: it does).

    Some are in a block, some make chains, and one is a map over so many items.
    """
    draw = random.Random(seed)
    made, values = [], {}
    manager = resource_manager(Counted)
    with Flow("random") as flow:

        def one_more(number, held=None):
            function = draw.choice(kinds)
            above = made[-1:] if draw.random() < 0.5 else draw.sample(made, min(len(made), draw.randrange(3)))
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
        rows = task(lambda x: x + 1, name="rows").map(mapped(list(range(size))))
        values[rows] = list(range(1, size + 1))
        for number in range(10, 30):
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
    with SimulatedCluster(2, seed=seed).faked() as cluster:
        for executor in ("inline", "threads", ProcessExecutor(2), cluster):
            flow, _ = random_flow(seed, [add, add, slow, fail, skip, grow])
            ends.append(told(flow, flow.run(executor=executor)))

    assert ends[0] == ends[1] == ends[2] == ends[3]


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

    check(run, values)


@pytest.mark.parametrize("seed", SIMULATED)
def test_whoever_dies_on_a_simulated_cluster_there_are_right_states_right_values_and_one_cleanup(seed):
    flow, values = random_flow(seed, [add, add, grow], size=40)
    Counted.opened = Counted.closed = 0

    with SimulatedCluster(2, seed=seed, deaths=seed % 5).faked() as executor:
        flow.run(executor=executor)
    (cluster,), (run,) = executor.clusters, flow.runs

    check(run, values)
    assert set(cluster.begun.values()) == {1}
    assert sum(isinstance(state.result, WorkerDiedError) for state in ends_of(run)) <= cluster.lost


@pytest.mark.parametrize("seed", SIMULATED[::4])
def test_a_run_that_is_paused_and_stepped_at_any_moment_comes_to_the_same(seed):
    draw = random.Random(seed)
    flow, values = random_flow(seed, [add, add, grow], size=40)
    Counted.opened = Counted.closed = 0

    def command(event):  # told on the run's own thread: nothing here depends on how fast anything is
        if isinstance(event.state, Paused):
            draw.choice((run.resume, run.step))()
        elif draw.random() < 0.1:
            run.pause()

    with SimulatedCluster(2, seed=seed).faked() as executor:
        run = flow.start(executor=executor, paused=True)
        run.listen(command)
        run.resume()
        run.wait(LIMIT_S)
    (cluster,) = executor.clusters

    check(run, values)
    assert run.state.is_successful()
    assert set(cluster.begun.values()) == {1}


def test_a_simulated_cluster_does_the_same_again():
    told = []
    for _ in range(2):
        flow, _ = random_flow(7, [add, add, grow], size=40)
        with SimulatedCluster(2, seed=7, deaths=3).faked() as executor:
            flow.run(executor=executor)
        told.append(executor.told)

    assert told[0] == told[1]


def ends_of(run):
    """Return how all tasks ended, and all children of maps."""
    for state in run.states.values():
        yield from state.map_states if isinstance(state, Mapped) else [state]


def check(run, values):
    """See that what went well came to what it should, and what did not went with a worker."""
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
