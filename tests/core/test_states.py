"""The tree of states: flow-model 6."""

from __future__ import annotations

import copy
import pickle
from datetime import UTC, datetime, timedelta, timezone

import cloudpickle
import pytest

from nbflow import states as facade
from nbflow.core.context import context
from nbflow.states import (
    Cached,
    Cancelled,
    Cancelling,
    ClientFailed,
    Failed,
    Finished,
    Looped,
    Mapped,
    Paused,
    Pending,
    Queued,
    Resume,
    Retrying,
    Running,
    Scheduled,
    Skipped,
    State,
    Submitted,
    Success,
    TimedOut,
    TriggerFailed,
    ValidationFailed,
    _MetaState,
)

PARENTS = {
    Pending: State,
    Scheduled: Pending,
    Paused: Scheduled,
    Resume: Scheduled,
    Retrying: Scheduled,
    _MetaState: State,
    ClientFailed: _MetaState,
    Submitted: _MetaState,
    Queued: _MetaState,
    Running: State,
    Cancelling: Running,
    Finished: State,
    Looped: Finished,
    Success: Finished,
    Cached: Success,
    Mapped: Success,
    Skipped: Success,
    Failed: Finished,
    TimedOut: Failed,
    TriggerFailed: Failed,
    ValidationFailed: Failed,
    Cancelled: Finished,
}
PUBLIC = sorted({State, *PARENTS} - {_MetaState}, key=lambda cls: cls.__name__)
SCHEDULED = [Scheduled, Paused, Resume, Retrying]
WITH_START_TIME = [*SCHEDULED, Queued]
PREDICATES = {
    "is_pending": (Pending,),
    "is_queued": (Queued,),
    "is_retrying": (Retrying,),
    "is_running": (Running,),
    "is_cached": (Cached,),
    "is_finished": (Finished,),
    "is_looped": (Looped,),
    "is_scheduled": (Scheduled, Queued),
    "is_submitted": (Submitted,),
    "is_skipped": (Skipped,),
    "is_successful": (Success,),
    "is_failed": (Failed,),
    "is_mapped": (Mapped,),
    "is_meta_state": (_MetaState,),
}

every_state = pytest.mark.parametrize("cls", PUBLIC)


@pytest.fixture(autouse=True)
def _own_context():
    before = context.swap({})
    yield
    context.swap(before)


# ------------------------------------------------------------------------------------------------ 6.1 the tree


@pytest.mark.parametrize(("cls", "parent"), PARENTS.items())
def test_every_state_has_its_place_in_the_tree(cls, parent):
    """flow-model 6.1."""
    assert cls.__bases__ == (parent,)


def test_the_public_module_holds_all_states():
    """flow-model 6.1."""
    assert facade.__all__ == [cls.__name__ for cls in PUBLIC]
    assert all(getattr(facade, cls.__name__) is cls for cls in PUBLIC)


@every_state
def test_a_state_needs_no_arguments(cls):
    """flow-model 6.1."""
    state = cls()

    assert state.message is None
    assert state.result is None
    assert state.context == {}
    assert state.cached_inputs == {}


@every_state
def test_message_and_result_may_be_positional(cls):
    """flow-model 6.1."""
    state = cls("a message", 10)

    assert state.message == "a message"
    assert state.result == 10


@every_state
def test_all_four_arguments_are_keywords_too(cls):
    """flow-model 6.1."""
    state = cls(message="m", result=10, context={"k": 1}, cached_inputs={"x": 2})

    assert (state.message, state.result, state.context, state.cached_inputs) == ("m", 10, {"k": 1}, {"x": 2})


def test_the_context_given_is_not_shared():
    """flow-model 6.1."""
    given = {"k": 1}

    with context(task_tags={"a"}):
        Success(context=given)

    assert given == {"k": 1}


def test_a_cancelled_state_is_finished_but_neither_failed_nor_successful():
    """flow-model 6.1."""
    state = Cancelled()

    assert state.is_finished()
    assert not state.is_failed()
    assert not state.is_successful()


# ------------------------------------------------------------------------------------------------ 6.2 questions


@pytest.mark.parametrize(("predicate", "classes"), PREDICATES.items())
@every_state
def test_predicates_tell_the_branch_of_the_tree(cls, predicate, classes):
    """flow-model 6.2."""
    assert getattr(cls(), predicate)() is issubclass(cls, classes)


def test_children_lists_the_classes_below():
    """flow-model 6.2."""
    assert Success.children() == [Cached, Mapped, Skipped]
    assert Success.children(include_self=True) == [Cached, Mapped, Skipped, Success]
    assert TriggerFailed.children() == []


def test_children_can_be_names():
    """flow-model 6.2."""
    assert Failed.children(names_only=True) == ["TimedOut", "TriggerFailed", "ValidationFailed"]
    assert TimedOut.children(include_self=True, names_only=True) == ["TimedOut"]


def test_children_hides_private_classes_but_not_what_is_below_them():
    """flow-model 6.2."""
    assert set(State.children(include_self=True)) >= set(PUBLIC)
    assert _MetaState not in State.children()


def test_parents_lists_the_classes_above():
    """flow-model 6.2."""
    assert Success.parents() == [Finished, State]
    assert Cached.parents(include_self=True) == [Success, Finished, State, Cached]
    assert Cached.parents(names_only=True) == ["Success", "Finished", "State"]
    assert State.parents() == []


def test_parents_hides_private_classes():
    """flow-model 6.2."""
    assert Queued.parents() == [State]


# ------------------------------------------------------------------------------------------------ 6.3 values


@every_state
def test_the_result_can_be_set(cls):
    """flow-model 6.3."""
    state = cls()

    state.result = 5

    assert state.result == 5


@pytest.mark.parametrize("value", [False, 0, ""])
@every_state
def test_results_that_are_false_survive(cls, value):
    """flow-model 6.3."""
    assert cls(result=value).result is value


@every_state
def test_the_repr_shows_class_and_message(cls):
    """flow-model 6.3."""
    assert repr(cls("so it is")) == f'<{cls.__name__}: "so it is">'
    assert repr(cls()) == f"<{cls.__name__}>"


def test_states_of_one_type_and_result_are_equal():
    """flow-model 6.3."""
    assert Success(result=1) == Success(result=1)
    assert Success(result=1) != Success(result=2)
    assert Success(result=1) != Cached(result=1)
    assert Success() != "Success"


def test_message_and_context_do_not_count_for_equality():
    """flow-model 6.3."""
    assert Success("a", context={"k": 1}) == Success("b", context={"k": 2})


def test_extra_attributes_count_for_equality():
    """flow-model 6.3."""
    now = datetime.now(UTC)

    assert Scheduled(start_time=now) == Scheduled(start_time=now)
    assert Scheduled(start_time=now) != Scheduled(start_time=now + timedelta(1))
    assert Cached(cached_parameters={"x": 1}) != Cached(cached_parameters={"x": 2})
    assert Success(cached_inputs={"x": 1}) != Success(cached_inputs={"x": 2})
    assert Mapped(map_states=[Success(result=1)]) == Mapped(map_states=[Success(result=1)])
    assert Mapped(result=[1], map_states=[]) != Mapped(result=[2], map_states=[])


def test_private_attributes_do_not_count_for_equality():
    """flow-model 6.3."""
    one, other = Success(), Success()
    one._private = 1

    assert one == other
    one.public = 1
    assert one != other
    assert other != one


def test_a_result_that_refuses_to_be_compared_makes_states_differ():
    class Array:
        def __eq__(self, other):
            raise ValueError("the truth value of an array is ambiguous")

        __hash__ = None

    array = Array()

    assert Success(result=array) == Success(result=array)
    assert Success(result=array) != Success(result=Array())


def test_states_hash_by_identity():
    """flow-model 6.3."""
    assert len({Success(), Success(), Pending()}) == 3


@every_state
def test_every_state_has_a_colour(cls):
    """flow-model 6.3."""
    assert cls.color.startswith("#")
    assert int(cls.color[1:], 16) >= 0
    assert len(cls.color) == 7


def test_the_colours_that_drawings_rely_on():
    """flow-model 6.3."""
    assert Success.color == "#28a745"
    assert Skipped.color == "#62757f"


@pytest.mark.parametrize("pickler", [pickle, cloudpickle])
@every_state
def test_states_survive_pickling(cls, pickler):
    state = cls("m", result={"x": [1]}, context={"k": 1})

    restored = pickler.loads(pickler.dumps(state))

    assert restored == state
    assert vars(restored) == vars(state)


def test_a_mapped_state_survives_copying():
    state = Mapped(map_states=[Success(result=1)])

    assert copy.copy(state) == copy.deepcopy(state) == state


# ------------------------------------------------------------------------------------------------ 6.4 details


@every_state
def test_only_scheduled_states_and_queued_have_a_start_time(cls):
    """flow-model 6.4."""
    assert hasattr(cls(), "start_time") is (cls in WITH_START_TIME)


@pytest.mark.parametrize("cls", [Scheduled, Resume, Retrying, Queued])
def test_the_start_time_is_now_by_default(cls):
    """flow-model 6.4."""
    before = datetime.now(UTC)

    state = cls()

    assert before <= state.start_time <= datetime.now(UTC)


@pytest.mark.parametrize("cls", [Scheduled, Resume, Retrying, Queued])
def test_a_start_time_of_none_is_now(cls):
    """flow-model 6.4."""
    assert cls(start_time=None).start_time <= datetime.now(UTC)


def test_a_pause_has_no_start_time_by_default():
    """flow-model 6.4."""
    assert Paused().start_time is None


@pytest.mark.parametrize("cls", WITH_START_TIME)
def test_a_naive_start_time_is_taken_as_utc(cls):
    """flow-model 6.4."""
    state = cls(start_time=datetime(2026, 1, 2, 3))

    assert state.start_time == datetime(2026, 1, 2, 3, tzinfo=UTC)


@pytest.mark.parametrize("cls", WITH_START_TIME)
def test_a_start_time_keeps_its_time_zone(cls):
    """flow-model 6.4."""
    moment = datetime(2026, 1, 2, 3, tzinfo=timezone(timedelta(hours=2)))

    assert cls(start_time=moment).start_time.isoformat() == "2026-01-02T03:00:00+02:00"


@every_state
def test_scheduled_states_keep_the_run_count_in_their_context(cls):
    """flow-model 6.4."""
    with context(task_run_count=5):
        state = cls()

    assert state.context == ({"task_run_count": 5} if cls in SCHEDULED else {})


def test_the_run_count_of_a_retry_is_given_or_from_the_context_or_one():
    """flow-model 6.4."""
    assert Retrying().run_count == 1
    with context(task_run_count=5):
        assert Retrying().run_count == 5
        assert Retrying(run_count=2).run_count == 2


def test_the_count_of_a_loop_is_given_or_from_the_context_or_one():
    """flow-model 6.4."""
    assert Looped().loop_count == 1
    with context(task_loop_count=5):
        assert Looped().loop_count == 5
        assert Looped(loop_count=2).loop_count == 2


@pytest.mark.parametrize("cls", [ClientFailed, Submitted, Queued])
def test_a_meta_state_wraps_another(cls):
    """flow-model 6.4."""
    wrapped = Pending("wait")

    assert cls(state=wrapped).state is wrapped
    assert cls().state is None


@pytest.mark.parametrize("outer", [ClientFailed, Submitted, Queued])
@pytest.mark.parametrize("inner", [ClientFailed, Submitted, Queued])
def test_nested_meta_states_collapse(outer, inner):
    """flow-model 6.4."""
    wrapped = Pending("wait")

    assert outer(state=inner(state=inner(state=wrapped))).state is wrapped


def test_the_number_of_children_is_the_length_of_their_list_unless_given():
    """flow-model 6.4."""
    assert Mapped().n_map_states == 0
    assert Mapped(map_states=[Success(), Success()]).n_map_states == 2
    assert Mapped(map_states=[Success()], n_map_states=4).n_map_states == 4
    assert Mapped(n_map_states=4).map_states == []


def test_the_result_of_a_mapped_state_lists_the_childrens():
    """flow-model 5.2."""
    error = ValueError("no")
    children = [Success(result=1), Failed(result=error), Skipped()]

    assert Mapped(map_states=children).result == [1, error, None]


def test_the_children_of_a_mapped_state_are_live():
    """flow-model 5.2."""
    children: list[State] = []
    state = Mapped(map_states=children)
    assert state.result == []

    children.append(Success(result=1))
    children[0].result = 2

    assert state.map_states is children
    assert state.result == [2]
    assert state.n_map_states == 1


def test_a_result_given_to_a_mapped_state_is_kept():
    """flow-model 5.2."""
    state = Mapped(result=[7], map_states=[Success(result=1)])

    assert state.result == [7]
    state.result = [8]
    assert state.result == [8]


def test_a_map_over_nothing_is_a_success_with_an_empty_list():
    """flow-model 5.2."""
    state = Mapped(n_map_states=0)

    assert state.is_successful()
    assert state.result == []


def test_a_cached_state_knows_what_it_was_computed_from():
    """flow-model 4.9."""
    state = Cached(
        result=1,
        hashed_inputs={"x": "abc"},
        cached_parameters={"p": 2},
        cached_result_expiration=datetime(2026, 1, 2),
    )

    assert state.hashed_inputs == {"x": "abc"}
    assert state.cached_parameters == {"p": 2}
    assert state.cached_result_expiration == datetime(2026, 1, 2, tzinfo=UTC)
    assert Cached().cached_result_expiration is None


@every_state
def test_a_state_records_the_tags_of_its_task(cls):
    """flow-model 6.4."""
    with context(task_tags={"a", "b"}):
        state = cls()

    assert isinstance(state.context["tags"], list)
    assert set(state.context["tags"]) == {"a", "b"}


@every_state
def test_tags_given_to_a_state_are_kept(cls):
    """flow-model 6.4."""
    with context(task_tags={"a", "b"}):
        state = cls(context={"tags": ["mine"]})

    assert state.context == {"tags": ["mine"]}


def test_context_and_cached_inputs_are_each_state_s_own():
    one, other = Success(), Success()

    one.context["x"] = 1
    one.cached_inputs["y"] = 2

    assert (other.context, other.cached_inputs) == ({}, {})
    assert one.context == {"x": 1}
    assert one != other
