"""The numbers of runs where some are in memory and some in the store: the newest has the highest."""

from __future__ import annotations

from nbflow import Flow, task


def make(store):
    with Flow("f", store=store) as flow:
        task(lambda: 1, name="one")()
    return flow


def test_a_run_that_begins_with_runs_in_memory_counts_on_from_those_in_the_store(store):
    for _ in range(3):
        make(store).run()
    flow = make(None)
    flow.run()
    flow.store = store

    flow.run()

    assert flow.runs[-1].number == 4
    assert make(store).stored_runs()[-1].id == flow.runs[-1].id


def test_runs_of_a_flow_that_is_given_an_empty_store_count_on_from_those_in_memory(store):
    flow = make(None)
    flow.run()
    flow.run()
    flow.store = store

    flow.run()

    assert [run.number for run in flow.runs] == [1, 2, 3]
