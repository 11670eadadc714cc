"""Values that a task changes in place: none is handed on where a fresh run would have another one (docs/reruns.md)."""

from __future__ import annotations

import copy
from datetime import timedelta

import pytest

from nbflow import Flow, task
from nbflow.errors import NothingToRerunError
from tests.engine.changing import told, ways
from tests.shared import SharedList

pytestmark = pytest.mark.filterwarnings("ignore:The inplace keyword")  # of pandas, whose use is tested here


class Story:
    """A flow `make -> change -> look`, in which `change` changes what `make` returned; `look` takes it afterwards."""

    def __init__(self, make, change, **options):
        self.calls = SharedList()
        self.fails = False
        story = self

        def look(x):
            story.calls.append("look")
            return copy.deepcopy(told(x))

        with Flow("story") as self.flow:
            self.made = task(counting(make, self.calls), name="make")()
            self.changed = task(change, name="change", **options)(self.made)
            self.seen = task(look)(self.made, upstream_tasks=[self.changed])

    def run(self, **options):
        run = self.flow.start(**options)
        run.wait()
        self.calls.clear()
        return run

    def rerun(self, run, *what, **options):
        run = run.rerun(list(what), **options)
        run.wait()
        return run


def counting(make, calls):
    def made():
        calls.append("make")
        return make()

    return made


@ways
def test_who_changes_a_value_gets_it_as_it_was_at_each_rerun(make, change, executor):
    """Values, rule V2."""
    story = Story(make, change)
    run = story.run(executor=executor)
    first = run.results[story.seen], run.results[story.changed]

    for _ in range(2):
        run = story.rerun(run, story.changed)

        assert run.results[story.seen] == first[0]
        assert told(run.results[story.changed]) == told(first[1])


@ways
def test_who_takes_a_value_after_the_change_gets_it_as_it_was_then(make, change):
    """Values, rule V2: it still is that version, so nobody else runs."""
    story = Story(make, change)
    run = story.run()

    again = story.rerun(run, story.seen)

    assert story.calls == ["look"]
    assert again.results[story.seen] == run.results[story.seen]


@ways
def test_an_unchanged_flow_has_nothing_to_rerun(make, change):
    """Values, rule V2: nothing runs needlessly."""
    story = Story(make, change)
    run = story.run()

    assert run.rerun("stale", dry=True).is_empty
    with pytest.raises(NothingToRerunError):
        run.rerun("stale")


@pytest.mark.one_memory("a task in another process changes its copy alone")
@ways
def test_a_further_attempt_finds_what_the_first_one_found(make, change, executor):
    """Values, rule V2: `max_retries`."""
    attempts = SharedList()

    def change_and_fail(x):
        attempts.append(copy.deepcopy(told(x)))
        change(x)
        if len(attempts) < 3:
            raise ValueError("not yet")

    story = Story(make, change_and_fail, max_retries=2, retry_delay=timedelta(0))
    fresh = Story(make, change).run()

    run = story.run(executor=executor)

    assert len(attempts) == 3
    assert attempts[0] == attempts[1] == attempts[2]
    assert run.results[story.seen] == list(fresh.results.values())[-1]
