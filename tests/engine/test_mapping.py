"""Mapped tasks at run time: children, reductions, skips and failures (flow-model 5.1 to 5.5)."""

from __future__ import annotations

import pytest

from nbflow import Flow, Parameter, Task, context, mapped, task, triggers, unmapped
from nbflow.signals import SKIP, SUCCESS
from nbflow.states import Failed, Mapped, Skipped, Success, TriggerFailed
from tests.shared import SharedList


@task
def numbers(n=3):
    return list(range(1, n + 1))


@task
def inc(x):
    return x + 1


@task
def add(x, y):
    return x + y


@task
def total(xs):
    return sum(xs)


@task
def fail_at_two(x):
    if x == 2:
        raise ValueError("two")
    return x


@task
def skip_at_two(x):
    if x == 2:
        raise SKIP("two")
    return x


def kinds(state):
    return [type(child) for child in state.map_states]


def test_each_element_gives_a_child(executor):
    """5.2"""
    with Flow("f") as flow:
        m = inc.map(numbers())

    state = flow.run(executor=executor)

    assert state.is_successful()
    assert isinstance(state.result[m], Mapped)
    assert state.result[m].is_successful()
    assert state.result[m].n_map_states == len(state.result[m].map_states) == 3
    assert kinds(state.result[m]) == [Success] * 3
    assert state.result[m].result == [2, 3, 4]


def test_mapping_over_a_mapped_task_pairs_the_children(executor):
    """5.3"""
    with Flow("f") as flow:
        m = inc.map(inc.map(numbers()))

    assert flow.run(executor=executor).result[m].result == [3, 4, 5]


def test_a_reduction_gets_the_list_of_results(executor):
    """5.4"""
    with Flow("f") as flow:
        t = total(inc.map(numbers()))
        both = add(inc.map(numbers()), numbers())

    state = flow.run(executor=executor)

    assert state.result[t].result == 9
    assert state.result[both].result == [2, 3, 4, 1, 2, 3]


def test_the_result_of_a_reduction_may_be_mapped_over(executor):
    """5.4"""
    with Flow("f") as flow:
        gathered = task(lambda xs: [x * 10 for x in xs], name="gather")(inc.map(numbers()))
        m = inc.map(gathered)

    assert flow.run(executor=executor).result[m].result == [21, 31, 41]


def test_several_inputs_are_mapped_in_step(executor):
    """5.2"""
    with Flow("f") as flow:
        m = add.map(numbers(), y=inc.map(numbers()))

    assert flow.run(executor=executor).result[m].result == [3, 5, 7]


def test_the_shortest_input_decides(executor):
    """5.2"""
    with Flow("f") as flow:
        a = add.map(numbers(3), numbers(2))
        b = add.map(numbers(1), inc.map(numbers(5)))
        c = add.map(inc.map(numbers(4)), inc.map(numbers(2)))

    state = flow.run(executor=executor)

    assert [state.result[t].n_map_states for t in (a, b, c)] == [2, 1, 2]
    assert state.result[c].result == [4, 6]


def test_what_is_unmapped_is_given_whole(executor):
    """5.1"""
    with Flow("f") as flow:
        a = add.map(numbers(), unmapped(10))
        b = add.map(numbers(), y=unmapped(inc(1)))
        c = task(lambda x, y: (x, y), name="c").map(numbers(2), unmapped(inc.map(numbers(2))))

    state = flow.run(executor=executor)

    assert state.result[a].result == [11, 12, 13]
    assert state.result[b].result == [3, 4, 5]
    assert state.result[c].result == [(1, [2, 3]), (2, [2, 3])]


def test_a_single_argument_may_be_marked_mapped(executor):
    """5.7"""
    with Flow("f") as flow:
        m = add(mapped(numbers()), 1)

    assert flow.run(executor=executor).result[m].result == [2, 3, 4]


@pytest.mark.parametrize("value", [[1, 2], (1, 2), range(1, 3)])
def test_constants_are_mapped_over(value, executor):
    """5.1"""
    with Flow("f") as flow:
        m = inc.map(value)

    assert flow.run(executor=executor).result[m].result == [2, 3]


def test_a_list_of_tasks_is_mapped_over(executor):
    """5.1"""
    with Flow("f") as flow:
        m = inc.map([inc(1), inc(2), 5])

    assert flow.run(executor=executor).result[m].result == [3, 4, 6]


def test_an_empty_input_gives_an_empty_success(executor):
    """5.2"""
    with Flow("f") as flow:
        a = inc.map(numbers(0))
        b = inc.map(a)
        c = total(b)

    state = flow.run(executor=executor)

    assert state.is_successful()
    for t in (a, b):
        assert state.result[t].is_mapped()
        assert state.result[t].map_states == []
        assert state.result[t].result == []
    assert state.result[c].result == 0


def test_an_upstream_task_without_a_key_is_waited_for(executor):
    """5.2"""
    order = SharedList()
    with Flow("f") as flow:
        first = task(lambda: order.append("first"), name="first")()
        m = task(lambda x: order.append(x), name="m").map(numbers(2), upstream_tasks=[unmapped(first)])

    state = flow.run(executor=executor)

    assert order[0] == "first"
    assert state.result[m].n_map_states == 2


def test_an_unkeyed_upstream_task_is_mapped_unless_marked(executor):
    """5.1"""
    with Flow("f") as flow:
        m = inc.map(numbers(3), upstream_tasks=[numbers(2)])
        bare = Task("bare").map(upstream_tasks=[numbers(4)])

    state = flow.run(executor=executor)

    assert state.result[m].n_map_states == 2
    assert state.result[bare].n_map_states == 4


def test_nothing_to_map_over_is_a_failure_in_so_many_words():
    """5.2"""

    @task
    def boom():
        raise ValueError

    with Flow("f") as flow:
        m = inc.map(boom())
        below = inc.map(m)

    state = flow.run()

    assert type(state.result[m]) in (Failed, TriggerFailed)
    assert state.result[m].message == "No upstream states can be mapped over."
    assert state.result[below].is_failed()


def test_an_unmappable_result_is_a_failure_in_so_many_words(executor):
    """5.2"""
    with Flow("f") as flow:
        m = inc.map(inc(1))
        named = add.map(unmapped(numbers()), y=8)

    state = flow.run(executor=executor)

    assert type(state.result[m]) is Failed
    assert state.result[m].message == "At least one upstream state has an unmappable result."
    assert state.result[named].message == "At least one upstream state has an unmappable result."


def test_a_skip_above_skips_the_parent():
    """5.2"""

    @task
    def skip():
        raise SKIP

    with Flow("f") as flow:
        m = inc.map(skip())

    state = flow.run()

    assert isinstance(state.result[m], Skipped)
    assert not state.result[m].is_mapped()


def test_one_failed_child_fails_its_own_line_only(executor):
    """5.3"""
    with Flow("f") as flow:
        a = fail_at_two.map(numbers())
        b = inc.map(a)
        c = total(b)

    state = flow.run(executor=executor)

    assert state.is_failed()
    assert kinds(state.result[a]) == [Success, Failed, Success]
    assert state.result[a].is_successful()
    assert isinstance(state.result[a].result[1], ValueError)
    assert kinds(state.result[b]) == [Success, TriggerFailed, Success]
    assert isinstance(state.result[c], TriggerFailed)


def test_a_failed_child_of_a_reference_task_fails_the_flow(executor):
    """4.4"""
    with Flow("f") as flow:
        fail_at_two.map(numbers())

    assert flow.run(executor=executor).is_failed()


def test_a_permissive_reduction_gets_the_exception_in_the_list(executor):
    """5.3"""
    keep = task(lambda xs: [type(x) for x in xs], name="keep", trigger=triggers.all_finished)
    with Flow("f") as flow:
        t = keep(fail_at_two.map(numbers()))

    assert flow.run(executor=executor).result[t].result == [int, ValueError, int]


def test_any_failed_below_a_map_looks_at_the_children():
    """5.4, 7.2"""
    with Flow("f") as flow:
        a = fail_at_two.map(numbers())
        b = Task("b", trigger=triggers.any_failed)
        b.set_upstream(a)

    assert flow.run().result[b].is_successful()


def test_the_trigger_of_a_mapped_task_is_asked_for_each_child(executor):
    """5.3"""
    asked = SharedList()

    def trigger(states):
        asked.append(context.map_index)
        return context.map_index != 1

    with Flow("f") as flow:
        m = task(lambda x: x, name="m", trigger=trigger).map(numbers())

    state = flow.run(executor=executor)

    assert sorted(asked) == [0, 1, 2]
    assert kinds(state.result[m]) == [Success, TriggerFailed, Success]


def test_an_unmapped_failure_above_fails_each_child(executor):
    """5.3"""

    @task
    def boom():
        raise ValueError

    with Flow("f") as flow:
        m = add.map(numbers(2), unmapped(boom()))

    assert kinds(flow.run(executor=executor).result[m]) == [TriggerFailed] * 2


def test_a_skipped_child_skips_its_own_line_only(executor):
    """5.3"""
    with Flow("f") as flow:
        a = skip_at_two.map(numbers())
        b = inc.map(a)
        c = task(lambda xs: xs, name="c", skip_on_upstream_skip=False)(b)

    state = flow.run(executor=executor)

    assert kinds(state.result[a]) == [Success, Skipped, Success]
    assert kinds(state.result[b]) == [Success, Skipped, Success]
    assert state.result[c].result == [2, None, 4]


def test_a_skipped_child_does_not_skip_the_reduction(executor):
    """5.4: the parent is Mapped, not Skipped."""
    with Flow("f") as flow:
        a = skip_at_two.map(numbers())
        b = task(lambda xs: len(xs), name="b")(a)

    assert flow.run(executor=executor).result[b].result == 3


def test_a_child_may_opt_out_of_being_skipped(executor):
    """5.3"""
    see = task(lambda x: x if isinstance(x, int) else "skipped", name="see", skip_on_upstream_skip=False)
    with Flow("f") as flow:
        m = see.map(skip_at_two.map(numbers()))

    assert flow.run(executor=executor).result[m].result == [1, "skipped", 3]


def test_children_may_end_by_signals():
    """4.5"""

    @task
    def early(x):
        raise SUCCESS(result=x * 2)

    with Flow("f") as flow:
        m = early.map(numbers())

    assert flow.run().result[m].result == [2, 4, 6]


def test_an_element_of_a_mapped_result_may_be_taken(executor):
    """3.9, 5.4"""
    with Flow("f") as flow:
        m = inc.map(numbers())
        t = inc(m[1])

    assert flow.run(executor=executor).result[t].result == 4


def test_a_thousand_children_are_run(executor):
    """5.2"""
    with Flow("f") as flow:
        t = total(inc.map(inc.map(Parameter("xs"))))

    assert flow.run(xs=list(range(1000)), executor=executor).result[t].result == sum(range(1000)) + 2000


def test_dictionaries_and_texts_are_mapped_like_sequences():
    """5.2: what has `__getitem__` is asked for 0, 1, 2..."""
    with Flow("f") as flow:
        m = task(lambda x: x, name="m").map(Parameter("xs"))

    assert flow.run(xs="abc").result[m].result == ["a", "b", "c"]
    assert flow.run(xs={0: "zero", 1: "one"}).result[m].result == ["zero", "one"]


@pytest.mark.parametrize("value", [{"a": 1}, {"a": 1, 0: 2}])
def test_an_input_that_cannot_be_asked_by_number_fails_the_task_and_not_the_run(value, executor):
    """5.2"""
    with Flow("f") as flow:
        m = task(lambda x: x, name="m").map(Parameter("xs"))
        other = inc(1)

    state = flow.run(xs=value, executor=executor)

    assert state.is_failed()
    assert state.result[m].message == "At least one upstream state has an unmappable result."
    assert state.result[other].is_successful()


def test_an_input_without_a_length_fails_the_task_and_not_the_run():
    """5.2"""

    class Endless:
        def __getitem__(self, key):
            return key

    with Flow("f") as flow:
        m = inc.map(task(lambda: Endless(), name="endless")())
        other = inc(1)

    state = flow.run()

    assert state.result[m].is_failed()
    assert state.result[other].is_successful()
