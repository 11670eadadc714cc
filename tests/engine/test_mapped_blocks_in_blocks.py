"""A block of each element inside other blocks: opened, used and closed one after the other (design 5.8, rule 8)."""

from __future__ import annotations

import contextlib

import pytest

from nbflow import Flow, apply_map, resource_manager, signals, task
from nbflow.executors import ThreadExecutor
from tests.shared import SharedList


@pytest.fixture
def lines():
    return SharedList()


@pytest.fixture
def outer(lines):
    @resource_manager
    class Outer:
        def setup(self):
            lines.append("open")
            return "outer"

        def cleanup(self, resource):
            lines.append("close")

    return Outer


def session_of(lines, kind):
    class Bare:
        def __init__(self, x, prefix=""):
            self.name = f"{prefix}{x}"
            if kind == "bare":
                lines.append(f"+{self.name}")

        def cleanup(self, resource):
            lines.append(f"-{self.name}")

    class Full(Bare):
        def setup(self):
            lines.append(f"+{self.name}")
            return self.name

    def make(x, prefix=""):
        return Full(x, prefix)

    return resource_manager({"bare": Bare, "full": Full, "factory": make}[kind])


@pytest.fixture
def work(lines):
    @task
    def work(x, resource=None):
        lines.append(f"work {x}")
        return x

    return work


@pytest.mark.parametrize("places", ["inline", "one thread"])
@pytest.mark.parametrize("around", [0, 1, 2])
@pytest.mark.parametrize("kind", ["full", "bare", "factory"])
def test_each_element_is_done_before_the_next_one_opens(kind, around, places, outer, work, lines):
    session = session_of(lines, kind)

    def per_element(x):
        with session(x) as resource:
            return work(x, resource)

    with Flow("f") as flow, contextlib.ExitStack() as blocks:
        for _ in range(around):
            blocks.enter_context(outer())
        apply_map(per_element, [1, 2, 3])

    assert flow.run(executor="inline" if places == "inline" else ThreadExecutor(1)).is_successful()

    each = [line for x in (1, 2, 3) for line in (f"+{x}", f"work {x}", f"-{x}")]
    assert lines == ["open"] * around + each + ["close"] * around


def test_so_it_is_for_blocks_in_the_blocks_of_elements(outer, work, lines):
    session = session_of(lines, "full")

    def per_element(x):
        with session(x), session(x, "in "):
            return work(x)

    with Flow("f") as flow, outer():
        apply_map(per_element, [1, 2])

    flow.run()

    each = [line for x in (1, 2) for line in (f"+{x}", f"+in {x}", f"work {x}", f"-in {x}", f"-{x}")]
    assert lines == ["open", *each, "close"]


def test_what_is_ready_in_the_innermost_open_block_goes_first(outer, work, lines):
    session = session_of(lines, "full")
    with Flow("f") as flow, outer():
        with session("in"):
            first = work("first")
            work("last", first)
        work("between", first)

    flow.run()

    assert lines == ["open", "+in", "work first", "work last", "-in", "work between", "close"]


def test_two_mapped_blocks_side_by_side_in_a_block_are_taken_element_by_element(outer, work, lines):
    session = session_of(lines, "full")

    def per_element(x):
        with session(x, "a"):
            done = work(x)
        with session(x, "b"):
            return work(done)

    with Flow("f") as flow, outer():
        apply_map(per_element, [1, 2])

    flow.run()

    held = [0]
    for line in lines:
        held.append(held[-1] + (line[0] == "+") - (line[0] == "-"))
    assert max(held) == 1
    assert lines[0] == "open"
    assert lines[-1] == "close"


def test_as_many_are_open_as_there_are_places(outer, work, lines):
    session = session_of(lines, "full")

    def per_element(x):
        with session(x):
            return work(x)

    with Flow("f") as flow, outer():
        apply_map(per_element, list(range(12)))

    flow.run(executor=ThreadExecutor(2))

    held = [0]
    for line in lines:
        held.append(held[-1] + (line[0] == "+") - (line[0] == "-"))
    assert max(held) <= 3  # those of the two tasks that run, and one that is closed or opened beside them


def test_what_is_in_a_mapped_block_that_was_skipped_ends_before_the_block_around_is_open(outer, work, lines):
    """Its elements are not known then, so it has no resource of its own to wait for."""
    session = session_of(lines, "full")

    @task
    def unwanted():
        raise signals.SKIP("not wanted")

    def per_element(x):
        with session(x):
            return work(x, upstream_tasks=[outer_resource])

    with Flow("f") as flow:
        values = unwanted()
        with outer() as outer_resource:
            made = apply_map(per_element, values)

    state = flow.run()

    assert state.result[made].is_skipped()
    assert lines == []
