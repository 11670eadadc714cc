"""Random flows on a real cluster whose workers are killed at random: right values, one cleanup, all repeats shown.

`NBFLOW_KILLS=200 pytest tests/dask/test_random_kills.py` plays a whole campaign, a test run a share of it.
"""

from __future__ import annotations

import contextlib
import os
import random
import re
import signal
import threading

import pytest

from nbflow import Flow, mapped, task
from nbflow.executors import DaskExecutor
from nbflow.executors.errors import WorkerDiedError
from nbflow.states import Mapped, Success, TriggerFailed
from tests.dask.conftest import cluster_of, wait_until
from tests.executors.test_random_flows import Counted, add, check, fail, grow, random_flow, skip, slow, told
from tests.shared import SharedList

pytestmark = [pytest.mark.dask, pytest.mark.filterwarnings("ignore")]

KILLS = range(int(os.environ.get("NBFLOW_KILLS", "3")))
SEEDS = range(3)
LIMIT_S = 120


@pytest.fixture
def cluster():
    with cluster_of(3, allowed_failures=10) as client:
        yield client


@pytest.mark.parametrize("seed", SEEDS)
def test_a_random_flow_comes_to_the_same_on_a_cluster_as_in_the_kernel(cluster, seed):
    ends = []
    for executor in ("inline", DaskExecutor(client=cluster)):
        flow, _ = random_flow(seed, [add, add, slow, fail, skip, grow])
        ends.append(told(flow, flow.run(executor=executor)))

    assert ends[0] == ends[1]


class Killer:
    """Kills workers of a cluster now and then, for as long as a `with` block lasts."""

    def __init__(self, client, draw):
        self.pids = lambda: list(client.run(os.getpid, on_error="ignore").values())
        self.draw, self.over = draw, threading.Event()
        self.thread = threading.Thread(target=self.work)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.over.set()
        self.thread.join()

    def work(self):
        for _ in range(self.draw.randrange(1, 4)):
            self.over.wait(self.draw.random() * 0.6)
            for pid in self.pids():
                if self.draw.random() < 0.4:
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(pid, signal.SIGKILL)


@pytest.mark.parametrize("seed", KILLS)
def test_whoever_is_killed_there_are_right_values_one_cleanup_and_all_repeats_are_shown(cluster, seed):
    """Rules 1 and 3."""
    draw = random.Random(2000 + seed)
    flow, values = random_flow(seed, [add, slow, slow, grow], size=20)
    began = SharedList()
    with flow:
        large = noted(began, "large", lambda n: list(range(n))).map(mapped([3_000 + seed, 5_000, 7_000]))
        sums = noted(began, "sums", sum).map(large)
    Counted.opened = Counted.closed = 0
    with Killer(cluster, draw):
        run = flow.start(executor=DaskExecutor(client=cluster))
        run.wait(LIMIT_S)

    check(run, values)
    sizes = [3_000 + seed, 5_000, 7_000]
    check(run, {sums: [sum(range(n)) for n in sizes]})

    def all_repeats_are_shown():
        begun = [name for name in began if name is not None]
        may_be = sum(int(many) for many in re.findall(r"; (\d+) more that it had got", str(shown_of(run))))
        return len(begun) - len(set(begun)) <= sum(map(len, shown_of(run).values())) + may_be

    wait_until(all_repeats_are_shown)  # what is made again when the run is over shows a little later


def noted(began, name, function):
    """Return a task that notes which of its calls have begun."""

    def run(x):
        began.append((name, x if isinstance(x, int) else len(x)))
        return function(x)

    return task(run, name=name)


def shown_of(run):
    """Return what the events say of calls that were made once more, by task."""
    found = {}
    for event in run.events:
        if event.task is not None and " runs again on " in event.note:
            found.setdefault(event.task, []).append(event.note)
    return found


def test_a_flow_of_which_nothing_is_killed_shows_no_repeats(cluster):
    with Flow("f") as flow:
        rows = task(lambda x: x, name="rows").map(mapped(list(range(300))))
    state = flow.run(executor=DaskExecutor(client=cluster))

    assert isinstance(state.result[rows], Mapped)
    assert shown_of(flow.runs[-1]) == {}
    assert not any(isinstance(end.result, (WorkerDiedError, TriggerFailed)) for end in state.result[rows].map_states)
    assert all(isinstance(end, Success) for end in state.result[rows].map_states)
