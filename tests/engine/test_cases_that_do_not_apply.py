"""What stands in a `case` that does not apply: merges, filters, blocks, and what is below (flow-model 8.1, 8.3)."""

from __future__ import annotations

import pytest

from nbflow import FilterTask, Flow, apply_map, case, ifelse, merge, resource_manager, switch, task, unmapped
from tests.shared import SharedList


@pytest.fixture
def lines():
    return SharedList()


@pytest.fixture
def room(lines):
    @resource_manager
    class Room:
        def setup(self):
            lines.append("setup")
            return "room"

        def cleanup(self, resource):
            lines.append("cleanup")

    return Room


@pytest.fixture
def bare(lines):
    @resource_manager
    class Bare:
        def __init__(self):
            lines.append("setup")

        def cleanup(self, resource):
            lines.append("cleanup")

    return Bare


@pytest.fixture
def note(lines):
    @task
    def note(x=None):
        lines.append(x)
        return x

    return note


@task
def value(x="v"):
    return [x]


GATHERS = {"merge": merge, "filter": lambda x: FilterTask()(x)}


@pytest.mark.parametrize("gather", GATHERS)
@pytest.mark.parametrize("applies", [True, False])
def test_a_merge_or_filter_of_tasks_outside_is_skipped_with_what_is_below(applies, gather, note, lines, executor):
    with Flow("f") as flow:
        outside = value()
        with case(value(applies)[0], True):
            gathered = GATHERS[gather](outside)
            below = note(gathered)
        after = note(below)

    state = flow.run(executor=executor)

    assert [state.result[t].is_skipped() for t in (gathered, below, after)] == [not applies] * 3
    assert lines == [["v"]] * 2 * applies


@pytest.mark.parametrize("gather", GATHERS)
def test_one_that_also_takes_a_task_inside_is_skipped(gather, note, lines):
    with Flow("f") as flow:
        outside = value()
        with case(value(1)[0], 2):
            inside = value()
            gathered = merge(inside, outside) if gather == "merge" else FilterTask()([inside, outside])
            again = merge(gathered, outside)
            note(again)

    state = flow.run()

    assert state.result[gathered].is_skipped()
    assert state.result[again].is_skipped()
    assert lines == []


@pytest.mark.parametrize("gather", GATHERS)
@pytest.mark.parametrize(("outer", "inner"), [(True, False), (False, True), (False, False), (True, True)])
def test_in_nested_cases_both_must_apply(outer, inner, gather, note, lines):
    with Flow("f") as flow:
        outside, one, other = value(), value(outer)[0], value(inner)[0]
        with case(one, True), case(other, True):
            note(GATHERS[gather](outside))

    flow.run()

    assert lines == [["v"]] * (outer and inner)


def test_a_merge_of_the_inner_cases_stays_in_the_outer_one(note, lines):
    def run(one, other):
        lines.clear()
        with Flow("f") as flow:
            outside, one, other = value(), value(one)[0], value(other)[0]
            with case(one, "in"):
                with case(other, "a"):
                    a = note("a")
                with case(other, "b"):
                    b = note("b")
                merged = merge(a, b, outside)
            after = merge(merged, value("else"))
        state = flow.run()
        return state.result[merged].result, state.result[after].result

    assert run("in", "b") == ("b", "b")
    assert run("in", "c") == (["v"], ["v"])
    assert run("out", "b") == (None, ["else"])


@pytest.mark.parametrize("make", ["switch", "ifelse"])
def test_a_merge_that_is_a_branch_is_skipped_when_the_other_is_taken(make, note):
    with Flow("f") as flow:
        merged, other = merge(value()), note("other")
        if make == "switch":
            switch(value("b")[0], {"a": merged, "b": other})
        else:
            ifelse(value(0)[0], merged, other)
        together = merge(merged, other)

    state = flow.run()

    assert state.result[merged].is_skipped()
    assert state.result[together].result == "other"


def test_in_a_map_each_child_has_its_own_case(executor):
    def build(x, outside):
        with case(x, 1):
            merged = merge(outside)
        return merge(merged, x)

    with Flow("f") as flow:
        together = apply_map(build, [1, 2], unmapped(value()))

    assert flow.run(executor=executor).result[together].result == [["v"], 2]


def test_a_mapped_merge_is_skipped_as_a_whole():
    with Flow("f") as flow:
        items = value()
        with case(value(1)[0], 2):
            merged = merge(items, mapped=True)

    assert flow.run().result[merged].is_skipped()


def test_a_merge_of_skipped_tasks_has_the_result_none():
    with Flow("f") as flow:
        with case(value(1)[0], 2):
            one = value()
        merged = merge(one)

    state = flow.run().result[merged]

    assert state.is_skipped()
    assert state.result is None


def test_the_refusal_of_a_merge_that_skips_names_the_option():
    with Flow("f"), pytest.raises(ValueError, match="skip_on_upstream_skip"):
        merge(value(), skip_on_upstream_skip=True)


@pytest.mark.parametrize("kind", ["room", "bare"])
@pytest.mark.parametrize("takes", [True, False])
def test_a_task_that_does_not_mind_skips_is_not_run_without_its_resource(
    takes, kind, room, bare, note, lines, executor
):
    hardy = note.copy(name="hardy", skip_on_upstream_skip=False)
    with Flow("f") as flow, case(value(1)[0], 2), {"room": room, "bare": bare}[kind]() as resource:
        first = note("first")
        after_it = hardy(first)
        alone = hardy(resource if takes else "alone")
        children = hardy.map(["child"])
        merged = merge(value(), "m")

    state = flow.run(executor=executor)

    assert lines == []
    assert all(state.result[t].is_skipped() for t in (after_it, alone, children, merged))


def test_nor_one_in_a_block_inside_of_that_block(room, bare, note, lines):
    hardy = note.copy(name="hardy", skip_on_upstream_skip=False)
    eager = bare.with_options(
        name="eager",
        init_task_kwargs={"skip_on_upstream_skip": False},
        setup_task_kwargs={"skip_on_upstream_skip": False},
    )
    with Flow("f") as flow, case(value(1)[0], 2), room(), eager():
        hardy("deep")
    with flow, case(value(1)[0], 2):
        hardy("outside of blocks")

    flow.run()

    assert lines == ["outside of blocks"]


def test_nor_one_of_a_block_whose_setup_skips(note, lines):
    from nbflow.signals import SKIP

    @resource_manager
    class Closed:
        def setup(self):
            raise SKIP("closed today")

        def cleanup(self, resource):
            lines.append("cleanup")

    hardy = note.copy(name="hardy", skip_on_upstream_skip=False)
    with Flow("f") as flow, Closed():
        hardy("inside")

    flow.run()

    assert lines == []


def test_a_setup_that_does_not_mind_skips_waits_for_a_manager(room, note, lines):
    keen = room.with_options(setup_task_kwargs={"skip_on_upstream_skip": False}, name="keen")
    with Flow("f") as flow, case(value(1)[0], 2), keen():
        note("inside")

    assert flow.run().is_successful()
    assert lines == []


def test_a_case_inside_of_a_block_skips_the_merge_and_not_the_block(room, note, lines):
    with Flow("f") as flow, room():
        with case(value(1)[0], 2):
            note(merge(value()))
        note("other")

    flow.run()

    assert lines == ["setup", "other", "cleanup"]
