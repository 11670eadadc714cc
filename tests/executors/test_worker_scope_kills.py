"""Random flows whose workers are killed at random moments: what they had open is cleaned up once, and nothing is left.

``NBFLOW_CAMPAIGN=200`` plays so many rounds; the number of a round is its seed.
"""

from __future__ import annotations

import os
import random
import threading
import time
import uuid
from contextlib import suppress

import psutil
import pytest

from nbflow import Flow, apply_map, ledger, resource_manager, task, unmapped
from nbflow.errors import WorkerGoneError
from nbflow.executors import DaskExecutor, ProcessExecutor
from nbflow.executors.errors import ClusterLostError, WorkerDiedError
from nbflow.states import Cancelled
from tests.dask.conftest import cluster_of, is_worker
from tests.executors.journal import Journal
from tests.executors.workers import workers_of_here
from tests.patience import PATIENCE_S

ROUNDS = int(os.environ.get("NBFLOW_CAMPAIGN", "5"))


@pytest.fixture(autouse=True)
def _own_ledger(tmp_path, monkeypatch):
    monkeypatch.setenv("NBFLOW_HOME", str(tmp_path / "home"))


class Folder:
    """A directory of each worker; who removes it says so, and only the first one can."""

    def __init__(self, home, slow_s):
        self.home, self.slow_s = home, slow_s
        self.path = f"{home}/{uuid.uuid4()}"

    def early_handle(self):
        return [self.home, self.path]

    def handle(self, path):
        return [self.home, path]

    def setup(self):
        time.sleep(self.slow_s)
        os.mkdir(self.path)
        time.sleep(self.slow_s)
        return self.path

    def cleanup(self, path):
        time.sleep(self.slow_s)
        os.rmdir(path)
        Journal(f"{self.home}.log").note(f"cleanup:{path}")
        time.sleep(self.slow_s)

    @staticmethod
    def reclaim(handle):
        home, path = handle
        if os.path.isdir(path):
            os.rmdir(path)
            Journal(f"{home}.log").note(f"reclaim:{path}")


def work(path, x, seconds):
    assert os.path.isdir(path)
    time.sleep(seconds)
    assert os.path.isdir(path)
    return x * 2


def flow_of(rng, home):
    made = []

    def block(name):
        return resource_manager(Folder, scope="worker", name=name)(home, rng.choice([0, 0, 0.02]))

    def tasks(path, count):
        numbers = [rng.randrange(100) for _ in range(count)]
        made.append((task(work).map(unmapped(path), numbers, unmapped(rng.choice([0, 0.01, 0.1]))), numbers))

    with Flow("f") as flow:
        with block("outer") as outer:
            tasks(outer, rng.randrange(1, 6))
            if rng.random() < 0.5:
                with block("inner") as inner:
                    tasks(inner, rng.randrange(1, 6))
            if rng.random() < 0.5:
                tasks(outer, rng.randrange(1, 12))
        if rng.random() < 0.3:

            def one(x):
                with block("mapped") as path:
                    return task(work)(path, x, 0.01)

            apply_map(one, [1, 2, 3])
    return flow, made


@pytest.mark.parametrize("seed", range(ROUNDS))
def test_what_killed_workers_have_left_is_cleaned_up_once(seed, tmp_path):
    rng = random.Random(seed)
    play(rng, tmp_path / "folders", ProcessExecutor(2, max_tasks=rng.choice([None, None, 2])), workers_of_here)


@pytest.mark.dask
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("seed", range(ROUNDS))
def test_what_killed_workers_of_a_cluster_have_left_is_cleaned_up_once(seed, tmp_path):
    rng = random.Random(seed)

    def workers():
        return [one for one in psutil.Process().children(recursive=True) if is_worker(one)]

    with cluster_of(2, threads=rng.choice([1, 2]), allowed_failures=10) as client:
        play(rng, tmp_path / "folders", DaskExecutor(client=client), workers)


def play(rng, home, executor, workers):
    home.mkdir()
    flow, made = flow_of(rng, str(home))
    run = flow.start(executor=executor)
    over, kills = threading.Event(), rng.randrange(1, 6)

    def kill():
        for _ in range(kills):
            if over.wait(rng.random() * 0.4):
                return
            for worker in rng.sample(found := workers(), min(1, len(found))):
                with suppress(psutil.Error):
                    worker.kill()

    killer = threading.Thread(target=kill)
    killer.start()
    if rng.random() < 0.3:
        over.wait(rng.random())
        run.cancel()
    run.wait(PATIENCE_S)
    assert run.is_finished
    over.set()
    killer.join()

    # Of one that was killed before it had said by what its resource is found nobody knows, so it is named.
    unknown = run.cleanup_failures.values()
    assert all(isinstance(error, WorkerGoneError) for error in unknown)
    assert list(home.iterdir()) == []
    removed = Journal(f"{home}.log").words
    assert len({line.split(":")[1] for line in removed}) == len(removed)
    assert unknown or ledger.resources() == []
    for rows, numbers in made:
        for number, state in zip(numbers, getattr(run.states[rows], "map_states", ()), strict=False):
            assert state.result == number * 2 or not state.is_successful()
            assert not isinstance(state.result, AssertionError)
            ended = isinstance(state.result, (WorkerDiedError, ClusterLostError)) or isinstance(run.state, Cancelled)
            assert ended or not state.is_failed(), repr(state.result)
