"""Triggers: flow-model 7.2."""

from __future__ import annotations

import itertools
import pickle

import cloudpickle
import pytest

from nbflow import resource_cleanup_trigger, signals, triggers
from nbflow.core.context import context
from nbflow.states import Cancelled, Failed, Mapped, Pending, Running, Skipped, Success, TriggerFailed

PLAIN = [
    triggers.all_successful,
    triggers.all_failed,
    triggers.any_successful,
    triggers.any_failed,
    triggers.all_finished,
    triggers.not_all_skipped,
]
FACTORIES = [triggers.some_failed, triggers.some_successful]


def upstream(success=0, failed=0, skipped=0, trigger_failed=0, pending=0):
    states = [cls() for cls, n in ((Success, success), (Failed, failed), (Skipped, skipped)) for _ in range(n)]
    states += [TriggerFailed() for _ in range(trigger_failed)] + [Pending() for _ in range(pending)]
    return of(*states)


def of(*states):
    """Key the states by something that can stand for an edge."""
    return {f"edge {i}": state for i, state in enumerate(states)}


def verdict(trigger, states):
    try:
        assert trigger(states) is True
    except signals.SKIP:
        return "skip"
    except signals.TRIGGERFAIL:
        return "fail"
    return "run"


@pytest.mark.parametrize(
    ("trigger", "states", "expected"),
    [
        (triggers.all_successful, upstream(success=3), "run"),
        (triggers.all_successful, upstream(success=3, failed=1), "fail"),
        (triggers.all_successful, upstream(failed=3), "fail"),
        (triggers.all_successful, upstream(success=3, skipped=1), "run"),
        (triggers.all_successful, upstream(success=3, trigger_failed=1), "fail"),
        (triggers.all_successful, of(Success(), Cancelled()), "fail"),
        (triggers.all_failed, upstream(failed=3), "run"),
        (triggers.all_failed, upstream(failed=2, trigger_failed=1), "run"),
        (triggers.all_failed, upstream(failed=3, success=1), "fail"),
        (triggers.all_failed, upstream(failed=3, skipped=1), "fail"),
        (triggers.any_successful, upstream(success=1, failed=3), "run"),
        (triggers.any_successful, upstream(skipped=1, failed=3), "run"),
        (triggers.any_successful, upstream(failed=3), "fail"),
        (triggers.any_failed, upstream(failed=1, success=3), "run"),
        (triggers.any_failed, upstream(trigger_failed=1, success=3), "run"),
        (triggers.any_failed, upstream(success=3, skipped=1), "fail"),
        (triggers.all_finished, upstream(success=1, failed=1, skipped=1, trigger_failed=1), "run"),
        (triggers.all_finished, of(Cancelled()), "run"),
        (triggers.all_finished, upstream(success=1, pending=1), "fail"),
        (triggers.all_finished, of(Running()), "fail"),
        (triggers.not_all_skipped, upstream(success=1, skipped=2), "run"),
        (triggers.not_all_skipped, upstream(success=2), "run"),
        (triggers.not_all_skipped, upstream(skipped=2), "skip"),
        (triggers.not_all_skipped, upstream(success=2, failed=1), "fail"),
        (triggers.not_all_skipped, upstream(skipped=2, failed=1), "fail"),
    ],
)
def test_the_trigger_judges_how_the_upstream_tasks_ended(trigger, states, expected):
    """flow-model 7.2."""
    assert verdict(trigger, states) == expected


@pytest.mark.parametrize("trigger", [t for t in PLAIN if t is not triggers.not_all_skipped])
def test_no_upstream_tasks_pass(trigger):
    """flow-model 7.2."""
    assert trigger({}) is True


@pytest.mark.parametrize("factory", FACTORIES)
def test_no_upstream_tasks_pass_whatever_the_limits(factory):
    """flow-model 7.2."""
    assert factory(at_least=1)({}) is True
    assert factory(at_most=0.5)({}) is True


def test_not_all_skipped_skips_without_upstream_tasks():
    """flow-model 7.2."""
    with pytest.raises(signals.SKIP):
        triggers.not_all_skipped({})


def test_always_run_is_all_finished():
    """flow-model 7.2."""
    assert triggers.always_run is triggers.all_finished


@pytest.mark.parametrize("states", [{}, upstream(success=1), upstream(failed=1)])
def test_manual_only_pauses_until_resumed(states):
    """flow-model 7.2."""
    with pytest.raises(signals.PAUSE, match="manual_only"):
        triggers.manual_only(states)
    with context(resume=False), pytest.raises(signals.PAUSE):
        triggers.manual_only(states)
    with context(resume=True):
        assert triggers.manual_only(states) is True


@pytest.mark.parametrize(
    ("limits", "expected"),
    [
        ({}, "run"),
        ({"at_least": 2}, "run"),
        ({"at_least": 3}, "fail"),
        ({"at_most": 2}, "run"),
        ({"at_most": 1}, "fail"),
        ({"at_most": 0}, "fail"),
        ({"at_least": 1, "at_most": 3}, "run"),
        ({"at_least": 2, "at_most": 2}, "run"),
        ({"at_least": 0.5}, "run"),
        ({"at_least": 0.51}, "fail"),
        ({"at_most": 0.5}, "run"),
        ({"at_most": 0.49}, "fail"),
        ({"at_least": 0.1, "at_most": 3}, "run"),
    ],
)
def test_limits_are_numbers_or_fractions_and_inclusive(limits, expected):
    """flow-model 7.2."""
    assert verdict(triggers.some_failed(**limits), upstream(failed=1, trigger_failed=1, success=2)) == expected
    assert verdict(triggers.some_successful(**limits), upstream(success=1, skipped=1, failed=2)) == expected


def test_limits_may_be_positional():
    """flow-model 7.2."""
    assert triggers.some_failed(1, 2)(upstream(failed=2)) is True
    with pytest.raises(signals.TRIGGERFAIL):
        triggers.some_successful(1, 2)(upstream(success=3))


def test_a_fraction_is_met_exactly():
    """flow-model 7.2: 0.7 * 10 is a little more than 7."""
    assert triggers.some_successful(at_least=0.7, at_most=0.7)(upstream(success=7, failed=3)) is True


@pytest.mark.parametrize(
    ("trigger", "states", "message"),
    [
        (triggers.all_successful, upstream(failed=1), "some of the upstream tasks failed"),
        (triggers.all_failed, upstream(success=1), "some of the upstream tasks succeeded"),
        (triggers.any_successful, upstream(failed=1), "none of the upstream tasks succeeded"),
        (triggers.any_failed, upstream(success=1), "none of the upstream tasks failed"),
        (triggers.all_finished, upstream(pending=1), "some of the upstream tasks were not finished"),
        (triggers.not_all_skipped, upstream(failed=1), "some of the upstream tasks failed"),
        (triggers.some_failed(at_least=2), upstream(failed=1), "thresholds were not met"),
        (triggers.some_successful(at_least=2), upstream(failed=1), "thresholds were not met"),
    ],
)
def test_the_message_names_the_trigger_and_what_was_missing(trigger, states, message):
    """flow-model 7.2."""
    with pytest.raises(signals.TRIGGERFAIL) as caught:
        trigger(states)

    assert str(caught.value) == f'Trigger was "{trigger.__name__}" but {message}.'


def test_mapped_upstreams_are_replaced_by_their_children():
    """flow-model 7.2."""
    one_failed = of(Mapped(map_states=[Success(), Failed()]))
    all_failed = of(Mapped(map_states=[Failed(), TriggerFailed()]))
    all_skipped = of(Mapped(map_states=[Skipped(), Skipped()]))
    unfinished = of(Mapped(map_states=[Success(), Pending()]))

    assert verdict(triggers.all_successful, one_failed) == "fail"
    assert verdict(triggers.any_failed, one_failed) == "run"
    assert verdict(triggers.all_failed, all_failed) == "run"
    assert verdict(triggers.not_all_skipped, all_skipped) == "skip"
    assert verdict(triggers.all_finished, unfinished) == "fail"
    assert verdict(triggers.some_failed(at_least=0.5, at_most=1), one_failed) == "run"


def test_an_upstream_task_used_twice_counts_once():
    """flow-model 7.2."""
    failed = Failed()

    assert verdict(triggers.some_failed(at_most=1), of(failed, failed)) == "run"


@pytest.mark.parametrize("pickler", [pickle, cloudpickle])
@pytest.mark.parametrize("factory", FACTORIES)
def test_the_results_of_factories_survive_pickling(factory, pickler):
    """flow-model 7.2."""
    trigger = pickler.loads(pickler.dumps(factory(at_least=1, at_most=0.5)))

    assert trigger(upstream(failed=1, success=1)) is True
    assert verdict(trigger, upstream(failed=3, success=3, pending=1)) == "run"
    assert repr(trigger) == f"{factory.__name__}(at_least=1, at_most=0.5)"


@pytest.mark.parametrize("trigger", [*PLAIN, triggers.manual_only])
def test_plain_triggers_are_pickled_by_name(trigger):
    assert pickle.loads(pickle.dumps(trigger)) is trigger


COUNTED = [
    *PLAIN,
    *(f(at_least=a, at_most=b) for f in FACTORIES for a in (None, 0.5, 1) for b in (None, 0.5, 2)),
]


@pytest.mark.parametrize("trigger", COUNTED, ids=lambda trigger: getattr(trigger, "__name__", repr(trigger)))
def test_the_rule_of_counts_predicts_what_the_trigger_will_say(trigger):
    """flow-model 7.2."""
    for successful, skipped, failed, cancelled in itertools.product(range(3), repeat=4):
        states = [Success() for _ in range(successful)] + [Skipped() for _ in range(skipped)]
        states += [Failed() for _ in range(failed)] + [Cancelled() for _ in range(cancelled)]

        predicted = trigger.counts(len(states), successful, skipped, failed)

        assert predicted == verdict(trigger, of(*states))


def test_manual_only_may_run_in_the_end():
    assert triggers.manual_only.counts(2, 0, 0, 2) == "run"


@pytest.mark.parametrize("empty", [{}, [], (), set(), frozenset()], ids=repr)
@pytest.mark.parametrize(
    "trigger",
    [
        triggers.all_successful,
        triggers.all_failed,
        triggers.any_successful,
        triggers.any_failed,
        triggers.all_finished,
        triggers.always_run,
        triggers.some_failed(at_least=1),
        triggers.some_successful(at_least=0.5, at_most=0.9),
        resource_cleanup_trigger,
    ],
    ids=lambda trigger: trigger.__name__,
)
def test_a_trigger_asked_about_nothing_lets_the_task_run_whatever_is_empty(trigger, empty):
    """flow-model 7.2"""
    assert trigger(empty) is True


@pytest.mark.parametrize("empty", [{}, [], set()], ids=repr)
def test_where_nothing_is_upstream_all_of_it_was_skipped(empty):
    """flow-model 7.2"""
    with pytest.raises(signals.SKIP):
        triggers.not_all_skipped(empty)
