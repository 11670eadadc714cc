"""`defaults_from_attrs`: attributes of a task as the defaults of its `run`."""

from __future__ import annotations

import inspect

import pytest

from nbflow import Flow, Task, context, defaults_from_attrs
from nbflow.errors import NbflowError


class Copy(Task):
    def __init__(self, source=None, target_folder=None, **options):
        self.source = source
        if target_folder != "never set":
            self.target_folder = target_folder
        super().__init__(**options)

    @defaults_from_attrs("source", "target_folder")
    def run(self, source=None, target_folder=None, mode="w"):
        """Copy it."""
        return source, target_folder, mode


def test_what_a_call_does_not_give_comes_from_the_attributes():
    assert Copy("a", "b").run() == ("a", "b", "w")


def test_what_a_call_gives_wins_also_none():
    copy = Copy("a", "b")

    assert copy.run(source="c", mode="x") == ("c", "b", "x")
    assert copy.run("c") == ("c", "b", "w")
    assert copy.run(source=None, target_folder=None) == (None, None, "w")
    assert copy.run(None, None) == (None, None, "w")


def test_docstring_and_signature_stay():
    assert Copy.run.__doc__ == "Copy it."
    assert list(inspect.signature(Copy().run).parameters) == ["source", "target_folder", "mode"]
    assert Copy().inputs().keys() == {"source", "target_folder", "mode"}


def test_an_attribute_that_was_never_set_is_missed_only_when_it_is_needed():
    copy = Copy("a", "never set")

    assert copy.run(target_folder="b") == ("a", "b", "w")
    with pytest.raises(AttributeError, match="target_folder"):
        copy.run()


def test_in_a_flow_each_copy_of_the_task_gives_its_own_defaults():
    copy = Copy("a", "b")
    with Flow("f") as flow:
        as_made, given, mapped = copy(), copy(source="c"), copy.map(source=["d", None])
        changed = copy(task_args={"target_folder": "z"})
        broken = Copy("a", "never set")()

    state = flow.run()

    assert state.result[as_made].result == ("a", "b", "w")
    assert state.result[given].result == ("c", "b", "w")
    assert state.result[mapped].result == [("d", "b", "w"), (None, "b", "w")]
    assert state.result[changed].result == ("a", "z", "w")
    assert isinstance(state.result[broken].result, AttributeError)


def test_an_attribute_changed_later_counts():
    copy = Copy("a", "b")
    copy.source = "later"

    assert copy.run()[0] == "later"


def test_a_name_that_is_no_argument_is_refused():
    with pytest.raises(ValueError, match="'wrong'") as error:
        defaults_from_attrs("wrong")(Copy.run)
    assert isinstance(error.value, NbflowError)


def test_variable_keywords_take_any_name():
    class Gather(Task):
        size = 3

        @defaults_from_attrs("size")
        def run(self, **found):
            return found

    assert Gather().run(x=1) == {"x": 1, "size": 3}


def test_an_asynchronous_run_has_defaults_too():
    class Wait(Task):
        word = "done"

        @defaults_from_attrs("word")
        async def run(self, word=None):
            return word, context.task_name

    with Flow("f") as flow:
        waited = Wait()()

    assert flow.run().result[waited].result == ("done", "Wait")
