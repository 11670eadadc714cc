"""A state's questions are methods; without parentheses they are no answer, and say so."""

from __future__ import annotations

import pickle

import pytest

from nbflow.core.states import Failed, Success

QUESTIONS = [name for name in dir(Success()) if name.startswith("is_")]


@pytest.mark.parametrize("name", QUESTIONS)
def test_a_question_without_parentheses_is_an_error_that_says_what_to_write(name):
    with pytest.raises(TypeError, match=rf"write \.{name}\(\)"):
        bool(getattr(Success(), name))


def test_the_forgotten_parentheses_of_a_condition_are_found():
    state = Failed("no data")

    with pytest.raises(TypeError, match=r"is_successful is a method, and always true without parentheses"):
        assert not state.is_successful


def test_asked_it_answers_through_the_object_and_through_the_class():
    assert Success().is_successful() is True
    assert Success.is_failed(Failed()) is True
    assert list(map(Success.is_successful, [Success(), Failed()])) == [True, False]


def test_a_question_may_be_handed_on():
    ask = Success().is_successful

    assert ask() is True
    assert "is_successful" in repr(ask)


def test_states_are_still_pickled():
    assert pickle.loads(pickle.dumps(Success("done", result=3))).is_successful()


def test_a_subclass_may_answer_otherwise():
    class Doubtful(Success):
        def is_successful(self):
            return super().is_successful() and self.result is not None

    assert [Doubtful(result=1).is_successful(), Doubtful().is_successful()] == [True, False]
