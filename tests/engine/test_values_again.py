"""Every way in which a value comes again: none hands on what a task has changed meanwhile (docs/reruns.md)."""

from __future__ import annotations

import threading
from datetime import timedelta
from typing import ClassVar

import pytest

from nbflow import Flow, Parameter, context, task
from nbflow.errors import ChangedInputError
from nbflow.signals import LOOP
from nbflow.states import Failed, Success
from tests.engine.changing import Box, Pile
from tests.shared import SharedList

NOW = timedelta(0)
LIMIT_S = 20


def rows():
    return [1, 2]


def add(rows):
    rows.append(3)
    return len(rows)


def listed(x):
    return list(x)


def whys(plan):
    return {step.task.name: step.why for step in plan.steps if step.runs}


def the_run_of(flow, **options):
    run = flow.start(**options)
    run.wait(LIMIT_S)
    return run


def the_rerun_of(run, *args, **options):
    again = run.rerun(*args, **options)
    again.wait(LIMIT_S)
    return again


def test_the_plan_names_who_has_changed_the_value():
    """Values, rule V2."""
    with Flow("f") as flow:
        made = task(rows)()
        added = task(add)(made)

    text = the_run_of(flow).rerun([added], dry=True).text()

    assert "rows  runs  changed in place by 'add'" in text
    assert "add   runs  asked for" in text


@pytest.mark.one_memory("a task in another process changes its copy alone")
def test_a_chain_of_changes_is_made_again_in_its_order(executor):
    """Values, rule V1."""
    with Flow("f") as flow:
        made = task(rows)()
        first = task(lambda x: x.append(len(x) * 10), name="first")(made)
        second = task(lambda x: x.append(len(x) * 10), name="second")(made, upstream_tasks=[first])
        third = task(lambda x: [*x], name="third")(made, upstream_tasks=[second])
    run = the_run_of(flow, executor=executor)

    again = the_rerun_of(run, [second])

    assert run.results[third] == [1, 2, 20, 30]
    assert again.results[third] == run.results[third]
    assert again.results[made] == run.results[third]


@pytest.mark.one_memory("a task in another process changes its copy alone")
def test_what_failed_after_it_had_changed_its_input_gets_it_as_it_was(executor):
    """Values, rule V2: rerun of what failed."""
    broken = [True]

    def add_and_fail(x):
        x.append(3)
        if broken:
            raise ValueError("broken")
        return list(x)

    with Flow("f") as flow:
        made = task(rows)()
        added = task(add_and_fail)(made)
    run = the_run_of(flow, executor=executor)
    broken.clear()

    plan = run.rerun("failed", dry=True)
    again = the_rerun_of(run, "failed")

    assert whys(plan) == {"rows": "changed in place by 'add_and_fail'", "add_and_fail": "failed in run 1"}
    assert again.results[added] == [1, 2, 3]


@pytest.mark.one_memory("a task in another process changes its copy alone")
def test_a_retry_of_a_held_task_gets_the_input_as_it_was(executor):
    """Values, rule V2: hold and retry."""
    broken = [True]

    def add_and_fail(x):
        x.append(3)
        if broken:
            raise ValueError("broken")
        return list(x)

    with Flow("f") as flow:
        made = task(rows)()
        added = task(add_and_fail)(made)
    run = flow.start(hold_on_failure=True, executor=executor)
    run.wait(LIMIT_S, or_held=True)
    assert isinstance(run.retry(added), Failed)
    broken.clear()

    run.retry(added)
    run.resume()
    run.wait(LIMIT_S)

    assert run.results[added] == [1, 2, 3]
    assert run.results[made] == [1, 2, 3]


@pytest.mark.one_memory("a task in another process changes its copy alone")
def test_a_retry_puts_the_contents_back_into_the_very_objects(executor):
    """Values, rule V2: another value that holds the same object sees it too."""
    attempts = SharedList()

    def add_and_fail(x):
        x.append(3)
        attempts.append(1)
        if len(attempts) == 1:
            raise ValueError("not yet")

    with Flow("f") as flow:
        made = task(rows)()
        holder = task(lambda x: {"inside": x}, name="holder")(made)
        task(add_and_fail, max_retries=1, retry_delay=NOW)(made, upstream_tasks=[holder])
    run = the_run_of(flow, executor=executor)

    assert run.results[holder]["inside"] is run.results[made]
    assert run.results[made] == [1, 2, 3]


@pytest.mark.one_memory("a task in another process changes its copy alone")
def test_a_retry_without_a_copy_is_refused_with_words(executor):
    """Values, rule V2: nothing is known of how to put a list of a user's class back."""

    def add_and_fail(x):
        x.append(3)
        raise ValueError("broken")

    with Flow("f") as flow:
        made = task(lambda: Pile([1, 2]), name="pile")()
        added = task(add_and_fail, max_retries=2, retry_delay=NOW)(made)
    run = the_run_of(flow, executor=executor)

    error = run.states[added].result

    assert isinstance(error, ChangedInputError)
    assert "'x', the value of 'pile'" in str(error)
    assert "let the task change a copy of its own" in str(error)
    assert isinstance(error.__cause__ or error.__context__, ValueError)


def test_a_retry_is_not_refused_where_nothing_was_changed(executor):
    """Values, rule V2: there is no copy, and none is needed."""
    attempts = SharedList()

    def look_and_fail(x):
        attempts.append(list(x))
        if attempts[1:]:
            return x.append(3)
        raise ValueError("not yet")

    with Flow("f") as flow:
        made = task(lambda: Pile([1, 2]), name="pile")()
        task(look_and_fail, max_retries=1, retry_delay=NOW)(made)

    assert isinstance(the_run_of(flow, executor=executor).state, Success)
    assert attempts == [[1, 2], [1, 2]]


@pytest.mark.one_memory("a task in another process changes its copy alone")
def test_a_further_turn_of_a_loop_goes_on_with_its_inputs_as_they_are(executor):
    """Values, rule V1: as in plain Python."""

    def add_up(x):
        x.append(3)
        if context.get("task_loop_count", 1) < 3:
            raise LOOP
        return list(x)

    with Flow("f") as flow:
        made = task(rows)()
        added = task(add_up)(made)
    run = the_run_of(flow, executor=executor)

    again = the_rerun_of(run, [added])

    assert run.results[added] == [1, 2, 3, 3, 3]
    assert again.results[added] == [1, 2, 3, 3, 3]


@pytest.mark.one_memory("a task in another process changes its copy alone")
def test_a_retry_inside_a_turn_begins_as_that_turn_began(executor):
    """Values, rule V2: LOOP and retries."""
    failed = SharedList()

    def add_up(x):
        x.append(3)
        turn = context.get("task_loop_count", 1)
        if turn == 2 and not failed:
            failed.append(turn)
            raise ValueError("not yet")
        if turn < 3:
            raise LOOP
        return list(x)

    with Flow("f") as flow:
        made = task(rows)()
        added = task(add_up, max_retries=1, retry_delay=NOW)(made)

    assert the_run_of(flow, executor=executor).results[added] == [1, 2, 3, 3, 3]


def test_a_cached_result_is_as_it_was_returned(executor):
    """Values, rule V2: `cache_for`."""
    calls = SharedList()

    @task(cache_for=timedelta(hours=1))
    def cached():
        calls.append(1)
        return [1, 2]

    with Flow("f") as flow:
        made = cached()
        added = task(add)(made)

    results = [the_run_of(flow, executor=executor).results[added] for _ in range(3)]

    assert results == [3, 3, 3]


def test_a_pinned_value_stays_as_it_was_pinned(executor):
    """Values, rule V2: pins."""
    with Flow("f") as flow:
        made = task(rows)()
        added = task(add)(made)
    run = the_run_of(flow, executor=executor)
    run.pin(made)

    for _ in range(3):
        run = the_rerun_of(run, [added])

        assert run.results[added] == 3
        assert run.sources[made] == "pinned"


def test_a_value_that_was_set_stays_as_it_was_set(executor):
    """Values, rule V2: edited values."""
    with Flow("f") as flow:
        made = task(lambda: 1 / 0, name="made")()
        added = task(add)(made)
    run = flow.start(hold_on_failure=True, executor=executor)
    run.wait(LIMIT_S, or_held=True)
    run.set_result(made, [7, 7])
    run.resume()
    run.wait(LIMIT_S)
    assert run.results[added] == 3

    for _ in range(2):
        run = the_rerun_of(run, [added])

        assert run.results[added] == 3
        assert run.sources[made] == "edited"


def test_a_value_handed_back_as_a_parameter_is_left_as_it_is(executor):
    """Values, rule V4: `run.results`, given to another flow."""
    with Flow("f") as flow:
        made = task(rows)()
    with Flow("g") as other:
        added = task(add)(Parameter("x"))
    run = the_run_of(flow)

    results = [the_run_of(other, parameters={"x": run.results[made]}, executor=executor).results[added] for _ in "ab"]

    assert results == [3, 3]
    assert run.results[made] == [1, 2]


def test_a_value_that_the_user_changes_between_the_runs_is_made_again():
    """Values, rule V2: `run.results` in the hands of the user."""
    with Flow("f") as flow:
        made = task(rows)()
        seen = task(lambda x: list(x), name="seen")(made)
    run = the_run_of(flow)
    run.results[made].append("by hand")

    plan = run.rerun([seen], dry=True)
    again = the_rerun_of(run, [seen])

    assert whys(plan)["rows"] == "changed since its run"
    assert again.results[seen] == [1, 2]


@pytest.mark.one_memory("a task in another process changes its copy alone")
def test_a_state_handed_back_is_as_its_task_left_it(executor):
    """Values, rule V2: `task_states` of an earlier run."""
    with Flow("f") as flow:
        made = task(rows)()
        added = task(add)(made)
    first = flow.run()

    run = the_run_of(flow, task_states={made: first.result[made]}, executor=executor)

    assert run.results[added] in (3, 4)  # the user hands on what it is by now, see below
    assert run.results[added] == len(run.results[made])


@pytest.mark.one_memory("a task in another process changes its copy alone")
def test_one_parameter_that_changes_runs_only_what_needs_it(executor):
    """Values, rule V2: nothing runs needlessly, and nothing is handed on in the wrong version."""
    with Flow("f") as flow:
        n = Parameter("n", default=1)
        made = task(rows)()
        other = task(lambda: [5], name="other")()
        added = task(lambda x, n: x.append(n), name="add")(made, n)
        seen = task(listed, name="seen")(made, upstream_tasks=[added])
        task(listed, name="apart")(other)
    run = the_run_of(flow, executor=executor)

    plan = run.rerun([], n=9, dry=True)
    again = the_rerun_of(run, [], n=9)

    assert whys(plan) == {
        "n": "changed from 1 to 9",
        "rows": "changed in place by 'add'",
        "add": "downstream of 'n'",
        "seen": "downstream of 'add'",
    }
    assert again.results[seen] == [1, 2, 9]


@pytest.mark.one_memory("a task in another process changes its copy alone")
def test_an_object_that_two_tasks_return_is_made_again_for_both(executor):
    """Values, rule V2: one object, two values."""
    with Flow("f") as flow:
        made = task(rows)()
        same = task(lambda x: x, name="same")(made)
        added = task(add)(same)
        seen = task(listed, name="seen")(made, upstream_tasks=[added])
    run = the_run_of(flow, executor=executor)

    again = the_rerun_of(run, [added])

    assert run.results[same] is run.results[made]
    assert again.results[added] == run.results[added] == 3
    assert again.results[seen] == run.results[seen] == [1, 2, 3]
    assert again.results[same] is again.results[made]


@pytest.mark.one_memory("a task in another process changes its copy alone")
@pytest.mark.parametrize(
    "holder",
    [lambda x: {"inside": x}, lambda x: (x, 1), lambda x: Box(x), lambda x: [x]],
    ids=["dict", "tuple", "object", "list"],
)
def test_a_change_through_a_value_that_holds_another_is_seen(holder, executor):
    """Values, rule V2: aliases."""

    def add_inside(x):
        found = x["inside"] if isinstance(x, dict) else x.content if isinstance(x, Box) else x[0]
        found.append(3)

    with Flow("f") as flow:
        made = task(rows)()
        held = task(holder, name="holder")(made)
        added = task(add_inside)(held)
        seen = task(listed, name="seen")(made, upstream_tasks=[added])
    run = the_run_of(flow, executor=executor)

    for again in (the_rerun_of(run, [held]), the_rerun_of(run, [added]), the_rerun_of(run, [seen])):
        assert again.results[seen] == run.results[seen] == [1, 2, 3]


@pytest.mark.one_memory("a task in another process changes its copy alone")
def test_a_change_through_a_view_is_seen(executor):
    """Values, rule V2: views of arrays."""
    np = pytest.importorskip("numpy")

    def double(x):
        x *= 2

    with Flow("f") as flow:
        made = task(lambda: np.arange(4), name="made")()
        half = task(lambda x: x[2:], name="half")(made)
        doubled = task(double)(half)
        seen = task(lambda x: x.tolist(), name="seen")(made, upstream_tasks=[doubled])
    run = the_run_of(flow, executor=executor)

    again = the_rerun_of(run, [doubled])

    assert run.results[seen] == again.results[seen] == [0, 1, 4, 6]


@pytest.mark.one_memory("a task in another process changes its copy alone")
def test_mapped_elements_that_were_changed_are_made_again(executor):
    """Values, rule V2: a mapped element."""
    with Flow("f") as flow:
        made = task(lambda: [[1], [2]], name="made")()
        added = task(add).map(made)
        seen = task(lambda x: [*x], name="seen")(made, upstream_tasks=[added])
    run = the_run_of(flow, executor=executor)

    again = the_rerun_of(run, [added])

    assert run.results[added] == again.results[added] == [2, 2]
    assert again.results[seen] == [[1, 3], [2, 3]]


@pytest.mark.one_memory("a task in another process changes its copy alone")
def test_what_mapped_tasks_returned_and_others_changed_is_made_again(executor):
    """Values, rule V2: mapped over mapped."""
    with Flow("f") as flow:
        made = task(lambda n: [n], name="made").map([1, 2])
        added = task(add).map(made)
        gathered = task(lambda x: [*map(list, x)], name="gathered")(made, upstream_tasks=[added])
    run = the_run_of(flow, executor=executor)

    again = the_rerun_of(run, [added])

    assert run.results[added] == again.results[added] == [2, 2]
    assert again.results[gathered] == run.results[gathered] == [[1, 3], [2, 3]]


def test_what_all_instances_of_a_class_share_is_made_again(executor):
    """Values, rule V2: class attributes."""

    def made():
        class Counted:
            shared: list = []

        return Counted()

    def change(x):
        type(x).shared.append(1)
        return len(type(x).shared)

    with Flow("f") as flow:
        one = task(made)()
        changed = task(change)(one)
    run = the_run_of(flow, executor=executor)

    again = the_rerun_of(run, [changed])

    assert run.results[changed] == again.results[changed] == 1


def test_a_pinned_value_that_was_set_is_never_made_by_its_task():
    """Values, rule V2: nothing can bring it back, and the plan says so."""
    with Flow("f") as flow:
        made = task(lambda: 1 / 0, name="made")()
        used = task(lambda lock: lock.acquire(), name="use")(made)
    run = flow.start(paused=True)
    run.set_result(made, threading.Lock())
    run.resume()
    run.wait(LIMIT_S)
    run.pin(made)

    plan = run.rerun([used], dry=True)

    assert plan.tasks == (used,)
    assert "the pinned value of 'made' was changed in place by 'use'" in plan.lost[0]
    assert "nothing can bring it back" in plan[made].why


def test_a_held_task_that_takes_a_connection_is_tried_again_with_it():
    """Values, rule V2: what a connection or a future stands for is not in it, so nothing says that it was changed."""
    lock = threading.Lock()

    def use(held, made=[0]):  # noqa: B006 - it counts its calls
        made[0] += 1
        held.locked()
        if made[0] == 1:
            raise OSError("the first attempt")
        return held is lock

    with Flow("f") as flow:
        used = task(use)(task(lambda: lock, name="connect")())
    run = flow.start(hold_on_failure=True)
    run.wait(LIMIT_S, or_held=True)

    run.retry(used)
    run.resume()

    assert run.wait(LIMIT_S).is_successful()
    assert run.results[used] is True


@pytest.mark.one_memory("a task in another process changes its copy alone")
def test_who_changes_a_value_again_does_so_before_those_behind_reused_tasks_take_it(executor):
    """Values, rule V1: a retry takes its time, and the task below that is reused says nothing of the order."""

    def change_at_the_second_attempt(x):
        if context.task_run_count < 2:
            raise OSError("the first attempt")
        x.append(3)
        return {"held": x}

    with Flow("f") as flow:
        made = task(rows)()
        held = task(change_at_the_second_attempt, max_retries=1, retry_delay=timedelta(0))(made)
        count = task(lambda one: len(one["held"]), name="count")(held)
        look = task(lambda number, x: (number, [*x]), name="look")(count, made)
        task(lambda x: x.append(4), name="later")(made, upstream_tasks=[look])
    run = the_run_of(flow, executor=executor)

    again = the_rerun_of(run, [look])

    assert again.plan[count].runs is False
    assert again.results[look] == run.results[look] == (3, [1, 2, 3])


@pytest.mark.one_memory("a task in another process changes its copy alone")
@pytest.mark.filterwarnings("ignore:'listed' has not seen")
def test_who_changes_a_value_by_now_makes_those_behind_a_pinned_task_stale(executor):
    """Values, rule V1: a pinned task keeps its value, and nothing else of what is below it."""
    story = {}

    def change(x):
        return story["change"](x)

    story["change"] = len
    with Flow("f") as flow:
        made = task(rows)()
        changed = task(change)(made)
        pinned = task(lambda n: n, name="pinned")(changed)
        seen = task(listed)(made, upstream_tasks=[pinned])
    run = the_run_of(flow, executor=executor)
    run.pin(pinned)

    story["change"] = add
    again = the_rerun_of(run, [changed])

    notes = [event.note for event in again.events if event.kind == "note"]
    assert (again.results[pinned], again.results[seen]) == (2, [1, 2])
    assert any(note.startswith("'listed' has not seen what 'change' changes in place") for note in notes)

    third = the_rerun_of(again, "stale")

    assert (third.results[pinned], third.results[seen]) == (2, [1, 2, 3])
    assert third.rerun("stale", dry=True).is_empty


@pytest.mark.parametrize("is_pinned", [False, True], ids=["made again", "pinned"])
@pytest.mark.parametrize("held", [lambda x: [x[1]], lambda x: Box(x[1]), lambda x: {"a": (x[1],)}])
def test_a_change_is_seen_through_what_holds_parts_of_a_value_that_is_made_again(held, is_pinned):
    """Values, rule V1: in a fresh run the two hold the same objects."""
    with Flow("f") as flow:
        made = task(lambda: [[1], [2]], name="made")()
        holds = task(held, name="holds")(made)
        changed = task(lambda x: x.reverse(), name="changed")(made, upstream_tasks=[holds])
        seen = task(lambda x: repr(getattr(x, "content", x)), name="seen")(holds, upstream_tasks=[changed])
    run = the_run_of(flow)
    if is_pinned:
        run.pin(made)

    changed.run = lambda x: x[1].append(3)
    again = the_rerun_of(run, "stale")

    assert "[2, 3]" in again.results[seen]
    assert whys(again.plan)[holds.name] == "holds parts of the value of 'made', which is made again"
    assert again.rerun("stale", dry=True).is_empty


@pytest.mark.one_memory("a task in another process changes its copy alone")
def test_what_holds_parts_of_a_value_is_known_after_that_value_alone_was_made_again(executor):
    """Values, rule V1: as long as nobody changes what they have in common, one of them is enough."""
    with Flow("f") as flow:
        made = task(lambda: [[1], [2]], name="made")()
        holds = task(lambda x: [x[1]], name="holds")(made)
        changed = task(lambda x: 1, name="changed")(holds)
        task(lambda x, y: x.append([3]), name="grown")(made, holds, upstream_tasks=[changed])
    run = the_run_of(flow, executor=executor)

    changed.run = lambda x: 2
    again = the_rerun_of(run, "stale")
    assert holds not in again.plan.tasks
    changed.run = lambda x: x[0].append(8)
    third = the_rerun_of(again, "stale")

    assert third.results[made] == [[1], [2, 8], [3]]
    assert third.results[holds] == [[2, 8]]
    assert third.rerun("stale", dry=True).is_empty


@pytest.mark.one_memory("a task in another process changes its copy alone")
def test_a_change_is_seen_through_a_task_that_hands_on_what_it_takes(executor):
    """Values, rule V1: also one that gave nothing the last time."""

    def breaks(x):
        x.append([3])
        raise ValueError("not yet")

    with Flow("f") as flow:
        made = task(lambda: [[1], [2]], name="made")()
        holds = task(lambda x: [x[1]], name="holds")(made)
        handed = task(lambda x: x, name="handed")(made, upstream_tasks=[holds])
        told = task(lambda x, y: x[1].append(5) or repr(y), name="told")(handed, holds)
    run = the_run_of(flow, executor=executor)
    assert run.results[told] == "[[2, 5]]"

    handed.run = breaks
    broken = the_rerun_of(run, "stale")
    handed.run = lambda x: x
    again = the_rerun_of(broken, "stale")

    assert again.results[told] == "[[2, 5]]"
    assert again.rerun("stale", dry=True).is_empty


@pytest.mark.one_memory("a task in another process changes its copy alone")
def test_a_change_is_seen_in_the_elements_that_were_mapped_over(executor):
    """Values, rule V1."""
    with Flow("f") as flow:
        made = task(lambda: [[1], [2]], name="made")()
        each = task(lambda x: x, name="each").map(made)
        changed = task(lambda x: x.reverse(), name="changed")(made, upstream_tasks=[each])
        seen = task(lambda x: repr(x), name="seen")(each, upstream_tasks=[changed])
    run = the_run_of(flow, executor=executor)

    changed.run = lambda x: x[1].append(3)
    again = the_rerun_of(run, "stale")

    assert again.results[seen] == "[[1], [2, 3]]"


def test_a_pinned_value_that_was_changed_through_what_holds_it_is_as_its_task_returned_it():
    """Values, rule V1."""
    with Flow("f") as flow:
        made = task(lambda: Box([1]), name="made")()
        holds = task(lambda x: {"held": x}, name="holds")(made)
        changed = task(lambda x: x["held"].content.append(2), name="changed")(holds)
        seen = task(lambda x: repr(x.content), name="seen")(made, upstream_tasks=[changed])
    run = the_run_of(flow)
    run.pin(made)

    made.run = lambda: Box([7, 7, 7])
    seen.run = lambda x: len(x.content)
    changed.run = lambda x: x["held"].content.extend([3, 4])
    again = the_rerun_of(run, "stale")

    assert again.results[seen] == 3


def test_what_holds_parts_of_a_value_that_is_made_again_is_as_in_a_fresh_run_for_who_looks_at_both():
    """Values, rule V1: also where no task takes both."""

    def boom(x):
        x.reverse()
        raise ValueError

    with Flow("f") as flow:
        made = task(lambda: [1], name="made")()
        longer = task(lambda x: x.append(2) or [*x, 3], name="longer")(made)
        pair = task(lambda x: x.append(4) or (x, 5), name="pair")(made, upstream_tasks=[longer])
        holds = task(lambda x: {"held": x[0]}, name="holds")(pair)
        fails = task(boom, name="fails")(longer, upstream_tasks=[holds])
        task(lambda x: x["held"].append(6), name="added")(holds, upstream_tasks=[fails])
    run = the_run_of(flow)

    fails.run = lambda x: len(x)
    again = the_rerun_of(run, "failed")

    assert again.results[made] == again.results[holds]["held"] == [1, 2, 4, 6]


def test_a_map_is_reused_where_only_the_list_of_its_values_is_changed():
    """Values, rule V2: that list is made for each who takes it."""
    with Flow("f") as flow:
        made = task(lambda: [[1], [2]], name="made")()
        each = task(lambda x: x, name="each").map(made)
        changed = task(lambda x, y: y.reverse(), name="changed")(each, made)
    run = the_run_of(flow)

    changed.run = lambda x, y: x.reverse()
    plan = run.rerun("stale", dry=True)

    assert "made" in whys(plan)
    assert "each" not in whys(plan)


def test_a_function_defined_again_counts_as_it_is_now_before_the_rerun_has_it():
    """Values, rule V1: the plan reads what will be called."""
    space = {"__name__": "__main__", "task": task}
    execute = lambda text: exec(text, space)  # noqa: E731
    execute("@task\ndef changed(x, y):\n    x.append([3])\n    return sum(map(sum, y))\n")
    with Flow("f") as flow:
        made = task(lambda: [[1], [2]], name="made")()
        holds = task(lambda x: list(x), name="holds")(made)
        changed = space["changed"](made, holds)
    run = the_run_of(flow)

    execute("@task\ndef changed(x, y):\n    x[0].append(4)\n    return sum(map(sum, y))\n")
    again = the_rerun_of(run, [changed])

    assert again.results[changed] == 7


@pytest.mark.parametrize("new", [lambda x: len(x), lambda x: x.append([3])], ids=["neither", "the container alone"])
def test_what_holds_parts_of_a_value_that_is_made_again_is_reused_where_nobody_changes_these(new):
    """Values, rule V2: nothing runs needlessly."""
    with Flow("f") as flow:
        made = task(lambda: [[1], [2]], name="made")()
        holds = task(lambda x: [x[1]], name="holds")(made)
        changed = task(lambda x: x.reverse(), name="changed")(made, upstream_tasks=[holds])
        task(lambda x: repr(x), name="seen")(holds, upstream_tasks=[changed])
    run = the_run_of(flow)

    changed.run = new
    plan = run.rerun("stale", dry=True)

    assert "made" in whys(plan)
    assert "holds" not in whys(plan)


@pytest.mark.parametrize(
    "move", [lambda x: x.reverse(), lambda x: x.insert(0, x.pop()), lambda x: x.__setitem__(0, list(x[0]))]
)
def test_equal_rows_that_have_changed_places_are_a_change(move):
    """Values, rule V2: who holds the first row sees in a fresh run what is done to the first row."""
    with Flow("f") as flow:
        made = task(lambda: [[1], [2], [1]], name="made")()
        first = task(lambda x: x[0], name="first")(made)
        moved = task(move, name="moved")(made, upstream_tasks=[first])
        seen = task(lambda x: repr(x), name="seen")(first, upstream_tasks=[moved])
    run = the_run_of(flow)
    assert run.rerun("stale", dry=True).is_empty

    moved.run = lambda x: x[0].append(5)
    again = the_rerun_of(run, "stale")

    assert again.results[seen] == "[1, 5]"


def test_a_further_attempt_takes_the_same_element_out_of_a_set(executor):
    """Values, rule V2: a set remembers where its last `pop` was."""
    taken = SharedList()

    def take(x):
        taken.append(x.pop())
        if len(taken) == 1:
            raise ValueError("not yet")

    with Flow("f") as flow:
        task(take, max_retries=1, retry_delay=NOW)(task(lambda: {1, 2}, name="made")())
    the_run_of(flow, executor=executor)

    assert taken == [1, 1]


class Shelf:
    """What all shelves hold is declared with the class."""

    on_all: ClassVar[list[int]] = []


@pytest.fixture
def _empty_shelves(monkeypatch):
    monkeypatch.setattr(Shelf, "on_all", [])


@pytest.mark.one_memory("a task in another process changes its copy alone")
@pytest.mark.usefixtures("_empty_shelves")
def test_a_run_warns_of_what_tasks_have_changed_in_a_class_that_outlives_it(executor):
    """Values, rules V1 and V4: what cannot be made again is said."""
    with Flow("f") as flow:
        made = task(Shelf, name="made")()
        task(lambda x: x.on_all.append(1), name="put")(made)

    with pytest.warns(RuntimeWarning, match="class 'Shelf' holds for all of its objects .* by 'put'"):
        the_run_of(flow, executor=executor)


@pytest.mark.usefixtures("_empty_shelves")
def test_nothing_is_said_of_a_class_that_nobody_changes_or_that_a_task_makes(recwarn):
    with Flow("f") as flow:
        made = task(Shelf, name="made")()
        task(lambda x: setattr(x, "mine", 1), name="own")(made)
        own = task(lambda: type("Own", (), {"held": [], "__module__": __name__})(), name="own class")()
        task(lambda x: x.held.append(1), name="put")(own)
    the_run_of(flow)

    assert not recwarn.list
