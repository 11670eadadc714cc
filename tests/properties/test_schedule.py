"""The scheduler alone, driven by a fake run loop that ends tasks in any order and gives any command at any moment.

The numbers are those of the rules of the cleanup guarantee in the design.
"""

from __future__ import annotations

import random
from collections import Counter
from typing import TYPE_CHECKING

import networkx as nx
from hypothesis import event, given
from hypothesis import strategies as st

from nbflow.engine.compiled_graph import CLEANUP, INIT, ORDINARY, SETUP, CompiledGraph
from nbflow.engine.nodes import (
    CANCELLED,
    DONE,
    EXPANDED,
    FAILED,
    HELD,
    READY,
    SKIPPED,
    SUCCEEDED,
    WAITING,
)
from nbflow.engine.schedule import UNLIMITED, Schedule
from nbflow.engine.schedule_snapshot import ScheduleSnapshot
from tests.properties.strategies import BlockPlan, Built, FlowPlan, TaskPlan, budget, flow_plans

if TYPE_CHECKING:
    from nbflow.engine.resource_lifetime import ResourceLifetime

SEEDS = st.integers(0, 2**32)
COMMANDS = ("step", "step_block", "run_until", "pause", "resume", "resume")


class FakeLoop:
    """Does what the run loop may do to a schedule, chosen at random, and checks the rules at every start.

    Args:
        graph: The graph to run.
        seed: Of all choices.
        mood: How often attempts end otherwise than well, between 0 and 1.
        commands: Whether commands other than cancel are given.
        cancel: How likely a cancel is, at each turn.
        lingering: Whether threads may fail to let go when their task ends.
        retrying: Whether attempts may be followed by others.
        ahead: How many simple tasks more may be handed out, some of them before what is upstream of them has ended.
    """

    def __init__(
        self,
        graph: CompiledGraph,
        seed: int,
        *,
        capacity: int = 1,
        serial: bool = True,
        mood: float = 0.0,
        commands: bool = False,
        cancel: float = 0.0,
        lingering: bool = False,
        retrying: bool = False,
        given: dict[int, int] | None = None,
        ahead: int = 0,
    ) -> None:
        self.graph = graph
        self.random = random.Random(seed)
        self.paused = commands and self.random.random() < 0.5
        self.schedule = Schedule(graph, capacity=capacity, serial=serial, paused=self.paused)
        self.capacity, self.serial = capacity, serial
        self.mood, self.commands, self.cancel = mood, commands, cancel
        self.lingering, self.retrying = lingering, retrying
        self.given = given or {}
        self.ahead = self.schedule.queue.ahead = ahead
        self.went_early = 0
        self.gone: list[int] = []  # handed out before what is upstream has ended, and not to begin before
        self.back: list[int] = []  # of those: expected something that did not end well, or were called back
        self.running: list[int] = []
        self.lingerers: dict[int, tuple[float, bool]] = {}  # node: since when, and whether it is a setup
        self.now = 0.0
        self.allowed: int | None = 0 if self.paused else None  # counted starts that a step still allows
        self.step_maps: set[int] = set()  # their children go with them
        self.in_block = False
        self.attempts: Counter[int] = Counter()
        self.endings: Counter[int] = Counter()
        self.order: list[int] = []
        self.lengths: dict[int, int] = {}  # of what is mapped over
        self.measured: dict[int, int | None] = {}
        self.opened: list[ResourceLifetime] = []
        self.cleaning: set[ResourceLifetime] = set()
        self.asked: list[ResourceLifetime] = []  # lifetimes whose cleanup was looked at while it owed
        self.hurried = False

    # -- the turn of events ------------------------------------------------------------------------------------

    def run(self) -> FakeLoop:
        if self.random.random() < self.cancel:  # even before it began
            self._cancel()
        for node in self.given:
            self.endings[node] += self.schedule.phase[node] != DONE
        self.schedule.begin(self.given)
        turns = 0
        while not self.schedule.is_done:
            turns += 1
            assert turns < 20_000, "the run does not end"
            self._turn()
        assert not self.running
        self._check_end()
        return self

    def _turn(self) -> None:
        schedule = self.schedule
        self._count_maps()
        moves = ["pop"] * 6 + ["end"] * (3 * bool(self.running))
        if self.commands:
            moves += ["command", "detour"]
        if self.lingerers:
            moves.append("let go")
        if self.ahead:
            moves += ["early"] * 8 + ["call back"]
        if self.back:
            moves += ["back"] * 2
        if schedule.next_wake is not None:
            moves.append("tick")
        if self.random.random() < self.cancel:
            moves = ["cancel"]
        move = self.random.choice(moves)
        if move == "pop":
            node = schedule.pop()
            if node is not None:
                self._look_at(node)
            else:
                self._stand_still()
        elif move == "end":
            self._end(self.running.pop(self.random.randrange(len(self.running))))
        elif move == "command":
            self._command(self.random.choice(COMMANDS))
        elif move == "detour":
            self._detour()
        elif move == "early":
            self._go_early()
        elif move == "call back":
            self._call_back([node for node in self.gone if self.random.random() < 0.2])
        elif move == "back":
            self._come_back(self.back.pop(0))
        elif move == "let go":
            self._let_go(self.random.choice(list(self.lingerers)))
        elif move == "tick":
            self.now = max(self.now, schedule.next_wake or 0.0)
            schedule.tick(self.now)
        else:
            self._cancel()

    def _stand_still(self) -> None:
        """Nothing may start now: something must be under way, or a person is waited for."""
        schedule = self.schedule
        if schedule.is_done:
            return
        self._check_eagerness()
        if self.running or self.gone or self.back or self.lingerers or schedule.next_wake is not None:
            return
        held = schedule.held()
        if held:
            schedule.release(self.random.choice(held))
        else:
            assert schedule.budget == 0, "the run cannot go on, although nothing holds it"
            self._command("resume" if self.random.random() < 0.3 else "step")

    def _look_at(self, node: int) -> None:
        schedule, graph = self.schedule, self.graph
        assert node not in self.running
        assert self.endings[node] == 0, "a node was given after it had ended"
        if node in schedule.unmeasured:
            assert not schedule.cancelled
            schedule.measured(node, self._measure(node))
            return
        task, child = schedule.task_of[node], schedule.child_index[node]
        role = graph.role[task]
        assert not schedule.cancelled or role == CLEANUP, "something else than a cleanup after cancel (rule 6)"
        if role == CLEANUP:
            lifetime = schedule.own[node]
            self._check_cleanup(node, lifetime)
            if lifetime is None or lifetime not in self.opened:
                self._finish(node, SKIPPED)
            else:
                self.asked += [] if self.attempts[node] else [lifetime]
                self._start(node)
            return
        self._check_upstream(node)
        if node in schedule.unneeded:
            lifetime = schedule.own[node]
            assert lifetime is not None
            assert lifetime.members_left == 0 or schedule.cancelled
            self._finish(node, SKIPPED)
            return
        refused = self._refused(node)
        is_whole_map = child < 0 and graph.is_map[task]
        if refused is not None:
            self._finish(node, refused)
        elif (schedule.bad[node] or not graph.is_plain[task]) and not is_whole_map and schedule.waits_after_all(node):
            return  # it was given as one that will not run
        elif is_whole_map:
            self._expand(node)
        elif self.commands and self.random.random() < 0.05:
            schedule.hold(node)
        else:
            self._start(node)

    def _expand(self, node: int) -> None:
        length = self._length(node)
        if length is None:
            self._finish(node, FAILED)  # nothing to map over
            return
        self._spend(node)
        self.schedule.expanded(node, length)

    def _length(self, node: int) -> int | None:
        children, pairs = self.schedule.children, self.graph.pairs[node]
        lengths = [len(children[up]) for up in pairs if up in children]
        if len(lengths) < len(pairs):
            return None
        if not lengths and node not in self.lengths:
            self.lengths[node] = self.random.randrange(4)
        return min(lengths) if lengths else self.lengths[node]

    def _measure(self, node: int) -> int | None:
        self.measured[node] = None if self.random.random() < 0.1 else self._length(node) or 0
        return self.measured[node]

    def _refused(self, node: int, index: int = -1) -> int | None:
        """What the task runner would say, from the verdicts; setups that have not ended count as good."""
        schedule, graph = self.schedule, self.graph
        task, child = schedule.task_of[node], max(schedule.child_index[node], index)
        found: list[int] = []
        plain: list[int] = []
        for up in graph.upstream[task]:
            if child >= 0 and up in graph.pairs[task] and up in schedule.children:
                found.append(schedule.verdict[schedule.children[up][child]])
                plain.append(found[-1])
            elif up in schedule.children:
                found += [schedule.verdict[c] for c in schedule.children[up]]
            else:
                done = schedule.phase[up] == DONE
                found.append(schedule.verdict[up] if done else SUCCEEDED)
                plain.append(found[-1])
        if SKIPPED in plain and graph.skips[task]:
            return SKIPPED
        rule = graph.count_rules[task]
        if rule is None or (graph.is_map[task] and child < 0):
            return None
        counts = Counter(found)
        said = rule(len(found), counts[SUCCEEDED], counts[SKIPPED], counts[FAILED])
        return {"run": None, "fail": FAILED, "skip": SKIPPED}[said]

    def _start(self, node: int) -> None:
        schedule = self.schedule
        role = schedule.role[node]
        if role == CLEANUP:
            lifetime = schedule.own[node]
            assert lifetime is not None
            self.cleaning.add(lifetime)
        else:
            for lifetime in self._lifetimes(node):
                assert lifetime not in self.cleaning, "a start in a block whose cleanup has begun (rule 3)"
                assert lifetime.resolved or lifetime is schedule.own[node], "a start before the setup around it"
            if self.attempts[node] == 0:
                self._check_demand(node)
        self._spend(node)
        schedule.started(node)
        self.attempts[node] += 1
        self.order.append(node)
        self.running.append(node)
        ordinary = [n for n in self.running if schedule.role[n] == ORDINARY]
        counted = [n for n in ordinary if not self.graph.free[schedule.task_of[n]]]
        assert len(counted) <= self.capacity + self.ahead, "more tasks at once than the capacity"
        if self.ahead and role == ORDINARY and self.graph.is_simple[schedule.task_of[node]]:
            schedule.early.handed_out(node)
        assert not self.serial or len(self.running) == 1

    def _go_early(self) -> None:
        schedule = self.schedule
        node = schedule.early.pop()
        if node is None:
            return
        assert schedule.goes_through, "a task goes ahead in a run that is to stop midway"
        assert schedule.phase[node] == WAITING
        assert node not in self.running + self.gone + self.back, "a task is handed out twice"
        assert not schedule.bad[node], "a task goes early although something upstream did not end well"
        for lifetime in self._lifetimes(node):
            assert lifetime.open, "a task goes early into a block that is not open"
            assert lifetime not in self.cleaning
        expected = [up for up in self._upstream(node) if schedule.phase[up] != DONE]
        assert expected, "a task goes early that is ready"
        assert all(up in schedule.early.under_way for up in expected), "a task goes early before what it waits for"
        schedule.went_early(node)
        schedule.early.handed_out(node)
        self.gone.append(node)
        self.went_early += 1

    def _upstream(self, node: int) -> list[int]:
        """The nodes right before one, but for those of the blocks around it."""
        schedule, graph = self.schedule, self.graph
        task, child = schedule.task_of[node], schedule.child_index[node]
        around = {n for k in graph.enclosing(graph.shape_of[task]) for n in graph.shapes[k][:2]}
        ups = [up for up in graph.upstream[task] if up not in around]
        paired = [up for up in ups if child >= 0 and up in graph.pairs[task] and up in schedule.children]
        return [schedule.children[up][child] if up in paired else up for up in ups]

    def _call_back(self, nodes: list[int]) -> None:
        """Have nodes come back, and those that expect them."""
        while nodes:
            node = nodes.pop(0)
            if node in self.gone:
                self.gone.remove(node)
                self.back.append(node)
            nodes += [other for other in self.gone if node in self._upstream(other)]

    def _come_back(self, node: int) -> None:
        self.schedule.early.over(node)
        if self.schedule.cancelled:
            self._finish(node, CANCELLED)
        else:
            self.schedule.put_back(node)

    def _begin_known(self) -> None:
        """Those whose inputs are all known are begun, when their worker comes to them."""
        known, self.schedule.early.known = self.schedule.early.known, []
        for node in known:
            assert node in self.gone + self.back
            if node in self.gone:
                self.gone.remove(node)
                self.attempts[node] += 1
                self.order.append(node)
                self.running.append(node)

    def _end(self, node: int) -> None:
        schedule = self.schedule
        role = schedule.role[node]
        luck = self.random.random() if self.random.random() < self.mood else 1.0
        if node in schedule.early.under_way:
            schedule.early.over(node)
            if luck == 1.0:
                self.endings[node] += 1
                schedule.queue.count(node, -1)
                schedule.succeeded(node)
                self._begin_known()
                return
            self._call_back([node])
        if self.retrying and luck < 0.3 and self.attempts[node] < 4:
            if luck < 0.15 and not schedule.cancelled and role == ORDINARY:
                schedule.again(node)
                schedule.started(node)
                self.attempts[node] += 1
                self.running.append(node)
            else:
                ends = schedule.cancelled and role != CLEANUP
                schedule.retry_at(node, self.now + self.random.random())
                self.endings[node] += ends
            return
        if self.commands and luck < 0.4 and not schedule.cancelled:
            schedule.hold(node)
            return
        if self.lingering and not self.serial and luck < 0.6 and node not in self.lingerers:
            self.lingerers[node] = (self.now, role == SETUP)
            schedule.lingers(node)
            self._finish(node, FAILED)
            return
        verdict = SUCCEEDED if luck == 1.0 else FAILED if luck < 0.85 else SKIPPED
        lifetime = schedule.own[node]
        if lifetime is not None and verdict == SUCCEEDED and self._opens(node, lifetime):
            assert lifetime not in self.opened, "set up twice (rule 1)"
            self.opened.append(lifetime)
            schedule.opened(lifetime)
        self._finish(node, verdict)

    def _opens(self, node: int, lifetime: ResourceLifetime) -> bool:
        role = self.schedule.role[node]
        return role == SETUP or (role == INIT and self.graph.shapes[lifetime.shape].setup < 0)

    def _let_go(self, node: int) -> None:
        self.lingerers.pop(node)
        self.schedule.let_go(node)

    def _finish(self, node: int, verdict: int) -> None:
        self.endings[node] += 1
        self.schedule.ended(node, verdict)

    def _cancel(self) -> None:
        was = self.schedule.cancelled
        ended = self.schedule.cancel()
        assert not was or not ended, "cancelling twice is cancelling once (rule 6)"
        for node in ended:
            self.endings[node] += 1
        self.allowed = None
        if self.random.random() < 0.2:
            self.hurried = True
            self.schedule.shorten_graces()

    def _detour(self) -> None:
        """A person ends a task that does not run, other tasks end meanwhile, and the person takes it back."""
        schedule, graph = self.schedule, self.graph
        open_to = [
            node
            for node, phase in enumerate(schedule.phase)
            if phase in (WAITING, READY, HELD) and schedule.role[node] == ORDINARY
        ]
        if not open_to or self.ahead or schedule.cancelled:
            return
        node = self.random.choice(open_to)
        beside = [other for other in self.running if schedule.role[other] == ORDINARY and self.random.random() < 0.3]
        snapshot = ScheduleSnapshot(schedule, graph)
        schedule.ended(node, self.random.choice((SUCCEEDED, SKIPPED, FAILED)))
        for lingerer in [one for one in self.lingerers if self.random.random() < 0.5]:
            self._let_go(lingerer)
        if schedule.next_wake is not None and self.random.random() < 0.5:
            self.now = max(self.now, schedule.next_wake)
            schedule.tick(self.now)
        for other in beside:
            self.running.remove(other)
            if self.lingering and not self.serial and self.random.random() < 0.5:
                self.lingerers[other] = (self.now, False)
                schedule.lingers(other)
            self._finish(other, self.random.choice((SUCCEEDED, FAILED)))

        assert snapshot.went_on(node) is None
        snapshot.restore(node)

        assert schedule.phase[node] != DONE
        assert all(schedule.phase[other] == DONE for other in beside)

    # -- commands ----------------------------------------------------------------------------------------------

    def _command(self, name: str) -> None:
        schedule = self.schedule
        step_maps, self.step_maps = self.step_maps, set()
        self.in_block = False
        if name == "step":
            schedule.step()
            self.allowed = (self.allowed or 0) + 1  # steps add up
            self.step_maps = step_maps
        elif name == "pause":
            schedule.pause()
            self.allowed = 0
        elif name == "resume":
            schedule.resume()
            self.allowed = None
        elif name == "run_until":
            schedule.run_until(self.random.randrange(len(self.graph.tasks)))
            self.in_block, self.allowed = True, None
        else:
            schedule.step_block()
            self.in_block = schedule.budget == UNLIMITED
            self.allowed = None if self.in_block else schedule.budget
            self.step_maps = set() if self.in_block else step_maps  # without a block it is a step
        if schedule.cancelled:
            self.allowed = None

    def _spend(self, node: int) -> None:
        """A start or expansion that counts: there must have been leave for it."""
        task = self.schedule.task_of[node]
        if self.schedule.cancelled:
            return
        if self.in_block and self.schedule.budget == 0:  # stopped by itself, at its end
            self.in_block, self.allowed = False, 0
        if self.allowed is None or self.graph.free[task] or task in self.step_maps:
            return
        assert self.allowed > 0, "a start while the run is paused"
        self.allowed -= 1
        if self.graph.is_map[task]:
            self.step_maps.add(task)

    # -- checks ------------------------------------------------------------------------------------------------

    def _lifetimes(self, node: int) -> list[ResourceLifetime]:
        """The resources that a running node may use: that of its block and those around it."""
        schedule = self.schedule
        lifetime = schedule.own[node] or schedule.home[node] or schedule.home[schedule.task_of[node]]
        found = []
        while lifetime is not None:
            found.append(lifetime)
            lifetime = lifetime.outer
        return found

    def _check_upstream(self, node: int) -> None:
        """A node is looked at only after its upstreams ended; a setup around it may still be to come."""
        schedule, graph = self.schedule, self.graph
        task, child = schedule.task_of[node], schedule.child_index[node]
        around = {lifetime.setup for lifetime in self._lifetimes(node)}
        around |= {graph.shapes[lifetime.shape].setup for lifetime in self._lifetimes(node)}
        for up in graph.upstream[task]:
            if up in around:
                continue
            if child >= 0 and up in graph.pairs[task] and up in schedule.children:
                assert schedule.phase[schedule.children[up][child]] == DONE
            elif child < 0 and up in graph.pairs[task]:
                assert schedule.phase[up] in (EXPANDED, DONE)
            else:
                assert schedule.phase[up] == DONE

    def _check_cleanup(self, node: int, lifetime: ResourceLifetime | None) -> None:
        """Rules 3 and 4: nobody uses the resource, nobody will, and what was opened inside it is closed."""
        schedule = self.schedule
        if lifetime is None:
            return
        for other in self.running:
            assert other == node or lifetime not in self._lifetimes(other), (
                "cleanup while a task of the block runs (rule 3)"
            )
        for other, (since, _) in self.lingerers.items():
            if lifetime in self._lifetimes(other) and not self.hurried:
                assert self.now >= since + lifetime.grace_s, "cleanup before a thread's grace is over (rule 3)"
        for inner in self.opened:
            outer = inner.outer
            while outer is not None:
                if outer is lifetime:
                    done = schedule.phase[inner.cleanup] == DONE
                    assert done, "outer cleanup before the inner one (rule 4)"
                outer = outer.outer
        assert self._is_used_up(lifetime), "cleanup before the last task of the block (rule 3)"

    def _check_demand(self, node: int) -> None:
        """Rule 8: a block is set up for a task that is otherwise ready, or because it is empty."""
        schedule, graph = self.schedule, self.graph
        lifetime = schedule.own[node]
        if lifetime is None or (lifetime.setup != node and graph.shapes[lifetime.shape].setup >= 0):
            return
        shape = graph.shapes[lifetime.shape]
        if not shape.members:
            return
        assert any(self._may_run_inside(m, lifetime) for m in range(len(schedule.phase))), (
            f"{schedule.task(node).name} is set up for nobody (rule 8)"
        )

    def _may_run_inside(self, node: int, lifetime: ResourceLifetime) -> bool:
        schedule = self.schedule
        home = schedule.home[node] or schedule.home[schedule.task_of[node]]
        while home is not None and home is not lifetime:
            home = home.outer
        if home is not lifetime or schedule.phase[node] not in (WAITING, READY):
            return False
        task, child = schedule.task_of[node], schedule.child_index[node]
        is_map = self.graph.is_map[task] and child < 0
        if not is_map or node not in self.measured:
            return not is_map and self._is_otherwise_ready(node, child)
        length = self.measured[node]
        return length is None or any(self._is_otherwise_ready(node, index) for index in range(length))

    def _is_otherwise_ready(self, node: int, index: int) -> bool:
        """Whether but for the resources around it a task, or the child of a map that has that index, would run."""
        schedule, graph = self.schedule, self.graph
        task, is_good = schedule.task_of[node], True  # if all is well above, only the setup can tell
        around = {graph.shapes[k].setup for k in graph.enclosing(graph.shape_of[task])}
        for up in graph.upstream[task]:
            paired = index >= 0 and up in graph.pairs[task] and up in schedule.children
            upper = schedule.children[up][index] if paired else up
            if up not in around and schedule.phase[upper] != DONE:
                return False
            is_good = is_good and (up in around or schedule.verdict[upper] == SUCCEEDED)
        if not graph.is_plain[task] and any(lifetime.setup_bad for lifetime in self._lifetimes(node)):
            return True  # by its trigger it may
        return is_good or self._refused(node, index) is None

    def _check_eagerness(self) -> None:
        """Rule 8: a block is closed as soon as its last task is done."""
        schedule = self.schedule
        if schedule.budget == 0 or (self.serial and self.running):
            return
        for lifetime in self.opened:
            cleanup = lifetime.cleanup
            if schedule.phase[cleanup] != WAITING or lifetime.busy:
                continue
            assert not self._is_used_up(lifetime), "a block stays open after its last task (rule 8)"

    def _is_used_up(self, lifetime: ResourceLifetime) -> bool:
        """Whether all tasks of a resource's lifetime have ended; a map has when its children have."""
        schedule = self.schedule
        for node, phase in enumerate(schedule.phase):
            if (
                lifetime in self._lifetimes(node)
                and schedule.own[node] is not lifetime
                and phase not in (DONE, EXPANDED)
            ):
                return False
        return all(schedule.phase[m] in (DONE, EXPANDED) for m in self.graph.shapes[lifetime.shape].members)

    def _count_maps(self) -> None:
        for node in self.schedule.finished_maps:
            self.endings[node] += 1
        self.schedule.finished_maps.clear()

    def _check_counts(self) -> None:
        queue, early = self.schedule.queue, self.schedule.early
        assert not queue.is_busy
        assert early.gone == early.under_way == set()
        assert not any(early._upstream.values())

    def _check_end(self) -> None:
        """Rules 1 and 6: everything ended once, and every resource was cleaned up once."""
        schedule = self.schedule
        self._count_maps()
        self._check_counts()
        assert all(phase == DONE for phase in schedule.phase)
        assert {n: self.endings[n] for n in range(len(schedule.phase)) if self.endings[n] != 1} == {}
        assert Counter(self.asked) == Counter(self.opened), "a resource was not cleaned up exactly once (rule 1)"
        assert not schedule.open_lifetimes


def graph_of(plan: FlowPlan) -> CompiledGraph:
    flow = Built(plan).flow
    flow.validate()
    return CompiledGraph(flow)


@budget(120)
@given(flow_plans(size=14), SEEDS, st.integers(1, 4), st.booleans())
def test_every_task_of_a_run_in_which_all_goes_well_starts_after_what_is_above_it(plan, seed, capacity, serial):
    FakeLoop(graph_of(plan), seed, capacity=1 if serial else capacity, serial=serial).run()


@budget(250)
@given(flow_plans(size=14), SEEDS, st.integers(1, 4), st.booleans())
def test_whatever_fails_every_resource_is_cleaned_up_once_after_its_last_user(plan, seed, capacity, serial):
    FakeLoop(
        graph_of(plan),
        seed,
        capacity=1 if serial else capacity,
        serial=serial,
        mood=0.4,
        lingering=True,
        retrying=True,
    ).run()


@budget(250)
@given(flow_plans(size=14), SEEDS, st.integers(1, 4), st.booleans())
def test_cancelling_at_any_moment_cleans_up_once(plan, seed, capacity, serial):
    FakeLoop(
        graph_of(plan),
        seed,
        capacity=1 if serial else capacity,
        serial=serial,
        mood=0.3,
        cancel=0.05,
        lingering=True,
        retrying=True,
    ).run()


@budget(250)
@given(flow_plans(size=14), SEEDS, st.integers(1, 4), st.booleans(), st.sampled_from((0.0, 0.01)))
def test_any_commands_at_any_moment_leave_the_guarantee_alone(plan, seed, capacity, serial, cancel):
    FakeLoop(
        graph_of(plan),
        seed,
        capacity=1 if serial else capacity,
        serial=serial,
        mood=0.3,
        cancel=cancel,
        commands=True,
        lingering=True,
        retrying=True,
    ).run()


def with_chains(plan: FlowPlan, seed: int) -> FlowPlan:
    """Add what goes early: a chain, a chain of maps, and one in a block, upon what else there is."""
    draw = random.Random(seed)
    above = [item.key for item in plan.items if isinstance(item, TaskPlan)]

    def chain(name: str, **options: int) -> tuple[TaskPlan, ...]:
        keys = [f"{name}{n}" for n in range(draw.randrange(2, 6))]
        ups = [tuple(draw.sample(above, min(len(above), draw.randrange(2)))), *((key,) for key in keys)]
        is_map = bool(options)
        return tuple(
            TaskPlan(
                key=key, upstream=() if is_map and n else ups[n], over=keys[n - 1] if is_map and n else None, **options
            )
            for n, key in enumerate(keys)
        )

    block = BlockPlan(key="cb", body=(TaskPlan(key="cu", uses="cb"), *chain("ci")))
    return FlowPlan(items=(*plan.items, *chain("c"), *chain("cm", size=draw.randrange(1, 4)), block))


@budget(250)
@given(flow_plans(size=8), SEEDS, st.integers(1, 4), st.integers(1, 8), st.sampled_from((0.0, 0.01)), st.booleans())
def test_tasks_that_go_before_they_are_ready_change_nothing(plan, seed, capacity, ahead, cancel, commands):
    loop = FakeLoop(
        graph_of(with_chains(plan, seed)),
        seed,
        capacity=capacity,
        serial=False,
        mood=0.3,
        cancel=cancel,
        commands=commands and seed % 2 == 0,
        lingering=True,
        retrying=True,
        ahead=ahead,
    ).run()

    event(f"{min(loop.went_early, 3)} or more went early")


@budget(120)
@given(flow_plans(size=14), SEEDS, st.data())
def test_a_run_may_begin_with_any_tasks_ended_already(plan, seed, data):
    graph = graph_of(plan)
    ordinary = [n for n in range(len(graph.tasks)) if graph.role[n] in (ORDINARY, INIT)]
    given = {
        node: data.draw(st.sampled_from((SUCCEEDED, SKIPPED, FAILED, CANCELLED)))
        for node in data.draw(st.lists(st.sampled_from(ordinary), unique=True, max_size=5))
    }

    FakeLoop(graph, seed, mood=0.2, cancel=0.01, given=given).run()


@budget(60)
@given(flow_plans(size=14), SEEDS)
def test_the_same_seed_gives_the_same_order(plan, seed):
    first = FakeLoop(graph_of(plan), seed, mood=0.3, capacity=3, serial=False, retrying=True).run()
    second = FakeLoop(graph_of(plan), seed, mood=0.3, capacity=3, serial=False, retrying=True).run()

    assert first.order == second.order


@budget(100)
@given(flow_plans(size=16))
def test_tasks_are_numbered_in_topological_order_with_ties_by_declaration(plan):
    flow = Built(plan).flow
    declared = {task: number for number, task in enumerate(flow._declared)}
    oracle = nx.DiGraph()
    oracle.add_nodes_from(flow.tasks)
    oracle.add_edges_from((edge.upstream_task, edge.downstream_task) for edge in flow.edges)

    assert list(CompiledGraph(flow).tasks) == list(nx.lexicographical_topological_sort(oracle, key=declared.get))


# -- what the properties found, as plain examples -----------------------------------------------------------------


def test_a_thread_that_lingers_in_an_inner_block_holds_the_outer_one_too():
    plan = FlowPlan(items=(BlockPlan(key="outer", body=(BlockPlan(key="inner", body=(TaskPlan(key="t"),)),)),))
    graph = graph_of(plan)
    schedule = Schedule(graph, capacity=2, serial=False)
    schedule.begin()
    outer, inner = (lifetimes[0] for lifetimes in schedule.lifetimes)
    outer.grace_s = 2 * inner.grace_s
    for node in iter(schedule.pop, None):
        schedule.started(node)
        lifetime = schedule.own[node]
        if lifetime is None:
            schedule.lingers(node)
        elif node == lifetime.setup:
            schedule.opened(lifetime)
        schedule.ended(node, SUCCEEDED)

    assert inner.busy == outer.busy == 1
    schedule.tick(inner.grace_s)
    assert schedule.pop() == inner.cleanup
    schedule.ended(inner.cleanup, SUCCEEDED)
    assert schedule.pop() is None
    schedule.let_go(graph.shapes[1].members[0])
    assert schedule.pop() == outer.cleanup


def test_the_children_of_a_stepped_map_keep_to_the_capacity():
    graph = graph_of(FlowPlan(items=(TaskPlan(key="t", size=3),)))
    schedule = Schedule(graph, capacity=1, serial=False, paused=True)
    schedule.begin()
    for node in iter(schedule.pop, None):  # the constant that is mapped over
        schedule.ended(node, SUCCEEDED)
    schedule.step()
    schedule.expanded(schedule.pop(), 3)

    schedule.started(schedule.pop())

    assert schedule.pop() is None


def test_a_task_whose_own_block_failed_early_waits_for_the_block_around_all_the_same():
    inner = BlockPlan(key="inner", upstream=("t",), has_setup=False, body=(TaskPlan(key="u"),))
    graph = graph_of(FlowPlan(items=(TaskPlan(key="t"), BlockPlan(key="outer", body=(inner,)))))

    loop = FakeLoop(graph, 0, given={0: FAILED}).run()

    outer = loop.schedule.lifetimes[0][0]
    names = [graph.tasks[node].name for node in loop.order]
    assert names.index("outer.setup") < names.index("u")
    assert outer in loop.opened


def test_asking_for_the_next_task_changes_nothing():
    schedule = Schedule(graph_of(FlowPlan(items=(TaskPlan(key="t"), TaskPlan(key="u")))), paused=True)
    schedule.begin()
    heap = schedule.queue.ordinary
    schedule.phase[0] = DONE  # as a cancel leaves it
    before = heap.copy()

    assert schedule.peek() == 1
    assert heap == before


def test_a_cancel_before_the_beginning_ends_given_tasks_once():
    graph = graph_of(FlowPlan(items=(TaskPlan(key="t"), TaskPlan(key="u", upstream=("t",)))))
    schedule = Schedule(graph)
    schedule.cancel()

    schedule.begin({0: SUCCEEDED})

    assert schedule.is_done


def test_a_cleanup_that_waits_for_a_person_is_tried_again_by_a_cancel():
    graph = graph_of(FlowPlan(items=(BlockPlan(key="b", body=(TaskPlan(key="t"),)),)))
    schedule = Schedule(graph)
    schedule.begin()
    cleanup = schedule.lifetimes[0][0].cleanup
    for node in iter(schedule.pop, None):
        schedule.started(node)
        if node == cleanup:
            schedule.hold(node)
        else:
            schedule.ended(node, SUCCEEDED)

    schedule.cancel()

    assert schedule.pop() == cleanup


def test_a_mapped_block_whose_tasks_ended_before_the_run_sets_nothing_up():
    graph = graph_of(FlowPlan(items=(BlockPlan(key="b", has_setup=False, body=(TaskPlan(key="t"),), size=2),)))
    member = graph.shapes[0].members[0]

    loop = FakeLoop(graph, 0, given={member: SUCCEEDED}).run()

    assert not loop.opened


def test_a_second_step_finds_the_rest_of_a_stepped_map():
    graph = graph_of(FlowPlan(items=(TaskPlan(key="t", size=2),)))
    schedule = Schedule(graph, paused=True)
    schedule.begin()
    schedule.ended(schedule.pop(), SUCCEEDED)  # the constant that is mapped over
    schedule.step()
    schedule.expanded(schedule.pop(), 2)

    schedule.step()

    for _ in range(2):
        node = schedule.pop()
        schedule.started(node)
        schedule.ended(node, SUCCEEDED)
    assert schedule.is_done


def test_a_task_that_may_run_for_one_child_of_a_map_waits_for_its_block():
    reads = TaskPlan(key="reads", upstream=("map",), trigger="any_successful")
    graph = graph_of(FlowPlan(items=(TaskPlan(key="map", size=2), BlockPlan(key="b", has_setup=False, body=(reads,)))))
    schedule = Schedule(graph)
    schedule.begin()
    (lifetime,) = (lifetimes[0] for lifetimes in schedule.lifetimes)
    looked_at = []
    for node in iter(schedule.pop, None):
        looked_at.append(node)
        if graph.is_map[schedule.task_of[node]] and schedule.child_index[node] < 0:
            schedule.expanded(node, 2)
            continue
        schedule.started(node)
        schedule.ended(node, FAILED if schedule.child_index[node] == 0 else SUCCEEDED)

    assert looked_at.index(lifetime.init) < looked_at.index(graph.shapes[0].members[0])
