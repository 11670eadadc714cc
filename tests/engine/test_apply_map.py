"""`apply_map` when a flow runs, with cases and blocks inside (flow-model 5.8, design 5.3, 5.8)."""

from __future__ import annotations

import pytest

from nbflow import Flow, Parameter, Task, apply_map, case, flatten, merge, resource_manager, task, unmapped
from nbflow.executors import ThreadExecutor
from nbflow.states import Failed, Mapped, Skipped, Success, TriggerFailed
from tests.shared import SharedList


@task
def identity(x):
    return x


@task
def inc(x):
    return x + 1


@task
def add(x, y):
    return x + y


@task
def is_even(x):
    return x % 2 == 0


def test_a_chain_is_run_for_each_element(executor):
    """5.8"""
    with Flow("f") as flow:
        a, b = apply_map(lambda x: (inc(x), inc(inc(x))), [1, 2, 3])
        total = task(lambda xs: sum(xs), name="total")(b)

    state = flow.run(executor=executor)

    assert state.result[a].result == [2, 3, 4]
    assert state.result[b].result == [3, 4, 5]
    assert state.result[total].result == 12


def test_several_arguments_are_mapped_in_step(executor):
    """5.8"""
    with Flow("f") as flow:
        a = apply_map(lambda x, y, z: add(add(x, y), z), identity([1, 2]), [10, 20], z=unmapped(100))

    assert flow.run(executor=executor).result[a].result == [111, 122]


def test_flattened_arguments_are_unnested(executor):
    """5.8"""
    with Flow("f") as flow:
        a = apply_map(inc, flatten(identity([[1], [2, 3]])))

    assert flow.run(executor=executor).result[a].result == [2, 3, 4]


def test_roots_that_use_no_argument_are_mapped_too(executor):
    """5.8"""
    calls = SharedList()
    with Flow("f") as flow:
        apply_map(lambda x: task(lambda: calls.append(1), name="root")(), [1, 2, 3])

    assert flow.run(executor=executor).is_successful()
    assert len(calls) == 3


def test_tasks_from_outside_are_given_whole(executor):
    """5.8"""
    with Flow("f") as flow:
        outside = identity([5, 6])
        a = apply_map(lambda x: task(lambda x, y: (x, y), name="a")(x, outside), [1, 2])

    assert flow.run(executor=executor).result[a].result == [(1, [5, 6]), (2, [5, 6])]


def test_a_case_inside_decides_for_each_element(executor):
    """5.8, 8.1"""

    def func(x):
        with case(is_even(x), True):
            even = identity("even")
        with case(is_even(x), False):
            odd = inc(x)
        return merge(even, odd), even

    with Flow("f") as flow:
        m, even = apply_map(func, [1, 2, 3, 4])

    state = flow.run(executor=executor)

    assert state.result[m].result == [2, "even", 4, "even"]
    assert [s.is_skipped() for s in state.result[even].map_states] == [True, False, True, False]


def test_inside_a_case_all_elements_are_skipped_together(executor):
    """5.8"""
    with Flow("f") as flow, case(Parameter("on"), True):
        a = apply_map(inc, [1, 2])

    on, off = flow.run(on=True, executor=executor), flow.run(on=False, executor=executor)

    assert on.result[a].result == [2, 3]
    assert off.is_successful()
    assert off.result[a].is_skipped() or all(s.is_skipped() for s in off.result[a].map_states)


def test_one_failed_element_leaves_the_others_alone(executor):
    """5.3"""
    with Flow("f") as flow:
        a, b = apply_map(lambda x: (y := task(lambda x: 1 // x, name="a")(x), inc(y)), [1, 0, 1])

    state = flow.run(executor=executor)

    assert [type(s) for s in state.result[a].map_states] == [Success, Failed, Success]
    assert [type(s) for s in state.result[b].map_states] == [Success, TriggerFailed, Success]


@pytest.fixture
def lines():
    return SharedList()


@pytest.fixture
def manager(lines):
    @resource_manager(name="r")
    class Manager:
        def __init__(self, key):
            self.key = key

        def setup(self):
            lines.append(("setup", self.key))
            if self.key == "bad":
                raise ValueError
            return self.key

        def cleanup(self, resource):
            lines.append(("cleanup", resource))

    return Manager


@pytest.fixture
def use(lines):
    @task
    def use(r, x=None):
        lines.append(("use", r))
        if r == "fail":
            raise ValueError
        return f"{r}!"

    return use


def of(lines, key):
    return [step for step, found in lines if found == key]


def test_each_element_opens_uses_and_closes_a_resource_of_its_own(manager, use, lines):
    """design 5.3: one after the other, not all at once."""

    def func(x):
        with manager(x) as r:
            return use(r)

    with Flow("f") as flow:
        a = apply_map(func, ["a", "b"])

    state = flow.run()

    assert state.is_successful()
    assert state.result[a].result == ["a!", "b!"]
    assert lines == [(step, key) for key in "ab" for step in ("setup", "use", "cleanup")]


def test_on_threads_each_element_keeps_its_order(manager, use, lines):
    """design 5.3"""

    def func(x):
        with manager(x) as r:
            return use(use(r))

    with Flow("f") as flow:
        apply_map(func, ["a", "b", "c"])

    assert flow.run(executor="threads").is_successful()
    for key in "abc":
        assert of(lines, key) == ["setup", "use", "cleanup"]
        assert lines.index(("use", f"{key}!")) < lines.index(("cleanup", key))


def test_a_setup_that_fails_concerns_its_own_element_only(manager, use, lines, executor):
    """design 5.3"""

    def func(x):
        with manager(x) as r:
            return use(r)

    with Flow("f") as flow:
        a = apply_map(func, ["a", "bad", "c"])

    state = flow.run(executor=executor)

    assert [type(s) for s in state.result[a].map_states] == [Success, TriggerFailed, Success]
    assert of(lines, "bad") == ["setup"]
    assert of(lines, "a") == of(lines, "c") == ["setup", "use", "cleanup"]
    (cleanup,) = flow.get_tasks(name="r.cleanup")
    assert [type(s) for s in state.result[cleanup].map_states] == [Success, Skipped, Success]


def test_a_member_that_fails_is_cleaned_up_after(manager, use, lines, executor):
    """design 5.1"""

    def func(x):
        with manager(x) as r:
            return use(r)

    with Flow("f") as flow:
        apply_map(func, ["a", "fail"])

    assert flow.run(executor=executor).is_failed()
    assert of(lines, "fail") == ["setup", "use", "cleanup"]


def test_the_number_of_elements_may_be_known_only_at_run_time(manager, use, lines, executor):
    """5.8"""

    def func(x):
        with manager(x) as r:
            return use(r)

    with Flow("f") as flow:
        a = apply_map(func, Parameter("keys"))

    assert flow.run(keys=[], executor=executor).result[a].map_states == []
    assert lines == []
    assert flow.run(keys=["x"], executor=executor).result[a].result == ["x!"]
    assert of(lines, "x") == ["setup", "use", "cleanup"]


def test_a_block_around_is_opened_once_for_all(manager, use, lines, executor):
    """5.8, 1.7"""

    def func(x):
        with manager(x) as r:
            return use(r)

    with Flow("f") as flow, manager("outer"):
        apply_map(func, ["a", "b"])

    assert flow.run(executor=executor).is_successful()
    assert lines[0] == ("setup", "outer")
    assert lines[-1] == ("cleanup", "outer")
    assert of(lines, "outer") == ["setup", "cleanup"]
    assert of(lines, "a") == of(lines, "b") == ["setup", "use", "cleanup"]


def test_nested_blocks_of_an_element_close_inside_out(manager, use, lines, executor):
    """1.7"""

    def func(x, y):
        with manager(x) as r, manager(y) as s:
            return add(use(r), use(s))

    with Flow("f") as flow:
        a = apply_map(func, ["a", "b"], ["A", "B"])

    state = flow.run(executor=executor)

    assert state.result[a].result == ["a!A!", "b!B!"]
    for outer, inner in ("aA", "bB"):
        assert of(lines, outer) == of(lines, inner) == ["setup", "use", "cleanup"]
        assert lines.index(("cleanup", inner)) < lines.index(("cleanup", outer))


def test_a_block_that_a_case_skips_for_an_element_is_not_opened_for_it(manager, use, lines, executor):
    """design 5.8"""

    def func(x):
        with case(identity(x), "a"), manager(x) as r:
            return use(r)

    with Flow("f") as flow:
        a = apply_map(func, ["a", "b"])

    state = flow.run(executor=executor)

    assert state.is_successful()
    assert [s.is_skipped() for s in state.result[a].map_states] == [False, True]
    assert of(lines, "a") == ["setup", "use", "cleanup"]
    assert of(lines, "b") == []


def test_what_follows_outside_gets_all_results(manager, use, executor):
    """5.4"""

    def func(x):
        with manager(x) as r:
            return use(r)

    with Flow("f") as flow:
        gathered = identity(apply_map(func, ["a", "b"]))

    assert flow.run(executor=executor).result[gathered].result == ["a!", "b!"]


def test_everything_in_it_is_mapped(manager, use, executor):
    """5.8"""

    def func(x):
        with manager(x) as r:
            return use(r)

    with Flow("f") as flow:
        apply_map(func, ["a", "b"])

    state = flow.run(executor=executor)

    for t in flow.get_tasks(name="r") + flow.get_tasks(name="r.setup") + flow.get_tasks(name="r.cleanup"):
        assert isinstance(t, Task)
        assert isinstance(state.result[t], Mapped)
        assert len(state.result[t].map_states) == 2


@pytest.mark.parametrize(("executor", "most"), [("inline", 1), (ThreadExecutor(2), 4)])
def test_a_long_map_opens_no_more_resources_than_it_can_use(executor, most):
    """design 5.3, 5.8"""
    held, peaks = set(), []

    @resource_manager
    class Counted:
        def __init__(self, x):
            self.x = x

        def setup(self):
            held.add(self.x)
            peaks.append(len(held))
            return self.x

        def cleanup(self, resource):
            held.remove(resource)

    def func(x):
        with Counted(x) as r:
            return inc(inc(r))

    with Flow("f") as flow:
        a = apply_map(func, list(range(30)))

    state = flow.run(executor=executor)

    assert state.result[a].result == list(range(2, 32))
    assert not held
    assert max(peaks) <= most


@task
def pair(x):
    return x


@pytest.mark.parametrize(
    ("gather", "expected"),
    [
        (lambda a, b: (a, b), [(2, 3), (3, 4), (4, 5)]),
        (lambda a, b: [a, b], [[2, 3], [3, 4], [4, 5]]),
        (lambda a, b: {"a": a, "b": b}, [{"a": n, "b": n + 1} for n in (2, 3, 4)]),
        (lambda a, b: (a, [b, {"c": a}]), [(n, [n + 1, {"c": n}]) for n in (2, 3, 4)]),
        (lambda a, b: (a, "x", b), [(2, "x", 3), (3, "x", 4), (4, "x", 5)]),
    ],
)
def test_what_one_apply_map_returns_is_mapped_element_by_element_by_the_next(gather, expected, executor):
    """5.8"""
    with Flow("f") as flow:
        made = apply_map(lambda x: gather(inc(x), inc(inc(x))), [1, 2, 3])
        pairs = apply_map(lambda p: pair(p), made)

    assert flow.run(executor=executor).result[pairs].result == expected


def test_each_child_takes_the_parts_of_its_element(executor):
    """5.8"""
    with Flow("f") as flow:
        made = apply_map(lambda x: (inc(x), inc(inc(x))), [1, 2, 3])
        sums = apply_map(lambda p, q: add(add(p[0], p[1]), q), made, q=[10, 20, 30])
        more = apply_map(lambda p, q: add(p, q[1]), sums, (sums, sums))

    state = flow.run(executor=executor)

    assert state.result[sums].result == [15, 27, 39]
    assert state.result[more].result == [30, 54, 78]


def test_marked_members_and_collections_keep_what_the_marks_say():
    """5.7, 5.8"""
    with Flow("f") as flow:
        made = inc.map([1, 2])
        whole = apply_map(lambda p: pair(p), (made, unmapped(identity([7, 8]))))
        given_whole = apply_map(lambda p, x: pair((p, x)), unmapped((made, made)), [1, 2])
        flat = apply_map(lambda p: pair(p), flatten((made, made)))

    result = flow.run().result

    assert result[whole].result == [(2, [7, 8]), (3, [7, 8])]
    assert result[given_whole].result == [(([2, 3], [2, 3]), 1), (([2, 3], [2, 3]), 2)]
    assert result[flat].result == [2, 2, 3, 3]


def test_a_list_of_tasks_that_are_not_mapped_is_mapped_over_as_the_list_it_is():
    """5.8"""
    with Flow("f") as flow:
        doubled = apply_map(lambda x: inc(x), [identity(1), identity(2)])

    assert flow.run().result[doubled].result == [2, 3]


def test_the_function_builds_in_the_flow_that_is_given(executor):
    """5.8"""

    def build(x, y, flow):
        total = add.copy().bind(x, y, flow=flow)
        with case(total, 11):
            more = inc.copy().bind(total, flow=flow)
        flow.set_dependencies(more, upstream_tasks=[total])
        return merge(more, total, flow=flow)

    flow = Flow("f")
    merged = apply_map(build, [1, 2], unmapped(10), flow=flow)

    assert flow.run(executor=executor).result[merged].result == [12, 12]


def test_a_block_is_built_in_the_flow_that_is_given():
    """5.8"""
    lines = SharedList()

    @resource_manager
    class Tool:
        def __init__(self, x):
            self.x = x

        def setup(self):
            lines.append(self.x)
            return self.x

        def cleanup(self, resource):
            lines.append(-self.x)

    def build(x, **kwargs):
        with Tool(x, **kwargs) as tool:
            return inc(tool, **kwargs)

    flow = Flow("f")
    made = apply_map(build, [1, 2], flow=flow)

    assert flow.run().result[made].result == [2, 3]
    assert lines == [1, -1, 2, -2]


def test_a_function_that_takes_no_flow_is_not_given_one():
    """5.8"""
    flow = Flow("f")
    a, b = apply_map(lambda x: inc(x), [1], flow=flow), apply_map(inc, [1], flow=flow)

    result = flow.run().result

    assert (result[a].result, result[b].result) == ([2], [2])
