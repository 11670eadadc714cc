"""What an older nbflow has kept can be read, and is not taken over: its notes mean something else by now."""

from __future__ import annotations

import pytest

from nbflow import Flow, Parameter, resource_manager, task
from nbflow.errors import DamagedStoreError, StaleStoreError
from tests.store.older import made_older

CALLED: list[str] = []


def make(store):
    """Make the flow again, as the next kernel does."""
    with Flow("f", store=store) as flow:
        first = task(lambda x: CALLED.append("first") or [x], name="first")(Parameter("x", default=1))
        task(lambda rows: CALLED.append("second") or len(rows), name="second")(first)
    return flow


@pytest.fixture
def older(store):
    """A store with a run that an older nbflow has kept."""
    make(store).run(x=5)
    made_older(store)
    CALLED.clear()
    return store


def test_its_results_states_and_parameters_are_read(older):
    flow = make(older)
    run = flow.stored_runs()[-1]

    assert [run.results[flow.get_tasks(name)[0]] for name in ("first", "second")] == [[5], 1]
    assert run.parameters == {"x": 5}
    assert run.state.is_successful()
    assert run.facts.format == 1


def test_going_on_from_it_is_refused_in_words_until_somebody_says_what_is_to_run(older):
    with pytest.raises(StaleStoreError, match=r"an older nbflow kept it, .* can not be compared.*what='stale'"):
        make(older).resume()
    assert CALLED == []


@pytest.mark.parametrize("what", ["stale", "failed", "all"])
def test_nothing_of_it_is_taken_over(older, what):
    flow = make(older)

    run = flow.resume(what)
    run.wait(30)

    assert CALLED == ["first", "second"]
    assert run.parameters == {"x": 5}
    if what != "all":
        assert "an older nbflow kept it" in run.plan.text()


def test_the_next_run_is_taken_over_again(older):
    make(older).resume("all").wait(30)
    CALLED.clear()

    make(older).resume().wait(30)

    assert CALLED == []


def test_a_resource_that_was_not_kept_is_not_missed_in_it(store):
    @resource_manager
    class Lamp:
        def setup(self):
            return "light"

        def cleanup(self, light):
            pass

    with Flow("f", store=store) as flow, Lamp() as lamp:
        task(lambda light: len(light), name="use")(lamp)
    flow.run()
    made_older(store)

    (run,) = flow.stored_runs()

    assert run.headers["Lamp.setup-1"][None].not_kept == "a resource is not kept, it is set up anew"
    assert run.not_kept == {}


def test_a_damaged_file_of_it_is_refused(older):
    path = next(older.rglob("first-1.*"))
    data = path.read_bytes()
    path.write_bytes(data[:20] + b"X" + data[21:])
    flow = make(older)

    with pytest.raises(DamagedStoreError, match="not what was written"):
        _ = flow.stored_runs()[0].results[flow.get_tasks("first")[0]]
