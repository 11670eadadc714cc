"""What the time of a stored run went to is kept: work, delays and holds, without which a store reads as well."""

from __future__ import annotations

from datetime import timedelta

import pytest

from nbflow import Flow, task
from nbflow.store.times_file import TIMES
from tests.patience import PATIENCE_S


def flaky_flow(path):
    calls = []

    def flaky():
        calls.append(1)
        if len(calls) == 1:
            raise ValueError("at first")
        return [1, 2, 3]

    with Flow("kept", store=path) as flow:
        one = task(flaky, name="one", max_retries=1, retry_delay=timedelta(seconds=0.05))()
        task(lambda x: x, name="each").map(one)
    return flow


def tasks_of(flow):
    return (*flow.get_tasks("one"), *flow.get_tasks("each"))


def finished(flow, **options):
    run = flow.start(**options)
    if options.get("paused"):
        run.wait(PATIENCE_S, or_held=True)
        run.resume()
    run.wait(PATIENCE_S)
    return run


def test_a_stored_run_knows_how_long_its_tasks_worked_and_what_they_waited_for(tmp_path):
    flow = flaky_flow(tmp_path)
    run = finished(flow, paused=True)
    (stored,) = flow.stored_runs()
    one, each = tasks_of(flow)
    for known in (one, each):
        assert stored.timings.work_s(known) == pytest.approx(run.timings.work_s(known))
    assert stored.timings.spans(one) == run.timings.spans(one)
    assert {"hold", "delay", "work"} <= {span.kind for span in stored.timings.spans(one)}
    assert stored.timings.held_s == pytest.approx(run.timings.held_s)
    assert stored.timings.held_s > 0


@pytest.mark.parametrize(
    "text", [None, "", "[]", "{}", "nonsense", '{"spans": {"one-1": [1]}, "work": {}, "pauses": []}']
)
def test_a_store_without_such_times_has_begin_and_end(tmp_path, text):
    flow = flaky_flow(tmp_path)
    finished(flow)
    (stored,) = flow.stored_runs()
    path = stored.folder / TIMES
    path.unlink() if text is None else path.write_text(text)
    one, _ = tasks_of(flow)
    (span,) = stored.timings.spans(one)
    assert (span.start, span.end) == stored.timings[one]
    assert stored.timings.held_s == 0


def test_what_was_known_when_a_run_paused_is_there_though_its_kernel_dies_then(tmp_path):
    flow = flaky_flow(tmp_path)
    run = flow.start(paused=True)
    run.wait(PATIENCE_S, or_held=True)
    run.step()
    run.wait(PATIENCE_S, or_held=True)
    (stored,) = flow.stored_runs()
    assert (stored.folder / TIMES).exists()
    run.cancel()
    run.wait(PATIENCE_S)
