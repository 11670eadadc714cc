"""Values that stay on a cluster: nothing is fetched but what somebody looks at (docs/reruns.md, rules V1 to V3)."""

from __future__ import annotations

import copy
import pickle
from datetime import timedelta

import pytest

from nbflow import Flow, Parameter, apply_map, case, flatten, mapped, merge, resource_manager, task, unmapped
from nbflow.cache_validators import all_inputs
from nbflow.core import signals
from nbflow.core.states import Released, Success, without_value
from nbflow.engine.state_values import with_value
from nbflow.errors import ValueReleasedError
from nbflow.states import Failed, Mapped
from tests.executors.keeping_cluster import KeepingCluster, KeptValues
from tests.shared import SharedList

GONE = Released("a task", "its cluster is closed", "rerun {task!r}")


@pytest.fixture
def cluster():
    with KeepingCluster(2).faked() as cluster:
        yield cluster


def numbers(count=3):
    return list(range(count))


def total(values):
    return sum(values)


def count_of(values):
    return len(values)


def run_of(flow, cluster, **options):
    run = flow.start(executor=cluster, **options)
    assert run.wait(30).is_successful(), run.states
    return run


# -- states


@pytest.fixture
def values():
    return KeptValues()


def state_of(values, value, cls=Success):
    return with_value(cls("made"), values.keep(value))


def test_a_value_that_is_elsewhere_is_fetched_once_when_somebody_looks(values):
    state = state_of(values, [1, 2])

    assert values.fetched == []
    assert state.result == [1, 2]
    assert state.result is state.result
    assert len(values.fetched) == 1


def test_states_are_equal_whether_their_values_are_here_or_elsewhere(values):
    assert state_of(values, [1, 2]) == Success(result=[1, 2]) == state_of(values, [1, 2])
    assert state_of(values, [1, 2]) != Success(result=[1, 3])


def test_a_state_is_not_compared_with_itself_value_by_value(values):
    state = state_of(values, [1, 2])

    assert state in [state]
    assert values.fetched == []


def test_a_pickled_state_has_the_value(values):
    state = state_of(values, [1, 2])

    there = pickle.loads(pickle.dumps(state))

    assert there.remote is None
    assert there.result == [1, 2]


def test_a_copy_of_a_state_fetches_nothing_and_a_deep_one_has_a_value_of_its_own(values):
    state = state_of(values, [1, 2])

    shallow = copy.copy(state)

    assert values.fetched == []
    assert shallow.result is state.result
    deep = copy.deepcopy(state)
    assert deep.result == [1, 2]
    assert deep.result is not state.result


def test_a_state_that_a_handler_gives_a_value_has_that_one(values):
    state = state_of(values, [1, 2])

    state.result = 7

    assert state == Success(result=7)
    assert pickle.loads(pickle.dumps(state)).result == 7
    assert values.fetched == []


def test_a_state_without_its_value_holds_nothing_that_is_elsewhere(values):
    bare = without_value(state_of(values, [1, 2]), GONE)

    assert not values.parts
    with pytest.raises(ValueReleasedError):
        _ = bare.result


def test_a_mapped_state_shows_the_values_of_its_children(values):
    children = [state_of(values, [1]), Success(result=2), state_of(values, [3])]

    state = Mapped(map_states=children)

    assert values.fetched == []
    assert state.result == [[1], 2, [3]]
    assert state.result[0] is children[0].result
    assert pickle.loads(pickle.dumps(state)).result == [[1], 2, [3]]


def test_the_values_of_children_are_fetched_at_once(values):
    state = Mapped(map_states=[state_of(values, [n]) for n in range(5)])

    assert state.result == [[n] for n in range(5)]
    assert values.rounds == [5]


def test_values_that_cannot_be_fetched_at_once_are_fetched_one_by_one(values, monkeypatch):
    def broken(several):
        raise MemoryError

    monkeypatch.setattr(values, "fetch_all", broken)
    state = Mapped(map_states=[state_of(values, [n]) for n in range(3)])

    assert state.result == [[0], [1], [2]]
    assert values.rounds == [1, 1, 1]


def test_a_value_that_is_gone_says_which_and_why_and_what_to_do(values):
    state = state_of(values, [1, 2])
    state.remote.task = "load"
    values.gone = GONE

    with pytest.raises(ValueReleasedError, match="'load' is not here: its cluster is closed; rerun 'load'"):
        _ = state.result


def test_a_value_that_somebody_has_looked_at_stays_when_its_cluster_goes(values):
    state = state_of(values, [1, 2])
    seen = state.result
    values.gone = GONE

    assert state.result is seen
    assert not state.remote.is_gone
    its_own = state.remote.fetch()
    assert its_own == [1, 2]
    assert its_own is not seen


# -- inputs


def test_tasks_of_a_cluster_hand_values_on_without_the_kernel(cluster):
    with Flow("chain") as flow:
        made = task(numbers)(4)
        doubled = task(lambda values: [2 * value for value in values], name="doubled")(made)
        summed = task(total)(doubled)

    run = run_of(flow, cluster)

    assert cluster.values.fetched == []
    assert run.states[summed].result == 12
    assert run.states[doubled].result == [0, 2, 4, 6]
    assert cluster.values.fetched == ["doubled"]


def test_a_map_takes_its_elements_where_they_are(cluster):
    with Flow("map") as flow:
        pairs = task(lambda: [[1, 2], [3, 4]], name="pairs")()
        more = task(lambda: [10, 20, 30], name="more")()
        summed = task(lambda pair, one: [sum(pair) + one], name="summed").map(pairs, more)
        gathered = task(lambda values: [value for one in values for value in one], name="gathered")(summed)
        flat = task(lambda value: -value, name="flat").map(flatten(summed))

    run = run_of(flow, cluster)

    assert cluster.values.fetched == []
    assert run.states[flat].result == [-13, -27]
    assert run.states[gathered].result == [13, 27]
    assert run.states[summed].result == [[13], [27]]


def test_what_cannot_be_mapped_over_fails_the_map_wherever_it_is(cluster):
    with Flow("map") as flow:
        over = task(lambda: {1, 2}, name="a set")()
        mapped = task(lambda value: value, name="mapped").map(over)

    state = flow.run(executor=cluster)

    assert type(state.result[mapped]) is Failed
    assert state.result[mapped].message == "At least one upstream state has an unmappable result."


@pytest.mark.parametrize(
    ("make", "expected"),
    [
        (lambda: iter([[1], [2]]), [[1], [2]]),
        (lambda: {0: "a", 1: "b"}, ["a", "b"]),
    ],
    ids=["iterator", "dictionary"],
)
def test_what_its_facts_do_not_tell_the_length_of_is_mapped_over_as_ever(cluster, make, expected):
    with Flow("map") as flow:
        over = task(make, name="over")()
        same = task(lambda value: value, name="same").map(over)

    run = run_of(flow, cluster)

    assert run.states[same].result == expected


def test_flattening_what_is_nested_elsewhere_gives_what_it_gives_here(cluster):
    with Flow("flat") as flow:
        nested = task(lambda: [[1, 2], [3]], name="nested")()
        below = task(lambda value: value + 1, name="below").map(flatten(nested))
        summed = task(total)(flatten(nested))
        rows = task(lambda n: {n: n}, name="rows").map([1, 2])
        keys = task(lambda values: values, name="keys")(flatten(rows))

    run = run_of(flow, cluster)

    assert run.states[below].result == [2, 3, 4]
    assert run.states[summed].result == 6
    assert run.states[keys].result == [1, 2]


def test_collections_hand_on_what_is_elsewhere(cluster):
    with Flow("collections") as flow:
        first, second = task(numbers)(2), task(numbers, name="second")(3)
        counts = task(lambda found: [len(found["a"]), *map(len, found["both"])], name="counts")(
            {"a": first, "both": (first, second)}
        )
        summed = task(total).map([first, second])

    run = run_of(flow, cluster)

    assert cluster.values.fetched == []
    assert run.states[counts].result == [2, 2, 3]
    assert run.states[summed].result == [1, 3]


def test_a_collection_shows_the_values_of_its_tasks(cluster):
    with Flow("collections") as flow:
        first = task(numbers)(2)
        counted = task(count_of)([first, [first, 7]])

    run = run_of(flow, cluster)

    outer = next(one for one in flow.tasks if one.name == "List" and counted in flow.downstream_tasks(one))
    assert run.states[outer].result == [[0, 1], [[0, 1], 7]]
    assert run.states[outer].result is run.states[outer].result
    assert run.states[outer].result[0] is run.states[first].result
    assert run.states[counted].result == 2
    assert pickle.loads(pickle.dumps(run.states[outer])).result == [[0, 1], [[0, 1], 7]]


def test_a_set_and_the_keys_of_a_dictionary_are_looked_at_where_they_are_made(cluster):
    with Flow("keys") as flow:
        key = task(lambda: (1, 2), name="key")()
        found = task(lambda by_key, keys: [by_key[1, 2], *keys], name="found")({key: key}, {key, key})

    run = run_of(flow, cluster)

    assert run.states[found].result == [(1, 2), (1, 2)]


def test_merge_hands_on_the_value_of_the_branch_that_ran(cluster):
    with Flow("branches") as flow:
        which = task(lambda: "b", name="which")()
        with case(which, "a"):
            one = task(numbers)(1)
        with case(which, "b"):
            other = task(numbers, name="other")(2)
        merged = merge(one, other)
        summed = task(total)(merged)

    run = run_of(flow, cluster)

    assert cluster.values.fetched == []
    assert run.states[merged].remote is run.states[other].remote
    assert run.states[summed].result == 1


def test_a_case_is_decided_by_a_value_that_is_elsewhere(cluster):
    with Flow("branches") as flow:
        which = task(numbers)(2)
        with case(which, [0, 1]):
            inside = task(lambda: "ran", name="inside")()

    assert run_of(flow, cluster).states[inside].result == "ran"


def test_a_task_of_the_kernel_gets_a_copy_of_its_own(cluster):
    async def changed(values):
        values.append("changed")
        return len(values)

    with Flow("async") as flow:
        made = task(numbers)(2)
        one = task(changed, name="one")(made)
        other = task(changed, name="other")(made)
        again = task(count_of)(made)

    run = run_of(flow, cluster)

    assert [run.states[one].result, run.states[other].result, run.states[again].result] == [3, 3, 2]
    assert run.states[made].result == [0, 1]


def test_an_iterator_elsewhere_gives_all_items_to_each_that_takes_it(cluster):
    """V3."""
    with Flow("iterator") as flow:
        made = task(lambda: iter([1, 2, 3]), name="made")()
        sums = [task(total, name=f"sum {number}")(made) for number in range(2)]

    run = run_of(flow, cluster)

    assert [run.states[one].result for one in sums] == [6, 6]


def test_a_block_is_set_up_with_the_value_itself(cluster):
    seen = []

    @resource_manager
    class Table:
        def __init__(self, rows):
            self.rows = rows

        def setup(self):
            seen.append(self.rows)
            return len(self.rows)

        def cleanup(self, resource):
            seen.append(resource)

    with Flow("block") as flow:
        rows = task(numbers)(2)
        with Table(rows) as table:
            used = task(lambda n: n + 1, name="used")(table)

    run = run_of(flow, cluster)

    assert seen == [[0, 1], 2]
    assert run.states[used].result == 3


def test_a_task_that_is_cached_compares_what_the_values_are(cluster):
    calls = SharedList()

    def counted(values):
        calls.append(len(values))
        return [*values]

    with Flow("cached") as flow:
        count = Parameter("count", default=2)
        kept = task(counted, cache_for=timedelta(hours=1), cache_key="test_remote_values", cache_validator=all_inputs)(
            task(numbers)(count)
        )

    for wanted in (2, 2, 3):
        assert run_of(flow, cluster, count=wanted).states[kept].result == numbers(wanted)

    assert calls == [2, 3]


def test_a_cached_value_that_is_gone_is_made_again(cluster):
    calls = SharedList()

    def made():
        calls.append("made")
        return [1]

    with Flow("cached") as flow:
        kept = task(made, cache_for=timedelta(hours=1), cache_key="test_remote_values_gone")()
    run = run_of(flow, cluster)
    cluster.values.gone = GONE
    with KeepingCluster(2).faked() as another:
        again = run_of(flow, another)

    assert calls == ["made", "made"]
    assert again.states[kept].result == [1]
    assert run.states[kept].remote.is_gone


def test_a_run_name_fetches_only_what_it_names(cluster):
    names = SharedList()

    def named(values, others):
        from nbflow import context

        names.append(context["task_run_name"])

    with Flow("names") as flow:
        task(named, task_run_name="of {values}")(task(numbers)(2), task(numbers, name="others")(3))

    run_of(flow, cluster)

    assert names == ["of [0, 1]"]
    assert cluster.values.fetched == ["numbers"]


def test_a_trigger_sees_the_elements_of_what_is_elsewhere(cluster):
    def all_are_small(upstream):
        return all(state.result < 10 for state in upstream.values()) or _fail()

    def _fail():
        raise signals.TRIGGERFAIL("too large")

    with Flow("trigger") as flow:
        small = task(lambda value: value, name="small", trigger=all_are_small).map(task(lambda: [1, 20], name="many")())

    state = flow.run(executor=cluster)

    assert [child.is_successful() for child in state.result[small].map_states] == [True, False]


def test_each_turn_of_a_loop_takes_what_is_elsewhere(cluster):
    def grown(values, more):
        from nbflow import context

        turn = context["task_loop_count"]
        if turn < 3:
            raise signals.LOOP(result=turn)
        return [turn, *values, *more[0]]

    with Flow("loop") as flow:
        made = task(numbers)(2)
        looped = task(grown)(made, [made])

    assert run_of(flow, cluster).states[looped].result == [3, 0, 1, 0, 1]


def test_a_further_attempt_takes_what_is_elsewhere(cluster):
    tries = SharedList()

    def shaky(values):
        tries.append(len(values))
        values.append("changed")
        if len(tries) < 2:
            raise OSError
        return values

    with Flow("retry") as flow:
        made = task(numbers)(2)
        tried = task(shaky, max_retries=1, retry_delay=timedelta(0))(made)

    run = run_of(flow, cluster)

    assert tries == [2, 2]
    assert run.states[tried].result == [0, 1, "changed"]
    assert run.states[made].result == [0, 1]


def test_apply_map_over_what_is_elsewhere_fetches_nothing(cluster):
    def body(n):
        return task(lambda one, pair: one + pair[0], name="sum")(n, [n, n])

    with Flow("apply") as flow:
        summed = apply_map(body, task(numbers)(3))

    run = run_of(flow, cluster)

    assert run.states[summed].result == [0, 2, 4]
    assert cluster.values.fetched == []


def test_tasks_that_are_mapped_beside_one_another_pair_their_children(cluster):
    with Flow("pairs") as flow:
        first = task(lambda n: [n], name="first").map([1, 2])
        second = task(lambda one, both: [one[0] + len(both)], name="second").map(first, unmapped(first))
        third = task(lambda one, other: one[0] * other[0], name="third")(mapped(first), mapped(second))

    run = run_of(flow, cluster)

    assert run.states[third].result == [3, 8]
    assert cluster.values.fetched == []


def test_a_condition_of_a_breakpoint_sees_the_value(cluster):
    with Flow("break") as flow:
        made = task(numbers)(2)
        summed = task(total)(made)
    run = flow.start(executor=cluster, paused=True)
    run.break_at(summed, when=lambda values: values == [0, 1])
    run.resume()
    run.wait(30, or_held=True)

    assert run.held == [summed]
    assert run.inputs(summed) == {"values": [0, 1]}
    run.resume()
    assert run.wait(30).is_successful()
