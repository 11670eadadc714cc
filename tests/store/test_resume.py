"""A new kernel goes on from the run of one that died: what is kept is taken over, and nothing else."""

from __future__ import annotations

import textwrap

import pytest

from nbflow import Flow, Parameter, resource_manager, task
from nbflow.errors import (
    DamagedStoreError,
    NothingStoredError,
    NotKeptError,
    RerunError,
    StaleStoreError,
    StoredRunInUseError,
    UnexpectedArgumentError,
    UntrustedStoreError,
)
from tests.patience import PATIENCE_S
from tests.store.kernel import Kernel, tell_of

NOTEBOOK = """
import os, time
from nbflow import Flow, Parameter, resource_manager, task
STORE, CALLED = {store!r}, []

def stop_at(place):
    if os.environ["STOPS"] == place:
        flow._its_store().wait_until_written()
        tell(called=CALLED)
        time.sleep(60)

def helper(x):
    return x + {helper}

class Row:
    def __init__(self, x):
        self.x = x

@task
def load(n):
    CALLED.append("load")
    return [Row(helper(i)) for i in range(n)]

@task
def double(row):
    CALLED.append("double")
    stop_at(str(row.x))
    return 2 * row.x

@resource_manager
class Cluster:
    def setup(self):
        CALLED.append("setup")
        return os.getpid()
    def cleanup(self, pid):
        CALLED.append("cleanup")

@task
def crunch(pid, xs):
    assert pid == os.getpid()
    CALLED.append("crunch")
    return sum(xs)

@task
def report(total):
    CALLED.append("report")
    stop_at("report")
    return f"total {{total}}"

with Flow("etl", store=STORE) as flow:
    n = Parameter("n", default=3)
    rows = load(n)
    doubled = double.map(rows)
    with Cluster() as pid:
        total = crunch(pid, doubled)
    said = report(total)
"""


def notebook(store, then, *, helper=1, **changes):
    text = NOTEBOOK.format(store=str(store), helper=helper)
    for old, new in changes.values():
        assert old in text
        text = text.replace(old, new)
    return text + textwrap.dedent(then)


RESUME = """
run = flow.resume({})
state = run.wait(60)
tell(called=CALLED, state=type(state).__name__, said=run.results.get(said), number=run.number,
     parent=run.parent.number, kind=run.kind, sources={{t.name: s for t, s in run.sources.items()}})
"""


def start_and_kill(store, stops="report"):
    """Run in a kernel until it says that it is in the middle, and kill it there."""
    with Kernel(notebook(store, "flow.run(n=4)"), stops) as kernel:
        return kernel.told()["called"]


def test_the_next_kernel_runs_what_the_killed_one_had_not_ended(store):
    first = start_and_kill(store, stops="3")

    facts = tell_of(notebook(store, RESUME.format("")))

    assert first == ["load", *["double"] * 3]
    assert facts["called"] == [*["double"] * 2, "setup", "crunch", "cleanup", "report"]
    assert (facts["state"], facts["said"]) == ("Success", "total 20")
    assert (facts["number"], facts["parent"], facts["kind"]) == (2, 1, "replay")
    assert facts["sources"]["load"] == "reused"
    assert facts["sources"]["report"] == "computed"


def test_a_block_that_was_done_is_not_opened_again(store):
    start_and_kill(store)

    facts = tell_of(notebook(store, RESUME.format("")))

    assert facts["called"] == ["report"]
    assert facts["said"] == "total 20"


def test_a_third_kernel_finds_everything_in_the_second_run(store):
    start_and_kill(store)
    with Kernel(notebook(store, "flow.resume().wait(60)"), "report") as kernel:
        assert kernel.told()["called"] == ["report"]

    facts = tell_of(notebook(store, RESUME.format("")))

    assert facts["called"] == ["report"]
    assert (facts["number"], facts["parent"]) == (3, 2)
    assert facts["said"] == "total 20"


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"helper": 2}, "'load-1': 'helper' has changed|'load-1': its code has changed"),
        ({"code": ("return 2 * row.x", "return 3 * row.x")}, "'double-1': its code has changed"),
        ({"wired": ("rows = load(n)", "rows = load(5)")}, "'load-1': its argument 'n' has changed"),
        ({"default": ('"n", default=3', '"n", default=7')}, None),
    ],
)
def test_changed_code_is_named_and_what_is_asked_for(store, changes, named):
    start_and_kill(store)
    then = """
    from nbflow.errors import StaleStoreError
    try:
        run = flow.resume()
        run.wait(60)
        tell(error=None, called=CALLED)
    except StaleStoreError as error:
        tell(error=str(error), called=CALLED)
    """

    facts = tell_of(notebook(store, then, **changes))

    if named is None:  # n was given as 4, whatever its default is
        assert facts == {"error": None, "called": ["report"]}
    else:
        assert facts["called"] == []
        assert any(one in facts["error"] for one in named.split("|"))
        assert "what='stale'" in facts["error"]


def test_stale_runs_what_has_changed_and_what_follows(store):
    start_and_kill(store)

    facts = tell_of(notebook(store, RESUME.format("what='stale'"), code=("return 2 * row.x", "return 3 * row.x")))

    assert facts["called"] == [*["double"] * 4, "setup", "crunch", "cleanup", "report"]
    assert facts["said"] == "total 30"


def test_failed_takes_results_of_changed_code_as_they_are(store):
    start_and_kill(store)

    facts = tell_of(notebook(store, RESUME.format("what='failed'"), code=("return 2 * row.x", "return 3 * row.x")))

    assert facts["called"] == ["report"]
    assert facts["said"] == "total 20"


def test_a_changed_parameter_is_asked_about_and_then_runs_what_depends_on_it(store):
    start_and_kill(store)
    with pytest.raises(AssertionError, match="told nothing"):
        tell_of(notebook(store, RESUME.format("n=2")))

    facts = tell_of(notebook(store, RESUME.format("what='failed', n=2")))

    assert facts["called"] == ["load", *["double"] * 2, "setup", "crunch", "cleanup", "report"]
    assert (facts["said"], facts["kind"]) == ("total 6", "fork")


def test_a_run_that_goes_on_in_another_kernel_is_left_alone(store):
    with Kernel(notebook(store, "flow.run()"), "report") as kernel:
        kernel.told()
        then = """
        from nbflow.errors import StoredRunInUseError
        try:
            flow.resume()
        except StoredRunInUseError as error:
            tell(error=str(error))
        """
        assert "still going in process" in tell_of(notebook(store, then))["error"]


# -- in one kernel --------------------------------------------------------------------------------------------


class Notes:
    """What was called."""

    def __init__(self):
        self.called = []
        self.fails = set()

    def __call__(self, name, value):
        self.called.append(name)
        if name in self.fails:
            raise ValueError(name)
        return value

    def taken(self):
        called, self.called = self.called, []
        return called


NOTES = Notes()


@pytest.fixture
def notes():
    NOTES.__init__()
    return NOTES


def make(store, *, portable=False, default=1):
    """Make the flow again, as the next kernel does."""

    @resource_manager
    class Lamp:
        def setup(self):
            return NOTES("setup", "lamp")

        def cleanup(self, lamp):
            NOTES("cleanup", None)

    with Flow("f", store=store) as flow:
        x = Parameter("x", default=default)
        first = task(lambda x: NOTES("first", x), name="first")(x)
        with Lamp() as lamp:
            inside = task(lambda lamp, a: NOTES("inside", a), name="inside", portable=portable)(lamp, first)
            also = task(lambda lamp, b: NOTES("also", b), name="also")(lamp, inside)
        task(lambda c: NOTES("last", c), name="last")(also)
    return flow


def called_by(run, notes):
    run.wait(PATIENCE_S)
    return notes.taken()


def test_there_must_be_a_store_and_a_run(store):
    with pytest.raises(NothingStoredError, match="without `store=`"):
        Flow("f").resume()
    with pytest.raises(NothingStoredError, match="there is none in"):
        Flow("f", store=store).resume()


def test_a_run_that_ended_well_comes_back_with_all_its_values(store, notes):
    make(store).run(x=5)
    notes.taken()
    flow = make(store)

    run = flow.resume()

    assert called_by(run, notes) == []
    assert run.state.is_successful()
    assert {task.name: value for task, value in run.results.items()}["last"] == 5
    assert run.parameters == {"x": 5}
    assert run.open_resources == []


def test_a_new_resource_makes_what_was_computed_inside_stale(store, notes):
    notes.fails = {"also"}
    make(store).run()
    notes.taken()
    notes.fails = set()

    assert called_by(make(store).resume(), notes) == ["setup", "inside", "also", "cleanup", "last"]


def test_a_portable_value_outlives_its_resource(store, notes):
    notes.fails = {"also"}
    make(store, portable=True).run()
    notes.taken()
    notes.fails = set()

    assert called_by(make(store, portable=True).resume(), notes) == ["setup", "also", "cleanup", "last"]


def test_the_plan_says_what_would_be_done_and_does_nothing(store, notes):
    notes.fails = {"last"}
    make(store).run()
    notes.taken()
    flow = make(store)

    plan = flow.resume(dry=True)

    assert [step.task.name for step in plan.steps if step.runs] == ["last"]
    assert [block.opens for block in plan.blocks] == [False]
    assert "going on from run 1" in plan.text()
    assert plan.previous.number == 1
    assert notes.taken() == []
    assert len(flow.stored_runs()) == 1


def test_what_was_not_kept_runs_again_and_the_plan_says_why(store, notes):
    def make_one():
        with Flow("g", store=store) as flow:
            lock = task(lambda: NOTES("lock", __import__("threading").Lock()), name="lock")()
            task(lambda lock: NOTES("next", 1), name="next")(lock)
            task(lambda: NOTES("other", 2), name="other")()
        return flow

    make_one().run()
    notes.taken()
    flow = make_one()

    plan = flow.resume(dry=True)
    assert "it can not be pickled" in plan.steps[0].why
    assert sorted(called_by(flow.resume(), notes)) == ["lock", "next"]


def test_a_new_task_runs_and_one_that_is_gone_is_named(store, notes):
    with Flow("g", store=store) as flow:
        task(lambda: NOTES("old", 1), name="old")()
        task(lambda: NOTES("kept", 1), name="kept")()
    flow.run()
    notes.taken()
    with Flow("g", store=store) as flow:
        task(lambda: NOTES("kept", 1), name="kept")()
        task(lambda: NOTES("new", 1), name="new")()

    assert flow.resume(dry=True).gone == ("old-1",)
    assert called_by(flow.resume(), notes) == ["new"]


def test_chosen_tasks_run_although_nothing_has_changed(store, notes):
    make(store).run()
    notes.taken()
    flow = make(store)
    (last,) = flow.get_tasks("last")

    assert called_by(flow.resume([last]), notes) == ["last"]


def test_all_runs_everything_with_the_parameters_of_the_stored_run(store, notes):
    make(store).run(x=9)
    notes.taken()

    run = make(store).resume("all")

    assert len(called_by(run, notes)) == 6
    assert run.parameters == {"x": 9}


def test_a_default_that_was_changed_counts_as_a_changed_parameter(store, notes):
    make(store).run()
    notes.taken()
    flow = make(store, default=2)

    with pytest.raises(StaleStoreError, match="changed from 1 to 2"):
        flow.resume()
    run = flow.resume("stale")
    assert called_by(run, notes)[0] == "first"
    assert run.parameters == {"x": 2}


def test_a_parameter_that_could_not_be_kept_must_be_given(store, notes):
    import threading

    def make_one():
        with Flow("g", store=store) as flow:
            task(lambda p: NOTES("uses", 1), name="uses")(Parameter("p"))
            task(lambda: NOTES("other", 1), name="other")()
        return flow

    make_one().run(p=threading.Lock())
    notes.taken()
    flow = make_one()

    with pytest.raises(NotKeptError, match=r"resume\(p=\.\.\.\)"):
        flow.resume()
    with pytest.raises(StaleStoreError, match="a value that was not kept"):
        flow.resume(p=1)
    assert called_by(flow.resume("stale", p=1), notes) == ["uses"]


@pytest.mark.parametrize(
    ("what", "options", "error"),
    [
        ("everything", {}, RerunError),
        (5, {}, RerunError),
        (["first"], {}, RerunError),
        (None, {"y": 1}, UnexpectedArgumentError),
    ],
)
def test_what_makes_no_sense_is_refused_and_nothing_runs(store, notes, what, options, error):
    make(store).run()
    notes.taken()
    flow = make(store)

    with pytest.raises(error):
        flow.resume(what, **options)
    assert notes.taken() == []
    assert len(flow.stored_runs()) == 1


def test_a_damaged_result_that_is_needed_is_an_error_before_anything_runs(store, notes):
    notes.fails = {"last"}
    make(store).run()
    notes.taken()
    path = next(store.rglob("first-1.*"))
    data = path.read_bytes()
    path.write_bytes(data[:20] + b"X" + data[21:])

    with pytest.raises(DamagedStoreError, match="Delete it"):
        make(store).resume()
    assert notes.taken() == []

    path.unlink()
    assert called_by(make(store).resume(), notes)[0] == "first"


def test_a_store_that_others_may_write_to_is_never_resumed(store, notes):
    make(store).run()
    notes.taken()
    next(store.rglob("first-1.*")).chmod(0o666)

    with pytest.raises(UntrustedStoreError):
        make(store).resume()
    assert notes.taken() == []


class Moved:
    """Of a module that the next kernel does not have."""

    def __reduce__(self):
        return __import__, ("a_module_that_is_gone",)


def test_a_value_that_cannot_be_unpickled_here_is_named_with_a_remedy(store, notes):
    def make_one():
        with Flow("g", store=store) as flow:
            made = task(lambda: NOTES("made", Moved()), name="made")()
            task(lambda made: NOTES("next", 1), name="next")(made)
        return flow, made

    make_one()[0].run()
    notes.taken()
    flow, made = make_one()

    with pytest.raises(NotKeptError, match=r"a_module_that_is_gone.*what=\[\.\.\.\]"):
        flow.resume()
    assert notes.taken() == []
    assert called_by(flow.resume([made]), notes) == ["made", "next"]


def test_a_run_of_this_kernel_that_still_goes_on_is_finished_first(store, notes):
    flow = make(store)
    going = flow.start(paused=True)
    while not going.open_resources:
        going.step()
    assert notes.taken() == ["first", "setup"]

    run = make(store).resume()

    assert type(going.state).__name__ == "Cancelled"
    assert going.is_finished
    assert called_by(run, notes) == ["cleanup", "setup", "inside", "also", "cleanup", "last"]


def test_children_of_a_map_that_failed_run_again_and_the_others_do_not(store, notes):
    def make_one():
        with Flow("g", store=store) as flow:
            each = task(lambda x: NOTES(f"each{x}", x), name="each").map([0, 1, 2])
            task(lambda xs: NOTES("sum", sum(xs)), name="sum")(each)
        return flow

    notes.fails = {"each1"}
    make_one().run()
    notes.taken()
    notes.fails = set()
    flow = make_one()

    assert called_by(flow.resume(), notes) == ["each1", "sum"]
    again = make_one()  # the second run has the children of the first one as well
    assert called_by(again.resume(), notes) == []


def test_an_edited_value_stays_edited(store, notes):
    flow = make(store)
    run = flow.start(paused=True)
    (first,) = flow.get_tasks("first")
    run.set_result(first, 77)
    run.resume()
    run.wait(PATIENCE_S)
    notes.taken()

    later = make(store)
    again = later.resume()

    assert called_by(again, notes) == []
    assert again.sources[later.get_tasks("first")[0]] == "edited"
    assert again.kind == "fork"


def test_a_rerun_in_the_kernel_can_be_resumed_in_the_next(store, notes):
    notes.fails = {"last"}
    flow = make(store)
    flow.run(x=3)
    first = flow.runs[-1]
    first.rerun("failed").wait(PATIENCE_S)
    notes.taken()
    notes.fails = set()

    later = make(store)
    run = later.resume()

    assert called_by(run, notes) == ["last"]
    assert run.results[later.get_tasks("last")[0]] == 3
    assert later.stored_runs()[1].parent_id == first.id


def test_an_older_run_can_be_resumed_as_well(store, notes):
    make(store).run(x=1)
    make(store).run(x=2)
    flow = make(store)

    run = flow.stored_runs()[0].resume()
    run.wait(PATIENCE_S)

    assert run.parameters == {"x": 1}


def test_the_error_that_names_changes_survives_pickling():
    import pickle

    error = StaleStoreError("f", {f"t-{i}": "its code has changed" for i in range(20)})

    assert str(pickle.loads(pickle.dumps(error))) == str(error)
    assert "and 12 more" in str(error)
    assert str(pickle.loads(pickle.dumps(StoredRunInUseError("f", 1, 2)))).startswith("run 1 of 'f'")


def test_a_task_that_was_fixed_is_kept_with_the_code_that_it_was_fixed_with(store, notes):
    def make_one(fn):
        with Flow("g", store=store) as flow:
            fixed = task(fn, name="fixed")()
        return flow, fixed

    def good():
        return NOTES("good", 1)

    def bad():
        raise ValueError("bad")

    flow, fixed = make_one(bad)
    run = flow.start(hold_on_failure=True)
    while not run.is_paused:
        assert not run.is_finished
    fixed.run = good
    run.retry(fixed)
    run.wait(PATIENCE_S)
    notes.taken()

    assert called_by(make_one(good)[0].resume(), notes) == []
    with pytest.raises(StaleStoreError, match="its code has changed"):
        make_one(bad)[0].resume()
