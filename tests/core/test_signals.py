"""Signals: flow-model 7.1 and 4.10."""

from __future__ import annotations

import pickle
from datetime import UTC, datetime

import cloudpickle
import pytest

from nbflow import signals
from nbflow.states import (
    Failed,
    Looped,
    Paused,
    Pending,
    Retrying,
    Skipped,
    State,
    Success,
    TriggerFailed,
    ValidationFailed,
)

STATES = {
    signals.FAIL: Failed,
    signals.TRIGGERFAIL: TriggerFailed,
    signals.VALIDATIONFAIL: ValidationFailed,
    signals.SUCCESS: Success,
    signals.RETRY: Retrying,
    signals.SKIP: Skipped,
    signals.PAUSE: Paused,
    signals.LOOP: Looped,
}

every_signal = pytest.mark.parametrize(("cls", "state_cls"), STATES.items())


@every_signal
def test_a_signal_carries_the_state_it_stands_for(cls, state_cls):
    """flow-model 7.1."""
    signal = cls("why")

    assert type(signal.state) is state_cls
    assert signal.state.message == "why"
    assert signal.state.result is signal


@every_signal
def test_the_text_of_a_signal_is_its_message(cls, state_cls):
    """flow-model 7.1."""
    with pytest.raises(signals.StateSignal) as caught:
        raise cls("why")

    assert str(caught.value) == "why"
    assert str(cls(message="why")) == "why"


@every_signal
def test_a_signal_needs_no_message(cls, state_cls):
    """flow-model 7.1."""
    signal = cls()

    assert signal.state.message is None
    assert str(signal) == ""


@every_signal
def test_a_signal_passes_its_result_to_the_state(cls, state_cls):
    """flow-model 7.1."""
    assert cls("why", result=0).state.result == 0
    assert cls("why", result=None).state.result is None
    assert cls("why", 5).state.result == 5


@every_signal
def test_arguments_that_the_state_does_not_know_are_a_type_error(cls, state_cls):
    """flow-model 7.1."""
    with pytest.raises(TypeError):
        cls("why", no_such_argument=1)


def test_a_retry_takes_time_and_count():
    """flow-model 7.1."""
    moment = datetime(2026, 1, 2, tzinfo=UTC)

    signal = signals.RETRY("again", start_time=moment, run_count=4)

    assert signal.state.start_time == moment
    assert signal.state.run_count == 4


def test_a_pause_takes_a_time():
    """flow-model 7.1."""
    moment = datetime(2026, 1, 2, tzinfo=UTC)

    assert signals.PAUSE(start_time=moment).state.start_time == moment


def test_the_special_failures_are_failures():
    """flow-model 7.1."""
    assert issubclass(signals.TRIGGERFAIL, signals.FAIL)
    assert issubclass(signals.VALIDATIONFAIL, signals.FAIL)


@every_signal
def test_the_signal_of_a_state_is_found_by_its_class(cls, state_cls):
    """flow-model 7.1."""
    assert signals.signal_from_state(state_cls()) is cls


@pytest.mark.parametrize("state", [Pending(), State()])
def test_a_state_without_a_signal_is_a_value_error(state):
    """flow-model 7.1."""
    with pytest.raises(ValueError, match="no signal stands for"):
        signals.signal_from_state(state)


def test_endrun_carries_any_state_and_is_no_state_signal():
    """flow-model 7.1."""
    state = Pending("later")

    signal = signals.ENDRUN(state)

    assert signal.state is state
    assert str(signal) == "later"
    assert not isinstance(signal, signals.StateSignal)


def test_endrun_takes_the_state_by_name():
    """flow-model 7.1."""
    state = Success()

    assert signals.ENDRUN(state=state).state is state
    assert str(signals.ENDRUN(state=state)) == "<Success>"


@pytest.mark.parametrize("pickler", [pickle, cloudpickle])
@every_signal
def test_signals_survive_pickling(cls, state_cls, pickler):
    """flow-model 7.1."""
    signal = cls("why", context={"k": 1})

    restored = pickler.loads(pickler.dumps(signal))

    assert type(restored) is cls
    assert str(restored) == "why"
    assert type(restored.state) is state_cls
    assert restored.state.context == {"k": 1}
    assert restored.state.result is restored


@pytest.mark.parametrize("pickler", [pickle, cloudpickle])
def test_endrun_survives_pickling(pickler):
    """flow-model 7.1."""
    restored = pickler.loads(pickler.dumps(signals.ENDRUN(Success("done", 5))))

    assert restored.state == Success(result=5)
    assert str(restored) == "done"


@pytest.mark.parametrize("pickler", [pickle, cloudpickle])
def test_a_timeout_is_an_ordinary_exception_that_survives_pickling(pickler):
    """flow-model 4.10."""
    signal = signals.TaskTimeoutSignal("load timed out after 3 s")

    restored = pickler.loads(pickler.dumps(signal))

    assert isinstance(restored, TimeoutError)
    assert str(restored) == "load timed out after 3 s"
    assert "timed out" in str(signals.TaskTimeoutSignal())
