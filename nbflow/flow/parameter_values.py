"""The values that a run's parameters have: given, carried over from an earlier run, or the defaults."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nbflow.core.data.safe_equality import same_contents
from nbflow.core.parameter import Parameter
from nbflow.engine.given_parameters import PARAMETERS, START_OPTIONS
from nbflow.errors import ParameterError, UnexpectedArgumentError

if TYPE_CHECKING:
    from nbflow.engine.run import Run
    from nbflow.flow.flow import Flow

__all__ = ["carried_over", "parameter_values", "take_parameters"]


def parameter_values(flow: Flow, parameters: dict[str, Any] | None) -> dict[str, Any]:
    """Return the values of a run's parameters: those given, and the defaults of the others.

    Raises:
        ParameterError: If a required one is missing, or the flow has none of a name.
    """
    known = {parameter.name: parameter for parameter in flow.parameters()}
    given = dict(parameters or {})
    unknown = sorted(given.keys() - known.keys())
    if unknown:
        names = ", ".join(sorted(known)) or "none"
        raise ParameterError(
            f"Flow.run received the following unexpected parameters: {', '.join(unknown)} "
            f"(flow {flow.name!r} has: {names})"
        )
    missing = sorted(name for name, parameter in known.items() if parameter.required and name not in given)
    if missing:
        raise ParameterError(
            f"Flow.run did not receive the following required parameters: {', '.join(missing)}; "
            f"give values, as in flow.run({missing[0]}=...)"
        )
    defaults = {name: parameter.default for name, parameter in known.items() if not parameter.required}
    return defaults | given


def take_parameters(flow: Flow, given: dict[str, Any]) -> dict[str, Any]:
    """Return the parameters among keywords; what is left there are options of `start`.

    Raises:
        UnexpectedArgumentError: If one is neither.
    """
    parameters = {**(given.pop(PARAMETERS, None) or {})}
    unknown = tuple(name for name in given if name not in START_OPTIONS)
    if unknown:
        raise UnexpectedArgumentError(unknown, tuple(sorted(p.name for p in flow.parameters())))
    return parameters


def carried_over(flow: Flow, previous: Run) -> dict[str, Any]:
    """Return the values that a rerun begins with: a default that the flow has changed since is not among them."""
    now = {parameter.name: parameter for parameter in flow.parameters()}
    then = {task.name: task.default for task in previous.graph.tasks if isinstance(task, Parameter)}
    return {
        name: value
        for name, value in previous.parameters.items()
        if name in now and (now[name].required or not same_contents(value, then.get(name)))
    }
