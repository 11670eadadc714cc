"""Values that can be neither fingerprinted nor copied, or whose methods raise or lie: never an exception of nbflow's.

What nobody can know counts as changed by whoever may have changed it, and the plan says so (docs/reruns.md).
"""

from __future__ import annotations

import contextlib
import threading
from datetime import timedelta

import pytest

from nbflow import Flow, Parameter, context, task
from nbflow.engine.values import Values
from nbflow.errors import ChangedInputError, RetryError
from nbflow.signals import LOOP
from nbflow.states import Success
from tests.engine.unfriendly import VALUES, Lazy, connection
from tests.shared import SharedList

LIMIT_S = 20


values = pytest.mark.parametrize("make", VALUES.values(), ids=VALUES.keys())


def may_change(x, n):
    """May do anything with it, as far as a look at the code can tell."""
    touch(x)
    return n


def touch(x):
    globals()["_hook"](x)


def _hook(x):
    """Do nothing."""


def ended_well(run):
    run.wait(LIMIT_S, or_held=True)
    assert isinstance(run.state, Success), [*run.states.values()]
    return run


def the_run_of(flow, **options):
    run = flow.start(**options)
    return ended_well(run)


@pytest.mark.one_memory("most of these cannot be pickled; see tests/executors/test_unfriendly_values.py")
@values
def test_a_flow_runs_and_reruns(make, executor):
    """Values, rule V1."""
    with Flow("f") as flow:
        made = task(lambda: make(), name="make")()
        taken = task(may_change, name="taken")(made, Parameter("n", default=1))
        task(lambda x, n: n, name="below")(made, 1, upstream_tasks=[taken])
    run = the_run_of(flow, executor=executor)

    for what, options in (([taken], {}), ([], {"n": 2}), ("all", {})):
        run = run.rerun(what, **options)
        ended_well(run)
        assert run.results[taken] == options.get("n", 1) or what == "all"


@values
def test_an_unchanged_flow_is_empty_and_its_plan_can_be_shown(make):
    """Values, rule V2."""
    with Flow("f") as flow:
        made = task(lambda: make(), name="make")()
        task(may_change, name="taken")(made, 1)
    run = the_run_of(flow)

    plan = run.rerun("stale", dry=True)

    assert plan.is_empty, plan.text()
    assert "nothing runs" in plan.text()


@pytest.mark.one_memory("most of these cannot be pickled; see tests/executors/test_unfriendly_values.py")
@values
def test_it_may_be_a_default_a_constant_and_mapped(make, executor):
    """Values, rule V4."""
    with Flow("f") as flow:
        task(may_change, name="of default")(Parameter("x", default=make()), 1)
        task(may_change, name="of constant")(make(), 1)
        task(may_change, name="mapped").map([make(), make()], [1, 2])
    for _ in range(2):
        run = the_run_of(flow, executor=executor)

    again = run.rerun("all")
    ended_well(again)


@pytest.mark.one_memory("most of these cannot be pickled; see tests/executors/test_unfriendly_values.py")
@values
def test_a_task_that_takes_it_may_be_tried_again_or_is_refused_with_words(make, executor):
    """Values, rule V2."""
    attempts = SharedList()

    def fail_once(x):
        touch(x)
        attempts.append(1)
        if len(attempts) == 1:
            raise ValueError("not yet")

    with Flow("f") as flow:
        failed = task(fail_once, max_retries=1, retry_delay=timedelta(0))(task(lambda: make(), name="make")())
    run = flow.start(executor=executor)
    run.wait(LIMIT_S)

    if not run.state.is_successful():
        assert "cannot be tried again" in run.states[failed].message
        assert "the value of 'make'" in run.states[failed].message


@values
def test_it_may_be_set_pinned_and_handed_back(make):
    """Values, rule V2."""
    with Flow("f") as flow:
        made = task(lambda: 1 / 0, name="make")()
        taken = task(may_change, name="taken")(made, 1)
    run = flow.start(hold_on_failure=True)
    run.wait(LIMIT_S, or_held=True)
    run.set_result(made, make())
    run.resume()
    ended_well(run)
    run.pin(taken)

    again = run.rerun([taken])
    ended_well(again)

    assert again.sources[made] == "edited"


@values
def test_tasks_may_be_edited_held_fixed_and_retried(make, monkeypatch):
    """Values, rules V1 and V2."""

    def fails_at_first(x):
        touch(x)
        raise ValueError("not yet")

    with Flow("f") as flow:
        made = task(lambda: make(), name="make")()
        taken = task(may_change, name="taken")(made, 1)
        held = task(fails_at_first, name="held")(made, upstream_tasks=[taken])
    run = flow.start(hold_on_failure=True)
    run.wait(LIMIT_S, or_held=True)
    assert held in run.held

    held.run = lambda x: x is None
    with contextlib.suppress(RetryError, ChangedInputError):  # nobody may know how to put the value back
        run.retry(held)
    run.resume()
    run.wait(LIMIT_S)
    taken.run = lambda x, n: may_change(x, n + 1)
    run = run.rerun("stale")
    run.wait(LIMIT_S)

    assert run.results[taken] == 2


@values
def test_a_loop_may_carry_it(make):
    """Values, rule V2."""

    def turns(x):
        touch(x)
        if context.get("task_loop_count") < 3:
            raise LOOP(result=x)
        return context.get("task_loop_result")

    with Flow("f") as flow:
        made = task(lambda: make(), name="make")()
        turned = task(turns, name="turns")(made)
        task(may_change, name="taken")(turned, 1)
    run = the_run_of(flow)

    ended_well(run.rerun([turned]))


@values
def test_it_may_be_cached_and_given_back(make):
    """Values, rules V2 and V6."""
    with Flow("f", keep="needed") as flow:
        made = task(lambda: make(), name="make", cache_for=timedelta(hours=1))()
        taken = task(may_change, name="taken")(made, 1)
    runs = [the_run_of(flow) for _ in range(2)]
    runs[0].forget()

    ended_well(runs[-1].rerun([taken]))

    assert runs[-1].facts[made].where in ("released", "memory")


@values
def test_what_is_known_of_it_can_be_shown(make):
    with Flow("f") as flow:
        made = task(lambda: make(), name="make")()
        taken = task(may_change, name="taken")(made, make())
        task(may_change, name="of elements").map([made], [made, made])
    runs = [the_run_of(flow) for _ in range(2)]

    for shown in (
        flow,
        runs[0],
        runs[-1],
        runs[-1].results,
        runs[-1].states[made],
        runs[-1].facts[made],
        taken,
    ):
        assert isinstance(repr(shown), str)
    assert runs[-1].held_bytes >= 0
    assert isinstance(runs[-1].rerun("all", dry=True).text(), str)
    assert isinstance(runs[0].facts[made].type, str)


@pytest.mark.parametrize(
    "make", [connection, threading.Lock, lambda: [threading.Lock()]], ids=["connection", "lock", "inside"]
)
def test_the_plan_says_that_what_nobody_can_know_counts_as_changed(make):
    """Values, rules V1 and V7."""
    with Flow("f") as flow:
        made = task(lambda: make(), name="make")()
        taken = task(may_change, name="taken")(made, 1)
    run = the_run_of(flow)

    text = run.rerun([taken], dry=True).text()

    assert "make   runs  " in text
    assert "by 'taken'" in text


@pytest.mark.parametrize("make", [connection, threading.Lock, Lazy], ids=["connection", "lock", "lazy"])
def test_what_nobody_can_know_is_handed_on_to_tasks_that_cannot_have_changed_it(make):
    """Values, rule V2: nothing runs needlessly."""
    with Flow("f") as flow:
        made = task(lambda: make(), name="make")()
        taken = task(lambda x: x is None, name="taken")(made)
    run = the_run_of(flow)

    plan = run.rerun([taken], dry=True)

    assert [one.name for one in plan.tasks] == ["taken"]


@pytest.mark.one_memory("its collection cannot be pickled")
def test_nothing_is_pulled_from_what_is_lazy(executor):
    """Values: never a hidden pull of remote data."""
    pulled = SharedList()

    class Collection:
        __module__ = "dask.bag.core"

        def pull(self, *args):
            pulled.append(1)
            return []

        compute = persist = __iter__ = __len__ = __array__ = __reduce__ = __getstate__ = __dask_graph__ = pull

    with Flow("f") as flow:
        made = task(lambda: Collection(), name="make")()
        taken = task(may_change, name="taken", max_retries=1, retry_delay=timedelta(0))(made, 1)
    run = the_run_of(flow, executor=executor)
    run.rerun([taken]).wait(LIMIT_S)
    run.pin(made)

    assert pulled == []


def test_a_run_ends_whatever_happens_while_its_values_are_looked_at(monkeypatch):
    """Guarantee, rule 17: a run never stays Running for ever."""

    def fail(self):
        raise KeyboardInterrupt

    monkeypatch.setattr(Values, "finish", fail)
    with Flow("f") as flow:
        task(lambda: [1], name="made")()

    with pytest.warns(RuntimeWarning, match="could not be looked at"):
        state = flow.run()

    assert state.is_successful()
    assert flow.runs[-1].is_finished
