"""A value set on a run that is over: the fork goes on from there, with what it does not touch taken over."""

from __future__ import annotations

import pytest

from nbflow import Flow, Parameter, resource_manager, task
from nbflow.errors import RerunError, UnknownTaskError
from nbflow.states import Failed, Mapped

LIMIT_S = 20


CALLED = []


def note(name, value):
    CALLED.append(name)
    return value


class Shop:
    """load -> parse -> share -> report, and a task beside, each noted in `CALLED` when it is called."""

    def __init__(self, store=None):
        with Flow("shop", store=store) as self.flow:
            self.n = Parameter("n", default=3)
            self.load = task(lambda n: note("load", list(range(n))), name="load")(self.n)
            self.parse = task(lambda rows: note("parse", [row + 1 for row in rows]), name="parse")(self.load)
            self.share = task(lambda rows: note("share", sum(rows)), name="share")(self.parse)
            self.beside = task(lambda rows: note("beside", len(rows)), name="beside")(self.load)
            self.report = task(lambda a, b: note("report", (a, b)), name="report")(self.share, self.beside)

    def run(self):
        run = self.flow.start()
        run.wait(LIMIT_S)
        CALLED.clear()
        return run


@pytest.fixture
def shop():
    return Shop()


def test_only_what_takes_the_value_runs(shop):
    run = shop.run()

    fork = run.rerun(results={shop.parse: [40, 2]})

    assert fork.wait(LIMIT_S).is_successful()
    assert fork.results[shop.report] == (42, 3)
    assert CALLED == ["share", "report"]
    assert (fork.kind, fork.parent, fork.sources[shop.parse]) == ("fork", run, "edited")
    assert run.results[shop.parse] == [1, 2, 3]


def test_the_plan_says_so_before(shop):
    plan = shop.run().rerun(results={shop.parse: [40, 2]}, dry=True)

    assert plan.kind == "fork"
    assert [one.name for one in plan.tasks] == ["share", "report"]
    assert plan[shop.parse].why == "set by you"
    assert plan[shop.share].why == "'parse' was set"


def test_a_failed_run_goes_on_with_the_value_in_place_of_what_failed(shop):
    with Flow("f") as flow:
        failed = task(lambda: 1 / 0, name="failed")()
        after = task(lambda x: x + 1, name="after")(failed)
    run = flow.start()
    assert isinstance(run.wait(LIMIT_S), Failed)

    fork = run.rerun(results={failed: 1})

    assert fork.wait(LIMIT_S).is_successful()
    assert fork.results[after] == 2


def test_a_value_that_was_set_stays_in_a_fork_of_the_fork(shop):
    first = shop.run().rerun(results={shop.parse: [40, 2]})
    first.wait(LIMIT_S)
    CALLED.clear()

    second = first.rerun(results={shop.beside: 0})

    assert second.wait(LIMIT_S).is_successful()
    assert second.results[shop.report] == (42, 0)
    assert CALLED == ["report"]
    assert {one.name for one, source in second.sources.items() if source == "edited"} == {"parse", "beside"}


def test_a_parameter_may_change_at_the_same_time_and_the_value_stays(shop):
    fork = shop.run().rerun(results={shop.parse: [40, 2]}, n=5)

    assert fork.wait(LIMIT_S).is_successful()
    assert fork.results[shop.report] == (42, 5)
    assert CALLED == ["load", "share", "beside", "report"]


def test_what_failed_can_be_asked_for_besides(shop):
    run = shop.run()

    assert [one.name for one in run.rerun([shop.beside], results={shop.parse: [1]}, dry=True).tasks] == [
        "share", "beside", "report",
    ]  # fmt: skip


def test_a_map_is_given_the_list_of_its_values():
    with Flow("f") as flow:
        first = task(lambda x: x * 10, name="first").map([1, 2, 3])
        second = task(lambda x: x + 1, name="second").map(first)
        total = task(lambda values: sum(values), name="total")(second)
    run = flow.start()
    run.wait(LIMIT_S)

    fork = run.rerun(results={first: [100, 200]})

    assert fork.wait(LIMIT_S).is_successful()
    assert isinstance(fork.states[second], Mapped)
    assert fork.results[total] == 302


def test_a_task_inside_of_a_block_keeps_its_value_and_the_block_opens_for_what_runs_there():
    lines = []

    @resource_manager
    class Server:
        def setup(self):
            lines.append("setup")

        def cleanup(self, resource):
            lines.append("cleanup")

    with Flow("f") as flow:
        with Server():
            one = task(lambda: lines.append("one") or 1, name="one")()
            two = task(lambda x: lines.append("two") or x + 1, name="two")(one)
        last = task(lambda x: x * 10, name="last")(two)
    run = flow.start()
    run.wait(LIMIT_S)
    lines.clear()

    inside, behind = run.rerun(results={one: 5}), None
    assert inside.wait(LIMIT_S).is_successful()
    assert (inside.results[last], lines) == (60, ["setup", "two", "cleanup"])
    lines.clear()
    behind = run.rerun(results={two: 5})
    assert behind.wait(LIMIT_S).is_successful()
    assert (behind.results[last], lines) == (50, [])


def test_what_the_task_has_changed_in_place_is_as_if_it_had_not_run():
    """V2: who takes the same object meets it as a fresh run would, in which the task is not called."""

    def change(rows):
        rows.append("changed")
        return len(rows)

    with Flow("f") as flow:
        load = task(lambda: ["a"], name="load")()
        changed = task(change)(load)
        both = task(lambda rows, count: (list(rows), count), name="both")(load, changed)
    run = flow.start()
    run.wait(LIMIT_S)
    assert run.results[both] == (["a", "changed"], 2)

    fork = run.rerun(results={changed: 7})

    assert fork.wait(LIMIT_S).is_successful()
    assert fork.results[both] == (["a"], 7)


def test_a_later_rerun_begins_with_the_value_as_it_was_set(shop):
    """V4: a task below that changes it in place does not change what a rerun is given."""

    def change(rows):
        rows.append(1)
        return sum(rows)

    with Flow("f") as flow:
        rows = task(lambda: [0], name="rows")()
        total = task(change)(rows)
    run = flow.start()
    run.wait(LIMIT_S)
    fork = run.rerun(results={rows: [10]})
    assert fork.wait(LIMIT_S).result[total].result == 11

    again = fork.rerun([total])

    assert again.wait(LIMIT_S).result[total].result == 11


def test_a_stored_run_is_gone_on_from_with_a_value(tmp_path):
    shop = Shop(store=tmp_path / "store")
    shop.run()
    later = Shop(store=tmp_path / "store")

    plan = later.flow.resume_stored(results={later.parse: [40, 2]}, dry=True)
    fork = later.flow.resume_stored(results={later.parse: [40, 2]})

    assert [one.name for one in plan.tasks] == ["share", "report"]
    assert fork.wait(LIMIT_S).is_successful()
    assert (fork.results[later.report], fork.kind) == ((42, 3), "fork")
    assert CALLED == ["share", "report"]
    kept = later.flow.stored_runs()[-1]
    assert (kept.results[later.parse], kept.sources[later.parse]) == ([40, 2], "edited")


@pytest.mark.parametrize(
    ("results", "words"),
    [
        (lambda shop: {shop.n: 1}, "'n' is a parameter; give its value as one, as in n=..."),
        (lambda shop: [shop.parse], "is no dictionary of tasks and their values"),
        (lambda shop: {"parse": 1}, "'parse' in results=.* is neither a task nor a block"),
    ],
)
def test_what_can_be_given_no_value_is_refused(shop, results, words):
    run = shop.run()

    with pytest.raises(RerunError, match=words):
        run.rerun(results=results(shop))

    assert shop.flow.runs[-1] is run


def test_a_task_that_is_also_to_run_and_one_of_another_flow_are_refused(shop):
    run = shop.run()

    with pytest.raises(RerunError, match="'parse' is given a value and is to run"):
        run.rerun([shop.parse], results={shop.parse: 1})
    with pytest.raises(UnknownTaskError):
        run.rerun(results={Shop().parse: 1})


def test_a_flow_may_have_a_parameter_of_that_name():
    with Flow("f") as flow:
        doubled = task(lambda x: 2 * x, name="double")(Parameter("results", default=1))
    run = flow.start()
    run.wait(LIMIT_S)

    assert run.rerun(results=4).wait(LIMIT_S).result[doubled].result == 8
