"""Which nodes may go before what is upstream of them has ended; the scheduler alone, with nobody to call anything."""

from __future__ import annotations

import pytest

from nbflow import Flow, Parameter, mapped, resource_manager, task
from nbflow.engine.compiled_graph import CompiledGraph
from nbflow.engine.executor_slots import ExecutorSlots
from nbflow.engine.nodes import CANCELLED, FAILED, READY, RUNNING, SUCCEEDED, WAITING
from nbflow.engine.schedule import Schedule

AHEAD = 10


@task
def one(x=0):
    return x


@resource_manager
class Held:
    def setup(self):
        return 1

    def cleanup(self, resource):
        pass


class Handed:
    """A schedule, what it has handed out, and how that ends."""

    def __init__(self, flow, *, ahead=AHEAD, capacity=1):
        self.graph = CompiledGraph(flow)
        self.schedule = Schedule(self.graph, capacity=capacity, serial=False)
        self.schedule.queue.ahead = ahead
        self.schedule.begin()

    def number(self, made):
        return self.graph.index[made]

    def start(self):
        """Hand out the next node that is ready, as one that others may go after; returns it."""
        node = self.schedule.pop()
        if node is not None:
            self.schedule.started(node)
            self.schedule.early.handed_out(node)
        return node

    def go_early(self):
        """Hand out the next one that may go early; returns it."""
        node = self.schedule.early.pop()
        if node is not None:
            self.schedule.went_early(node)
            self.schedule.early.handed_out(node)
        return node

    def all_early(self):
        return list(iter(self.go_early, None))

    def succeed(self, node):
        self.schedule.early.over(node)
        self.schedule.queue.count(node, -1)
        self.schedule.succeeded(node)

    def fail(self, node):
        self.schedule.early.over(node)
        self.schedule.ended(node, FAILED)

    def come_back(self, node):
        self.schedule.early.over(node)
        self.schedule.put_back(node)


def chain_of(count, above=0):
    made = [one(above)]
    for _ in range(count - 1):
        made.append(one(made[-1]))
    return made


def test_a_chain_goes_as_far_as_there_is_use_for_it():
    with Flow("f") as flow:
        chain_of(6)
    handed = Handed(flow, ahead=2)

    assert handed.go_early() is None
    assert handed.start() == 0
    assert handed.schedule.pop() is None
    assert handed.all_early() == [1, 2]
    assert handed.schedule.queue.running == 1
    handed.succeed(0)
    assert handed.schedule.early.known == [1]
    assert handed.schedule.queue.running == 1
    assert handed.all_early() == [3]


def test_none_goes_where_more_than_there_is_room_for_is_of_no_use():
    with Flow("f") as flow:
        chain_of(2)
    handed = Handed(flow, ahead=0, capacity=4)

    assert handed.start() == 0
    assert handed.go_early() is None


def test_what_is_ready_goes_first():
    with Flow("f") as flow:
        first, *_ = chain_of(2)
        one(), one()
    handed = Handed(flow)

    assert handed.start() == handed.number(first)
    assert handed.go_early() is None
    assert [handed.start(), handed.start()] == [2, 3]
    assert handed.all_early() == [1]


def test_a_task_goes_when_all_that_has_not_ended_is_under_way():
    with Flow("f") as flow:
        ones = [one(), one()]
        both = task(lambda a, b: a + b, name="both")(*ones)
        below = one(both)
    handed = Handed(flow, capacity=2)

    handed.start()
    assert handed.go_early() is None
    handed.start()
    assert handed.all_early() == [handed.number(both), handed.number(below)]
    handed.succeed(0)
    assert handed.schedule.early.known == []
    handed.succeed(1)
    assert handed.schedule.early.known == [handed.number(both)]


def test_what_comes_back_waits_until_what_it_expects_has_ended():
    with Flow("f") as flow:
        chain_of(3)
    handed = Handed(flow)
    handed.start()
    assert handed.all_early() == [1, 2]

    handed.come_back(1)
    handed.come_back(2)

    assert [handed.schedule.phase[node] for node in range(3)] == [RUNNING, WAITING, WAITING]
    assert handed.schedule.pop() is None
    handed.succeed(0)
    assert handed.start() == 1
    assert handed.all_early() == [2]


def test_what_comes_back_when_that_has_ended_is_ready():
    with Flow("f") as flow:
        chain_of(2)
    handed = Handed(flow)
    handed.start()
    handed.go_early()
    handed.succeed(0)

    handed.come_back(1)

    assert handed.schedule.phase[1] == READY
    assert handed.start() == 1


def test_below_what_did_not_end_well_none_goes():
    with Flow("f") as flow:
        first, other = one(), one()
        below = task(lambda a, b: a + b, name="both")(first, other)
    handed = Handed(flow, capacity=2)
    handed.start()
    handed.fail(0)
    handed.start()

    assert handed.go_early() is None
    handed.succeed(1)
    assert handed.schedule.pop() == handed.number(below)


def test_what_came_back_from_one_that_failed_is_looked_at_like_any_other():
    with Flow("f") as flow:
        chain_of(2)
    handed = Handed(flow)
    handed.start()
    handed.go_early()

    handed.fail(0)
    handed.come_back(1)

    assert handed.schedule.pop() == 1
    assert handed.schedule.bad[1] == 1


def special():
    """Yield flows of two tasks, the second of which does not go early, and why."""
    for option in ({"timeout": 5}, {"trigger": lambda states: True}, {"log_stdout": True}):
        with Flow("f") as flow:
            task(lambda x: x, name="special", **option)(one())
        yield next(iter(option)), flow
    with Flow("f") as flow:
        one.map(one())
    yield "map", flow
    with Flow("f") as flow:
        mapped_one = task(lambda x: x, name="limited", max_concurrent=2).map(one.map(mapped([1, 2])))
    assert mapped_one
    yield "limit", flow


SPECIAL = dict(special())


@pytest.mark.parametrize("kind", SPECIAL)
def test_what_more_than_its_call_decides_about_waits(kind):
    handed = Handed(SPECIAL[kind])
    while (node := handed.schedule.pop()) is not None:
        if handed.graph.is_map[node] and handed.schedule.child_index[node] < 0:
            handed.schedule.expanded(node, 2)
        else:
            handed.schedule.started(node)
            handed.schedule.early.handed_out(node)

    assert handed.go_early() is None


def test_what_nobody_need_call_goes_nowhere():
    with Flow("f") as flow:
        one([one(), Parameter("p", default=1)])
    handed = Handed(flow)
    while handed.start() is not None:
        pass

    assert handed.go_early() is None


def test_the_children_of_a_map_go_after_those_that_they_are_paired_with():
    with Flow("f") as flow:
        upper = one.map(mapped([1, 2]))
        lower = one.map(upper)
        below = one(lower)
    handed = Handed(flow, capacity=2)
    schedule = handed.schedule
    schedule.ended(schedule.pop(), SUCCEEDED)  # the list
    assert schedule.pop() == handed.number(upper)
    schedule.expanded(handed.number(upper), 2)
    first, second = schedule.children[handed.number(upper)]
    assert [handed.start(), handed.start()] == [first, second]
    assert schedule.pop() == handed.number(lower)  # an expansion takes no place

    schedule.expanded(handed.number(lower), 2)  # when those above are under way already

    assert handed.all_early() == list(schedule.children[handed.number(lower)])
    for node in (first, second, *schedule.children[handed.number(lower)]):
        handed.succeed(node)
    assert schedule.pop() == handed.number(below)


def test_a_task_goes_into_a_block_when_its_resource_is_open():
    with Flow("f") as flow:
        above = one()
        with Held() as held:
            inside = task(lambda x, held: x, name="inside")(above, held)
            below = one(inside)
    handed = Handed(flow, capacity=2)
    schedule, block = handed.schedule, handed.schedule.lifetimes[0][0]
    assert [handed.start(), handed.start()] == [handed.number(above), block.init]
    schedule.ended(block.init, SUCCEEDED)

    assert handed.go_early() is None
    handed.succeed(handed.number(above))
    assert handed.start() == block.setup
    schedule.opened(block)
    schedule.ended(block.setup, SUCCEEDED)
    assert handed.start() == handed.number(inside)
    assert handed.all_early() == [handed.number(below)]
    assert schedule.pop() is None
    handed.succeed(handed.number(inside))
    assert schedule.pop() is None  # the cleanup waits for what went early
    handed.succeed(handed.number(below))
    assert schedule.pop() == block.cleanup


def test_a_task_goes_to_the_executor_that_calls_it_after_what_is_under_way_there_only():
    with Flow("f") as flow:
        above = one()
        with Held().as_executor():
            one()
            inside = one(above)
            below = one(inside)
    handed = Handed(flow, capacity=2)
    schedule, block = handed.schedule, handed.schedule.lifetimes[0][0]
    while (node := handed.start()) is not None:
        if node == block.setup:
            schedule.opened(block)
            schedule.queue.open_slots(block, ExecutorSlots(capacity=2, ahead=AHEAD))
        if schedule.own[node] is block:
            schedule.ended(node, SUCCEEDED)
    assert schedule.queue.running == schedule.queue.block_slots[0].running == 1

    assert handed.go_early() is None
    handed.succeed(handed.number(above))
    assert handed.start() == handed.number(inside)
    assert handed.all_early() == [handed.number(below)]
    assert (schedule.queue.early, schedule.queue.block_slots[0].early) == (0, 1)


@pytest.mark.parametrize("command", ["pause", "step", "step_block", "run_until"])
def test_none_goes_in_a_run_that_is_to_stop_midway(command):
    with Flow("f") as flow:
        chain_of(2)
    handed = Handed(flow)
    handed.start()

    getattr(handed.schedule, command)(*((1,) if command == "run_until" else ()))

    assert handed.go_early() is None
    handed.schedule.resume()
    assert handed.go_early() is not None


def test_none_goes_in_a_cancelled_run_and_what_has_gone_is_ended_when_it_is_told():
    with Flow("f") as flow:
        chain_of(3)
    handed = Handed(flow, ahead=1)
    handed.start()
    handed.go_early()

    assert handed.schedule.cancel() == [2]
    assert handed.go_early() is None
    for node in (0, 1):
        handed.schedule.early.over(node)
        handed.schedule.ended(node, CANCELLED)
    assert handed.schedule.is_done
    assert not handed.schedule.queue.is_busy
