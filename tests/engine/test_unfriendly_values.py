"""Values that can be neither fingerprinted nor copied, or whose methods raise or lie: never an exception of nbflow's.

What nobody can know counts as changed by whoever may have changed it, and the plan says so (docs/reruns.md).
"""

from __future__ import annotations

import contextvars
import io
import sqlite3
import threading
import types
import weakref
from datetime import timedelta

import pytest

from nbflow import Flow, Parameter, task
from nbflow.engine.values import Values
from nbflow.states import Success

LIMIT_S = 20


class Raises(BaseException):
    """What a test must never meet."""


def raising(*args, **kwargs):
    raise Raises


def with_methods(**methods):
    return lambda: type("Odd", (), {"__module__": __name__, **methods})()


def with_base(base, **methods):
    return lambda: type("Odd", (base,), {"__module__": __name__, **methods})()


class Lazy:
    """Pulls its data when it is asked for nearly anything, as a Dask collection or a query does."""

    __module__ = "somewhere.far"

    def __init__(self):
        object.__setattr__(self, "asked", [])

    def compute(self):
        raise Raises

    __len__ = __iter__ = __bool__ = __array__ = __reduce__ = __reduce_ex__ = compute

    def __getattr__(self, name):
        raise Raises(name)


class Proxy:
    """Says to be a list, and raises when anybody looks further."""

    @property
    def __class__(self):
        return list

    def __getattribute__(self, name):
        if name == "__class__":
            return list
        raise Raises(name)


class LiesAboutClass:
    @property
    def __class__(self):
        raise Raises


class OddMeta(type):
    def __eq__(cls, other):
        raise Raises

    def __hash__(cls):
        raise Raises

    def __instancecheck__(cls, other):
        raise Raises


def nested():
    found = []
    for _ in range(2_000):
        found = [found]
    return found


def circle():
    found = []
    found.append(found)
    return found


def connection():
    return sqlite3.connect(":memory:", check_same_thread=False)


def cursor():
    return connection().execute("select 1 union select 2")


def endless():
    n = 0
    while True:
        yield n
        n += 1


VALUES = {
    "__eq__ raises": with_methods(__eq__=raising, __hash__=object.__hash__),
    "__eq__ lies": with_methods(__eq__=lambda self, other: True, __hash__=lambda self: 1),
    "__hash__ raises": with_methods(__hash__=raising),
    "__reduce__ raises": with_methods(__reduce__=raising, __reduce_ex__=raising),
    "__reduce__ is nonsense": with_methods(__reduce__=lambda self: 3, __reduce_ex__=lambda self, n: "x"),
    "__getstate__ raises": with_methods(__getstate__=raising),
    "__len__ raises": with_methods(__len__=raising),
    "__len__ lies": with_methods(__len__=lambda self: -5),
    "__bool__ raises": with_methods(__bool__=raising),
    "__iter__ raises": with_methods(__iter__=raising),
    "__deepcopy__ raises": with_methods(__deepcopy__=raising, __copy__=raising),
    "__deepcopy__ lies": with_methods(__deepcopy__=lambda self, memo: None, __copy__=lambda self: None),
    "__repr__ raises": with_methods(__repr__=raising),
    "__sizeof__ raises": with_methods(__sizeof__=raising),
    "__getattribute__ raises": with_methods(__getattribute__=raising),
    "__dict__ raises": with_methods(__dict__=property(raising)),
    "__array__ raises": with_methods(__array__=raising, __array_interface__=property(raising)),
    "a list that raises": with_base(
        list, __iter__=raising, __len__=raising, __getitem__=raising, __eq__=raising
    ),
    "a dict that raises": with_base(dict, items=raising, keys=raising, __iter__=raising, copy=raising),
    "a set that raises": with_base(set, __iter__=raising, copy=raising, __eq__=raising),
    "a tuple that raises": with_base(tuple, __iter__=raising, __len__=raising),
    "a str that raises": with_base(str, __eq__=raising, __hash__=raising, encode=raising),
    "an int that raises": with_base(int, __eq__=raising, __hash__=raising, __index__=raising),
    "lazy": Lazy,
    "proxy": Proxy,
    "__class__ raises": LiesAboutClass,
    "class of an odd metaclass": lambda: OddMeta("Odd", (), {}),
    "lock": threading.Lock,
    "event": threading.Event,
    "thread": lambda: threading.Thread(target=raising),
    "local": threading.local,
    "context variable": lambda: contextvars.ContextVar("v"),
    "context": contextvars.copy_context,
    "connection": connection,
    "cursor": cursor,
    "open file": lambda: io.BytesIO(b"abc"),
    "memoryview": lambda: memoryview(bytearray(b"abc")),
    "endless generator": endless,
    "module": lambda: types.ModuleType("m"),
    "weak reference": lambda: weakref.ref(VALUES["lock"]),
    "nested deeply": nested,
    "a circle": circle,
    "inside a list": lambda: [Proxy(), threading.Lock(), Lazy(), LiesAboutClass()],
    "inside a dictionary": lambda: {"a": Proxy(), "b": (Lazy(),)},
    "an exception": lambda: ValueError([1]),
}
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


@values
def test_a_task_that_takes_it_may_be_tried_again_or_is_refused_with_words(make, executor):
    """Values, rule V2."""
    attempts = []

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


def test_nothing_is_pulled_from_what_is_lazy(executor):
    """Values: never a hidden pull of remote data."""
    pulled = []

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
