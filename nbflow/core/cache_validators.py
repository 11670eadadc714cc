"""Cache validators, which tell whether an earlier result still counts: functions of ``(state, inputs, parameters)``.

All but `never_use` look at the expiration first; a result without one does not expire.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from nbflow.core.data.fingerprint import fingerprint
from nbflow.core.data.safe_equality import same_values

__all__ = [
    "all_inputs", "all_parameters", "duration_only", "never_use", "partial_inputs_only", "partial_parameters_only",
]  # fmt: skip

if TYPE_CHECKING:
    from nbflow.core.states import Cached

Values = Mapping[str, Any] | None
Validator = Callable[["Cached", Values, Values], bool]


def hash_inputs(inputs: Values) -> dict[str, str]:
    """Return the fingerprints of `inputs`, as a Cached state keeps them in place of the inputs themselves."""
    return {key: fingerprint(value) for key, value in (inputs or {}).items()}


def never_use(state: Cached, inputs: Values, parameters: Values) -> bool:
    """Refuse every cached result."""
    return False


def duration_only(state: Cached, inputs: Values, parameters: Values) -> bool:
    """Accept a cached result until it expires."""
    expiration = state.cached_result_expiration
    return expiration is None or expiration > datetime.now(UTC)


def all_inputs(state: Cached, inputs: Values, parameters: Values) -> bool:
    """Accept a cached result that was computed from the same inputs."""
    return duration_only(state, inputs, parameters) and _same_inputs(state, inputs, parameters, None)


def all_parameters(state: Cached, inputs: Values, parameters: Values) -> bool:
    """Accept a cached result of a run with the same parameters."""
    return duration_only(state, inputs, parameters) and _same_parameters(state, inputs, parameters, None)


def partial_inputs_only(validate_on: Iterable[str] | None = None) -> Validator:
    """Return a validator that compares the inputs named in `validate_on` only; None compares none."""
    return _Partial("partial_inputs_only", _same_inputs, validate_on)


def partial_parameters_only(validate_on: Iterable[str] | None = None) -> Validator:
    """Return a validator that compares the parameters named in `validate_on` only; None compares none."""
    return _Partial("partial_parameters_only", _same_parameters, validate_on)


class _Partial:
    """Compares some names only. A class, not a closure: tasks that carry one can be pickled."""

    def __init__(self, name: str, are_same: Callable[..., bool], validate_on: Iterable[str] | None) -> None:
        names = (validate_on,) if isinstance(validate_on, str) else validate_on
        self.validate_on = None if names is None else frozenset(names)
        self.__name__ = name
        self._are_same = are_same

    def __repr__(self) -> str:
        names = "" if self.validate_on is None else str(sorted(self.validate_on))
        return f"{self.__name__}({names})"

    def __call__(self, state: Cached, inputs: Values, parameters: Values) -> bool:
        if not duration_only(state, inputs, parameters):
            return False
        return self.validate_on is None or self._are_same(state, inputs, parameters, self.validate_on)


def _only(values: Values, names: frozenset[str] | None) -> dict[str, Any]:
    return {key: value for key, value in (values or {}).items() if names is None or key in names}


def _same_parameters(state: Cached, inputs: Values, parameters: Values, names: frozenset[str] | None) -> bool:
    return same_values(_only(state.cached_parameters, names), _only(parameters, names))


def _same_inputs(state: Cached, inputs: Values, parameters: Values, names: frozenset[str] | None) -> bool:
    given = _only(inputs, names)
    if state.hashed_inputs is not None:
        hashed = _only(state.hashed_inputs, names)
        return hashed == hash_inputs(given) or _are_tokens_of(hashed, given)
    return same_values(_only(state.cached_inputs, names), given)


def _are_tokens_of(hashed: dict[str, str], given: dict[str, Any]) -> bool:
    """Tell whether hashes that are not ours are those of Prefect 1, which somebody made with Dask."""
    dask = sys.modules.get("dask.base")
    if dask is None or hashed.keys() != given.keys():
        return False
    return all(hashed[key] == dask.tokenize(value) for key, value in given.items())
