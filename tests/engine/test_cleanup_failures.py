"""Rule 7 of the cleanup guarantee: a cleanup that fails is never silent, and can be tried again."""

from __future__ import annotations

from datetime import timedelta

import pytest

from nbflow import Flow, resource_manager, task
from nbflow.errors import RunNotFinishedError


@task
def use(resource):
    return resource


def flow_whose_cleanup_fails(times: int, **options):
    failures = [OSError(f"disk gone {n}") for n in range(times)]
    cleaned = []

    @resource_manager(name="disk", **options)
    class Disk:
        def setup(self):
            return "disk"

        def cleanup(self, disk):
            if failures:
                raise failures.pop(0)
            cleaned.append(disk)

    with Flow("f") as flow, Disk() as disk:
        use(disk)
    return flow, cleaned


def test_a_failed_cleanup_leaves_the_run_successful_but_is_told_everywhere():
    """Rule 7."""
    flow, _ = flow_whose_cleanup_fails(1)

    with pytest.warns(RuntimeWarning, match="cleanup of 'disk' failed.*disk gone 0"):
        state = flow.run()

    run = flow.runs[-1]
    assert state.is_successful()
    assert state.result[flow.blocks[0].cleanup_task].is_failed()
    assert repr(run.cleanup_failures[flow.blocks[0]]) == "OSError('disk gone 0')"
    assert run.block_status[flow.blocks[0]] == "leaked"
    assert any("cleanup of 'disk' failed" in event.note for event in run.events)


def test_a_manager_may_ask_that_a_failed_cleanup_fails_the_run():
    """Rule 7."""
    flow, _ = flow_whose_cleanup_fails(1, cleanup_failure="fail")

    with pytest.warns(RuntimeWarning, match="disk"):
        state = flow.run()

    assert state.is_failed()
    assert "disk" in state.message


def test_a_failed_cleanup_can_be_tried_again_until_it_succeeds():
    """Rule 7."""
    flow, cleaned = flow_whose_cleanup_fails(2)
    with pytest.warns(RuntimeWarning, match="disk"):
        flow.run()
    run = flow.runs[-1]

    assert list(run.retry_cleanup()) == [flow.blocks[0]]
    assert run.retry_cleanup() == {}
    assert run.block_status[flow.blocks[0]] == "cleaned"
    run.retry_cleanup()
    assert cleaned == ["disk"]


def test_cleanups_of_a_run_that_is_not_over_cannot_be_tried_again():
    """Rule 7."""
    flow, cleaned = flow_whose_cleanup_fails(0)
    run = flow.start(paused=True)

    with pytest.raises(RunNotFinishedError, match=r"run.wait\(\)"):
        run.retry_cleanup()

    run.resume()
    run.wait()
    assert cleaned == ["disk"]


def test_a_cleanup_with_retries_is_tried_again_without_a_new_setup():
    """Rules 1, 2 and 7."""
    flow, cleaned = flow_whose_cleanup_fails(2, cleanup_task_kwargs={"max_retries": 2, "retry_delay": timedelta(0)})

    state = flow.run()

    assert state.is_successful()
    assert cleaned == ["disk"]
    assert flow.runs[-1].cleanup_failures == {}
