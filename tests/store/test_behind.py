"""Results are written behind the run, which goes on; what is kept is what the task returned all the same."""

from __future__ import annotations

import random
import threading

import pytest

from nbflow import Flow, Parameter, resource_manager, task
from nbflow.core.data.value_traits import is_fixed
from nbflow.engine.compiled_graph import CompiledGraph
from nbflow.store import writer as writer_module
from nbflow.store.safety import Safety
from nbflow.store.writer import Job, Writer

PATIENCE_S = 30.0


class Slow:
    """Can be pickled only when somebody says so; nothing can copy it."""

    def __init__(self, rows, may_go):
        self.rows = rows
        self.may_go = may_go

    def __reduce__(self):
        assert self.may_go.wait(PATIENCE_S)
        return list, (list(self.rows),)


def stored(flow):
    return flow.stored_runs()[-1]


def test_the_run_goes_on_while_a_result_that_nobody_can_change_is_pickled(store):
    may_go = threading.Event()
    with Flow("f", store=store) as flow:
        slow = task(lambda: Slow([1, 2], may_go), name="slow")()
        after = task(lambda slow: may_go.set(), name="after")(slow)

    assert flow.run().is_successful()  # the second task lets the first one's result be pickled

    assert stored(flow).results[slow] == [1, 2]
    assert after in stored(flow).results


def test_the_run_ends_when_all_is_written(store):
    may_go, is_after = threading.Event(), threading.Event()
    with Flow("f", store=store) as flow:
        slow = task(lambda: Slow([1], may_go), name="slow")()
        task(lambda slow: is_after.set(), name="after")(slow)
    run = flow.start()
    assert is_after.wait(PATIENCE_S)

    assert not run.is_finished
    may_go.set()
    run.wait(PATIENCE_S)

    assert stored(flow).results[slow] == [1]


class Deed:
    """Notes whether the next task has begun when it is pickled; nothing can copy it."""

    def __init__(self):
        self.rows = [1, 2]
        self.has_begun = False

    def __reduce__(self):
        return tuple, ((list(self.rows), self.has_begun),)


def test_what_the_next_task_may_change_and_nothing_can_copy_is_pickled_before_that_begins(store):
    def change(it):
        it.has_begun = True
        it.rows.append(3)

    with Flow("f", store=store) as flow:
        deed = task(Deed, name="deed")()
        task(change, name="change")(deed)
    flow.run()

    assert stored(flow).results[deed] == ([1, 2], False)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("executor", ["inline", "threads"])
def test_what_many_tasks_change_in_turn_is_kept_in_each_version(store, seed, executor):
    rows, chance = 2_000, random.Random(seed)
    with Flow("f", store=store, executor=executor) as flow:
        tasks = [task(lambda: list(range(rows)), name="t0")()]
        for number in range(1, 12):
            if chance.random() < 0.5:
                tasks.append(task(lambda x, n=number: x.append(n) or x, name=f"t{number}")(tasks[-1]))
            else:
                tasks.append(task(lambda x, n=number: x.sort(key=lambda i: -i) or x, name=f"t{number}")(tasks[-1]))
    flow.run()

    expected, chance = list(range(rows)), random.Random(seed)
    results = stored(flow).results
    assert results[tasks[0]] == expected
    for number in range(1, 12):
        if chance.random() < 0.5:
            expected.append(number)
        else:
            expected.sort(key=lambda i: -i)
        assert results[tasks[number]] == expected


def test_an_array_that_the_next_task_overwrites_is_kept_as_it_was(store):
    numpy = pytest.importorskip("numpy")

    def overwrite(x):
        x[:] = -1

    with Flow("f", store=store) as flow:
        arrays = [task(lambda n=n: numpy.full(200_000, n), name=f"a{n}")() for n in range(6)]
        for array in arrays:
            task(overwrite, name="overwrite")(array)
    flow.run()

    assert [set(stored(flow).results[array].tolist()) for array in arrays] == [{n} for n in range(6)]


def test_what_another_taker_of_the_same_value_may_change_counts_as_changeable():
    with Flow("f") as flow:
        rows = task(lambda: [[1], [2]], name="rows")()
        part = task(lambda rows: rows[0], name="part")(rows)
        task(lambda rows: rows[0].append(3), name="change")(rows)
        apart = task(lambda: [1], name="apart")()
        task(lambda apart: len(apart), name="reads")(apart)

    values = {rows: [[1], [2]], part: [1], apart: [1]}
    safety = Safety(CompiledGraph(flow), values.__getitem__)

    assert safety.may_be_changed(part, [1])
    assert not safety.may_be_changed(apart, [1])
    assert is_fixed((1, 2))
    assert not safety.may_be_changed(part, (1, 2))


def test_a_cancelled_run_keeps_what_had_ended(store):
    is_waiting, may_go = threading.Event(), threading.Event()

    def last(first, many):
        is_waiting.set()
        may_go.wait(PATIENCE_S)

    with Flow("f", store=store) as flow:
        first = task(lambda: list(range(50_000)), name="first")()
        many = task(lambda x: [x], name="many").map(list(range(50)))
        task(last, name="last")(first, many)
    run = flow.start()
    assert is_waiting.wait(PATIENCE_S)

    run.cancel()
    may_go.set()
    run.wait(PATIENCE_S)

    kept = stored(flow)
    assert kept.results[first] == list(range(50_000))
    assert [child.result for child in kept.load(many).map_states] == [[x] for x in range(50)]
    assert type(kept.state).__name__ == "Cancelled"


def test_a_value_that_hangs_behind_the_run_is_given_up_at_its_end_and_cleanups_are_not_kept_waiting(store):
    may_go, cleaned = threading.Event(), []

    @resource_manager
    class Held:
        def setup(self):
            return 1

        def cleanup(self, one):
            cleaned.append(may_go.is_set())

    with Flow("f", store=store) as flow, Held() as held:
        slow = task(lambda held: Slow([1], may_go), name="slow")(held)
        other = task(lambda held, slow: 5, name="other")(held, slow)
    flow._its_store().limit_s = 0.2

    assert flow.run().is_successful()

    assert cleaned == [False]
    assert "longer than 0.2 s" in stored(flow).not_kept["slow-1"]
    assert stored(flow).results[other] == 5
    assert slow not in set(stored(flow).results)
    may_go.set()


def test_parameters_are_kept_as_they_were_given(store):
    given = list(range(2_000))
    with Flow("f", store=store) as flow:
        task(lambda p: p.clear(), name="clear")(Parameter("p"))

    flow.run(p=given)

    assert stored(flow).parameters == {"p": list(range(2_000))}


# -- the threads that write -------------------------------------------------------------------------------------


def never() -> bool:
    return False


def test_jobs_behind_the_run_are_done_and_waited_for():
    writer, done = Writer("nbflow-store-test", never), []
    for number in range(100):
        writer.later(Job(lambda job, n=number: done.append(n), size=number % 3))

    writer.finish()
    writer.close()

    assert sorted(done) == list(range(100))
    assert writer.size == 0


def test_two_jobs_behind_the_run_are_done_at_the_same_time():
    writer, both = Writer("nbflow-store-test", never), threading.Barrier(2)
    met = []
    for _ in range(2):
        writer.later(Job(lambda job: met.append(both.wait(PATIENCE_S)), size=1))

    writer.finish()
    writer.close()

    assert sorted(met) == [0, 1]


def test_jobs_that_hang_are_given_up_one_by_one_and_then_the_writer_itself():
    may_go, given_up, done = threading.Event(), [], []
    writer = Writer("nbflow-store-test", never, limit_s=0.05)
    most = writer_module._MOST_STUCK + 1
    for number in range(most):
        writer.later(Job(lambda job: may_go.wait(PATIENCE_S), lambda n=number: given_up.append(n), 1))
        writer.later(Job(lambda job: done.append(1), size=1))
        writer.finish()
    assert given_up == list(range(most))

    writer.later(Job(lambda job: done.append("late"), lambda: given_up.append("late")))
    writer.finish()

    assert given_up[-1] == "late"
    assert "late" not in done
    may_go.set()
    writer.close()


def test_what_the_run_waits_for_is_done_although_all_threads_behind_it_are_busy():
    may_go, done = threading.Event(), []
    writer = Writer("nbflow-store-test", never)
    for _ in range(writer_module.BEHIND + 1):
        writer.later(Job(lambda job: may_go.wait(PATIENCE_S)))

    assert writer.do(lambda job: done.append(1))

    assert done == [1]
    may_go.set()
    writer.finish()
    writer.close()


def test_a_job_is_settled_by_one_side_only():
    job = Job(lambda job: None)

    assert [job.settle(), job.settle()] == [True, False]
