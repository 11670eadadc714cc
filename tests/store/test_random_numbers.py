"""A run that goes on from a stored one draws the random numbers of a fresh run (docs/reruns.md, rule V1)."""

from __future__ import annotations

import json
import random
from dataclasses import replace

import pytest

from nbflow import Flow, task
from nbflow.errors import DamagedStoreError
from nbflow.store.entry import read_header
from nbflow.store.filenames import VALUE
from nbflow.store.generators import packed, unpacked
from tests.store.conftest import write_value
from tests.store.kernel import tell_of

NOTEBOOK = """
import random
import numpy
from nbflow import Flow, task

CALLED = []

@task
def seed():
    CALLED.append("seed")
    random.seed(3)
    numpy.random.seed(3)

@task
def first():
    CALLED.append("first")
    return random.random(), float(numpy.random.normal())

@task
def check():
    CALLED.append("check")
    {check}

@task
def second():
    CALLED.append("second")
    return random.gauss(0, 1), float(numpy.random.normal())

@task
def third():
    CALLED.append("third")
    {third}
    return random.gauss(0, 1), float(numpy.random.normal())

with Flow("draws", store={store!r}) as flow:
    a = first(upstream_tasks=[seed()])
    b = second(upstream_tasks=[check(upstream_tasks=[a])])
    c = third(upstream_tasks=[b])

def told(run):
    run.wait(60)
    tell(state=type(run.state).__name__, called=CALLED, drawn=[run.results.get(one) for one in (a, b, c)])
"""
STOPS = "raise ValueError('not yet')"


def notebook(store, then, *, check="pass", third="pass"):
    return NOTEBOOK.format(store=str(store), check=check, third=third) + then


@pytest.fixture(scope="module")
def fresh(tmp_path_factory):
    return tell_of(notebook(tmp_path_factory.mktemp("fresh") / "store", "told(flow.start())"))["drawn"]


@pytest.mark.parametrize("stops", ["check", "third"])
def test_the_tasks_that_had_not_ended_draw_what_a_fresh_run_draws(store, fresh, stops):
    before = tell_of(notebook(store, "told(flow.start())", **{stops: STOPS}))
    assert before["state"] == "Failed"

    facts = tell_of(notebook(store, "random.random(); told(flow.resume('stale'))"))

    assert facts["drawn"] == fresh
    assert facts["called"] == {"check": ["check", "second", "third"], "third": ["third"]}[stops]


def test_whoever_drew_after_a_task_that_draws_again_draws_again(store, fresh):
    tell_of(notebook(store, "told(flow.start())"))

    facts = tell_of(notebook(store, "told(flow.resume([b]))"))

    assert facts["drawn"] == fresh
    assert facts["called"] == ["second", "third"]


def test_what_can_be_no_state_of_a_generator_is_damage(store):
    with Flow("f", store=store) as flow:
        task(random.random)()
    flow.run()
    path = next(store.rglob(f"*{VALUE}"))
    header = read_header(path)
    write_value(path, replace(header, met={"random": [3, [1, 2], None]}), 1)

    with pytest.raises(DamagedStoreError, match="generator"):
        flow.resume("all", dry=True)


def test_states_are_the_same_after_they_were_packed():
    numpy = pytest.importorskip("numpy")
    before = {"random": random.getstate(), "numpy.random": numpy.random.get_state(legacy=False)}

    found = unpacked(json.loads(json.dumps(packed(before))))
    drawn = random.random(), numpy.random.random()
    random.setstate(found["random"])
    numpy.random.set_state(found["numpy.random"])

    assert (random.random(), numpy.random.random()) == drawn
