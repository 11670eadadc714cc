"""Flows with blocks brought into another flow, copied, and changed: each has its own blocks (flow-model 2.8)."""

from __future__ import annotations

import pytest

from nbflow import Flow, Parameter, apply_map, resource_manager, task, unmapped
from tests.shared import SharedList


@pytest.fixture
def lines():
    return SharedList()


@pytest.fixture
def room(lines):
    @resource_manager
    class Room:
        def __init__(self, name):
            self.name = name

        def setup(self):
            lines.append(f"+{self.name}")
            return self.name

        def cleanup(self, resource):
            lines.append(f"-{self.name}")

    return Room


@pytest.fixture
def bare(lines):
    @resource_manager
    class Bare:
        def __init__(self, name):
            self.name = name
            lines.append(f"+{name}")

        def cleanup(self, resource):
            lines.append(f"-{self.name}")

    return Bare


@pytest.fixture
def use(lines):
    @task
    def use(name, resource=None):
        lines.append(name)
        return name

    return use


def test_blocks_of_the_other_flow_nest_in_the_one_that_is_open(room, use, lines, executor):
    with Flow("other") as other, room("inner") as inner, room("innermost") as innermost:
        use("deep", [inner, innermost])
    with Flow("f") as flow, room("outer") as outer:
        use("own", outer)
        flow.update(other)

    assert flow.run(executor=executor).is_successful()

    assert [line for line in lines if line != "own"] == [
        *("+outer", "+inner", "+innermost", "deep", "-innermost", "-inner", "-outer"),
    ]
    lines.clear()
    assert other.run(executor=executor).is_successful()
    assert lines == ["+inner", "+innermost", "deep", "-innermost", "-inner"]


def test_they_nest_in_the_innermost_of_several(room, bare, use, lines):
    with Flow("other") as other, bare("inner"):
        use("deep")
    with Flow("f") as flow, bare("outer"), room("middle"):
        flow.update(other)

    assert flow.run().is_successful()

    assert lines == ["+outer", "+middle", "+inner", "deep", "-inner", "-middle", "-outer"]


def test_one_flow_is_brought_into_blocks_of_two(room, use, lines):
    with Flow("other") as other, room("inner"):
        use("deep")
    with Flow("f") as first, room("first"):
        first.update(other)
    with Flow("g") as second, room("second"), room("third"):
        second.update(other)

    first.run()
    second.run()

    assert lines == [
        *("+first", "+inner", "deep", "-inner", "-first"),
        *("+second", "+third", "+inner", "deep", "-inner", "-third", "-second"),
    ]


def test_tasks_outside_of_the_other_blocks_are_members_of_the_open_one(room, use, lines):
    with Flow("other") as other:
        plain = use("plain")
        with room("inner"):
            use("deep", plain)
    with Flow("f") as flow, room("outer"):
        flow.update(other)

    outer = next(block for block in flow.blocks if block.parent is None)
    assert flow.run().is_successful()

    assert plain in outer.members
    assert lines == ["+outer", "plain", "+inner", "deep", "-inner", "-outer"]


def test_a_mapped_block_nests_too(room, use, lines):
    def build(name):
        with room(name) as resource:
            return use("deep", resource)

    with Flow("other") as other:
        apply_map(build, ["a", "b"])
    with Flow("f") as flow, room("outer"):
        flow.update(other)

    assert flow.run().is_successful()

    assert lines[0] == "+outer"
    assert lines[-1] == "-outer"
    assert sorted(lines[1:-1]) == ["+a", "+b", "-a", "-b", "deep", "deep"]


def test_maps_in_the_other_blocks_stay_there(room, use, lines):
    with Flow("other") as other, room("inner") as inner:
        use.map(["a", "b"], unmapped(inner))
    with Flow("f") as flow, room("outer"):
        flow.update(other)

    assert flow.run().is_successful()

    assert lines == ["+outer", "+inner", "a", "b", "-inner", "-outer"]


def test_reference_tasks_of_both_are_united(room, use, lines):
    with Flow("other") as other, room("inner"):
        early = use("early")
        use("late", early)
    other.set_reference_tasks([early])
    with Flow("f") as flow, room("outer"):
        own = use("own")
        flow.update(other, merge_reference_tasks=True)

    assert flow.reference_tasks() == {own, early}
    assert flow.run().is_successful()


def test_parameters_are_merged_while_a_block_is_open(room, use, lines):
    with Flow("other") as other, room(Parameter("name")) as inner:
        use("deep", inner)
    with Flow("f") as flow, room(Parameter("name")):
        flow.update(other, merge_parameters=True)

    assert flow.run(name="x").is_successful()
    assert lines == ["+x", "+x", "deep", "-x", "-x"]


def test_the_same_flow_twice_is_once(room, use, lines):
    with Flow("other") as other, room("inner"):
        use("deep")
    flow = Flow("f")
    flow.update(other)
    flow.update(other)

    flow.run()

    assert lines == ["+inner", "deep", "-inner"]


def test_a_flow_with_more_in_its_block_adds_that(room, use, lines):
    with Flow("f") as flow, room("inner") as inner:
        use("deep", inner)
    more = flow.copy()
    with more, more.blocks[0]:
        use("more", inner)

    assert [block.members for block in flow.blocks] != [block.members for block in more.blocks]
    flow.run()
    assert lines == ["+inner", "deep", "-inner"]
    lines.clear()
    flow.update(more)
    flow.run()
    assert lines == ["+inner", "deep", "more", "-inner"]


def test_a_task_replaced_in_a_copy_stays_in_the_original(room, use, lines):
    with Flow("f") as flow, room("inner") as inner:
        old = use("old", inner)
        use("after", old)
    copy = flow.copy()

    copy.replace(old, task(lambda name, resource: lines.append("new"), name="new"))
    copy.run()
    assert lines == ["+inner", "new", "after", "-inner"]
    lines.clear()
    flow.run()
    assert lines == ["+inner", "old", "after", "-inner"]
    flow.replace(old, task(lambda name, resource: lines.append("newer"), name="newer"))
    lines.clear()
    copy.run()
    assert lines == ["+inner", "new", "after", "-inner"]


def test_a_copy_keeps_blocks_nested(room, use, lines):
    with Flow("f") as flow, room("outer"), room("inner"):
        use("deep")

    flow.copy().run()

    assert lines == ["+outer", "+inner", "deep", "-inner", "-outer"]
