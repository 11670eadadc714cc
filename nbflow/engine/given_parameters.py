"""Which keywords of a call are parameters of the flow: a `Parameter` may have any name, also that of an option."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TypeVar, cast

from nbflow.errors import OptionTypeError

if TYPE_CHECKING:
    from collections.abc import Callable

Method = TypeVar("Method", bound="Callable[..., Any]")

PARAMETERS = "parameters"  # the one word that is always the option
START_OPTIONS = (
    *("context", "executor", "flow_run_id", "flow_run_name", "hold_limit_s", "hold_on_failure", "paused"),
    *("run_note", "run_tags"),
)
"""The options of a rerun, which are those of `Flow.start` that make sense there."""


class GivenParameters(dict[str, Any]):
    """All parameters of a call whose keywords are options, whatever the parameters of the flow are called.

    nbflow's own callers, such as the magics and the panel, keep the two apart already.
    """


def takes_parameters(*options: str) -> Callable[[Method], Method]:
    """Let the keywords of a method that are named like a parameter of the flow be given as `parameters`.

    A keyword that is an option as well stays one where `parameters={...}` has a value of that name already.

    Args:
        *options: The words that the method takes as options, besides those in its signature.
    """

    def decorate(method: Method) -> Method:
        own = list(inspect.signature(method).parameters)[1:]
        words = {*own, *options}
        is_first = own[:1] == [PARAMETERS]

        @functools.wraps(method)
        def call(owner: Any, /, *args: Any, **kwargs: Any) -> Any:
            if not kwargs:
                return method(owner, *args)
            is_placed = is_first and bool(args)
            given = args[0] if is_placed else kwargs.get(PARAMETERS)
            if isinstance(given, GivenParameters):
                return method(owner, *args, **kwargs)
            if given is not None and not isinstance(given, Mapping):
                raise OptionTypeError(
                    f"parameters are given as a dictionary, not as {given!r:.60}; "
                    "one that is called 'parameters' is given as parameters={'parameters': ...}"
                )
            flow = getattr(owner, "flow", owner)
            known = {parameter.name for parameter in flow.parameters()} - {PARAMETERS}
            options_too = words.intersection(given or ())
            taken = [name for name in kwargs if name in known and name not in options_too]
            if taken:
                given = {**(given or {}), **{name: kwargs.pop(name) for name in taken}}
                if is_placed:
                    args = (given, *args[1:])
                else:
                    kwargs[PARAMETERS] = given
            return method(owner, *args, **kwargs)

        return cast("Method", call)

    return decorate
