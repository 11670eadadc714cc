"""A value that one task changes in place and another one takes too, in no defined order (docs/reruns.md)."""

from __future__ import annotations

import warnings

import pytest

from nbflow import Flow, Parameter, task, unmapped

LIMIT_S = 20


def rows():
    return [1, 2]


def nothing_yet():
    return []


def add(rows):
    rows.append(3)
    return rows


def look(rows):
    return len(rows)


def double(rows):
    rows *= 2


def told(flow, **options):
    """Return what a run warns of; its notes say the same."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        run = flow.start(**options)
        run.wait(LIMIT_S)
    said = [str(warning.message) for warning in caught]
    assert said == [event.note for event in run.events if event.kind == "note" and "in place" in event.note]
    return said


@pytest.mark.one_memory("a task in another process changes its copy alone")
def test_who_shares_what_is_said_with_the_remedies(executor):
    """Values: within one run."""
    with Flow("f") as flow:
        made = task(rows)()
        task(add)(made)
        task(look)(made)

    (said,) = told(flow, executor=executor)

    assert "'add' changes its argument 'rows' in place, the value of 'rows', which 'look' takes too" in said
    assert "nothing says which comes first" in said
    assert "Take what 'add' returns" in said
    assert "upstream_tasks=[...]" in said
    assert "@task(inputs='copy')" in said


@pytest.mark.one_memory("a task in another process changes its copy alone")
def test_it_is_said_once_however_many_take_the_value(executor):
    """Values: within one run."""
    with Flow("f") as flow:
        made = task(rows)()
        task(add)(made)
        for name in "abcde":
            task(look, name=name)(made)

    (said,) = told(flow, executor=executor)

    assert "'a', 'b', 'c'" in said


def test_it_is_said_once_however_often_the_task_is_called():
    """Values: within one run; the children of a mapped task."""
    with Flow("f") as flow:
        made = task(nothing_yet)()
        task(lambda n, seen: seen.append(n), name="note").map([1, 2, 3], seen=unmapped(made))
        task(look)(made)

    assert len(told(flow)) == 1


def test_two_that_change_a_value_are_both_named():
    """Values: within one run."""
    with Flow("f") as flow:
        made = task(rows)()
        task(add)(made)
        task(double)(made)

    said = told(flow)

    assert len(said) == 2
    assert all("'add'" in one and "'double'" in one for one in said)


def test_a_shared_default_is_a_shared_value():
    """Values: within one run."""
    with Flow("f") as flow:
        given = Parameter("given", default=[1])
        task(add)(given)
        task(look)(given)

    (said,) = told(flow)

    assert "the value of 'given'" in said


def ordered_by_upstream(made):
    task(look)(made, upstream_tasks=[task(add)(made)])


def ordered_by_value(made):
    task(look)(task(add)(made))


def ordered_far_apart(made):
    between = task(lambda x: 1, name="between")(task(add)(made))
    task(lambda rows, n: len(rows), name="last")(made, between)


def looked_at_before(made):
    task(add)(made, upstream_tasks=[task(look)(made)])


def only_looked_at(made):
    task(look)(made)
    task(look, name="other")(made)


def taken_by_one(made):
    task(add)(made)


@pytest.mark.parametrize(
    "build",
    [
        ordered_by_upstream,
        ordered_by_value,
        ordered_far_apart,
        looked_at_before,
        only_looked_at,
        taken_by_one,
    ],
)
def test_nothing_is_said_where_the_order_is_known_or_nothing_changes(build, executor):
    """Values: within one run."""
    with Flow("f") as flow:
        build(task(rows)())

    assert told(flow, executor=executor) == []


@pytest.mark.parametrize("mode", ["copy", "share"])
def test_nothing_is_said_where_the_author_has_chosen(mode, executor):
    """Values: `@task(inputs=...)`."""
    with Flow("f") as flow:
        made = task(rows)()
        task(add, inputs=mode)(made)
        task(look)(made)

    assert told(flow, executor=executor) == []


def test_under_warnings_as_errors_the_run_goes_on(executor):
    """Values: a warning harms no run."""
    with Flow("f") as flow:
        made = task(rows)()
        task(add)(made)
        task(look)(made)

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert flow.run(executor=executor).is_successful()
