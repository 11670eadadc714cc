"""Every run starts clean: constants, defaults and given parameters are as they were declared (docs/reruns.md)."""

from __future__ import annotations

import pytest

from nbflow import Flow, Parameter, task
from tests.engine.changing import Box, Tray, frame

np = pytest.importorskip("numpy")
pd = pytest.importorskip("pandas")
pytestmark = pytest.mark.filterwarnings("ignore:The inplace keyword")
LIMIT_S = 20


def add(x):
    x.append(0)
    return len(x)


def add_inside(x):
    x["a"].append(0)
    return len(x["a"])


def add_to_box(x):
    x.add(0)
    return len(x.content)


def double(x):
    x *= 2
    return x.tolist()


def add_a_column(x):
    x[f"c{len(x.columns)}"] = 1
    return list(x.columns)


DECLARED = pytest.mark.parametrize(
    ("make", "change"),
    [
        (lambda: [1], add),
        (lambda: {"a": [1]}, add_inside),
        (lambda: Box([1]), add_to_box),
        (lambda: np.arange(3), double),
        (frame, add_a_column),
    ],
    ids=["list", "nested", "object", "array", "frame"],
)


def the_run_of(flow, **options):
    run = flow.start(**options)
    run.wait(LIMIT_S)
    return run


def result_of(flow, one, **options):
    return the_run_of(flow, **options).results[one]


@DECLARED
def test_a_default_is_as_declared_in_every_run(make, change, executor):
    """Values, rule V4."""
    with Flow("f") as flow:
        changed = task(change)(Parameter("x", default=make()))

    results = [result_of(flow, changed, executor=executor) for _ in range(3)]

    assert results == [change(make())] * 3


@DECLARED
def test_a_constant_is_as_declared_in_every_run(make, change, executor):
    """Values, rule V4."""
    with Flow("f") as flow:
        changed = task(change)(make())

    results = [result_of(flow, changed, executor=executor) for _ in range(3)]

    assert results == [change(make())] * 3


@DECLARED
def test_a_parameter_that_is_given_is_left_to_its_owner(make, change, executor):
    """Values, rule V4."""
    with Flow("f") as flow:
        changed = task(change)(Parameter("x"))
    given = make()

    results = [result_of(flow, changed, parameters={"x": given}, executor=executor) for _ in range(2)]

    assert results == [change(make())] * 2
    assert change(given) == change(make())


@DECLARED
def test_mapped_elements_are_as_declared_in_every_run(make, change, executor):
    """Values, rule V4."""
    with Flow("f") as flow:
        changed = task(change).map([make(), make()])

    results = [result_of(flow, changed, executor=executor) for _ in range(2)]

    assert results == [[change(make())] * 2] * 2


@DECLARED
def test_a_rerun_starts_clean_as_well(make, change, executor):
    """Values, rules V2 and V4."""
    with Flow("f") as flow:
        changed = task(change)(Parameter("x", default=make()))
        other = task(change, name="other")(make())
    run = flow.start(executor=executor)
    run.wait(LIMIT_S)

    for _ in range(2):
        run = run.rerun([changed, other])
        run.wait(LIMIT_S)

        assert run.results[changed] == change(make())
        assert run.results[other] == change(make())


@pytest.mark.one_memory("a task in another process changes its copy alone")
def test_takers_of_one_default_share_it_within_a_run(executor):
    """Values, rule V4: as in a fresh run."""
    with Flow("f") as flow:
        rows = Parameter("rows", default=[1])
        added = task(add)(rows)
        seen = task(lambda x: [*x], name="seen")(rows, upstream_tasks=[added])

    assert [result_of(flow, seen, executor=executor) for _ in range(2)] == [[1, 0]] * 2


@pytest.mark.one_memory("a task in another process changes its copy alone")
@pytest.mark.parametrize("is_constant", [False, True], ids=["default", "constant"])
def test_where_there_is_no_copy_the_user_is_told_what_the_next_run_begins_with(is_constant, executor):
    """Values, rule V1: never a wrong value in silence."""
    tray = Tray([1])
    with Flow("f") as flow:
        task(add_to_box)(tray if is_constant else Parameter("x", default=tray))

    with pytest.warns(RuntimeWarning, match=r"changed in place by 'add_to_box', and there is no copy .*next run"):
        run = the_run_of(flow, executor=executor)

    assert any("there is no copy" in event.note for event in run.events)


def test_nobody_is_told_of_what_has_no_copy_and_was_left_alone(executor):
    """Values, rule V1."""
    with Flow("f") as flow:
        task(lambda x: setattr(x, "content", x.content))(Parameter("x", default=Tray([1])))

    flow.run(executor=executor)


def test_a_default_that_the_user_changes_is_the_new_default():
    """Values, rule V4: only tasks leave it as it is."""
    default = [1]
    with Flow("f") as flow:
        added = task(add)(Parameter("rows", default=default))

    assert result_of(flow, added) == 2
    default.append(2)
    assert result_of(flow, added) == 3


@pytest.mark.parametrize(
    ("before", "now"),
    [
        (1, 1.0), (1, True), (0.0, -0.0), ([1], [True]), ((1,), (1.0,)), ({"a": 1}, {"a": True}),
        ({"a": 1, "b": 2}, {"b": 2, "a": 1}), ([0.0], [-0.0]), ("1", 1), (None, False), ([1], (1,)),
    ],
)  # fmt: skip
def test_a_parameter_of_another_type_or_order_is_another_one(before, now):
    """Values: what counts as changed is decided by type as well as by `==`."""
    with Flow("f") as flow:
        n = Parameter("n", default=before)
        seen = task(lambda x: repr(x), name="seen")(n)
    run = flow.start()
    run.wait(LIMIT_S)

    again = run.rerun([], n=now)
    again.wait(LIMIT_S)

    assert again.results[seen] == repr(now)
    assert again.rerun("stale", n=now, dry=True).is_empty


@pytest.mark.parametrize("value", [float("nan"), [float("nan")], {1, 2}, np.arange(3), frame(), Box([1])])
def test_an_equal_parameter_is_no_change(value):
    """Values, rule V2: nothing runs needlessly."""
    import copy

    with Flow("f") as flow:
        n = Parameter("n", default=value)
        task(lambda x: repr(x), name="seen")(n)
    run = flow.start()
    run.wait(LIMIT_S)

    assert run.rerun([], n=copy.deepcopy(value), dry=True).is_empty
