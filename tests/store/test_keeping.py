"""Results are kept as tasks return them, while the run goes on, and nothing about that harms the run."""

from __future__ import annotations

import os
import pickle
import stat
import threading
import time
import warnings

import pytest

from nbflow import Flow, Parameter, resource_manager, signals, task
from nbflow.errors import NothingStoredError, NotKeptError, OptionTypeError
from nbflow.states import Pending
from nbflow.store import StoredRun
from nbflow.store import folder as folder_module
from tests.patience import PATIENCE_S


@resource_manager
class Lamp:
    def setup(self):
        return threading.Lock()  # as most resources, nothing that can be pickled

    def cleanup(self, lock):
        pass


@task
def one():
    return 1


def stored(flow: Flow) -> StoredRun:
    return flow.stored_runs()[-1]


def test_a_flow_without_a_store_says_so():
    with pytest.raises(NothingStoredError, match="without `store=`"):
        Flow("plain").stored_runs()


def test_a_store_must_be_a_path():
    with pytest.raises(OptionTypeError, match="path of a folder"):
        Flow("f", store=5)


def test_nothing_is_made_before_the_first_run(store):
    flow = Flow("f", store=store)

    assert flow.stored_runs() == []
    assert not store.exists()


def test_the_folder_stays_the_same_when_the_kernel_changes_its_own(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    flow = Flow("f", store="here", tasks=[one])
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")

    flow.run()

    assert [path.name for path in (tmp_path / "here").iterdir()] == ["f"]


def test_the_worker_that_had_a_task_or_child_is_kept_as_long_as_the_run_had_it_itself(store):
    with Flow("f", store=store) as flow:
        single, parts = one(), task(lambda i: i, name="part").map([1, 2])
    flow.run(executor="processes")
    run = flow.runs[-1]

    kept = stored(flow)
    assert kept.place_of(single) == run._record.place_of(single) != ""
    assert [kept.place_of(parts, i) for i in (0, 1)] == [run._record.place_of(parts, i) for i in (0, 1)]
    assert kept.place_of(parts) == ""

    flow.run()
    assert stored(flow).place_of(single) == ""


@pytest.mark.parametrize("executor", ["inline", "threads"])
def test_results_states_and_parameters_come_back(store, executor):
    with Flow("etl", store=store, executor=executor) as flow:
        n = Parameter("n", default=3)
        numbers = task(lambda n: list(range(n)), name="numbers")(n)
        halves = task(lambda x: 6 // x, name="halves").map(numbers)
        total = task(lambda xs: sum(xs), name="total")(numbers)
        left = task(lambda: (_ for _ in ()).throw(signals.SKIP("not today")), name="left")()
        with Lamp() as lamp:
            inside = task(lambda lamp: lamp.locked(), name="inside")(lamp)
    flow.run(n=4)

    run = stored(flow)

    assert run.parameters == {"n": 4}
    assert run.results[numbers] == [0, 1, 2, 3]
    assert run.results[total] == 6
    assert run.results[inside] is False
    assert type(run.states[left]).__name__ == "Skipped"
    children = run.load(halves).map_states
    assert [type(child).__name__ for child in children] == ["Failed", "Success", "Success", "Success"]
    assert [child.result for child in children[1:]] == [6, 3, 2]
    assert type(run.state).__name__ == "Failed"
    assert (run.number, run.kind, run.parent_id) == (1, "run", "")
    assert run.started_at <= run.timings[total][0] <= run.timings[total][1] <= run.ended_at
    assert run.sources[total] == "computed"


def test_resources_are_not_kept(store):
    with Flow("f", store=store) as flow, Lamp() as lamp:
        task(lambda lamp: 1, name="inside")(lamp)
    flow.run()

    run = stored(flow)

    assert run.not_kept == {}
    assert run.headers["Lamp.setup-1"][None].not_kept == "a resource is not kept, it is set up again"
    with pytest.raises(NotKeptError, match="set up again"):
        _ = run.results[lamp]


def test_what_cannot_be_pickled_is_marked_with_the_reason(store):
    with Flow("f", store=store) as flow:
        lock = task(lambda: threading.Lock(), name="lock")()
        locks = task(lambda x: threading.Lock() if x else 5, name="locks").map([0, 1])
        one = task(lambda: 1, name="one")()
    flow.run()

    run = stored(flow)

    assert set(run.not_kept) == {"lock-1", "locks-1[1]"}
    assert "cannot pickle '_thread.lock' object" in run.not_kept["lock-1"]
    assert run.results[one] == 1
    with pytest.raises(NotKeptError, match="lock-1"):
        _ = run.results[lock]
    assert [state.is_successful() for state in run.states[locks].map_states] == [True, False]


class Hostile:
    """Does something when it is pickled."""

    def __init__(self, deed):
        self.deed = deed

    def __reduce__(self):
        self.deed()
        return int, ()


@pytest.mark.parametrize("error", [RuntimeError("no"), SystemExit(3), KeyboardInterrupt(), MemoryError()])
def test_a_value_that_raises_when_it_is_pickled_does_not_harm_the_run(store, error):
    def deed():
        raise error

    with Flow("f", store=store) as flow:
        task(lambda: Hostile(deed), name="hostile")()
        after = task(lambda: 1, name="after")()

    assert flow.run().is_successful()
    assert type(error).__name__ in stored(flow).not_kept["hostile-1"]
    assert stored(flow).results[after] == 1


def test_a_value_that_hangs_when_it_is_pickled_is_given_up_and_the_run_goes_on(store):
    let_go = threading.Event()
    with Flow("f", store=store) as flow:
        slow = task(lambda: Hostile(let_go.wait), name="slow")()
        after = task(lambda slow: 1, name="after")(slow)
    flow._its_store().limit_s = 0.2

    assert flow.run().is_successful()
    kept = stored(flow)
    assert "longer than 0.2 s" in kept.not_kept["slow-1"]
    assert kept.results[after] == 1
    let_go.set()  # what comes too late is dropped: by then another task may have changed the value
    wait_until(lambda: not [t for t in threading.enumerate() if t.name.startswith("nbflow-store")])
    assert "slow-1" in stored(flow).not_kept
    assert not list(store.rglob("*.partial"))


def wait_until(condition):
    until = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.01)


def test_a_cancelled_run_does_not_wait_for_a_value_that_hangs(store):
    let_go, is_pickling = threading.Event(), threading.Event()
    cleaned = []

    @resource_manager
    class Held:
        def setup(self):
            return 1

        def cleanup(self, one):
            cleaned.append(one)

    def hang():
        is_pickling.set()
        let_go.wait()

    with Flow("f", store=store) as flow, Held() as held:
        task(lambda held: Hostile(hang), name="slow")(held)
    run = flow.start()
    assert is_pickling.wait(PATIENCE_S)

    run.cancel()
    run.wait(PATIENCE_S)

    assert run.is_finished
    assert cleaned == [1]
    let_go.set()


def test_a_value_is_kept_as_its_task_returned_it_before_the_next_one_changes_it(store):
    with Flow("f", store=store) as flow:
        rows = task(lambda: list(range(1_000)), name="rows")()
        task(lambda rows: rows.clear(), name="clear")(rows)

    flow.run()

    assert stored(flow).results[rows] == list(range(1_000))


def test_functions_and_classes_of_the_notebook_are_pickled_by_value(store):
    with Flow("f", store=store) as flow:
        made = task(lambda: lambda x: x + 1, name="made")()

    flow.run()

    assert stored(flow).results[made](1) == 2


def test_a_retry_that_succeeds_replaces_the_failure(store):
    tries = []

    def flaky():
        tries.append(1)
        if len(tries) == 1:
            raise ValueError
        return "well"

    with Flow("f", store=store) as flow:
        made = task(flaky, name="flaky")()
    run = flow.start(hold_on_failure=True)
    wait_until(lambda: run.is_paused)
    wait_until(lambda: "flaky-1" in stored(flow).headers)
    assert type(stored(flow).states[made]).__name__ == "Failed"
    run.retry(made)
    run.wait(PATIENCE_S)

    assert stored(flow).results[made] == "well"


def test_an_edited_value_is_kept_and_named_as_such(store):
    with Flow("f", store=store) as flow:
        made = task(lambda: 1, name="made")()
        task(lambda x: x, name="next")(made)
    run = flow.start(paused=True)
    run.set_result(made, 42)
    run.resume()
    run.wait(PATIENCE_S)

    assert stored(flow).results[made] == 42
    assert stored(flow).sources[made] == "edited"


def test_a_pinned_value_is_named_as_such_when_the_run_has_ended(store):
    with Flow("f", store=store) as flow:
        made = task(lambda: 1, name="made")()
    run = flow.start(paused=True)
    run.step()
    if not run.is_finished:
        run.pin(made)
        run.resume()
    run.wait(PATIENCE_S)

    assert stored(flow).sources[made] == run.sources[made]


def test_numbers_go_on_where_an_earlier_kernel_stopped(store):
    Flow("f", store=store, tasks=[one]).run()
    later = Flow("f", store=store, tasks=[one])

    later.run()

    assert [run.number for run in later.stored_runs()] == [1, 2]
    assert later.runs[-1].number == 2


def test_only_the_newest_runs_are_kept(store):
    flow = Flow("f", store=store, tasks=[one])
    for _ in range(folder_module.KEPT_RUNS + 2):
        flow.run()

    assert [run.number for run in flow.stored_runs()] == [3, 4, 5, 6, 7]


def test_a_run_that_goes_on_is_never_dropped(store):
    flow = Flow("f", store=store, tasks=[task(lambda: 1, name="t")])
    paused = flow.start(paused=True)
    wait_until(flow.stored_runs)
    for _ in range(folder_module.KEPT_RUNS + 1):
        flow.run()

    assert flow.stored_runs()[0].id == paused.id
    assert flow.stored_runs()[0].is_going
    paused.cancel()
    paused.wait(PATIENCE_S)
    assert not flow.stored_runs()[0].is_going


def test_flows_of_strange_names_do_not_meet(store):
    names = ["a/b", "a_b", "..", ".", "ä", "a" * 300, "a" * 301, "con.a b"]
    for name in names:
        Flow(name, store=store, tasks=[Parameter("p", default=name)]).run()

    assert len(list(store.iterdir())) == len(names)
    assert [Flow(name, store=store).stored_runs()[0].facts.flow for name in names] == names


def test_tasks_of_strange_slugs_do_not_meet(store):
    slugs = ["x", "x.0", "../x", "x/0", "X" * 300, "\udcff", "x\n"]
    with Flow("f", store=store) as flow:
        tasks = [task(lambda slug: slug, name="t", slug=slug)(slug) for slug in slugs]
        mapped = task(lambda x: x, name="m", slug="m").map(slugs)
    flow.run()

    run = stored(flow)
    assert [run.results[one] for one in tasks] == slugs
    assert [state.result for state in run.load(mapped).map_states] == slugs


def test_files_and_folders_are_for_their_owner_only(store):
    Flow("f", store=store, tasks=[task(lambda: 1, name="t")]).run()

    for path in (store / "f").rglob("*"):
        assert stat.S_IMODE(path.stat().st_mode) == (0o700 if path.is_dir() else 0o600)


def test_a_store_that_cannot_be_made_is_told_once_and_the_run_goes_on(tmp_path):
    (tmp_path / "file").write_text("in the way")
    flow = Flow("f", store=tmp_path / "file", tasks=[task(lambda: 1, name="t") for _ in range(3)])

    with pytest.warns(RuntimeWarning, match="not all results of run 1 of 'f' are kept") as told:
        state = flow.run()

    assert state.is_successful()
    assert len(told) == 1


def resume_and_wait(run):
    run.resume()
    run.wait(PATIENCE_S)


def test_a_full_disk_is_told_once_and_the_run_goes_on(store, monkeypatch):
    from nbflow.store import secure_files

    def full(self, data):
        raise OSError(28, "No space left on device")

    with Flow("f", store=store) as flow:
        one = task(lambda: 1, name="one")()
        task(lambda x: x, name="two")(one)
    run = flow.start(paused=True)
    wait_until(flow.stored_runs)
    monkeypatch.setattr(secure_files.NewFile, "write", full)

    with pytest.warns(RuntimeWarning, match="No space left on device") as told:
        resume_and_wait(run)
    monkeypatch.undo()
    assert run.state.is_successful()

    assert len(told) == 1
    assert not list(store.rglob("*.partial"))
    assert not stored(flow).states[one].is_finished()


def test_a_copy_of_a_flow_keeps_its_runs_too_and_a_pickled_one_as_well(store):
    flow = Flow("f", store=store, tasks=[Parameter("p", default=1)])
    flow.run()

    for other in (flow.copy(), pickle.loads(pickle.dumps(flow))):
        other.run()

    assert [run.number for run in flow.stored_runs()] == [1, 2, 3]


def test_the_thread_that_writes_ends_with_its_run(store):
    Flow("f", store=store, tasks=[task(lambda: 1, name="t")]).run()

    wait_until(lambda: not [t for t in threading.enumerate() if t.name.startswith("nbflow-store")])


def test_a_run_given_states_links_what_the_store_has_already(store):
    with Flow("f", store=store) as flow:
        big = task(lambda: b"x" * 100_000, name="big")()
        parts = task(lambda x: x, name="parts").map([1, 2])
        task(lambda big: len(big), name="size")(big)
    first = flow.start()
    first.wait(PATIENCE_S)

    flow.run(task_states={big: first.states[big], parts: first.states[parts]})

    run = stored(flow)
    assert run.results[big] == b"x" * 100_000
    assert run.sources[big] == "reused"
    assert run.headers["big-1"][None].run == first.id
    assert [state.result for state in run.load(parts).map_states] == [1, 2]
    inodes = {os.stat(path).st_ino for path in store.rglob("big-1.*")}
    assert len(inodes) == 1


def test_a_value_given_by_hand_is_kept_as_of_unknown_code(store):
    from nbflow.states import Success

    with Flow("f", store=store) as flow:
        made = task(lambda: 1, name="made")()
        task(lambda x: x, name="next")(made)

    flow.run(task_states={made: Success(result=5)})

    assert stored(flow).results[made] == 5
    assert stored(flow).headers["made-1"][None].code == ""


def test_the_store_of_a_run_can_be_compared_with_the_run(store):
    with Flow("f", store=store) as flow:
        task(lambda x: x, name="t")(Parameter("x", default=[1.5, None]))
        task(lambda: threading.Lock(), name="lock")()
    run = flow.start()
    run.wait(PATIENCE_S)

    pairs = run.compare(stored(flow)).tasks

    assert [(pair.slug, pair.value) for pair in pairs] == [("x", "same"), ("t-1", "same"), ("lock-1", "")]


def test_no_warning_is_raised_in_a_run_that_is_kept(store):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert Flow("f", store=store, tasks=[task(lambda: 1, name="t")]).run().is_successful()


def test_a_store_may_be_given_to_a_flow_that_exists(store, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    flow = Flow("f", tasks=[task(lambda: 1, name="t")])
    flow.run()

    flow.store = "store"
    flow.run()

    assert flow.store == store
    assert [run.number for run in flow.stored_runs()] == [2]
    flow.store = None
    flow.run()
    with pytest.raises(NothingStoredError):
        flow.stored_runs()


def test_a_message_that_is_no_text_does_not_keep_a_result_from_being_kept(store):
    class Strange:
        def __repr__(self):
            raise ValueError("no")

    def strange():
        raise signals.SUCCESS(message=Strange(), result=5)

    with Flow("f", store=store) as flow:
        one = task(strange, name="strange")()
        other = task(lambda: (_ for _ in ()).throw(signals.SUCCESS(message=7, result=6)), name="other")()
    flow.run()

    assert [stored(flow).results[one], stored(flow).results[other]] == [5, 6]


def test_code_that_cannot_be_looked_at_is_told_and_the_run_goes_on(store, monkeypatch):
    from nbflow.store import recorder

    def broken(task):
        raise RuntimeError("broken")

    monkeypatch.setattr(recorder, "fingerprint_of", broken)
    flow = Flow("f", store=store, tasks=[task(lambda: 1, name="t")])

    with pytest.warns(RuntimeWarning, match="RuntimeError: broken"):
        state = flow.run()
    assert state.is_successful()
    assert not flow.stored_runs()[-1].is_going


def test_what_was_undone_is_not_gone_on_from(store):
    with Flow("f", store=store) as flow:
        one = task(lambda: 1, name="one")()
        task(lambda x: x + 1, name="two")(one)
    run = flow.start(paused=True)
    run.set_result(one, 10)
    run.undo()
    flow._its_store().wait_until_written()

    kept = flow.stored_runs()[0]

    assert isinstance(kept.states[one], Pending)
    run.resume()
    assert run.wait().is_successful()
    assert flow.stored_runs()[0].results[one] == 1
