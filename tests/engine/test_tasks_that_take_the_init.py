"""Tasks that depend on a block's init or setup, inside of it and around: the run goes on (flow-model 1.3, 10.3)."""

from __future__ import annotations

import pytest

from nbflow import Flow, apply_map, resource_manager, task, unmapped
from tests.shared import SharedList


@pytest.fixture
def lines():
    return SharedList()


@pytest.fixture
def kinds(lines):
    class Bare:
        def __init__(self, name="bare", after=None):
            self.name = name
            lines.append(f"init {name}")

        def cleanup(self, resource):
            lines.append(f"cleanup {self.name}")

    class Full(Bare):
        def setup(self):
            lines.append(f"setup {self.name}")
            return self.name

    @resource_manager
    def factory(name="made"):
        return Bare(name)

    return {"bare": resource_manager(Bare), "full": resource_manager(Full), "factory": factory}


@pytest.fixture
def use(lines):
    @task
    def use(*, x=None, name="use"):
        lines.append(name)
        return name

    return use


@pytest.mark.parametrize("kind", ["bare", "full", "factory"])
def test_a_task_inside_may_take_the_manager(kind, kinds, use, lines, executor):
    with Flow("f") as flow:
        block = kinds[kind]("a")
        with block:
            used = use(x=block.init_task)

    state = flow.run(executor=executor)

    assert state.is_successful()
    assert state.result[used].is_successful()
    assert [line for line in lines if line != "setup a"] == ["init a", "use", "cleanup a"]


@pytest.mark.parametrize("inner", ["bare", "full", "factory"])
@pytest.mark.parametrize("outer", ["bare", "full", "factory"])
def test_a_task_of_an_inner_block_may_take_the_managers_of_both(outer, inner, kinds, use, lines, executor):
    with Flow("f") as flow:
        around = kinds[outer]("a")
        with around:
            within = kinds[inner]("b")
            with within:
                use(x=[around.init_task, within.init_task], upstream_tasks=[within.init_task])

    assert flow.run(executor=executor).is_successful()
    assert [line for line in lines if "setup" not in line] == [
        *("init a", "init b", "use", "cleanup b", "cleanup a"),
    ]


@pytest.mark.parametrize("kind", ["bare", "full", "factory"])
def test_an_inner_block_may_take_the_outer_manager(kind, kinds, use, lines):
    with Flow("f") as flow:
        around = kinds["bare"]("a")
        with (
            around,
            kinds[kind]("b", after=around.init_task) if kind != "factory" else kinds[kind](around.init_task),
        ):
            use()

    assert flow.run().is_successful()
    assert lines[0] == "init a"
    assert lines[-1] == "cleanup a"


@pytest.mark.parametrize("kind", ["bare", "full", "factory"])
def test_each_element_of_a_mapped_block_gives_its_manager(kind, kinds, use, lines, executor):
    def build(name):
        block = kinds[kind](name)
        with block:
            return use(x=block.init_task)

    with Flow("f") as flow:
        used = apply_map(build, ["a", "b"])

    assert flow.run(executor=executor).result[used].result == ["use", "use"]
    assert sorted(line for line in lines if line.startswith("cleanup")) == ["cleanup a", "cleanup b"]


@pytest.mark.parametrize("kind", ["bare", "full", "factory"])
def test_a_map_inside_may_take_the_manager(kind, kinds, use, lines):
    with Flow("f") as flow:
        block = kinds[kind]("a")
        with block:
            used = use.map(name=["1", "2"], x=unmapped(block.init_task))

    assert flow.run().result[used].result == ["1", "2"]
    assert lines[-1] == "cleanup a"


@pytest.mark.parametrize("kind", ["bare", "full", "factory"])
@pytest.mark.parametrize("role", ["init_task", "setup_task"])
def test_a_task_inside_may_wait_for_one_outside_that_waits_for_the_block(role, kind, kinds, use, lines, executor):
    with Flow("f") as flow:
        block = kinds[kind]("a")
        first = getattr(block, role)
        if first is None:
            first = block.init_task
        outside = use(name="outside", upstream_tasks=[first])
        with block:
            used = use(name="inside", x=outside)

    state = flow.run(executor=executor)

    assert state.result[used].is_successful()
    assert [line for line in lines if line != "setup a"] == ["init a", "outside", "inside", "cleanup a"]


@pytest.mark.parametrize("kind", ["bare", "full"])
def test_a_task_inside_may_wait_for_a_sibling_block_that_takes_the_manager(kind, kinds, use, lines, executor):
    with Flow("f") as flow:
        one = kinds[kind]("a")
        other = kinds[kind]("b", after=one.init_task)
        with other:
            there = use(name="there")
        with one:
            here = use(name="here", x=there)

    state = flow.run(executor=executor)

    assert state.result[here].is_successful()
    assert [line for line in lines if "setup" not in line and line != "cleanup b"] == [
        *("init a", "init b", "there", "here", "cleanup a"),
    ]
    assert lines.count("cleanup b") == 1


def test_a_block_whose_manager_is_taken_outside_only_is_not_set_up_for_that(kinds, use, lines):
    @task
    def broken():
        raise OSError

    with Flow("f") as flow:
        nothing = broken()
        block = kinds["bare"]("a")
        outside = use(name="outside", upstream_tasks=[block.init_task])
        with block:
            use(name="inside", x=nothing)

    state = flow.run()

    assert state.result[outside].is_skipped()
    assert lines == []
