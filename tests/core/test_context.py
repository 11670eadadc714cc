"""The context of the running code, and tags: flow-model 4.12 and 3.11."""

from __future__ import annotations

import pickle
import threading

import cloudpickle
import pytest

from nbflow.core.context import CACHES, context
from nbflow.core.tags import tags


@pytest.fixture(autouse=True)
def _own_context():
    before = context.swap({})
    yield
    context.swap(before)


def run_in_thread(function):
    results = []
    thread = threading.Thread(target=lambda: results.append(function()))
    thread.start()
    thread.join()
    return results[0]


def test_an_absent_attribute_is_an_attribute_error():
    """flow-model 4.12."""
    with pytest.raises(AttributeError, match="no value 'absent'"):
        context.absent  # noqa: B018


def test_an_absent_item_is_a_key_error():
    with pytest.raises(KeyError):
        context["absent"]


def test_a_value_is_there_inside_the_block_only():
    """flow-model 4.12."""
    with context({"a": 10}):
        assert context.a == 10
        assert context["a"] == 10

    assert "a" not in context
    assert not hasattr(context, "a")


def test_a_block_takes_keywords_and_a_dictionary_together():
    """flow-model 4.12."""
    with context({"a": 1}, b=2) as entered:
        assert (entered.a, entered.b) == (1, 2)
        assert entered is context


def test_a_nested_block_restores_the_outer_one():
    """flow-model 4.12."""
    with context(a=1):
        with context(a=2, b=3):
            assert context.copy() == {"a": 2, "b": 3}

        assert context.copy() == {"a": 1}


def test_a_block_restores_when_its_body_raises():
    """flow-model 4.12."""
    with pytest.raises(ZeroDivisionError), context(a=1):
        raise ZeroDivisionError

    assert "a" not in context


def test_what_a_block_sets_or_deletes_by_hand_is_undone_too():
    """flow-model 4.12."""
    context.kept = 1

    with context(a=1):
        context.b = 2
        context["c"] = 3
        context.update(d=4)
        del context.kept
        assert context.copy() == {"a": 1, "b": 2, "c": 3, "d": 4}

    assert context.copy() == {"kept": 1}


def test_setdefault_keeps_the_first_value():
    """flow-model 4.12."""
    assert context.setdefault("a", 1) == 1
    assert context.setdefault("a", 2) == 1
    assert context.a == 1


def test_get_gives_the_value_or_the_default():
    """flow-model 4.12."""
    context.a = None

    assert context.get("a", 5) is None
    assert context.get("b") is None
    assert context.get("b", 5) == 5


def test_it_behaves_as_a_dictionary():
    """flow-model 4.12."""
    context.update({"a": 1}, b=2)

    assert list(context) == ["a", "b"]
    assert list(context.items()) == [("a", 1), ("b", 2)]
    assert len(context) == 2
    assert context.pop("a") == 1
    assert context.pop("a", None) is None
    assert list(context.keys()) == ["b"]


def test_deleting_what_is_absent_says_so():
    with pytest.raises(AttributeError, match="no value 'absent'"):
        del context.absent
    with pytest.raises(KeyError):
        del context["absent"]


def test_copies_are_independent_of_the_context():
    context.a = 1

    context.copy()["a"] = 2
    context.to_dict()["a"] = 3

    assert context.a == 1


def test_clear_forgets_everything():
    context.a = 1

    context.clear()

    assert len(context) == 0


def test_each_thread_has_its_own_values():
    """flow-model 4.12."""
    context.a = 1

    assert run_in_thread(lambda: "a" in context) is False
    run_in_thread(lambda: context.update(a=2))
    assert context.a == 1


def test_swap_installs_a_whole_dictionary_and_returns_the_old_one():
    context.a = 1
    values = {"b": 2}

    before = context.swap(values)
    context.c = 3
    again = context.swap(before)

    assert again is values
    assert values == {"b": 2, "c": 3}
    assert context.copy() == {"a": 1}


def test_caches_are_there_from_the_start_and_shared_by_threads():
    """flow-model 4.9."""
    assert context.caches == {}
    assert "caches" in context
    assert context.caches is context.get("caches") is context["caches"] is CACHES
    assert run_in_thread(lambda: context.caches) is context.caches


def test_caches_can_be_replaced_for_a_while():
    """flow-model 4.9."""
    mine = {"key": []}

    with context(caches=mine):
        assert context.caches is mine

    assert context.caches is CACHES


def test_the_logger_is_named_after_the_running_task():
    """flow-model 4.12."""
    assert context.logger.name == "nbflow"
    with context(task_name="load"):
        assert context.logger.name == "nbflow.load"
        assert context.get("logger") is context["logger"] is context.logger
        assert "logger" not in context.copy()


def test_nothing_is_cancelled_outside_a_run():
    assert context.cancelled() is False


def test_cancelled_asks_the_flag_of_the_run():
    asked = []
    with context(_cancel_flag=lambda: asked.append(1) or len(asked) > 1):
        assert context.cancelled() is False
        assert context.cancelled() is True


@pytest.mark.parametrize("pickler", [pickle, cloudpickle])
def test_it_is_pickled_by_name_so_that_shipped_functions_find_the_context_of_their_place(pickler):
    context.a = 1

    restored = pickler.loads(pickler.dumps(context))

    assert restored is context


def test_its_repr_names_the_keys_but_not_the_values():
    assert repr(context) == "<Context>"
    with context(password="secret", a=1):
        assert repr(context) == "<Context: a, password>"


def test_tags_are_in_the_context_of_their_block_only():
    """flow-model 3.11."""
    with tags("a", "b"):
        assert context.tags == {"a", "b"}

    assert "tags" not in context


def test_nested_tags_unite():
    """flow-model 3.11."""
    with tags("a"):
        with tags("b"):
            assert context.tags == {"a", "b"}

        assert context.tags == {"a"}


def test_an_attempt_makes_its_values_when_they_are_asked_for():
    asked = []

    class Attempt:
        @property
        def context(self):
            asked.append(self)
            return {"x": 1}

    before = context.swap(Attempt())

    assert asked == []
    assert context.x == 1
    context.y = 2
    assert context.get("y") == 2
    assert len(asked) == 1
    context.swap(before)
