"""An object is written once, however many tasks hand it on, and one that was changed in place is another one."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from nbflow import Flow, task
from nbflow.errors import DamagedStoreError

if TYPE_CHECKING:
    from pathlib import Path

LARGE = 100_000


class Counting:
    """Counts how often it is pickled."""

    def __init__(self):
        self.pickled = 0
        self.rows = [0] * LARGE

    def __reduce__(self):
        self.pickled += 1
        return Counting, ()


def passed_on(store, value, times=5, name="f") -> tuple[Flow, list]:
    """Make a flow in which tasks hand on a value."""
    with Flow(name, store=store) as flow:
        tasks = [task(lambda: value, name="t0")()]
        for number in range(1, times):
            tasks.append(task(lambda x: x, name=f"t{number}")(tasks[-1]))
    return flow, tasks


def files(store: Path) -> set[int]:
    """Return the files with contents, those with several names once."""
    return {os.stat(path).st_ino for path in store.rglob("*.content")}


@pytest.mark.parametrize("value", [b"x" * LARGE, "x" * LARGE, list(range(LARGE)), bytearray(LARGE)])
def test_one_object_that_passes_five_tasks_is_one_file(store, value):
    flow, tasks = passed_on(store, value)

    flow.run()

    results = flow.stored_runs()[-1].results
    assert len(files(store)) == 1
    assert [results[one] == value for one in tasks] == [True] * 5


def test_one_object_that_passes_five_tasks_is_pickled_once(store):
    value = Counting()
    flow, tasks = passed_on(store, value)

    flow.run()

    assert value.pickled == 1
    assert len(flow.stored_runs()[-1].results) == len(tasks)


def test_an_object_that_a_rerun_gives_again_is_not_pickled_again(store):
    value = list(range(LARGE))
    flow, tasks = passed_on(store, value, times=2)
    flow.run()
    known = files(store)

    run = flow.runs[-1].rerun("all")
    run.wait(30)

    assert files(store) == known
    assert len(list(store.rglob("*.content"))) == 2
    assert flow.stored_runs()[-1].results[tasks[1]] == value


def test_an_object_that_was_changed_between_two_runs_is_written_again(store):
    value = list(range(LARGE))
    flow, tasks = passed_on(store, value, times=2)
    flow.run()

    value.append("new")
    flow.run()

    old, new = flow.stored_runs()
    assert old.results[tasks[1]] == list(range(LARGE))
    assert new.results[tasks[1]] == [*range(LARGE), "new"]


def test_an_object_that_a_task_changes_in_place_is_another_one(store):
    with Flow("f", store=store) as flow:
        first = task(lambda: list(range(LARGE)), name="first")()
        changed = task(lambda x: x.append("new") or x, name="changed")(first)
        last = task(lambda x: x, name="last")(changed)
    flow.run()

    results = flow.stored_runs()[-1].results
    assert results[first] == list(range(LARGE))
    assert results[changed] == results[last] == [*range(LARGE), "new"]
    assert len(files(store)) == 2


def test_tasks_that_handed_on_one_object_do_so_again_and_equal_ones_stay_apart(store):
    flow, tasks = passed_on(store, list(range(LARGE)), times=3)
    with flow:
        twin = task(lambda x: list(x), name="twin")(tasks[-1])
    flow.run()

    results = flow.stored_runs()[-1].results
    assert results[tasks[0]] is results[tasks[1]] is results[tasks[2]]
    assert results[twin] == results[tasks[0]]
    assert results[twin] is not results[tasks[0]]
    assert len(files(store)) == 1


def test_small_results_are_in_the_files_of_their_tasks(store):
    flow, _ = passed_on(store, [1, 2, 3])

    flow.run()

    assert files(store) == set()


def test_arrays_come_back_as_they_were(store):
    numpy = pytest.importorskip("numpy")
    fixed = numpy.arange(LARGE)
    fixed.flags.writeable = False
    arrays = {
        "plain": numpy.arange(LARGE),
        "fixed": fixed,
        "rows": numpy.arange(2 * LARGE).reshape(2, LARGE),
        "columns": numpy.asfortranarray(numpy.arange(2 * LARGE).reshape(2, LARGE)),
        "every_other": numpy.arange(2 * LARGE)[::2],
        "objects": numpy.array([1, "a", None] * LARGE, dtype=object),
        "small": numpy.arange(3),
    }
    with Flow("f", store=store) as flow:
        tasks = {name: task(lambda array=array: array, name=name)() for name, array in arrays.items()}
        together = task(lambda: [arrays["plain"], arrays["fixed"]], name="together")()
    flow.run()

    results = flow.stored_runs()[-1].results
    for name, array in arrays.items():
        found = results[tasks[name]]
        assert numpy.array_equal(found, array)
        assert found.dtype == array.dtype
        assert found.flags.writeable == array.flags.writeable
        assert found.flags.f_contiguous == array.flags.f_contiguous or name == "every_other"
    assert [numpy.array_equal(*pair) for pair in zip(results[together], arrays.values(), strict=False)] == [
        True,
        True,
    ]


def content_file(store: Path) -> Path:
    return next(store.rglob("*.content"))


def test_a_file_of_contents_that_was_cut_short_or_overwritten_is_refused(store):
    flow, tasks = passed_on(store, list(range(LARGE)))
    flow.run()
    path = content_file(store)
    data = path.read_bytes()

    for wrong in (data[:-1], data + b"\0", b"", data[:5000] + b"\1\2\3\4" + data[5004:], b"X" + data[1:]):
        path.write_bytes(wrong)
        with pytest.raises(DamagedStoreError, match="nothing of it was executed"):
            _ = flow.stored_runs()[-1].results[tasks[0]]


def test_a_result_whose_file_of_contents_is_gone_is_computed_again_and_the_plan_says_so(store):
    flow, tasks = passed_on(store, list(range(LARGE)), times=2)
    flow.run()
    content_file(store).unlink()

    later, _ = passed_on(store, list(range(LARGE)), times=2)
    plan = later.resume("failed", dry=True)

    assert [step.why for step in plan.steps] == ["its result was not kept: its file is gone"] * len(tasks)


def test_a_run_that_takes_over_has_its_own_names_of_the_files(store):
    flow, tasks = passed_on(store, list(range(LARGE)), times=2)
    flow.run()
    known = files(store)
    later, _ = passed_on(store, None, times=2)

    later.resume("failed").wait(30)

    assert files(store) == known
    assert len(list(store.rglob("*.content"))) == 2
    oldest = flow.stored_runs()[0].folder
    for path in oldest.iterdir():
        path.unlink()
    newest = flow.stored_runs()[-1]
    assert newest.results[tasks[0]] == list(range(LARGE))
