"""Whether a cached result still counts: flow-model 4.9."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import cloudpickle
import pytest

from nbflow.cache_validators import (
    all_inputs,
    all_parameters,
    duration_only,
    never_use,
    partial_inputs_only,
    partial_parameters_only,
)
from nbflow.core.cache_validators import hash_inputs
from nbflow.states import Cached

EXPIRED = datetime.now(UTC) - timedelta(days=1)
VALID = datetime.now(UTC) + timedelta(days=1)
WITH_EXPIRATION = [
    duration_only,
    all_inputs,
    all_parameters,
    partial_inputs_only(),
    partial_parameters_only(),
]


def computed_from(inputs=None, parameters=None, expiration=VALID):
    return Cached(hashed_inputs=hash_inputs(inputs), cached_parameters=parameters, cached_result_expiration=expiration)


def test_never_use_refuses_everything():
    """flow-model 4.9."""
    assert never_use(computed_from(), {}, {}) is False
    assert never_use(computed_from(expiration=None), None, None) is False


@pytest.mark.parametrize("validator", WITH_EXPIRATION)
def test_an_expired_result_is_refused(validator):
    """flow-model 4.9."""
    assert validator(computed_from(expiration=EXPIRED), {}, {}) is False
    assert validator(computed_from(expiration=EXPIRED), None, None) is False


@pytest.mark.parametrize("validator", WITH_EXPIRATION)
def test_a_result_counts_until_it_expires(validator):
    """flow-model 4.9."""
    assert validator(computed_from(), {}, {}) is True
    assert validator(computed_from(), None, None) is True


@pytest.mark.parametrize("validator", WITH_EXPIRATION)
def test_a_result_without_expiration_does_not_expire(validator):
    """flow-model 4.9."""
    assert validator(Cached(), {}, {}) is True


def test_duration_only_ignores_inputs_and_parameters():
    """flow-model 4.9."""
    assert duration_only(computed_from({"x": 1}, {"p": 1}), {"x": 2}, {"p": 2}) is True


def test_all_inputs_compares_every_input():
    """flow-model 4.9."""
    state = computed_from({"x": 1, "y": [2]}, {"p": 1})

    assert all_inputs(state, {"x": 1, "y": [2]}, {"p": 2}) is True
    assert all_inputs(state, {"x": 1, "y": [3]}, {"p": 1}) is False
    assert all_inputs(state, {"x": 1}, {"p": 1}) is False
    assert all_inputs(state, {"x": 1, "y": [2], "z": 3}, {"p": 1}) is False


def test_inputs_kept_whole_are_compared_too():
    """flow-model 4.9."""
    state = Cached(cached_inputs={"x": 1, "s": "str"}, cached_result_expiration=VALID)

    assert all_inputs(state, {"x": 1, "s": "str"}, None) is True
    assert all_inputs(state, {"x": 1, "s": "strs"}, None) is False
    assert partial_inputs_only(validate_on=["x"])(state, {"x": 1, "s": "else"}, None) is True
    assert partial_inputs_only(validate_on=["s"])(state, {"x": 1, "s": "else"}, None) is False


def test_all_parameters_compares_every_parameter():
    """flow-model 4.9."""
    state = computed_from({"x": 1}, {"p": 1, "q": 2})

    assert all_parameters(state, {"x": 9}, {"p": 1, "q": 2}) is True
    assert all_parameters(state, {"x": 1}, {"p": 1, "q": 3}) is False
    assert all_parameters(state, {"x": 1}, {"p": 1}) is False
    assert all_parameters(state, {"x": 1}, None) is False


def test_partial_inputs_only_compares_the_named_inputs():
    """flow-model 4.9."""
    state = computed_from({"x": 1, "y": 2})
    validator = partial_inputs_only(validate_on=["x"])

    assert validator(state, {"x": 1, "y": 99}, None) is True
    assert validator(state, {"x": 2, "y": 2}, None) is False
    assert validator(state, {"y": 2}, None) is False
    assert partial_inputs_only(["x", "y"])(state, {"x": 1, "y": 99}, None) is False


def test_partial_parameters_only_compares_the_named_parameters():
    """flow-model 4.9."""
    state = computed_from(parameters={"p": 1, "q": 2})
    validator = partial_parameters_only(validate_on=["p"])

    assert validator(state, None, {"p": 1, "q": 99}) is True
    assert validator(state, None, {"p": 2, "q": 2}) is False
    assert validator(state, None, {"q": 2}) is False
    assert validator(state, None, None) is False


def test_no_names_to_validate_on_ignore_all_values():
    """flow-model 4.9."""
    state = computed_from({"x": 1}, {"p": 1})

    assert partial_inputs_only(validate_on=None)(state, {"x": 2}, {}) is True
    assert partial_parameters_only(validate_on=None)(state, {}, {"p": 2}) is True


@pytest.mark.parametrize("factory", [partial_inputs_only, partial_parameters_only])
def test_partial_validators_refuse_what_has_expired(factory):
    """flow-model 4.9."""
    state = computed_from({"x": 1}, {"x": 1}, expiration=EXPIRED)

    assert factory(validate_on=["x"])(state, {"x": 1}, {"x": 1}) is False


@pytest.mark.parametrize("factory", [partial_inputs_only, partial_parameters_only])
def test_a_single_name_is_one_name_and_not_its_letters(factory):
    state = computed_from({"xy": 1, "x": 1}, {"xy": 1, "x": 1})

    assert factory("xy")(state, {"xy": 1, "x": 2}, {"xy": 1, "x": 2}) is True


@pytest.mark.parametrize("factory", [partial_inputs_only, partial_parameters_only])
def test_partial_validators_survive_pickling(factory):
    validator = cloudpickle.loads(cloudpickle.dumps(factory(validate_on=["x"])))

    assert validator(computed_from({"x": 1}, {"x": 1}), {"x": 1}, {"x": 1}) is True
    assert validator(computed_from({"x": 1}, {"x": 1}), {"x": 2}, {"x": 2}) is False
    assert repr(validator) == f"{factory.__name__}(['x'])"


def test_values_that_refuse_to_be_compared_do_not_break_a_validator():
    class Array:
        def __eq__(self, other):
            raise ValueError("the truth value of an array is ambiguous")

        __hash__ = None

    array = Array()

    assert all_parameters(computed_from(parameters={"p": array}), None, {"p": array}) is True
    assert all_parameters(computed_from(parameters={"p": array}), None, {"p": Array()}) is False


@pytest.mark.parametrize("validator", [all_inputs, partial_inputs_only(["x"])])
def test_hashes_that_dask_made_for_prefect_1_count_too(validator):
    """flow-model 4.9."""
    tokenize = pytest.importorskip("dask.base").tokenize
    state = Cached(hashed_inputs={"x": tokenize([1])})

    assert validator(state, {"x": [1]}, {}) is True
    assert validator(state, {"x": [2]}, {}) is False
    assert validator(state, {"y": [1]}, {}) is False
